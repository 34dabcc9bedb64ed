#include "agent/refresh/backoff.h"

#include "agent/limits.h"
#include "doctest.h"

namespace miagent {
namespace {

FailureRun Run(int32_t http_status, uint32_t count, Duration age = Seconds(0),
               Duration retry_after = Seconds(0)) {
  return {{Fault::kAnswerUnavailable, http_status}, count, age, retry_after};
}

constexpr uint32_t kNoJitter = 0;
TEST_CASE("backoff: the retry table") {
  const int64_t seconds[] = {2, 6, 14, 30, 60, 60, 60};
  uint32_t count = 1;
  for (const int64_t expected : seconds) {
    CHECK(RetryDelay(Run(503, count), kNoJitter) == Seconds(expected));
    CHECK(RetryDelay({{Fault::kConnectFailed, 111}, count, {}, {}}, kNoJitter) ==
          Seconds(expected));
    ++count;
  }
  CHECK(RetryDelay(Run(503, UINT32_MAX), kNoJitter) == Seconds(60));
}

TEST_CASE("backoff: jitter only lengthens, to the millisecond: by half, a minute by a fifth") {
  struct Row {
    int64_t retry_after_s;
    int64_t longest_s;
  };
  const Row rows[] = {{2, 3}, {10, 15}, {30, 45}, {50, 75}, {60, 72}, {300, 360}};
  for (const Row& row : rows) {
    const FailureRun run = Run(429, 1, {}, Seconds(row.retry_after_s));
    const auto range_ms = static_cast<uint32_t>((row.longest_s - row.retry_after_s) * 1000);
    for (uint32_t random = 0; random <= range_ms; random += 25) {
      CHECK(RetryDelay(run, random) == Seconds(row.retry_after_s) + Milliseconds(random));
    }
    CHECK(RetryDelay(run, range_ms) == Seconds(row.longest_s));
    CHECK(RetryDelay(run, range_ms + 1) == Seconds(row.retry_after_s));
    CHECK(RetryDelay(run, UINT32_MAX) <= Seconds(row.longest_s));
  }
}

TEST_CASE("backoff: Retry-After lengthens the wait, up to 300 s, and never shortens it") {
  CHECK(RetryDelay(Run(429, 1, {}, Seconds(17)), kNoJitter) == Seconds(17));
  CHECK(RetryDelay(Run(429, 1, {}, Seconds(100000)), kNoJitter) == Seconds(300));
  CHECK(RetryDelay(Run(429, 5, {}, Seconds(1)), kNoJitter) == Seconds(60));
}

TEST_CASE("backoff: a 410 is tried again once its 70 s are over") {
  CHECK(RetryDelay(Run(410, 5, Seconds(52)), kNoJitter) == Seconds(18));
  CHECK(RetryDelay(Run(410, 5, Milliseconds(69900)), kNoJitter) == Seconds(1));
  CHECK(RetryDelay(Run(410, 6, Seconds(70)), kNoJitter) == Seconds(60));
  CHECK(RetryDelay(Run(404, 5, Seconds(52)), kNoJitter) == Seconds(60));
}

TEST_CASE("backoff: a refusal is asked about every five minutes") {
  for (const Fault fault : {Fault::kAnswerRefused, Fault::kAnswerRedirect, Fault::kJsonSyntax,
                            Fault::kBodyTooLarge, Fault::kAnswerExpired}) {
    CHECK(RetryDelay({{fault, 400}, 1, {}, {}}, kNoJitter) == Seconds(300));
    CHECK(RetryDelay({{fault, 400}, 50, {}, {}}, kNoJitter) == Seconds(300));
  }
}

TEST_CASE("backoff: a command makes five tries, and no second one after a refusal") {
  CHECK(RetryIsWorthwhile(Run(503, 1)));
  CHECK(RetryIsWorthwhile(Run(503, 4)));
  CHECK_FALSE(RetryIsWorthwhile(Run(503, 5)));
  CHECK(RetryIsWorthwhile(Run(410, 5, Seconds(69))));
  CHECK_FALSE(RetryIsWorthwhile(Run(410, 6, Seconds(70))));
  CHECK_FALSE(RetryIsWorthwhile({{Fault::kAnswerRefused, 400}, 1, {}, {}}));
  CHECK_FALSE(RetryIsWorthwhile({{Fault::kAnswerNoToken, 0}, 1, {}, {}}));
}

}  // namespace
}  // namespace miagent
