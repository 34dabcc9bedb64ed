#include "agent/cache/ring.h"

#include <cstring>
#include <memory>

#include "doctest.h"

namespace miagent {
namespace {

uint32_t Store(Ring& ring, uint32_t token_count, const char* text) {
  const uint32_t slot = RingReserve(ring, token_count);
  const Span span = RingSpan(ring, slot);
  const auto size = static_cast<uint32_t>(strlen(text));
  memcpy(span.data, text, size);
  RingTouch(ring, slot, size);
  RingCommit(ring, slot, {0, size});
  return slot;
}

std::string_view TokenAt(const Ring& ring, uint32_t slot) {
  const SecretBytes token = RingToken(ring, slot);
  return {token.data, token.size};
}

bool IsZero(const Ring& ring, uint32_t slot) {
  for (const char byte : ring.slots[slot]) {
    if (byte != 0) return false;
  }
  return true;
}

TEST_CASE("ring: a token is served from the bytes it was received into") {
  auto ring = std::make_unique<Ring>();
  const uint32_t slot = RingReserve(*ring, 1);
  const Span span = RingSpan(*ring, slot);
  REQUIRE(span.size == kSlotSize);
  memcpy(span.data, "head{token}", 11);
  RingTouch(*ring, slot, 11);
  RingCommit(*ring, slot, {5, 5});
  CHECK(TokenAt(*ring, slot) == "token");
  CHECK(RingToken(*ring, slot).data == span.data + 5);
}

TEST_CASE("ring: retiring wipes every byte that was touched") {
  auto ring = std::make_unique<Ring>();
  const uint32_t slot = Store(*ring, 1, "secret");
  RingRetire(*ring, slot);
  CHECK(IsZero(*ring, slot));

  const uint32_t again = RingReserve(*ring, 1);
  memset(RingSpan(*ring, again).data, 'x', 4000);
  RingTouch(*ring, again, 4000);
  RingTouch(*ring, again, 10);  // a smaller size said later hides nothing
  RingRetire(*ring, again);
  CHECK(IsZero(*ring, again));
}

TEST_CASE("ring: the next free slot is after the last one given out, and after the end the first") {
  auto ring = std::make_unique<Ring>();
  CHECK(Store(*ring, 3, "a") == 0);
  CHECK(Store(*ring, 3, "b") == 1);
  RingRetire(*ring, 0);
  CHECK(Store(*ring, 3, "c") == 2);
  CHECK(Store(*ring, 3, "d") == 3);
  RingRetire(*ring, 1);
  CHECK(Store(*ring, 3, "e") == 0);
  RingRetire(*ring, 0);
  CHECK(Store(*ring, 3, "f") == 1);
  RingRetire(*ring, 2);
  RingRetire(*ring, 3);
  CHECK(Store(*ring, 3, "g") == 2);
  CHECK(Store(*ring, 3, "h") == 3);
  RingRetire(*ring, 2);
  RingRetire(*ring, 1);
  CHECK(Store(*ring, 1, "i") == 0);  // of the first two alone
  CHECK(Store(*ring, 1, "j") == 1);
  RingRetire(*ring, 0);
  CHECK(Store(*ring, 1, "k") == 0);
  RingRetire(*ring, 0);
  CHECK(Store(*ring, 1, "l") == 0);  // the one after it is taken: round to the first
}

TEST_CASE("ring: one token goes round two slots, so that no further memory is touched") {
  auto ring = std::make_unique<Ring>();
  uint32_t live = Store(*ring, 1, "first");
  for (int turn = 0; turn < 100; ++turn) {
    const uint32_t next = Store(*ring, 1, "next");
    CHECK(next != live);
    CHECK(next < 2);
    RingRetire(*ring, live);
    live = next;
  }
}

TEST_CASE("ring: live tokens are never given out, with every token live") {
  auto ring = std::make_unique<Ring>();
  uint32_t slots[kTokenCountMax];
  for (uint32_t& slot : slots) slot = Store(*ring, kTokenCountMax, "live");
  const uint32_t free_slot = RingReserve(*ring, kTokenCountMax);
  for (const uint32_t slot : slots) {
    CHECK(slot != free_slot);
    CHECK(TokenAt(*ring, slot) == "live");
  }
}

TEST_CASE("ring: slots beyond a smaller configuration stay live until retired") {
  auto ring = std::make_unique<Ring>();
  uint32_t slots[10];
  for (uint32_t& slot : slots) slot = Store(*ring, 10, "live");
  for (int index = 0; index < 9; ++index) RingRetire(*ring, slots[index]);
  CHECK(TokenAt(*ring, slots[9]) == "live");
  CHECK(RingReserve(*ring, 1) < 2);
}

TEST_CASE("ring: clearing wipes all") {
  auto ring = std::make_unique<Ring>();
  const uint32_t a = Store(*ring, 2, "one");
  const uint32_t b = Store(*ring, 2, "two");
  RingClear(*ring);
  CHECK(IsZero(*ring, a));
  CHECK(IsZero(*ring, b));
  CHECK(ring->states[a] == SlotState::kFree);
}

}  // namespace
}  // namespace miagent
