#include "platform/sim/world.h"

#include <signal.h>
#include <unistd.h>

#include <cstring>
#include <new>

#include "platform/sim/text.h"

namespace miagent {
namespace {

constexpr int64_t kTrueWallAtStartMs = 1'750'000'000'000;
constexpr uint64_t kHashPrime = 0x100000001B3U;  // of FNV-1a
constexpr uint64_t kHashStart = 0xCBF29CE484222325U;
constexpr int64_t kMillion = 1'000'000;

// SplitMix64 (Steele, Lea, Flood 2014).
uint64_t RandomNext(uint64_t& state) {
  state += 0x9E3779B97F4A7C15U;
  uint64_t mixed = state;
  mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9U;
  mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBU;
  return mixed ^ (mixed >> 31);
}

void Trace(Platform& world, uint64_t value) {
  world.trace_hash = (world.trace_hash ^ value) * kHashPrime;
  world.trace_hash ^= world.trace_hash >> 29;  // a product's upper bits reach its lower ones
}

int32_t FaultTake(Platform& world, Verb verb) {
  for (SimFault& fault : world.faults) {
    if (!fault.in_use || fault.verb != verb) continue;
    if (fault.skip > 0) {
      --fault.skip;
      continue;
    }
    ++fault.fired_count;
    if (--fault.count == 0) fault.in_use = false;
    return fault.error;
  }
  return 0;
}

int64_t FloorDivide(int64_t value, int64_t by) {
  const int64_t quotient = value / by;
  return value % by < 0 ? quotient - 1 : quotient;
}

int64_t TrueWallMs(const Platform& world) {
  return SaturatedAdd(world.true_wall_at_boot_ms, world.now.boot_ms);
}

int64_t WallErrorMs(const Platform& world) {
  const int64_t since_ms = (world.now - world.drift_since).ms;
  const int64_t drift_ms = since_ms / kMillion * world.wall_drift_ppm +
                           since_ms % kMillion * world.wall_drift_ppm / kMillion;
  return SaturatedAdd(world.wall_error_ms, drift_ms);
}

SimHappening& HappeningAdd(Platform& world, SimHappeningKind kind, Instant at) {
  for (SimHappening& happening : world.happenings) {
    if (happening.in_use) continue;
    happening = SimHappening{};
    happening.in_use = true;
    happening.kind = kind;
    happening.at = at;
    return happening;
  }
  SimFailed("too many happenings are planned");
}

// The earliest that is planned; of several at one instant, the first in the table.
SimHappening* HappeningNext(Platform& world) {
  SimHappening* next = nullptr;
  for (SimHappening& happening : world.happenings) {
    if (happening.in_use && (next == nullptr || happening.at < next->at)) next = &happening;
  }
  return next;
}

void HappeningRun(Platform& world, SimHappening& planned) {
  const SimHappening happening = planned;
  planned.in_use = false;
  switch (happening.kind) {
    case SimHappeningKind::kSignal:
      SimSignalArrive(world, happening.signal_number, happening.is_from_terminal);
      break;
    case SimHappeningKind::kWallStep: SimWallStep(world, happening.duration); break;
    case SimHappeningKind::kSuspend:
      world.now = world.now + happening.duration;
      world.suspended = world.suspended + happening.duration;
      break;
    case SimHappeningKind::kCall:
      world.is_woken = true;
      happening.call(happening.context, world);
      break;
  }
}

// Everything that is due at `now`, until nothing is.
void StepWorld(Platform& world) {
  for (uint32_t turn = 0; turn < world.still_turn_count_max; ++turn) {
    SimNetStep(world);
    SimProcessStep(world);
    SimHappening* next = HappeningNext(world);
    if (next == nullptr || next->at > world.now) return;
    HappeningRun(world, *next);
  }
  SimFailed("happenings plan each other without end at one instant");
}

constexpr struct {
  uint8_t number;
  Signal signal;
} kSignals[] = {
    {SIGHUP, Signal::kReload}, {SIGUSR1, Signal::kRefresh}, {SIGUSR2, Signal::kReport},
    {SIGTERM, Signal::kStop},  {SIGINT, Signal::kStop},     {SIGCHLD, Signal::kChild},
};

Signal SignalOf(uint8_t number) {
  for (const auto& each : kSignals) {
    if (each.number == number) return each.signal;
  }
  return Signal::kOther;
}

bool IsFault(uint8_t number) {
  return number == SIGILL || number == SIGTRAP || number == SIGABRT || number == SIGBUS ||
         number == SIGFPE || number == SIGSEGV || number == SIGSYS;
}

bool IsWatched(const Platform& world, uint8_t number) {
  if (!world.signals_watched || number == SIGKILL || number == SIGSTOP) return false;
  const bool is_wrapper = world.signal_set == SignalSet::kWrapper;
  return SignalOf(number) != Signal::kOther || (is_wrapper && !IsFault(number));
}

size_t SignalsCollect(Platform& world, Event* events, size_t event_count_max) {
  size_t count = 0;
  for (size_t number = 1; number <= kSimSignalNumberMax && count < event_count_max; ++number) {
    if (!world.signals_pending[number]) continue;
    world.signals_pending[number] = false;
    events[count] = Event{};
    events[count].kind = EventKind::kSignal;
    events[count].signal = SignalOf(static_cast<uint8_t>(number));
    events[count].signal_number = static_cast<uint8_t>(number);
    events[count].is_from_terminal = world.signals_from_terminal[number];
    ++count;
  }
  return count;
}

void StillTurnCount(Platform& world) {
  if (world.now != world.last_turn_at) world.still_turn_count = 0;
  world.last_turn_at = world.now;
  if (++world.still_turn_count > world.still_turn_count_max) {
    SimFailed("the agent turns and turns, and time stands still");
  }
}

// Everything in front of the contents of sockets and files, which are copied as far as they go.
size_t StateSize(const Platform& world) {
  return static_cast<size_t>(world.request_bytes[0] - reinterpret_cast<const char*>(&world));
}

void MachineCopy(Platform& to, const Platform& from) {
  memcpy(static_cast<void*>(&to), static_cast<const void*>(&from), StateSize(from));
  for (size_t index = 0; index < kSimFileCountMax; ++index) {
    const SimFile& file = from.files[index];
    if (file.in_use) memcpy(to.file_bytes[index], from.file_bytes[index], file.size);
  }
  for (size_t index = 0; index < kSimSocketCountMax; ++index) {
    const SimSocket& socket = from.sockets[index];
    if (socket.in_use) memcpy(to.answer_bytes[index], from.answer_bytes[index], socket.answer_size);
  }
}

// The server doesn't know the connection, and says so at once.
void ConnectionForget(Platform& world, SimSocket& socket) {
  if (!socket.in_use || socket.is_pipe || socket.is_datagram) return;
  if (socket.state != SimSocketState::kConnected) return;
  socket.request_size = 0;
  socket.arrive_at = kInstantNever;
  socket.answer_size = 0;
  socket.segment_first = 0;
  socket.segment_count = 1;
  socket.segments[0] = SimSegment{};
  socket.segments[0].kind = SimSegmentKind::kReset;
  socket.segments[0].at = world.now;
}

}  // namespace

__attribute__((weak)) void SimFailed(const char* what) {
  const std::string_view parts[] = {"simulation failed: ", what, "\n"};
  for (const std::string_view part : parts) {
    if (write(STDERR_FILENO, part.data(), part.size()) < 0) break;
  }
  __builtin_trap();
}

void SimStart(Platform& world, uint64_t seed) {
  // In place: a world is too large for the stack.
  ::new (static_cast<void*>(&world)) Platform;
  world.seed = seed;
  world.trace_hash = kHashStart;
  world.random_state = seed;
  world.entropy_state = RandomNext(world.random_state);
  world.true_wall_at_boot_ms = kTrueWallAtStartMs;
}

void SimKill(Platform& world) {
  SimNetKill(world);
  SimDiskKill(world);
  SimProcessKill(world);
  world.open_handle_count = 0;
  world.signals_watched = false;
  world.killed_by = Signal::kNone;
  world.still_turn_count = 0;
  for (bool& pending : world.signals_pending) pending = false;
}

void SimPass(Platform& world, Duration duration) {
  const Instant until = world.now + duration;
  for (;;) {
    StepWorld(world);
    const SimHappening* planned = HappeningNext(world);
    Instant next = Earliest(Earliest(until, SimNetNext(world)), SimProcessNext(world));
    if (planned != nullptr) next = Earliest(next, planned->at);
    if (world.now >= until) return;
    world.now = Latest(world.now, next);
  }
}

void SimSnapshotTake(const Platform& world, Platform& snapshot) { MachineCopy(snapshot, world); }

void SimSnapshotRestore(Platform& world, const Platform& snapshot, Duration away) {
  static Platform present;  // what goes on, but for contents
  memcpy(static_cast<void*>(&present), static_cast<const void*>(&world), StateSize(world));
  const int64_t true_wall_ms = SaturatedAdd(TrueWallMs(world), away.ms);
  const int64_t wall_ms = SaturatedAdd(TrueWallMs(snapshot), WallErrorMs(snapshot));
  MachineCopy(world, snapshot);
  memcpy(static_cast<void*>(&world), static_cast<const void*>(&present),
         static_cast<size_t>(reinterpret_cast<const char*>(&world.process) -
                             reinterpret_cast<const char*>(&world)));
  memcpy(world.verb_counts, present.verb_counts, sizeof(world.verb_counts));
  memcpy(world.servers, present.servers, sizeof(world.servers));
  memcpy(world.faults, present.faults, sizeof(world.faults));
  memcpy(world.receivers, present.receivers, sizeof(world.receivers));
  world.trace_hash = present.trace_hash;
  world.random_state = present.random_state;
  world.serial = present.serial;
  world.space_left = present.space_left;
  for (SimHappening& happening : world.happenings) happening.in_use = false;
  for (SimSocket& socket : world.sockets) ConnectionForget(world, socket);
  world.true_wall_at_boot_ms = SaturatedSubtract(true_wall_ms, world.now.boot_ms);
  world.wall_error_ms = SaturatedSubtract(wall_ms, true_wall_ms);
  world.drift_since = world.now;
}

uint64_t SimRandom(Platform& world) { return RandomNext(world.random_state); }

WallTime SimTrueTime(const Platform& world) { return {FloorDivide(TrueWallMs(world), 1000)}; }

void SimTrueTimeSet(Platform& world, WallTime now_wall) {
  world.true_wall_at_boot_ms =
      SaturatedSubtract(SaturatedMultiply(now_wall.unix_s, 1000), world.now.boot_ms);
}

WallTime SimWall(const Platform& world) {
  return {FloorDivide(SaturatedAdd(TrueWallMs(world), WallErrorMs(world)), 1000)};
}

void SimWallSet(Platform& world, WallTime now_wall) {
  world.wall_error_ms =
      SaturatedSubtract(SaturatedMultiply(now_wall.unix_s, 1000), TrueWallMs(world));
  world.drift_since = world.now;
}

void SimWallStep(Platform& world, Duration step) {
  world.wall_error_ms = SaturatedAdd(world.wall_error_ms, step.ms);
}

void SimWallDrift(Platform& world, int64_t ppm) {
  world.wall_error_ms = WallErrorMs(world);
  world.drift_since = world.now;
  world.wall_drift_ppm = ppm;
}

void SimSignalAt(Platform& world, Instant at, Signal signal) {
  for (const auto& each : kSignals) {
    if (each.signal == signal) return SimSignalNumberAt(world, at, each.number, false);
  }
  SimFailed("which signal? it has no number of its own");
}

void SimSignalNumberAt(Platform& world, Instant at, int32_t number, bool is_from_terminal) {
  if (number < 1 || number > static_cast<int32_t>(kSimSignalNumberMax)) SimFailed("no such signal");
  SimHappening& happening = HappeningAdd(world, SimHappeningKind::kSignal, at);
  happening.signal_number = static_cast<uint8_t>(number);
  happening.is_from_terminal = is_from_terminal;
}

void SimSignalArrive(Platform& world, uint8_t number, bool is_from_terminal) {
  if (IsWatched(world, number)) {
    // Of two that become one the first says where it came from.
    if (!world.signals_pending[number]) world.signals_from_terminal[number] = is_from_terminal;
    world.signals_pending[number] = true;
    return;
  }
  const bool is_harmless = number == SIGCHLD || number == SIGCONT || number == SIGURG ||
                           number == SIGWINCH || number == SIGTSTP || number == SIGSTOP ||
                           number == SIGTTIN || number == SIGTTOU;
  if (!is_harmless) world.killed_by = SignalOf(number);
}

void SimWallStepAt(Platform& world, Instant at, Duration step) {
  HappeningAdd(world, SimHappeningKind::kWallStep, at).duration = step;
}

void SimSuspendAt(Platform& world, Instant at, Duration duration) {
  HappeningAdd(world, SimHappeningKind::kSuspend, at).duration = duration;
}

void SimCallAt(Platform& world, Instant at, SimCall call, void* context) {
  SimHappening& happening = HappeningAdd(world, SimHappeningKind::kCall, at);
  happening.call = call;
  happening.context = context;
}

const SimFault* SimFail(Platform& world, Verb verb, int32_t error, uint32_t skip, uint32_t count) {
  for (SimFault& fault : world.faults) {
    if (fault.in_use) continue;
    fault = SimFault{};
    fault.in_use = count > 0;
    fault.verb = verb;
    fault.error = error;
    fault.skip = skip;
    fault.count = count;
    return &fault;
  }
  SimFailed("too many faults are planned");
}

uint64_t SimVerbCount(const Platform& world, Verb verb) {
  return world.verb_counts[static_cast<size_t>(verb)];
}

void SimEnvironmentSet(Platform& world, const char* name, std::string_view value) {
  SimVariable* free = nullptr;
  for (SimVariable& variable : world.variables) {
    if (variable.in_use && strcmp(variable.name, name) == 0) {
      free = &variable;
      break;
    }
    if (!variable.in_use && free == nullptr) free = &variable;
  }
  if (free == nullptr) SimFailed("too many environment variables");
  free->in_use = true;
  SimTextCopy(free->name, sizeof(free->name), name);
  SimTextCopy(free->value, sizeof(free->value), value);
}

bool SimLogContains(const Platform& world, std::string_view text) {
  return SimTextFind(world.log.text(), text) != world.log.size;
}

void SimTextAppend(SimText& text, std::string_view bytes) {
  if (bytes.size() > kSimTextSizeMax / 2) SimFailed("a line too long to keep");
  if (text.size + bytes.size() > kSimTextSizeMax) {
    const uint32_t dropped = text.size / 2;
    text.size -= dropped;
    memmove(text.bytes, text.bytes + dropped, text.size);
  }
  if (!bytes.empty()) memcpy(text.bytes + text.size, bytes.data(), bytes.size());
  text.size += static_cast<uint32_t>(bytes.size());
  text.total_size += bytes.size();
}

int32_t SimEnter(Platform& world, Verb verb) {
  ++world.verb_counts[static_cast<size_t>(verb)];
  Trace(world, static_cast<uint64_t>(verb));
  Trace(world, static_cast<uint64_t>(world.now.boot_ms));
  if (world.before_verb != nullptr) {
    const int32_t error = world.before_verb(world.hook_context, world, verb);
    if (error != 0) return error;
  }
  return FaultTake(world, verb);
}

IoResult SimLeave(Platform& world, Verb verb, IoResult result) {
  Trace(world, static_cast<uint64_t>(static_cast<uint32_t>(result.error)));
  Trace(world, result.count);
  if (world.after_verb != nullptr) world.after_verb(world.hook_context, world, verb, result);
  return result;
}

int32_t SimHandleMake(SimHandleKind kind, uint16_t generation, size_t index) {
  return static_cast<int32_t>(static_cast<uint32_t>(kind) << 24 |
                              static_cast<uint32_t>(generation) << 8 |
                              static_cast<uint32_t>(index));
}

size_t SimHandleIndex(SimHandleKind kind, int32_t handle, size_t count) {
  const auto bits = static_cast<uint32_t>(handle);
  if (bits >> 24 != static_cast<uint32_t>(kind)) SimFailed("a handle of another kind, or none");
  const size_t index = bits & 255;
  if (index >= count) SimFailed("no such handle");
  return index;
}

uint16_t SimHandleGeneration(int32_t handle) {
  return static_cast<uint16_t>(static_cast<uint32_t>(handle) >> 8);
}

// ---- the verbs of clock, waiting and process ------------------------------------------------

Instant ClockBoot(Platform& world) {
  static_cast<void>(SimEnter(world, Verb::kClockBoot));
  return world.now;
}

WallTime ClockWall(Platform& world) {
  static_cast<void>(SimEnter(world, Verb::kClockWall));
  return SimWall(world);
}

IoResult EntropyFill(Platform& world, char* bytes, size_t size) {
  if (size > 256) SimFailed("EntropyFill of more than 256 bytes");
  if (const int32_t error = SimEnter(world, Verb::kEntropyFill); error != 0) {
    return SimLeave(world, Verb::kEntropyFill, {error, 0});
  }
  for (size_t index = 0; index < size; ++index) {
    bytes[index] = static_cast<char>(RandomNext(world.entropy_state) & 255);
  }
  return SimLeave(world, Verb::kEntropyFill, {0, static_cast<uint32_t>(size)});
}

size_t Wait(Platform& world, Instant deadline, Event* events, size_t event_count_max) {
  if (event_count_max == 0) SimFailed("Wait for no events");
  const int32_t error = SimEnter(world, Verb::kWait);
  StillTurnCount(world);
  size_t count = 0;
  world.is_woken = false;
  while (error == 0) {
    StepWorld(world);
    count = SignalsCollect(world, events, event_count_max);
    count += SimNetCollect(world, events + count, event_count_max - count);
    if (count > 0 || world.is_woken || world.now >= deadline) break;
    const SimHappening* planned = HappeningNext(world);
    Instant next = Earliest(Earliest(deadline, SimNetNext(world)), SimProcessNext(world));
    if (planned != nullptr) next = Earliest(next, planned->at);
    if (next == kInstantNever) SimFailed("the agent waits for what never comes");
    world.now = Latest(world.now, next);
  }
  static_cast<void>(SimLeave(world, Verb::kWait, {0, static_cast<uint32_t>(count)}));
  return count;
}

IoResult SignalsWatch(Platform& world, SignalSet set) {
  if (world.signals_watched) SimFailed("SignalsWatch twice");
  const int32_t error = SimEnter(world, Verb::kSignalsWatch);
  if (error == 0) world.signals_watched = true;
  if (error == 0) world.signal_set = set;
  return SimLeave(world, Verb::kSignalsWatch, {error, 0});
}

ProcessFacts ProcessInspect(Platform& world) {
  static_cast<void>(SimEnter(world, Verb::kProcessInspect));
  uint64_t& seed = world.process.seed;
  for (int count = seed == 0 ? 8 : 0; count > 0; --count) {
    seed = seed << 8 | (RandomNext(world.entropy_state) & 255);
  }
  return world.process;
}

bool ProcessIsAlive(Platform& world, uint32_t pid) {
  static_cast<void>(SimEnter(world, Verb::kProcessIsAlive));
  return pid != 0 &&
         (pid == world.process.pid || pid == world.alive_pid || SimProcessIsAlive(world, pid));
}

std::string_view EnvironmentGet(Platform& world, const char* name) {
  static_cast<void>(SimEnter(world, Verb::kEnvironmentGet));
  for (const SimVariable& variable : world.variables) {
    if (variable.in_use && strcmp(variable.name, name) == 0) return variable.value;
  }
  return {};
}

IoResult OutputWrite(Platform& world, const ConstPart* parts, size_t part_count) {
  if (part_count > kWritePartCountMax) SimFailed("too many parts");
  if (const int32_t error = SimEnter(world, Verb::kOutputWrite); error != 0) {
    return SimLeave(world, Verb::kOutputWrite, {error, 0});
  }
  uint32_t total = 0;
  for (size_t index = 0; index < part_count; ++index) {
    SimTextAppend(world.output, {parts[index].data, parts[index].size});
    total += static_cast<uint32_t>(parts[index].size);
  }
  return SimLeave(world, Verb::kOutputWrite, {0, total});
}

IoResult InputRead(Platform& world, char* bytes, size_t size) {
  if (const int32_t error = SimEnter(world, Verb::kInputRead); error != 0) {
    return SimLeave(world, Verb::kInputRead, {error, 0});
  }
  const size_t count = world.input.copy(bytes, size);
  world.input.remove_prefix(count);
  return SimLeave(world, Verb::kInputRead, {0, static_cast<uint32_t>(count)});
}

void LogWrite(Platform& world, std::string_view line) {
  if (SimEnter(world, Verb::kLogWrite) != 0) return;
  SimTextAppend(world.log, line);
  if (world.on_log != nullptr) world.on_log(world.hook_context, line);
}

void MemoryLock(Platform& world, void*, size_t size) {
  if (SimEnter(world, Verb::kMemoryLock) == 0) world.locked_size += size;
}

SimReceiver& SimReceiverAdd(Platform& world, std::string_view name) {
  for (SimReceiver& receiver : world.receivers) {
    if (receiver.in_use) continue;
    receiver = SimReceiver{};
    receiver.in_use = true;
    SimTextCopy(receiver.name, sizeof(receiver.name), name);
    return receiver;
  }
  SimFailed("too many receivers");
}

IoResult LocalSend(Platform& world, std::string_view name, std::string_view text) {
  int32_t error = SimEnter(world, Verb::kLocalSend);
  if (error == 0 && name.empty()) error = EINVAL;
  if (error == 0 && name.size() > kSimReceiverNameSizeMax) error = ENAMETOOLONG;
  if (error != 0) return SimLeave(world, Verb::kLocalSend, {error, 0});
  // No abstract name stays without its receiver.
  error = name[0] == '@' ? ECONNREFUSED : ENOENT;
  for (SimReceiver& receiver : world.receivers) {
    if (!receiver.in_use || name != receiver.name) continue;
    error = receiver.is_gone ? ECONNREFUSED : receiver.is_full ? EAGAIN : 0;
    if (error != 0) break;
    ++receiver.message_count;
    if (world.on_local != nullptr) world.on_local(world.hook_context, name, text);
  }
  const auto count = static_cast<uint32_t>(error == 0 ? text.size() : 0);
  return SimLeave(world, Verb::kLocalSend, {error, count});
}

int64_t ClockMonotonicUs(Platform& world) {
  static_cast<void>(SimEnter(world, Verb::kClockMonotonicUs));
  return (world.now.boot_ms - world.suspended.ms) * 1000;
}

bool DescriptorIsOpen(Platform& world, int32_t descriptor) {
  static_cast<void>(SimEnter(world, Verb::kDescriptorIsOpen));
  return descriptor >= 0 && descriptor == world.inherited_descriptor;
}

IoResult DescriptorTell(Platform& world, int32_t descriptor, std::string_view text) {
  if (descriptor < 0 || descriptor != world.inherited_descriptor) {
    SimFailed("DescriptorTell of one that isn't open");
  }
  world.inherited_descriptor = -1;
  if (const int32_t error = SimEnter(world, Verb::kDescriptorTell); error != 0) {
    return SimLeave(world, Verb::kDescriptorTell, {error, 0});
  }
  SimTextAppend(world.told, text);
  return SimLeave(world, Verb::kDescriptorTell, {0, static_cast<uint32_t>(text.size())});
}

}  // namespace miagent
