#include "tests/sim/swarm.h"

#include <signal.h>
#include <unistd.h>

#include <cstring>
#include <new>

#include "agent/base/bytes.h"
#include "platform/sim/text.h"

namespace miagent {
namespace {

constexpr const char* kConfigPath = "/etc/miagent.conf";
constexpr const char* kStatusPath = "/run/miagent/status.json";
constexpr const char* kMetricsPath = "/run/miagent/miagent.prom";
constexpr const char* kSupervisorName = "/run/notify";
constexpr Duration kStartAgainDelay = Seconds(30);  // the init system's, after a failed start
// Fresh within 70 s and one backoff, with its jitter, a request's time, and a start.
constexpr Duration kConvergence = Seconds(70 + 72 + 10);
constexpr Duration kAnswersOver = Seconds(11);  // the longest request, and a bit
constexpr Duration kPatientConvergence = Seconds(360 + 72 + 10);  // after a refusal, Retry-After
constexpr uint32_t kSettleTurnCountMax = 1000;
constexpr int64_t kDayMs = 86'400'000;

constexpr std::string_view kStorage = "https%3A%2F%2Fstorage.azure.com%2F";
constexpr std::string_view kVault = "https%3A%2F%2Fvault.azure.net";
constexpr std::string_view kGraph = "https%3A%2F%2Fgraph.microsoft.com%2F";
constexpr std::string_view kVaultIdentity = "11111111-2222-3333-4444-555555555555";

void WatchAdd(Watch& watch, const char* path, uint32_t token_index, std::string_view prefix,
              std::string_view suffix) {
  WatchedFile& file = watch.files[watch.file_count++];
  file.path = path;
  file.token_index = token_index;
  file.prefix = prefix;
  file.suffix = suffix;
}

void WatchPlan(Watch& watch) {
  watch.tokens[0].resource = kStorage;
  watch.tokens[1].resource = kVault;
  watch.tokens[1].client_id = kVaultIdentity;
  watch.tokens[2].resource = kGraph;
  watch.token_count = 3;
  WatchAdd(watch, "/run/tokens/storage", 0, {}, {});
  WatchAdd(watch, "/run/tokens/storage.moved", 0, {}, {});
  WatchAdd(watch, "/run/tokens/vault", 1, {}, {});
  WatchAdd(watch, "/run/tokens/vault.header", 1, "Authorization: Bearer ", "\n");
  WatchAdd(watch, "/run/tokens/vault.json", 1, "{\"access_token\":\"", "}\n");
  WatchAdd(watch, "/run/tokens/graph", 2, {}, {});
}

void ConfigWrite(const Swarm& swarm, uint32_t config, TextWriter& text) {
  Append(text, "[agent]\n");
  if (swarm.is_debug) Append(text, "log_level = debug\n");
  if (swarm.has_status) Append(text, "status_file = /run/miagent/status.json\n");
  if (swarm.has_metrics) Append(text, "metrics_file = /run/miagent/miagent.prom\n");
  Append(text, "[token storage]\nresource = https://storage.azure.com/\n");
  Append(text, (config & kConfigMovesStorage) != 0 ? "[file /run/tokens/storage.moved]\n"
                                                   : "[file /run/tokens/storage]\n");
  Append(text, "token = storage\nnotify = exec /bin/reload\n");
  if ((config & kConfigLacksVault) == 0) {
    Append(text,
           "[token vault]\nresource = https://vault.azure.net\nrefresh_at = 80%\n"
           "client_id = 11111111-2222-3333-4444-555555555555\n"
           "[file /run/tokens/vault]\ntoken = vault\nmode = 0640\n"
           "[file /run/tokens/vault.header]\ntoken = vault\nformat = header\n"
           "[file /run/tokens/vault.json]\ntoken = vault\nformat = json\n");
  }
  if ((config & kConfigHasGraph) != 0) {
    Append(text,
           "[token graph]\nresource = https://graph.microsoft.com/\n"
           "[file /run/tokens/graph]\ntoken = graph\n");
  }
  if ((config & kConfigIsBroken) != 0) Append(text, "[file /run/tokens/none]\ntoken = nobody\n");
}

// ---- what is told -----------------------------------------------------------------------------

void OnLog(void* context, std::string_view line) {
  WatchText(line);
  const Swarm& swarm = *static_cast<Swarm*>(context);
  if (swarm.plan.is_told) LifeTell(swarm, "  ", SimTextPart(line, 0, line.size() - 1));
}

void OnLocal(void*, std::string_view, std::string_view text) { WatchText(text); }

void HookSee(Swarm& swarm) {
  if (swarm.hook->start_count == swarm.hook_start_count) return;
  swarm.hook_start_count = swarm.hook->start_count;
  WatchText(swarm.hook->arguments);
  WatchText(swarm.hook->environment);
}

// ---- the process ------------------------------------------------------------------------------

// The memory of an agent, but for its slots.
struct Memory {
  char* head;
  size_t head_size;
  char* tail;
  size_t tail_size;
};

Memory MemoryOf(Agent& agent) {
  auto* const begin = reinterpret_cast<char*>(&agent);
  char* const slots = agent.ring.slots[0];
  char* const tail = slots + sizeof(agent.ring.slots);
  return {begin, static_cast<size_t>(slots - begin), tail,
          sizeof(Agent) - static_cast<size_t>(tail - begin)};
}

// Another process: its memory begins as zeroes.
void AgentRenew(Agent& agent) {
  for (uint32_t slot = 0; slot < agent.ring.used_count; ++slot) {
    memset(agent.ring.slots[slot], 0, kSlotSize);
  }
  const Memory memory = MemoryOf(agent);
  memset(memory.head, 0, memory.head_size);
  memset(memory.tail, 0, memory.tail_size);
  ::new (static_cast<void*>(&agent)) Agent;
}

void AgentCopy(Agent& to, Agent& from) {
  const Memory there = MemoryOf(to);
  const Memory here = MemoryOf(from);
  const uint32_t slot_count =
      from.ring.used_count > to.ring.used_count ? from.ring.used_count : to.ring.used_count;
  for (uint32_t slot = 0; slot < slot_count; ++slot) {
    memcpy(to.ring.slots[slot], from.ring.slots[slot], kSlotSize);
  }
  memcpy(there.head, here.head, here.head_size);
  memcpy(there.tail, here.tail, here.tail_size);
}

// Whether an agent may end like this.
void EndJudge(const Swarm& swarm, bool is_start) {
  const uint8_t code = swarm.agent.exit_code;
  if (swarm.is_asked_to_stop && code == 0) return;
  const bool is_documented = code == 73 || code == 75 || code == 77 || code == 78;
  if (!is_start || !swarm.is_troubled || !is_documented) {
    InvariantBroken(is_start ? "I8: the agent did not start" : "I8: the agent ended");
  }
}

void ProcessEnd(Swarm& swarm) {
  swarm.is_alive = false;
  swarm.is_asked_to_stop = false;
  SimKill(swarm.world);
  for (const SimFile& file : swarm.world.files) {
    if (file.is_named) WatchText(file.name);
  }
}

void ProcessStart(Swarm& swarm) {
  AgentRenew(swarm.agent);
  ++swarm.world.process.pid;
  WatchForget(swarm.watch, nullptr);
  swarm.is_alive = true;
  if (setjmp(swarm.death) != 0) return ProcessEnd(swarm);
  AgentStart(swarm.agent, swarm.world, swarm.command);
  if (!swarm.agent.is_finished) return WatchTurn(swarm.watch);
  EndJudge(swarm, true);
  ProcessEnd(swarm);
}

void ProcessTurn(Swarm& swarm) {
  if (setjmp(swarm.death) != 0) return ProcessEnd(swarm);
  AgentTurn(swarm.agent, swarm.world);
  WatchTurn(swarm.watch);
  HookSee(swarm);
  if (!swarm.agent.is_finished) return;
  EndJudge(swarm, false);
  AgentEnd(swarm.agent, swarm.world);
  ProcessEnd(swarm);
}

// ---- time -------------------------------------------------------------------------------------

void LiveUntil(Swarm& swarm, Instant until) {
  Platform& world = swarm.world;
  bool is_over = false;
  SimCallAt(
      world, until, [](void* context, Platform&) { *static_cast<bool*>(context) = true; },
      &is_over);
  const Duration suspended = world.suspended;
  while (!is_over && world.now < until) {
    if (swarm.is_alive) {
      ProcessTurn(swarm);
      if (!swarm.is_alive) ProcessStart(swarm);
      continue;
    }
    SimPass(world, Least(kStartAgainDelay, until - world.now));
    ProcessStart(swarm);
  }
  if (!is_over) SimPass(world, Duration{0});
  if (world.suspended != suspended) FaultFired(swarm, FaultKindId::kSuspend);
}

void LiveFor(Swarm& swarm, Duration duration) { LiveUntil(swarm, swarm.world.now + duration); }

// From a millisecond to a day, short times as likely as long ones.
Duration DrawTime(Prng& draws) {
  const uint32_t bits = DrawBelow(draws, 27);
  return Milliseconds(1 + DrawBelow(draws, (uint32_t{1} << bits) + 1));
}

// ---- a round ----------------------------------------------------------------------------------

void SnapshotTake(Swarm& swarm) {
  SimSnapshotTake(swarm.world, swarm.snapshot);
  AgentCopy(swarm.agent_snapshot, swarm.agent);
  swarm.watch_snapshot = swarm.watch;
  swarm.snapshot_config = swarm.config;
  swarm.snapshot_is_asked_to_stop = swarm.is_asked_to_stop;
}

void SnapshotRestore(Swarm& swarm, Prng& draws) {
  const Duration away = DrawTime(draws);
  SimSnapshotRestore(swarm.world, swarm.snapshot, away);
  AgentCopy(swarm.agent, swarm.agent_snapshot);
  swarm.config = swarm.snapshot_config;
  swarm.is_alive = true;
  swarm.is_asked_to_stop = swarm.snapshot_is_asked_to_stop;
  swarm.is_forcing_needed = true;
  swarm.hook_start_count = swarm.hook->start_count;
  WatchForget(swarm.watch, &swarm.watch_snapshot);
  FaultFired(swarm, FaultKindId::kSnapshot);
  LifeTell(swarm, "the machine is put back", "");
}

bool IsTaken(const LifePlan& plan, uint32_t step) {
  for (uint32_t index = 0; index < plan.step_range_count; ++index) {
    if (step >= plan.steps[index].first && step <= plan.steps[index].last) return true;
  }
  return plan.step_range_count == 0;
}

FaultKindId KindDraw(const Swarm& swarm, Prng& draws) {
  uint32_t rest = DrawBelow(draws, swarm.weight_total);
  for (uint32_t at = 0; at < kFaultKindCount; ++at) {
    if (rest < swarm.weights[at]) return static_cast<FaultKindId>(at);
    rest -= swarm.weights[at];
  }
  return FaultKindId::kCount;
}

// The draws of one thing, whatever the others drew.
Prng DrawsOf(const Swarm& swarm, uint64_t what, uint64_t number) {
  Prng draws{swarm.plan.seed * 0x9E3779B97F4A7C15U + what * 0xD1B54A32D192ED03U + number};
  draws.state = PrngNext(draws);
  return draws;
}

void Step(Swarm& swarm) {
  const uint32_t number = swarm.step++;
  Prng draws = DrawsOf(swarm, 1, number);
  const FaultKindId id = KindDraw(swarm, draws);
  if (!IsTaken(swarm.plan, number) || !swarm.is_enabled[static_cast<uint32_t>(id)]) return;
  const FaultKind& kind = kFaultKinds[static_cast<uint32_t>(id)];
  swarm.is_troubled = true;
  swarm.watch.fresh_from = kInstantNever;
  swarm.watch.clear_from = kInstantNever;
  swarm.answer_draws = draws;
  PrngNext(draws);
  const Duration duration = DrawTime(draws);
  ++swarm.armed[static_cast<uint32_t>(id)];
  if (swarm.plan.is_told) {
    char bytes[128];
    TextWriter text{bytes, sizeof(bytes)};
    Append(text, "step ");
    AppendDecimal(text, number);
    Append(text, ", for ");
    AppendDecimal(text, duration.ms / 1000);
    Append(text, " s: ");
    Append(text, kind.name);
    Append(text, ": ");
    LifeTell(swarm, text.text(), kind.does);
  }
  kind.arm(swarm, id, draws);
  if (swarm.has_snapshot) SnapshotTake(swarm);
  LiveFor(swarm, duration);
  if (swarm.has_snapshot) SnapshotRestore(swarm, draws);
  swarm.has_snapshot = false;
}

// Whether SIGUSR1 took part in it.
bool Heal(Swarm& swarm, Prng& draws) {
  FaultsHeal(swarm);
  LifeTell(swarm, "everything heals", "");
  LiveFor(swarm, kAnswersOver);  // what is under way may still be bad
  const bool is_signalled = DrawBelow(draws, 2) == 0;
  const bool is_forced = swarm.is_forcing_needed || is_signalled;
  if (swarm.is_reload_needed) LifeSignal(swarm, Signal::kReload);
  if (is_forced) LifeSignal(swarm, Signal::kRefresh);
  swarm.watch.clear_from = swarm.world.now;
  LiveFor(swarm, swarm.is_slow_allowed && !is_forced ? kPatientConvergence : kConvergence);
  swarm.is_forcing_needed = swarm.is_reload_needed = swarm.is_slow_allowed = false;
  return is_forced;
}

// Lets what has begun come to its end.
void Settle(Swarm& swarm) {
  for (uint32_t turn = 0; turn < kSettleTurnCountMax; ++turn) {
    const bool is_busy = swarm.agent.request.token_index != kTokenNone || swarm.agent.hook.pid != 0;
    if (swarm.is_alive && !is_busy) return;
    LiveFor(swarm, Milliseconds(20));
  }
  InvariantBroken("the agent doesn't come to rest though all is well");
}

void RestJudge(Swarm& swarm, Prng& draws, bool is_forced) {
  Settle(swarm);
  swarm.is_troubled = false;
  swarm.watch.fresh_from = swarm.world.now;
  swarm.watch.change_count = UINT64_MAX;  // a directory that came back changes files, too
  WatchTurn(swarm.watch);
  WatchAtRest(swarm.watch);
  for (uint32_t index = 0; index < ConfigOf(swarm.agent).file_count; ++index) {
    const NotifyState& notify = swarm.agent.files[index].notify;
    // One that failed is run again by the next publication.
    if (notify.is_due || notify.is_running || (is_forced && !notify.failure.ok())) {
      InvariantBroken("a hook has not run though all is well");
    }
  }
  if (DrawBelow(draws, 2) == 0) {
    LifeSignal(swarm, Signal::kReport);
    LiveFor(swarm, Milliseconds(1));
    Settle(swarm);
  }
  WatchStatus(swarm.watch, swarm.has_status ? kStatusPath : nullptr,
              swarm.has_metrics ? kMetricsPath : nullptr);
}

void Round(Swarm& swarm, uint64_t number) {
  Prng draws = DrawsOf(swarm, 2, number);
  for (uint32_t count = DrawBelow(draws, 6); count > 0; --count) Step(swarm);
  const bool is_forced = Heal(swarm, draws);
  RestJudge(swarm, draws, is_forced);
  LiveFor(swarm, Milliseconds(DrawBelow(draws, 5) * kDayMs + DrawBelow(draws, 100'000'000)));
}

// ---- the begin --------------------------------------------------------------------------------

void KindsDraw(Swarm& swarm, Prng& draws) {
  swarm.weight_total = 0;
  for (uint32_t at = 0; at < kFaultKindCount; ++at) {
    const bool is_on = DrawBelow(draws, 2) == 0;
    const uint32_t weight = 1 + DrawBelow(draws, 8);
    // A kind that isn't allowed still takes its turns, in which nothing happens.
    swarm.is_enabled[at] = is_on && swarm.plan.allowed[at];
    swarm.weights[at] = is_on ? weight : 0;
    swarm.weight_total += swarm.weights[at];
  }
  if (swarm.weight_total == 0) swarm.weights[0] = swarm.weight_total = 1;
}

void StateClear(Swarm& swarm) {
  swarm.imds = SimImds{};
  swarm.watch = Watch{};
  swarm.is_alive = swarm.is_asked_to_stop = swarm.is_troubled = swarm.is_slow_allowed = false;
  swarm.is_forcing_needed = swarm.is_reload_needed = swarm.has_snapshot = false;
  swarm.config = 0;
  swarm.hook_start_count = swarm.kill_countdown = swarm.signal_countdown = 0;
  for (VerbFault& fault : swarm.verb_faults) fault = VerbFault{};
  swarm.verbs_at_fault = 0;
  for (uint32_t& left : swarm.answers_left) left = 0;
  swarm.step = 0;
}

void WorldMake(Swarm& swarm, Prng& draws) {
  constexpr int64_t kLifetimesS[] = {86400, 86400, 28 * 3600, 86400, 86400, 5 * 3600};
  Platform& world = swarm.world;
  SimStart(world, swarm.plan.seed);
  swarm.server = &SimServerAdd(world, SimAddress(169, 254, 169, 254, 80), FaultsAnswer, &swarm);
  swarm.hook = &SimProgramAdd(world, "/bin/reload");
  swarm.hook->output = "reloaded\n";
  swarm.supervisor = &SimReceiverAdd(world, kSupervisorName);
  SimDirectoryAdd(world, kTokenDirectory, 0, 0755, true);
  SimDirectoryAdd(world, "/run/miagent", 0, 0755, true);
  if (DrawBelow(draws, 2) == 0) SimEnvironmentSet(world, "NOTIFY_SOCKET", kSupervisorName);
  swarm.has_status = DrawBelow(draws, 3) == 0;
  swarm.has_metrics = DrawBelow(draws, 12) == 0;
  swarm.is_debug = DrawBelow(draws, 16) == 0;
  swarm.imds.token_size = 100 + DrawBelow(draws, 2400);
  swarm.imds.lifetime = Seconds(kLifetimesS[DrawBelow(draws, 6)]);
  if (DrawBelow(draws, 40) == 0) swarm.imds.lifetime = Seconds(3600);
  swarm.server->latency = Milliseconds(DrawBelow(draws, 20));
  world.process.pid = 100;
  world.hook_context = &swarm;
  world.before_verb = FaultsBefore;
  world.on_log = OnLog;
  world.on_local = OnLocal;
  if (DrawBelow(draws, 4) == 0) SimWallSet(world, {0});  // no clock was set at boot
}

}  // namespace

Swarm g_swarm;

uint32_t DrawBelow(Prng& draws, uint32_t bound) {
  return static_cast<uint32_t>((PrngNext(draws) >> 32) * bound >> 32);
}

void FaultFired(Swarm& swarm, FaultKindId id) {
  ++swarm.fired[static_cast<uint32_t>(id)];
  const bool is_answer = id >= FaultKindId::kGarbage && id <= FaultKindId::kRetryAfterGarbage;
  const bool is_token = id >= FaultKindId::kTokenExpired && id <= FaultKindId::kExpiriesDisagree;
  if (is_answer || is_token) swarm.is_slow_allowed = true;
}

void LifeTell(const Swarm& swarm, std::string_view what, std::string_view more) {
  if (!swarm.plan.is_told) return;
  static char bytes[2048];
  TextWriter text{bytes, sizeof(bytes) - 1};
  const int64_t now_ms = swarm.world.now.boot_ms;
  Append(text, "day ");
  AppendDecimal(text, now_ms / kDayMs);
  Append(text, " + ");
  AppendDecimal(text, now_ms % kDayMs / 1000);
  Append(text, '.');
  AppendDecimal(text, now_ms % 1000 / 100);
  Append(text, " s: ");
  Append(text, what);
  Append(text, more);
  text.capacity = sizeof(bytes);
  Append(text, '\n');
  static_cast<void>(write(STDOUT_FILENO, text.data, text.size));
}

void LifeSignal(Swarm& swarm, Signal signal) {
  if (!swarm.is_alive || !swarm.world.signals_watched) return;
  if (signal == Signal::kReload || signal == Signal::kRefresh) WatchExcuse(swarm.watch);
  if (signal == Signal::kStop) swarm.is_asked_to_stop = true;
  const uint8_t number = signal == Signal::kReload    ? SIGHUP
                         : signal == Signal::kRefresh ? SIGUSR1
                         : signal == Signal::kReport  ? SIGUSR2
                                                      : SIGTERM;
  SimSignalArrive(swarm.world, number, false);
}

void LifeConfigure(Swarm& swarm, uint32_t config) {
  static char bytes[4096];
  TextWriter text{bytes, sizeof(bytes)};
  ConfigWrite(swarm, config, text);
  SimFileAdd(swarm.world, kConfigPath, text.text(), 0644);
  swarm.config = config;
}

void LifeMount(Swarm& swarm, bool is_empty) {
  for (const SimDirectory& directory : swarm.world.directories) {
    if (directory.in_use && !directory.is_gone && strcmp(directory.path, kTokenDirectory) == 0) {
      return;
    }
  }
  if (is_empty) {
    SimDirectoryAdd(swarm.world, kTokenDirectory, 0, 0755, true);
    for (WatchedFile& file : swarm.watch.files) file.newest = 0;  // nothing stands there any more
  } else {
    SimDirectoryReturn(swarm.world, kTokenDirectory);
  }
}

void LifeLive(Swarm& swarm) {
  Prng draws = DrawsOf(swarm, 0, 0);
  StateClear(swarm);
  KindsDraw(swarm, draws);
  WorldMake(swarm, draws);
  WatchPlan(swarm.watch);
  WatchStart(swarm.watch, swarm.world, swarm.agent, swarm.imds);
  LifeConfigure(swarm, 0);
  swarm.command.id = CommandId::kRun;
  ProcessStart(swarm);
  // By true time, as a snapshot puts the machine's own back.
  const WallTime end{SimTrueTime(swarm.world).unix_s + swarm.plan.years * 365 * 86400};
  for (uint64_t round = 0; SimTrueTime(swarm.world).unix_s < end.unix_s; ++round) {
    Round(swarm, round);
  }
}

}  // namespace miagent
