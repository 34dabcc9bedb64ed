#include "agent/refresh/schedule.h"

#include "agent/base/check.h"
#include "agent/limits.h"

namespace miagent {

Instant RefreshAt(const TokenLife& life, uint32_t refresh_at_percent, uint32_t random) {
  CHECK(life.remaining.ms > 0);
  CHECK(refresh_at_percent <= 100);
  Duration delay = life.refresh_in;
  if (delay.ms == 0) {
    // Divided first where the product would overflow; a millisecond's rounding doesn't matter.
    const int64_t percent = refresh_at_percent;
    delay = life.remaining.ms > kTimeMax / 100 ? Milliseconds(life.remaining.ms / 100 * percent)
                                               : Milliseconds(life.remaining.ms * percent / 100);
  }
  // To the millisecond: in coarse steps a fleet of one age would ask in as many bursts.
  const int64_t range_ms = delay.ms / 1000 * kRefreshJitterPermilleMax;
  delay = delay - Milliseconds(random % (range_ms + 1));
  return life.sent_at + Greatest(delay, kRequestIntervalMin);
}

Instant StaleAt(const TokenLife& life) { return life.sent_at + (life.remaining - kStaleMargin); }

Instant ExpiresAt(const TokenLife& life) { return life.sent_at + life.remaining; }

}  // namespace miagent
