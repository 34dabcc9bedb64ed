// When a token is refreshed, stale, and expired.
//
// Purpose: the instants that follow from an answer, as pure functions.
// Clock:   BOOTTIME instants; the wall clock has no part in it.
#pragma once

#include <cstdint>

#include "platform/time.h"

namespace miagent {

// What an answer says about time, counted from the moment its request was sent.
struct TokenLife {
  Instant sent_at;
  Duration remaining;        // > 0
  Duration refresh_in{0};    // asked for by the answer; 0: nothing was
};

// When to ask again: at refresh_in where the answer gave one, else at `refresh_at_percent` of what
// remains, less a random 0-5 % of that time; but no sooner than kRequestIntervalMin after the
// request.
Instant RefreshAt(const TokenLife& life, uint32_t refresh_at_percent, uint32_t random);

// From when on a token that was not refreshed is stale: kStaleMargin before its expiry.
Instant StaleAt(const TokenLife& life);

Instant ExpiresAt(const TokenLife& life);

}  // namespace miagent
