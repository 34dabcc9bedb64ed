// miagent-fleet [AGENTS]: what a fleet comes to in each case, by each jitter, as JSON; report.py
// makes bench/fleet.md of it.

#include <cstdio>
#include <cstdlib>
#include <vector>

#include "agent/base/array.h"  // declares CheckFailed
#include "tests/fleet/fleet.h"

namespace miagent {
namespace {

constexpr int64_t kHourMs = 3600 * 1000;
constexpr Instant kDue{kHourMs * 114 / 10};  // a token of a day is due after 11.4 to 12 hours
constexpr size_t kShownSecondCount = 3600;

struct Case {
  const char* name;
  std::vector<FleetPhase> phases;
  Instant from;  // what is measured begins here
};

struct Jitter {
  const char* name;
  FleetJitter kind;
  uint32_t share_permille;
};
constexpr Jitter kJitters[] = {
    {"none", FleetJitter::kNone, 0},      {"steps", FleetJitter::kSteps, 0},
    {"share", FleetJitter::kShare, 200},  {"share", FleetJitter::kShare, 500},
    {"share", FleetJitter::kShare, 1000}, {"product", FleetJitter::kProduct, 0},
};

std::vector<Case> Cases(uint32_t limit) {
  const FleetPhase calm{};
  return {
      {"boot", {{{}, false, limit}}, {}},
      {"refresh", {calm, {kDue, false, limit}}, kDue},
      {"outage",
       {calm, {kDue, true}, {kDue + Milliseconds(kHourMs), false, limit}},
       kDue + Milliseconds(kHourMs)},
      {"boot in an outage", {{{}, true}, {{kHourMs}, false, limit}}, {kHourMs}},
  };
}

void Print(const Case& fleet_case, const Jitter& jitter, const FleetPlan& plan) {
  static bool is_first = true;
  const FleetFigures figures = FleetMeasure(plan, FleetRun(plan), fleet_case.from);
  std::printf(
      "%s\n{\"case\":\"%s\",\"jitter\":\"%s\",\"share_permille\":%u,\"retry_after_s\":%lld,",
      is_first ? "" : ",", fleet_case.name, jitter.name, jitter.share_permille,
      static_cast<long long>(plan.retry_after.ms / 1000));
  std::printf("\"requests\":%llu,\"throttled\":%llu,\"peak\":%u,\"retry_peak\":%u,",
              static_cast<unsigned long long>(figures.request_count),
              static_cast<unsigned long long>(figures.throttled_count), figures.peak,
              figures.retry_peak);
  std::printf(
      "\"half_ms\":%lld,\"most_ms\":%lld,\"all_ms\":%lld,\"wait_max_ms\":%lld,"
      "\"per_second\":[",
      static_cast<long long>(figures.half.ms), static_cast<long long>(figures.most.ms),
      static_cast<long long>(figures.all.ms), static_cast<long long>(figures.wait_max.ms));
  for (size_t second = 0; second < figures.requests.size() && second < kShownSecondCount;
       ++second) {
    std::printf("%s[%u,%u]", second == 0 ? "" : ",", figures.requests[second],
                figures.fresh[second]);
  }
  std::printf("]}");
  is_first = false;
}

int Main(int argument_count, char** arguments) {
  FleetPlan plan;
  if (argument_count > 1) {
    plan.agent_count = static_cast<uint32_t>(std::strtoul(arguments[1], nullptr, 10));
  }
  if (argument_count > 2 || plan.agent_count < 100) {
    std::fprintf(stderr, "usage: %s [AGENTS]: 100 or more\n", arguments[0]);
    return 64;
  }
  const uint32_t limit = plan.agent_count / 100;
  std::printf("{\"agents\":%u,\"limit\":%u,\"runs\":[", plan.agent_count, limit);
  for (const Case& fleet_case : Cases(limit)) {
    plan.phases = fleet_case.phases;
    plan.end = fleet_case.from + Milliseconds(2 * kHourMs);
    for (const int64_t retry_after_s : {0, 10, 60}) {
      plan.retry_after = Seconds(retry_after_s);
      for (const Jitter& jitter : kJitters) {
        plan.jitter = jitter.kind;
        plan.share_permille = jitter.share_permille;
        // What Retry-After does is shown by the boot alone.
        const bool is_more = fleet_case.from.boot_ms == 0 && jitter.kind != FleetJitter::kNone;
        if (retry_after_s == 0 || is_more) Print(fleet_case, jitter, plan);
      }
    }
  }
  std::printf("]}\n");
  return 0;
}

}  // namespace

void CheckFailed(const char* file, uint32_t line) {
  std::fprintf(stderr, "CHECK failed: %s:%u\n", file, line);
  std::abort();
}

}  // namespace miagent

int main(int argument_count, char** arguments) { return miagent::Main(argument_count, arguments); }
