// One life of the agent on a simulated machine, with faults drawn from a seed.
//
// Purpose: the seed turns each kind of fault on or off and draws how often it comes. The life is a
//          row of rounds: some steps, each a fault and a time to live with it; then everything
//          heals, and the agent has to be well again in time; then quiet.
// Owns:    the world, the agent, its IMDS, its supervisor, its hook. Static: about 25 MB, of which
//          little is touched.
// Clock:   virtual; true time goes on where a snapshot puts the machine's back.
// Limits:  a step's draws hang on the seed and the step's number alone, so that the others stay as
//          they are where one is left out.
// Errors:  a broken invariant is told by InvariantBroken (invariants.h).
#pragma once

#include <csetjmp>
#include <cstdint>
#include <string_view>

#include "agent/agent.h"
#include "agent/base/prng.h"
#include "platform/sim/server.h"
#include "platform/sim/world.h"
#include "tests/sim/faults.h"
#include "tests/sim/invariants.h"

namespace miagent {

inline constexpr uint32_t kStepRangeCountMax = 64;

// Which steps are taken: all, or those of some ranges.
struct StepRange {
  uint32_t first = 0;
  uint32_t last = 0;
};

// What a life is made of: given before it begins.
struct LifePlan {
  uint64_t seed = 1;
  int64_t years = 10;
  bool allowed[kFaultKindCount];  // kinds that the seed may turn on
  StepRange steps[kStepRangeCountMax];
  uint32_t step_range_count = 0;  // 0: all
  bool is_told = false;           // prints every step
};

// The verbs that a fault makes fail, and how.
struct VerbFault {
  FaultKindId kind = FaultKindId::kCount;
  uint64_t verbs = 0;  // bits by Verb
  int32_t error = 0;
  uint32_t skip_count = 0;
  uint32_t count = 0;
};
inline constexpr uint32_t kVerbFaultCountMax = 8;

// Who is asked to do something before a verb, some verbs from now.
struct Swarm {
  LifePlan plan;
  Platform world;
  Platform snapshot;
  Agent agent;
  Agent agent_snapshot;
  SimImds imds;
  Command command;
  Watch watch;
  Watch watch_snapshot;
  SimServer* server = nullptr;
  SimProgram* hook = nullptr;
  SimReceiver* supervisor = nullptr;
  std::jmp_buf death;

  bool is_enabled[kFaultKindCount];
  uint32_t weights[kFaultKindCount];
  uint32_t weight_total = 0;
  bool has_status = false;
  bool has_metrics = false;
  bool is_debug = false;          // its log's level

  bool is_alive = false;
  bool is_asked_to_stop = false;
  bool is_troubled = false;       // something may be wrong now
  bool is_slow_allowed = false;   // in this round an answer asked for patience
  bool is_forcing_needed = false; // in this round, something only a signal mends
  bool is_reload_needed = false;
  bool has_snapshot = false;
  uint32_t config = 0;            // the variant that stands in the file
  uint32_t snapshot_config = 0;
  bool snapshot_is_asked_to_stop = false;
  uint32_t hook_start_count = 0;
  uint32_t kill_countdown = 0;    // verbs until the process is killed; 0: never
  uint32_t signal_countdown = 0;  // verbs until a signal comes; 0: never
  Signal signal = Signal::kNone;
  FaultKindId signal_kind = FaultKindId::kCount;
  VerbFault verb_faults[kVerbFaultCountMax];
  uint64_t verbs_at_fault = 0;    // bits: those that any of them is about
  uint32_t answers_left[kFaultKindCount];  // answers that kinds of the server's have yet to spoil
  Prng answer_draws;
  Duration retry_after;  // asked for by the answer under way, where it is no number

  uint32_t step = 0;
  uint64_t armed[kFaultKindCount];  // over all lives
  uint64_t fired[kFaultKindCount];
};

extern Swarm g_swarm;

// A number below `bound`.
uint32_t DrawBelow(Prng& draws, uint32_t bound);

// Lives the plan's life from its begin to its end, in a world made anew.
void LifeLive(Swarm& swarm);

// A fault really happened.
void FaultFired(Swarm& swarm, FaultKindId kind);

// Says what happens, where the plan asks for it.
void LifeTell(const Swarm& swarm, std::string_view what, std::string_view more);

// For the faults: a signal comes, at once or some verbs from now; the configuration's text is of
// this variant from now on; the directory of tokens is there again.
void LifeSignal(Swarm& swarm, Signal signal);
void LifeConfigure(Swarm& swarm, uint32_t config);
void LifeMount(Swarm& swarm, bool is_empty);

// Variants of the configuration, as bits.
inline constexpr uint32_t kConfigHasGraph = 1;
inline constexpr uint32_t kConfigLacksVault = 2;
inline constexpr uint32_t kConfigMovesStorage = 4;
inline constexpr uint32_t kConfigIsBroken = 8;
inline constexpr const char* kTokenDirectory = "/run/tokens";

}  // namespace miagent
