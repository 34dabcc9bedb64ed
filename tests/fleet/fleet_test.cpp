// The fleet: that its agents ask when whole agents would, and what the product's jitter is for.

#include "tests/fleet/fleet.h"

#include "doctest.h"
#include "tests/sim/scene.h"

namespace miagent {
namespace {

constexpr int64_t kHourMs = 3600 * 1000;
constexpr uint32_t kAgentCount = 2000;
constexpr uint32_t kLimit = kAgentCount / 100;  // a second

FleetPlan Plan(FleetJitter jitter) {
  FleetPlan plan;
  plan.agent_count = kAgentCount;
  plan.jitter = jitter;
  plan.phases = {{{}, false, kLimit}};
  plan.end = {kHourMs};
  return plan;
}

// What one agent of the fleet was answered, for a whole one to be answered the same.
struct Record {
  std::vector<FleetRequest> requests;
  size_t used_count = 0;
  Duration retry_after;
  Duration lifetime;
  uint32_t late_count = 0;  // requests at another instant, or too many
};

void RecordAnswer(void* context, SimExchange& exchange) {
  Record& record = *static_cast<Record*>(context);
  if (record.used_count == record.requests.size() ||
      record.requests[record.used_count].at != exchange.at) {
    ++record.late_count;
    return;
  }
  SimDelay(exchange, kFleetRtt);
  SimAnswer answer;
  answer.status = static_cast<uint32_t>(record.requests[record.used_count++].status);
  const std::string retry_after =
      "Retry-After: " + std::to_string(record.retry_after.ms / 1000) + "\r\n";
  if (answer.status == 429 && record.retry_after.ms != 0) answer.headers = retry_after;
  if (answer.status != 200) return SimAnswerSend(exchange, answer);
  const std::string text = "sim." + std::to_string(record.used_count);
  SimToken token;
  token.access_token = text;
  token.resource = "r";
  token.expires_in_s = record.lifetime.ms / 1000;
  token.expires_on_unix_s = SimTrueTime(*exchange.world).unix_s + token.expires_in_s + 10;
  token.not_before = SimExpiry::kAbsent;
  SimTokenSend(exchange, token, answer);
}

// A whole agent, with the random numbers and the answers that the fleet's had.
void Replay(const FleetPlan& plan, uint32_t agent_index, Record& record) {
  Scene scene;
  scene.server->latency = Duration{0};
  scene.server->on_request = RecordAnswer;
  scene.server->context = &record;
  scene.ConfigureOne();
  SimPass(*scene.world, FleetBoot(plan, agent_index) - Instant{});
  scene.Start(CommandId::kRun);
  Prng prng = FleetPrng(plan, agent_index);
  for (int drawn = 0; drawn < 2; ++drawn) PrngNext(prng);  // the first request's id
  scene.agent->prng = prng;
  scene.RunFor(plan.end - scene.world->now);
}

TEST_CASE("fleet: a whole agent asks at the very instants that the fleet's agent does") {
  for (const Duration retry_after : {Seconds(0), Seconds(10)}) {
    FleetPlan plan = Plan(FleetJitter::kProduct);
    plan.retry_after = retry_after;
    plan.end = {27 * kHourMs};
    plan.phases = {{{}, false, kLimit},
                   {{11 * kHourMs}, true},
                   {{13 * kHourMs}, false, kLimit},
                   {{23 * kHourMs}, false, 1}};
    const std::vector<FleetRequest> requests = FleetRun(plan);
    for (uint32_t agent_index = 0; agent_index < kAgentCount; agent_index += 167) {
      Record record;
      record.retry_after = retry_after;
      record.lifetime = plan.lifetime;
      for (const FleetRequest& request : requests) {
        if (request.agent_index == agent_index) record.requests.push_back(request);
      }
      Replay(plan, agent_index, record);
      CHECK(record.late_count == 0);
      CHECK(record.used_count == record.requests.size());
      CHECK(record.used_count > 20);
    }
  }
}

TEST_CASE("fleet: the endpoint gives what its limit allows, and no more") {
  const FleetPlan plan = Plan(FleetJitter::kProduct);
  std::vector<uint32_t> given(3600);
  uint32_t refused_count = 0;
  for (const FleetRequest& request : FleetRun(plan)) {
    if (request.status == 200) ++given[static_cast<size_t>(request.at.boot_ms / 1000)];
    if (request.status == 429) ++refused_count;
  }
  CHECK(refused_count > kAgentCount);
  CHECK(given[0] >= kLimit);
  for (const uint32_t count : given) CHECK(count <= 2 * kLimit);
}

TEST_CASE("fleet: booted in one second, all are fresh in little more than the limit needs") {
  const FleetPlan plan = Plan(FleetJitter::kProduct);
  const FleetFigures figures = FleetMeasure(plan, FleetRun(plan), {});
  CHECK(figures.all > Seconds(98));  // the limit itself
  CHECK(figures.most < Seconds(290));
  CHECK(figures.all < Seconds(300));
  CHECK(figures.request_count < 6 * kAgentCount);
  const FleetPlan bare = Plan(FleetJitter::kNone);
  const FleetFigures worst = FleetMeasure(bare, FleetRun(bare), {});
  CHECK((worst.all < Duration{0} || worst.all > Seconds(3000)));
}

TEST_CASE("fleet: tokens of one second are refreshed over 36 minutes, evenly, without a 429") {
  FleetPlan plan = Plan(FleetJitter::kProduct);
  constexpr Instant kDue{kHourMs * 114 / 10};
  plan.phases = {{{}}, {kDue, false, kLimit}};
  plan.end = kDue + Milliseconds(kHourMs);
  const FleetFigures figures = FleetMeasure(plan, FleetRun(plan), kDue);
  CHECK(figures.request_count == kAgentCount);
  CHECK(figures.throttled_count == 0);
  CHECK(figures.peak <= 8);  // 0.9 on average; in steps of a thousandth it would be 40 and more
  CHECK(figures.all > Seconds(2100));
}

TEST_CASE("fleet: after an outage of an hour the endpoint has twice its limit to answer, at most") {
  for (const bool is_at_boot : {true, false}) {
    FleetPlan plan = Plan(FleetJitter::kProduct);
    const Instant begin{is_at_boot ? 0 : kHourMs * 114 / 10};
    const Instant end = begin + Milliseconds(kHourMs);
    plan.phases = {{{}}, {begin, true}, {end, false, kLimit}};
    if (is_at_boot) plan.phases.erase(plan.phases.begin());
    plan.end = end + Milliseconds(kHourMs);
    const FleetFigures figures = FleetMeasure(plan, FleetRun(plan), end);
    CHECK(figures.all < Seconds(170));
    CHECK(figures.peak <= 3 * kLimit);
    CHECK(figures.request_count < 3 * kAgentCount / 2);
  }
}

}  // namespace
}  // namespace miagent
