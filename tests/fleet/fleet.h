// A fleet: many agents that ask one endpoint with a rate limit, each at the product's own instants.
//
// Purpose: what a hundred thousand machines that booted, or failed, together do to the endpoint,
//          and how soon all of them have their token. An agent is here what decides when it asks:
//          its random numbers, its failures in a row, and the product's RetryDelay and RefreshAt.
//          fleet_test.cpp shows that whole agents on simulated machines ask at the same instants.
// Clock:   virtual; an agent sleeps until its next request, and the endpoint answers after
// kFleetRtt. Never:   the agent's files, connections or bytes: one token an agent, always over a
// good network.
#pragma once

#include <cstdint>
#include <vector>

#include "agent/base/prng.h"
#include "platform/time.h"

namespace miagent {

inline constexpr Duration kFleetRtt = Milliseconds(20);
inline constexpr uint32_t kFleetUnlimited = UINT32_MAX;

enum class FleetJitter : uint8_t {
  kProduct,
  kNone,  // the product's functions with 0 for each random number
  kShare,  // of a retry in place of the product's: 0 to share_permille of the delay later
  kSteps,  // 0 to 5 % sooner and 0 to 20 % later, in steps of a thousandth
};

// The endpoint from an instant on: 503 while it is down, 429 over `limit` requests a second (of
// which one second's worth may come at once), else a new token.
struct FleetPhase {
  Instant from;
  bool is_down = false;
  uint32_t limit = kFleetUnlimited;
};

struct FleetPlan {
  uint32_t agent_count = 100'000;
  uint64_t seed = 1;
  Duration boot_spread = Seconds(1);  // all boot within this time, from 0 on
  Duration lifetime = Seconds(86400);
  Duration retry_after;  // of each 429; 0: none
  FleetJitter jitter = FleetJitter::kProduct;
  uint32_t share_permille = 0;
  std::vector<FleetPhase> phases;  // the first from 0
  Instant end;
};

struct FleetRequest {
  Instant at;
  uint32_t agent_index = 0;
  int32_t status = 0;  // 200, 429, 503
};

// The random numbers of an agent, and when it boots.
Prng FleetPrng(const FleetPlan& plan, uint32_t agent_index);
Instant FleetBoot(const FleetPlan& plan, uint32_t agent_index);

// Every request before the plan's end, in the order of time.
std::vector<FleetRequest> FleetRun(const FleetPlan& plan);

// What came of it from an instant on.
struct FleetFigures {
  uint64_t request_count = 0;
  uint64_t throttled_count = 0;
  uint32_t peak = 0;  // requests in the busiest second
  uint32_t retry_peak = 0;  // the same of requests but each agent's first
  Duration half, most, all;  // until 50 %, 99 % and all had a token; -1 s: they never had
  Duration wait_max;  // of any agent, from its first request to its token
  std::vector<uint32_t> requests;  // in each second
  std::vector<uint32_t> fresh;  // agents with a token at its end
};
FleetFigures FleetMeasure(const FleetPlan& plan, const std::vector<FleetRequest>& requests,
                          Instant from);

}  // namespace miagent
