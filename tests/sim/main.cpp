// miagent-sim: the product's own core on a simulated machine, for years.
//
//   miagent-sim [SEED [YEARS [COUNT]]]   COUNT lives, of the seeds from SEED on; default 1, 10, 1
//     --only KIND,…      only these kinds of faults; --without KIND,…: all but these
//     --steps N,N-M,…    only these steps of a life
//     --story            tells every step, and what the agent logs
//     --kinds            lists the kinds of faults, and ends
//
// Purpose: lives of faults, with what must hold checked all along (invariants.h). Prints a line for
//          each, with the hash of its whole history: one seed, one hash, on every processor; then,
//          for several, how often each kind of fault has fired.
// Errors:  a broken invariant prints what, when, and the command that lives this life again, and
//          ends with 1; so does a kind that was armed and never fired in 16 lives and more.
//
// Linked as the product is (no C++ library, no heap): the same core library, another world.

#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "agent/base/bytes.h"
#include "agent/base/check.h"
#include "platform/sim/text.h"
#include "tests/sim/faults.h"
#include "tests/sim/invariants.h"
#include "tests/sim/swarm.h"

namespace miagent {
namespace {

constexpr uint32_t kYearsMax = 100'000;
constexpr int kExitUsage = 64;
constexpr uint64_t kManyLives = 16;  // enough for every kind to fire that is turned on

int g_argument_count = 0;
char** g_arguments = nullptr;

void Say(TextWriter& writer) {
  Append(writer, '\n');
  static_cast<void>(write(STDOUT_FILENO, writer.data, writer.size));
}

// Calls `take` for each part of a list with commas. False where it says so.
template <typename Take>
bool ListRead(std::string_view list, Take take) {
  for (size_t begin = 0; begin <= list.size();) {
    const size_t end = Find(list, ',', begin);
    if (!take(Slice(list, begin, end - begin))) return false;
    begin = end + 1;
  }
  return true;
}

bool KindsAllow(LifePlan& plan, std::string_view list, bool is_allowed) {
  return ListRead(list, [&](std::string_view name) {
    for (uint32_t at = 0; at < kFaultKindCount; ++at) {
      if (name != kFaultKinds[at].name) continue;
      plan.allowed[at] = is_allowed;
      return true;
    }
    return false;
  });
}

bool StepsRead(LifePlan& plan, std::string_view list) {
  return ListRead(list, [&](std::string_view range) {
    const size_t dash = Find(range, '-');
    uint64_t first = 0;
    uint64_t last = 0;
    if (plan.step_range_count == kStepRangeCountMax) return false;
    if (!ParseUnsigned(Slice(range, 0, dash), UINT32_MAX, &first)) return false;
    if (dash == range.size()) {
      last = first;
    } else if (!ParseUnsigned(SliceFrom(range, dash + 1), UINT32_MAX, &last)) {
      return false;
    }
    plan.steps[plan.step_range_count++] = {static_cast<uint32_t>(first),
                                           static_cast<uint32_t>(last)};
    return true;
  });
}

void KindsList() {
  for (const FaultKind& kind : kFaultKinds) {
    char bytes[256];
    TextWriter writer{bytes, sizeof(bytes) - 1};
    Append(writer, kind.name);
    Append(writer, ": ");
    Append(writer, kind.does);
    Append(writer, "; heals: ");
    Append(writer, kind.heals);
    Say(writer);
  }
}

struct Order {
  LifePlan plan;
  uint64_t count = 1;
  bool is_list = false;
};

bool OptionRead(Order& order, std::string_view name, std::string_view value) {
  LifePlan& plan = order.plan;
  if (name == "--steps") return StepsRead(plan, value);
  if (name == "--without") return KindsAllow(plan, value, false);
  if (name != "--only") return false;
  for (bool& allowed : plan.allowed) allowed = false;
  return value == "none" || KindsAllow(plan, value, true);
}

bool OrderRead(int argument_count, char** arguments, Order* order) {
  uint64_t numbers[] = {1, 10, 1};
  uint32_t number_count = 0;
  for (bool& allowed : order->plan.allowed) allowed = true;
  for (int index = 1; index < argument_count; ++index) {
    const std::string_view word = arguments[index];
    if (word == "--story") {
      order->plan.is_told = true;
    } else if (word == "--kinds") {
      order->is_list = true;
    } else if (StartsWith(word, "--")) {
      if (++index == argument_count || !OptionRead(*order, word, arguments[index])) return false;
    } else if (number_count == 3 || !ParseUnsigned(word, UINT64_MAX, &numbers[number_count++])) {
      return false;
    }
  }
  order->plan.seed = numbers[0];
  order->plan.years = static_cast<int64_t>(numbers[1]);
  order->count = numbers[2];
  return numbers[1] <= kYearsMax;
}

void LifeSay(const Swarm& swarm) {
  char bytes[256];
  TextWriter writer{bytes, sizeof(bytes) - 1};
  Append(writer, "seed ");
  AppendDecimal(writer, static_cast<int64_t>(swarm.plan.seed));
  Append(writer, " years ");
  AppendDecimal(writer, swarm.plan.years);
  Append(writer, " steps ");
  AppendDecimal(writer, swarm.step);
  Append(writer, " requests ");
  AppendDecimal(writer, swarm.imds.request_count);
  Append(writer, " tokens ");
  AppendDecimal(writer, swarm.imds.issued_number);
  Append(writer, " hash ");
  AppendHex(writer, swarm.world.trace_hash, 16);
  Say(writer);
}

// How often each kind has fired. False where one that was armed never did.
bool FiringsSay(const Swarm& swarm) {
  bool is_good = true;
  for (uint32_t at = 0; at < kFaultKindCount; ++at) {
    char bytes[256];
    TextWriter writer{bytes, sizeof(bytes) - 1};
    const bool is_silent = swarm.armed[at] != 0 && swarm.fired[at] == 0;
    Append(writer, is_silent ? "never fired: " : "fired ");
    Append(writer, kFaultKinds[at].name);
    Append(writer, ' ');
    AppendDecimal(writer, static_cast<int64_t>(swarm.fired[at]));
    Append(writer, " of ");
    AppendDecimal(writer, static_cast<int64_t>(swarm.armed[at]));
    Say(writer);
    is_good = is_good && !is_silent;
  }
  return is_good;
}

int Main(int argument_count, char** arguments) {
  static Order order;
  g_argument_count = argument_count;
  g_arguments = arguments;
  if (!OrderRead(argument_count, arguments, &order)) return kExitUsage;
  if (order.is_list) {
    KindsList();
    return 0;
  }
  g_swarm.plan = order.plan;
  for (uint64_t life = 0; life < order.count; ++life) {
    g_swarm.plan.seed = order.plan.seed + life;
    LifeLive(g_swarm);
    LifeSay(g_swarm);
  }
  if (order.count == 1) return 0;
  return FiringsSay(g_swarm) || order.count < kManyLives ? 0 : 1;
}

}  // namespace

void InvariantBroken(std::string_view what) {
  static char bytes[2048];
  TextWriter writer{bytes, sizeof(bytes) - 1};
  Append(writer, "BROKEN: ");
  Append(writer, what);
  Append(writer, ", in step ");
  AppendDecimal(writer, g_swarm.step == 0 ? 0 : g_swarm.step - 1);
  Append(writer, ", on day ");
  AppendDecimal(writer, g_swarm.world.now.boot_ms / 86'400'000);
  Append(writer, "\nagain: miagent-sim ");
  AppendDecimal(writer, static_cast<int64_t>(g_swarm.plan.seed));
  Append(writer, ' ');
  AppendDecimal(writer, g_swarm.plan.years);
  for (int index = 1; index + 1 < g_argument_count; ++index) {
    if (strncmp(g_arguments[index], "--", 2) != 0) continue;
    if (strcmp(g_arguments[index], "--story") == 0) continue;
    Append(writer, ' ');
    Append(writer, g_arguments[index]);
    Append(writer, ' ');
    Append(writer, g_arguments[++index]);
  }
  Say(writer);
  _exit(1);
}

void CheckFailed(const char* file, uint32_t line) {
  char bytes[128];
  TextWriter writer{bytes, sizeof(bytes)};
  Append(writer, "a CHECK at ");
  Append(writer, file);
  Append(writer, ':');
  AppendDecimal(writer, line);
  InvariantBroken(writer.text());
}

void SimFailed(const char* what) { InvariantBroken(what); }

}  // namespace miagent

int main(int argument_count, char** arguments) { return miagent::Main(argument_count, arguments); }
