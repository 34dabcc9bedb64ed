#include "agent/refresh/schedule.h"

#include "agent/base/prng.h"
#include "agent/limits.h"
#include "doctest.h"

namespace miagent {
namespace {

constexpr Instant kSent{1000000};

TEST_CASE("schedule: at the configured part of what remains, less 0-5 %") {
  const TokenLife life{kSent, Seconds(86400), {}};
  CHECK(RefreshAt(life, 50, 0) == kSent + Seconds(43200));
  CHECK(RefreshAt(life, 10, 0) == kSent + Seconds(8640));
  CHECK(RefreshAt(life, 50, 2160 * 1000) == kSent + Seconds(41040));
  for (uint32_t random = 0; random < 4000 * 1000; random += 997) {
    CHECK(RefreshAt(life, 50, random) <= kSent + Seconds(43200));
    CHECK(RefreshAt(life, 50, random) >= kSent + Seconds(41040));
  }
}

TEST_CASE("schedule: each random number within the range has its own millisecond") {
  const TokenLife life{kSent, Seconds(86400), {}};
  for (uint32_t random = 1; random <= 2160 * 1000; random += 1001) {
    const Duration step = RefreshAt(life, 50, random - 1) - RefreshAt(life, 50, random);
    CHECK(step == Milliseconds(1));
  }
}

TEST_CASE("schedule: refresh_in goes before the configured part") {
  const TokenLife life{kSent, Seconds(86400), Seconds(3600)};
  CHECK(RefreshAt(life, 50, 0) == kSent + Seconds(3600));
}

TEST_CASE("schedule: never two requests within 60 s") {
  CHECK(RefreshAt({kSent, Seconds(10), {}}, 50, 0) == kSent + Seconds(60));
  CHECK(RefreshAt({kSent, Seconds(3600), Seconds(1)}, 50, 999) == kSent + Seconds(60));
}

TEST_CASE("schedule: stale 5 minutes before expiry") {
  const TokenLife life{kSent, Seconds(3600), {}};
  CHECK(StaleAt(life) == kSent + Seconds(3300));
  CHECK(ExpiresAt(life) == kSent + Seconds(3600));
}

TEST_CASE("schedule: over its whole range the order holds and nothing overflows") {
  Prng prng{42};
  for (int round = 0; round < 200000; ++round) {
    const auto bits = static_cast<int64_t>(PrngNext(prng) >> (PrngNext(prng) % 63 + 1));
    const TokenLife life{
        {static_cast<int64_t>(PrngNext(prng) >> 20)}, Milliseconds(bits > 0 ? bits : 1), {}};
    const auto percent = static_cast<uint32_t>(PrngNext(prng) % 81 + 10);
    const Instant refresh_at = RefreshAt(life, percent, static_cast<uint32_t>(PrngNext(prng)));
    REQUIRE(refresh_at >= life.sent_at + kRequestIntervalMin);
    REQUIRE(StaleAt(life) < ExpiresAt(life));
    if (life.remaining > Seconds(700)) REQUIRE(refresh_at < ExpiresAt(life));
  }
}

}  // namespace
}  // namespace miagent
