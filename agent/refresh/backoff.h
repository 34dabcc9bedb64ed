// When a failed request is tried again.
//
// Purpose: the retry table of protocol.md as pure functions of what failed, how often, and a
//          random number.
// Clock:   durations only.
#pragma once

#include <cstdint>

#include "agent/base/status.h"
#include "platform/time.h"

namespace miagent {

// A row of failures without a success between them.
struct FailureRun {
  Status last;                   // the newest failure; detail is the HTTP status, if it had one
  uint32_t count = 0;            // failures in the run, at least 1
  Duration age{0};               // since the run's first failure
  Duration retry_after{0};       // asked for by the newest answer; 0: nothing was
  bool is_429_doubling = false;  // the source's own table for a 429
};

// How long to wait before the next try.
//   kRetry:    try n waits 2 * (2^(n-1) - 1) seconds: 2, 6, 14, 30 after the first four failures,
//              then 60; plus, at random and to the millisecond, up to half of it, or 20 % of a
//              minute and more: machines that failed together part soon, and one that waits alone
//              waits little longer (bench/fleet.md).
//              A 410 is tried again as soon as 70 s of it have passed (IMDS is back by then).
//              Retry-After lengthens the wait, up to 300 s.
//              A 429 of a source whose table doubles waits 1, 2, 4, 8, 16 s, then 60 too.
//   kSlowPoll: 300 s, plus 0-20 %.
// CHECKs that the failure is one of a request.
Duration RetryDelay(const FailureRun& failures, uint32_t random);

// Whether a command that is to end (`once`, `get`) tries again: five tries in all, but a 410 for
// at least 70 s; a refusal is final at once.
bool RetryIsWorthwhile(const FailureRun& failures);

}  // namespace miagent
