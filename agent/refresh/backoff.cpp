#include "agent/refresh/backoff.h"

#include "agent/base/check.h"
#include "agent/limits.h"

namespace miagent {
namespace {

constexpr int32_t kStatusGone = 410;
constexpr int32_t kStatusThrottled = 429;
constexpr uint32_t kTableSizeMax = 5;  // 2 * (2^5 - 1) = 62 s would exceed kRetryDelayMax

// `delay` and, at random, up to half as much again; from a minute on up to a fifth.
Duration WithJitter(Duration delay, uint32_t random) {
  const bool is_short = delay < kRetryDelayMax;
  const int64_t permille = is_short ? kRetryJitterPermilleMax : kLongRetryJitterPermilleMax;
  const int64_t range_ms = delay.ms * permille / 1000;
  return delay + Milliseconds(random % (range_ms + 1));
}

Duration TableDelay(const FailureRun& failures) {
  const uint32_t failure_count = failures.count;
  const bool is_429 = failures.last.detail == kStatusThrottled;
  if (failures.is_429_doubling && is_429 && failure_count <= kTableSizeMax) {
    return Seconds(int64_t{1} << (failure_count - 1));
  }
  if (failure_count >= kTableSizeMax) return kRetryDelayMax;
  return Seconds(2 * ((int64_t{1} << failure_count) - 1));
}

bool IsGoneFor(const FailureRun& failures, Duration patience) {
  return failures.last.fault == Fault::kAnswerUnavailable && failures.last.detail == kStatusGone &&
         failures.age < patience;
}

}  // namespace

Duration RetryDelay(const FailureRun& failures, uint32_t random) {
  CHECK(failures.count >= 1);
  const Remedy remedy = FaultLookUp(failures.last.fault).remedy;
  CHECK(remedy != Remedy::kNone);
  Duration delay = remedy == Remedy::kSlowPoll ? kSlowPollInterval : TableDelay(failures);
  if (IsGoneFor(failures, kGonePatience)) delay = Least(delay, kGonePatience - failures.age);
  delay = Greatest(delay, kServerErrorDelayMin);
  delay = Greatest(delay, Least(failures.retry_after, kRetryAfterMax));
  return WithJitter(delay, random);
}

bool RetryIsWorthwhile(const FailureRun& failures) {
  if (FaultLookUp(failures.last.fault).remedy != Remedy::kRetry) return false;
  return failures.count < kTryCountMax || IsGoneFor(failures, kGonePatience);
}

}  // namespace miagent
