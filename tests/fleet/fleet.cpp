#include "tests/fleet/fleet.h"

#include <queue>
#include <utility>

#include "agent/limits.h"
#include "agent/refresh/backoff.h"
#include "agent/refresh/schedule.h"
#include "agent/source/answer.h"

namespace miagent {
namespace {

struct FleetAgent {
  Prng prng;
  uint32_t failure_count = 0;
  Instant failing_since;
};

// The endpoint: a bucket that fills with `limit` a second, one second's worth at most.
struct Endpoint {
  const std::vector<FleetPhase>* phases = nullptr;
  size_t phase_index = 0;
  int64_t credit = 0;  // thousandths of a request
  Instant filled_at;

  int32_t Answer(Instant at) {
    while (phase_index + 1 < phases->size() && (*phases)[phase_index + 1].from <= at) {
      ++phase_index;
      filled_at = (*phases)[phase_index].from;
      credit = int64_t{(*phases)[phase_index].limit} * 1000;
    }
    const FleetPhase& phase = (*phases)[phase_index];
    if (phase.is_down) return 503;
    if (phase.limit == kFleetUnlimited) return 200;
    const int64_t room = int64_t{phase.limit} * 1000;
    credit += (at - filled_at).ms * phase.limit;
    if (credit > room) credit = room;
    filled_at = at;
    if (credit < 1000) return 429;
    credit -= 1000;
    return 200;
  }
};

Instant RefreshInstant(const FleetPlan& plan, const TokenLife& life, uint32_t random) {
  const Instant latest = RefreshAt(life, kRefreshAtPercentDefault, 0);
  switch (plan.jitter) {
    case FleetJitter::kNone: return latest;
    case FleetJitter::kSteps:
      return latest + Milliseconds(-(latest - life.sent_at).ms / 1000 * (random % 51));
    case FleetJitter::kProduct:
    case FleetJitter::kShare: break;
  }
  return RefreshAt(life, kRefreshAtPercentDefault, random);
}

Duration Backoff(const FleetPlan& plan, const FailureRun& failures, uint32_t random) {
  if (plan.jitter == FleetJitter::kProduct) return RetryDelay(failures, random);
  const Duration delay = RetryDelay(failures, 0);
  if (plan.jitter == FleetJitter::kNone) return delay;
  if (plan.jitter == FleetJitter::kSteps) {
    return delay + Milliseconds(delay.ms / 1000 * (random % 201));
  }
  return delay + Milliseconds(random % (delay.ms * plan.share_permille / 1000 + 1));
}

// When the agent asks again, as request.cpp has it.
Instant NextRequest(const FleetPlan& plan, FleetAgent& agent, Instant sent_at, int32_t status) {
  PrngNext(agent.prng);  // two for the request's id
  PrngNext(agent.prng);
  const auto random = static_cast<uint32_t>(PrngNext(agent.prng));
  if (status == 200) {
    agent.failure_count = 0;
    return RefreshInstant(plan, {sent_at, plan.lifetime, {}}, random);
  }
  const Instant now = sent_at + kFleetRtt;
  if (agent.failure_count++ == 0) agent.failing_since = now;
  const FailureRun failures{HttpStatusJudge(status), agent.failure_count, now - agent.failing_since,
                            status == 429 ? plan.retry_after : Duration{0}};
  return now + Backoff(plan, failures, random);
}

}  // namespace

Prng FleetPrng(const FleetPlan& plan, uint32_t agent_index) {
  Prng prng{plan.seed << 32 | agent_index};
  return {PrngNext(prng)};
}

Instant FleetBoot(const FleetPlan& plan, uint32_t agent_index) {
  Prng prng{~plan.seed << 32 | agent_index};
  return {static_cast<int64_t>(PrngNext(prng) % static_cast<uint64_t>(plan.boot_spread.ms))};
}

std::vector<FleetRequest> FleetRun(const FleetPlan& plan) {
  using Due = std::pair<int64_t, uint32_t>;  // the instant, the agent
  std::priority_queue<Due, std::vector<Due>, std::greater<>> queue;
  std::vector<FleetAgent> agents(plan.agent_count);
  for (uint32_t index = 0; index < plan.agent_count; ++index) {
    agents[index].prng = FleetPrng(plan, index);
    queue.emplace(FleetBoot(plan, index).boot_ms, index);
  }
  Endpoint endpoint;
  endpoint.phases = &plan.phases;
  endpoint.credit = int64_t{plan.phases[0].limit} * 1000;
  std::vector<FleetRequest> requests;
  while (!queue.empty() && queue.top().first < plan.end.boot_ms) {
    const auto [boot_ms, index] = queue.top();
    queue.pop();
    const Instant at{boot_ms};
    const int32_t status = endpoint.Answer(at);
    requests.push_back({at, index, status});
    queue.emplace(NextRequest(plan, agents[index], at, status).boot_ms, index);
  }
  return requests;
}

FleetFigures FleetMeasure(const FleetPlan& plan, const std::vector<FleetRequest>& requests,
                          Instant from) {
  FleetFigures figures;
  const auto second_count = static_cast<size_t>((plan.end - from).ms / 1000 + 1);
  figures.requests.resize(second_count);
  figures.fresh.resize(second_count);
  figures.half = figures.most = figures.all = Seconds(-1);
  std::vector<int64_t> asked_ms(plan.agent_count, -1);
  std::vector<uint8_t> is_fresh(plan.agent_count);
  std::vector<uint32_t> retries(second_count);
  uint32_t fresh_count = 0;
  for (const FleetRequest& request : requests) {
    if (request.at < from) continue;
    const auto second = static_cast<size_t>((request.at - from).ms / 1000);
    ++figures.request_count;
    if (request.status == 429) ++figures.throttled_count;
    if (++figures.requests[second] > figures.peak) figures.peak = figures.requests[second];
    int64_t& first_ms = asked_ms[request.agent_index];
    if (first_ms < 0) {
      first_ms = request.at.boot_ms;
    } else if (++retries[second] > figures.retry_peak) {
      figures.retry_peak = retries[second];
    }
    if (request.status != 200 || is_fresh[request.agent_index] != 0) continue;
    is_fresh[request.agent_index] = 1;
    ++figures.fresh[second];
    ++fresh_count;
    const Instant fresh_at = request.at + kFleetRtt;
    figures.wait_max = Greatest(figures.wait_max, fresh_at - Instant{first_ms});
    if (fresh_count == (plan.agent_count + 1) / 2) figures.half = fresh_at - from;
    if (fresh_count == plan.agent_count - plan.agent_count / 100) figures.most = fresh_at - from;
    if (fresh_count == plan.agent_count) figures.all = fresh_at - from;
  }
  for (size_t second = 1; second < second_count; ++second) {
    figures.fresh[second] += figures.fresh[second - 1];
  }
  return figures;
}

}  // namespace miagent
