// Children, which go by the script of their program, and other processes.

#include <signal.h>

#include <cstring>

#include "platform/sim/text.h"
#include "platform/sim/world.h"

namespace miagent {
namespace {

void SentAdd(SimSent& sent, int32_t number) {
  if (sent.count < kSimSentCountMax) sent.numbers[sent.count] = static_cast<uint8_t>(number);
  ++sent.count;
}

SimProgram* ProgramFind(Platform& world, const char* path) {
  for (SimProgram& program : world.programs) {
    if (program.in_use && strcmp(program.path, path) == 0) return &program;
  }
  return nullptr;
}

SimChild* ChildFind(Platform& world, uint32_t pid) {
  for (SimChild& child : world.children) {
    if (child.in_use && child.pid == pid) return &child;
  }
  return nullptr;
}

SimChild* ChildFree(Platform& world) {
  for (SimChild& child : world.children) {
    if (!child.in_use) return &child;
  }
  return nullptr;
}

// Keeps a list of strings, each with a newline behind it.
void ListKeep(char* to, const char* const* list) {
  size_t size = 0;
  for (; list != nullptr && *list != nullptr; ++list) {
    SimTextCopy(to + size, kSimArgumentSizeMax - size - 1, *list);
    size += strlen(*list);
    to[size++] = '\n';
  }
  to[size] = '\0';
}

void ChildFinish(Platform& world, SimChild& child) {
  child.is_ended = true;
  child.ends_at = kInstantNever;
  child.end_order = ++world.child_end_count;
  if (child.program_index >= 0) {
    SimProgram& program = world.programs[child.program_index];
    ++program.end_count;
    if (child.role == ChildRole::kHook) {
      SimPipeEnd(world, child.output, !program.leaves_output_open);
    }
  }
  SimSignalArrive(world, SIGCHLD, false);
}

// A signal reaches a child that has not ended.
void ChildTake(Platform& world, SimChild& child, int32_t number) {
  const SimProgram& program = world.programs[child.program_index];
  if (number == SIGCONT && child.is_stopped) {
    child.is_stopped = false;
    child.ends_at = world.now + child.rest;
    if (child.held_number == 0) return;
    number = child.held_number;
  }
  const bool is_certain = number == SIGKILL || number == SIGSTOP;
  if (!is_certain && (program.ignored_signals >> number & 1) != 0) return;
  if (number == SIGSTOP || number == SIGTSTP || number == SIGTTIN || number == SIGTTOU) {
    if (!child.is_stopped) child.rest = child.ends_at - world.now;
    child.is_stopped = true;
    child.ends_at = kInstantNever;
    return;
  }
  if (number == SIGCONT || number == SIGCHLD || number == SIGURG || number == SIGWINCH) return;
  if (child.is_stopped && number != SIGKILL) {
    child.held_number = static_cast<uint8_t>(number);
    return;
  }
  child.ends_at = world.now;
  child.signal_number = static_cast<uint8_t>(number);
  if (number == SIGTERM && program.catches_term) {
    child.signal_number = 0;
    child.ends_at = world.now + program.term_takes;
  }
}

SimOpen& OpenOf(Platform& world, Process process) {
  const size_t index = SimHandleIndex(SimHandleKind::kProcess, process.handle, kSimProcessCountMax);
  SimOpen& open = world.open_processes[index];
  if (!open.in_use || open.generation != SimHandleGeneration(process.handle)) {
    SimFailed("a process was used after its close");
  }
  return open;
}

constexpr size_t kStatusPathSizeMax = 32;

void StatusPath(uint32_t pid, char* path) {
  char digits[12];
  size_t count = 0;
  do {
    digits[count++] = static_cast<char>('0' + pid % 10);
    pid /= 10;
  } while (pid != 0);
  constexpr std::string_view kFolder = "/proc/";
  SimTextCopy(path, kStatusPathSizeMax, kFolder);
  size_t size = kFolder.size();
  while (count > 0) path[size++] = digits[--count];
  SimTextCopy(path + size, kStatusPathSizeMax - size, "/status");
}

int32_t Start(Platform& world, const ChildPlan& plan, uint32_t* pid, Socket* output) {
  SimProgram* program = ProgramFind(world, plan.arguments[0]);
  SimChild* child = ChildFree(world);
  if (program == nullptr) return ENOENT;
  if (program->start_error != 0) return program->start_error;
  if (child == nullptr) return EAGAIN;
  *child = SimChild{};
  if (plan.role == ChildRole::kHook && !SimPipeOpen(world, *program, &child->output)) return EMFILE;
  child->in_use = true;
  child->pid = world.next_pid++;
  child->program_index = static_cast<int32_t>(program - world.programs);
  child->role = plan.role;
  child->exit_code = program->dies_by != 0 ? uint8_t{0} : program->exit_code;
  child->signal_number = program->dies_by;
  child->ends_at = program->runs.ms == kTimeMax ? kInstantNever : world.now + program->runs;
  ++program->start_count;
  program->started_at = world.now;
  program->role = plan.role;
  ListKeep(program->arguments, plan.arguments);
  ListKeep(program->environment, plan.environment);
  *pid = child->pid;
  if (plan.role == ChildRole::kHook) *output = child->output;
  return 0;
}

}  // namespace

// ---- for tests ------------------------------------------------------------------------------

SimProgram& SimProgramAdd(Platform& world, const char* path) {
  for (SimProgram& program : world.programs) {
    if (program.in_use) continue;
    program = SimProgram{};
    program.in_use = true;
    SimTextCopy(program.path, sizeof(program.path), path);
    return program;
  }
  SimFailed("too many programs");
}

void SimOrphanAt(Platform& world, Instant at, uint32_t pid, uint8_t exit_code) {
  SimChild* child = ChildFree(world);
  if (child == nullptr) SimFailed("too many children");
  *child = SimChild{};
  child->in_use = true;
  child->pid = pid;
  child->exit_code = exit_code;
  child->ends_at = at;
}

SimProcess& SimProcessAdd(Platform& world, uint32_t pid, uint32_t uid) {
  if (SimProcessIsAlive(world, pid)) SimFailed("there is a process of this id");
  for (SimProcess& process : world.processes) {
    if (process.in_use) continue;
    process = SimProcess{};
    process.in_use = true;
    process.is_alive = true;
    process.pid = pid;
    process.uid = uid;
    char path[kStatusPathSizeMax];
    StatusPath(pid, path);
    char text[128] = "Name:\tapp\nUmask:\t0022\nUid:\t";
    size_t size = strlen(text);
    for (int column = 0; column < 4; ++column) {
      char digits[12];
      size_t count = 0;
      uint32_t rest = uid;
      do {
        digits[count++] = static_cast<char>('0' + rest % 10);
        rest /= 10;
      } while (rest != 0);
      while (count > 0) text[size++] = digits[--count];
      text[size++] = column == 3 ? '\n' : '\t';
    }
    SimFileAdd(world, path, {text, size}, 0444);
    return process;
  }
  SimFailed("too many processes");
}

void SimProcessEnd(Platform& world, SimProcess& process) {
  process.is_alive = false;
  char path[kStatusPathSizeMax];
  StatusPath(process.pid, path);
  SimFileRemove(world, path);
}

// ---- for the world --------------------------------------------------------------------------

void SimProcessStep(Platform& world) {
  for (size_t turn = 0; turn < kSimChildCountMax; ++turn) {
    SimChild* next = nullptr;
    for (SimChild& child : world.children) {
      if (!child.in_use || child.is_ended || child.ends_at > world.now) continue;
      if (next == nullptr || child.ends_at < next->ends_at) next = &child;
    }
    if (next == nullptr) return;
    ChildFinish(world, *next);
  }
}

Instant SimProcessNext(const Platform& world) {
  Instant next = kInstantNever;
  for (const SimChild& child : world.children) {
    if (child.in_use && !child.is_ended) next = Earliest(next, child.ends_at);
  }
  return next;
}

// The children are someone else's now; a service gets the signal that it asked for.
void SimProcessKill(Platform& world) {
  for (SimChild& child : world.children) {
    if (child.in_use && child.program_index >= 0 && child.role == ChildRole::kService) {
      SentAdd(world.programs[child.program_index].sent, SIGTERM);
    }
    child.in_use = false;
  }
  for (SimOpen& open : world.open_processes) {
    if (open.in_use) ++open.generation;
    open.in_use = false;
  }
}

bool SimProcessIsAlive(const Platform& world, uint32_t pid) {
  for (const SimChild& child : world.children) {
    if (child.in_use && child.pid == pid) return true;
  }
  for (const SimProcess& process : world.processes) {
    if (process.in_use && process.is_alive && process.pid == pid) return true;
  }
  return false;
}

// ---- the verbs ------------------------------------------------------------------------------

IoResult ChildStart(Platform& world, const ChildPlan& plan, uint32_t* pid, Socket* output) {
  if (plan.arguments == nullptr || plan.arguments[0] == nullptr) SimFailed("a child of no program");
  IoResult result{SimEnter(world, Verb::kChildStart), 0};
  if (result.ok()) result.error = Start(world, plan, pid, output);
  return SimLeave(world, Verb::kChildStart, result);
}

IoResult ChildSignal(Platform& world, uint32_t pid, int32_t signal_number, bool is_group) {
  if (signal_number < 1 || signal_number > static_cast<int32_t>(kSimSignalNumberMax)) {
    SimFailed("no such signal");
  }
  SimChild* child = ChildFind(world, pid);
  if (child == nullptr || child->program_index < 0) {
    SimFailed("a signal for a child that was reaped, or never was");
  }
  IoResult result{SimEnter(world, Verb::kChildSignal), 0};
  if (result.ok() && is_group && child->role != ChildRole::kHook) result.error = ESRCH;
  if (result.ok()) {
    SentAdd(world.programs[child->program_index].sent, signal_number);
    if (!child->is_ended) ChildTake(world, *child, signal_number);
  }
  return SimLeave(world, Verb::kChildSignal, result);
}

bool ChildReap(Platform& world, ChildEnd* end) {
  static_cast<void>(SimEnter(world, Verb::kChildReap));
  SimChild* first = nullptr;
  for (SimChild& child : world.children) {
    if (!child.in_use || !child.is_ended) continue;
    if (first == nullptr || child.end_order < first->end_order) first = &child;
  }
  static_cast<void>(SimLeave(world, Verb::kChildReap, {0, first != nullptr ? 1U : 0U}));
  if (first == nullptr) return false;
  end->pid = first->pid;
  end->signal_number = first->signal_number;
  end->exit_code = first->signal_number != 0 ? uint8_t{0} : first->exit_code;
  first->in_use = false;
  return true;
}

void ProcessSuspend(Platform& world) {
  static_cast<void>(SimEnter(world, Verb::kProcessSuspend));
  world.now = world.now + world.suspended_for;
  SimSignalArrive(world, SIGCONT, false);
}

IoResult ProcessOpen(Platform& world, uint32_t pid, Process* process) {
  IoResult result{SimEnter(world, Verb::kProcessOpen), 0};
  size_t found = 0;
  while (found < kSimProcessCountMax &&
         !(world.processes[found].in_use && world.processes[found].is_alive &&
           world.processes[found].pid == pid)) {
    ++found;
  }
  if (result.ok() && found == kSimProcessCountMax) result.error = ESRCH;
  size_t index = 0;
  while (index < kSimProcessCountMax && world.open_processes[index].in_use) ++index;
  if (result.ok() && index == kSimProcessCountMax) result.error = EMFILE;
  if (result.ok()) {
    SimOpen& open = world.open_processes[index];
    open.in_use = true;
    open.index = static_cast<uint32_t>(found);
    ++world.open_handle_count;
    process->handle = SimHandleMake(SimHandleKind::kProcess, open.generation, index);
  }
  return SimLeave(world, Verb::kProcessOpen, result);
}

IoResult ProcessSignal(Platform& world, Process process, int32_t signal_number) {
  SimProcess& target = world.processes[OpenOf(world, process).index];
  IoResult result{SimEnter(world, Verb::kProcessSignal), 0};
  if (result.ok() && !target.is_alive) result.error = ESRCH;
  if (result.ok() && world.process.uid != 0 && world.process.uid != target.uid) {
    result.error = EPERM;
  }
  if (result.ok()) SentAdd(target.sent, signal_number);
  return SimLeave(world, Verb::kProcessSignal, result);
}

void ProcessClose(Platform& world, Process process) {
  SimOpen& open = OpenOf(world, process);
  static_cast<void>(SimEnter(world, Verb::kProcessClose));
  open.in_use = false;
  ++open.generation;
  --world.open_handle_count;
}

}  // namespace miagent
