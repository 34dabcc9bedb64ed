#include "agent/cache/ring.h"

#include "agent/base/check.h"

namespace miagent {

uint32_t RingReserve(Ring& ring, uint32_t token_count) {
  CHECK(token_count <= kTokenCountMax);
  const uint32_t window = token_count + 1;
  uint32_t slot = ring.cursor < window ? ring.cursor : 0;
  for (uint32_t step = 0; step < window; ++step) {
    if (ring.states[slot] == SlotState::kFree) {
      CHECK(ring.touched_sizes[slot] == 0);
      ring.states[slot] = SlotState::kReserved;
      ring.cursor = slot + 1;
      if (ring.used_count <= slot) ring.used_count = slot + 1;
      return slot;
    }
    slot = slot + 1 < window ? slot + 1 : 0;
  }
  CHECK(false);
}

Span RingSpan(Ring& ring, uint32_t slot) {
  CHECK(slot < kSlotCount);
  CHECK(ring.states[slot] == SlotState::kReserved);
  return {ring.slots[slot], kSlotSize};
}

void RingTouch(Ring& ring, uint32_t slot, uint32_t size) {
  CHECK(slot < kSlotCount && size <= kSlotSize);
  CHECK(ring.states[slot] == SlotState::kReserved);
  if (size > ring.touched_sizes[slot]) ring.touched_sizes[slot] = size;
}

void RingCommit(Ring& ring, uint32_t slot, Range token) {
  CHECK(slot < kSlotCount);
  CHECK(ring.states[slot] == SlotState::kReserved);
  CHECK(token.size > 0 && token.size <= ring.touched_sizes[slot]);
  CHECK(token.offset <= ring.touched_sizes[slot] - token.size);
  ring.tokens[slot] = token;
  ring.states[slot] = SlotState::kLive;
}

SecretBytes RingToken(const Ring& ring, uint32_t slot) {
  CHECK(slot < kSlotCount);
  CHECK(ring.states[slot] == SlotState::kLive);
  const Range token = ring.tokens[slot];
  return {ring.slots[slot] + token.offset, token.size};
}

void RingRetire(Ring& ring, uint32_t slot) {
  CHECK(slot < kSlotCount);
  CHECK(ring.states[slot] != SlotState::kFree);
  SecretWipe(ring.slots[slot], ring.touched_sizes[slot]);
  ring.touched_sizes[slot] = 0;
  ring.tokens[slot] = {};
  ring.states[slot] = SlotState::kFree;
}

void RingClear(Ring& ring) {
  for (uint32_t slot = 0; slot < ring.used_count; ++slot) {
    if (ring.states[slot] != SlotState::kFree) RingRetire(ring, slot);
  }
}

}  // namespace miagent
