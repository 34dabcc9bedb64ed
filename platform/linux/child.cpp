// Children: how a program is started without losing a signal, and how it is reaped.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "platform/linux/platform_linux.h"
#include "platform/trap.h"

namespace miagent {
namespace {

constexpr size_t kProgramPathSizeMax = 2048;  // of one that is found in PATH
constexpr const char* kPathDefault = "/usr/local/bin:/bin:/usr/bin";
// For the system to load the program, from a slow disk or network too. A child that was stopped
// before (^Z) is taken for started: should it fail later, its exit code says so.
constexpr int kLoadPatienceMs = 5000;
constexpr int kExitNotExecutable = 126;  // as shells have it
constexpr int kExitNotFound = 127;
constexpr long kPidfdSendSignal = 424;  // the same on every processor; older headers lack them
constexpr long kPidfdOpen = 434;

// Each has a reading and a writing end.
struct Pipes {
  int32_t release[2] = {-1,
                        -1};  // to the child: the signals that are pending here; then it goes on
  int32_t report[2] = {-1, -1};  // from the child: which of them it lacks; an errno, if it fails
  int32_t output[2] = {-1, -1};  // kHook: from the program
};

void PipesClose(Pipes& pipes) {
  for (int32_t* const pair : {pipes.release, pipes.report, pipes.output}) {
    for (int32_t index = 0; index < 2; ++index) {
      if (pair[index] >= 0) DescriptorClose(pair[index]);
      pair[index] = -1;
    }
  }
}

IoResult PipesOpen(Pipes& pipes, bool has_output) {
  if (pipe2(pipes.release, O_CLOEXEC) != 0 || pipe2(pipes.report, O_CLOEXEC) != 0) {
    return ResultOf(-1);
  }
  if (!has_output) return {};
  if (pipe2(pipes.output, O_CLOEXEC) != 0) return ResultOf(-1);
  if (pipes.output[0] >= kDescriptorMax) return {EMFILE, 0};
  // For this end alone: what a program writes to may block it.
  return ResultOf(fcntl(pipes.output[0], F_SETFL, O_NONBLOCK));
}

uint64_t SignalsPending() {
  uint64_t pending = 0;
  syscall(SYS_rt_sigpending, &pending, kSignalSetSize);
  return pending;
}

// Loads a program in place of this one; returns the errno value where that fails.
int32_t Load(const char* path, const ChildPlan& plan) {
  char** const environment =
      plan.role == ChildRole::kService ? environ : const_cast<char**>(plan.environment);
  execve(path, const_cast<char**>(plan.arguments), environment);
  return errno;
}

// The same, looked up in PATH.
int32_t LoadFromPath(Platform& platform, const ChildPlan& plan) {
  const char* const name = plan.arguments[0];
  std::string_view path = EnvironmentGet(platform, "PATH");
  if (path.empty()) path = kPathDefault;
  int32_t error = ENOENT;
  if (*name == '\0') return error;  // each folder of PATH would be found
  char bytes[kProgramPathSizeMax];
  for (size_t at = 0; at <= path.size(); ++at) {
    size_t size = 0;
    for (; at < path.size() && path[at] != ':'; ++at) {
      if (size < kProgramPathSizeMax) bytes[size++] = path[at];
    }
    if (size != 0 && size < kProgramPathSizeMax) bytes[size++] = '/';
    for (const char* from = name; *from != '\0' && size < kProgramPathSizeMax; ++from) {
      bytes[size++] = *from;
    }
    if (size == kProgramPathSizeMax) continue;
    bytes[size] = '\0';
    const int32_t failure = Load(bytes, plan);
    if (failure == EACCES) error = failure;
    if (failure != ENOENT && failure != ENOTDIR && failure != EACCES) return failure;
  }
  return error;
}

bool HasSlash(const char* name) {
  while (*name != '\0' && *name != '/') ++name;
  return *name == '/';
}

// Standard streams, group and place of a hook; 0 or an errno value.
int32_t HookPrepare(const Pipes& pipes) {
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  const bool is_ready =
      null >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(pipes.output[1], STDOUT_FILENO) >= 0 &&
      dup2(pipes.output[1], STDERR_FILENO) >= 0 && chdir("/") == 0 && setpgid(0, 0) == 0;
  return is_ready ? 0 : errno;
}

// The new process, which has every watched signal blocked still.
[[noreturn]] void Become(Platform& platform, const ChildPlan& plan, const Pipes& pipes,
                         pid_t parent) {
  const bool is_service = plan.role == ChildRole::kService;
  DescriptorClose(pipes.release[1]);
  if (is_service) {
    prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
    if (getppid() != parent) _exit(kExitNotFound);  // it died before that
  }
  uint64_t unshared = 0;
  if (read(pipes.release[0], &unshared, sizeof(unshared)) != sizeof(unshared)) {
    _exit(kExitNotFound);
  }
  unshared &= ~SignalsPending();
  int32_t error = is_service ? 0 : HookPrepare(pipes);
  syscall(SYS_prlimit64, 0, RLIMIT_CORE, platform.core_limit, nullptr);
  SignalHandle(SIGPIPE, platform.pipe_handler);
  SignalHandle(SIGCHLD, platform.child_handler);
  static_cast<void>(ResultOf(write(pipes.report[1], &unshared, sizeof(unshared))));
  if (platform.signals >= 0) {
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &platform.mask, nullptr, kSignalSetSize);
  }
  const bool is_path = !is_service || HasSlash(plan.arguments[0]);
  if (error == 0) error = is_path ? Load(plan.arguments[0], plan) : LoadFromPath(platform, plan);
  static_cast<void>(ResultOf(write(pipes.report[1], &error, sizeof(error))));
  _exit(error == ENOENT || error == ENOTDIR ? kExitNotFound : kExitNotExecutable);
}

// Reads a part of what the child reports; false where it ends without, or takes its time.
bool ReportRead(int32_t descriptor, void* part, size_t size) {
  pollfd report{descriptor, POLLIN, 0};
  if (Retry([&] { return poll(&report, 1, kLoadPatienceMs); }).count == 0) return false;
  return Retry([&] { return read(descriptor, part, size); }).count == size;
}

// Releases the child, and returns once it has loaded its program or has failed: 0 or an errno.
int32_t Release(Platform& platform, Pipes& pipes, bool is_service) {
  DescriptorClose(pipes.report[1]);
  pipes.report[1] = -1;
  const uint64_t pending = SignalsPending();
  // It can't be gone: nothing but this and SIGKILL reaches it.
  static_cast<void>(ResultOf(write(pipes.release[1], &pending, sizeof(pending))));
  uint64_t unshared = 0;
  int32_t error = 0;
  if (!ReportRead(pipes.report[0], &unshared, sizeof(unshared))) return 0;
  if (is_service) platform.unshared_signals = unshared;
  return ReportRead(pipes.report[0], &error, sizeof(error)) ? error : 0;
}

}  // namespace

IoResult ChildStart(Platform& platform, const ChildPlan& plan, uint32_t* pid, Socket* output) {
  const bool is_service = plan.role == ChildRole::kService;
  // Where it is ignored, the system reaps by itself and tells nobody.
  if (!platform.has_child_handler) platform.child_handler = SignalHandle(SIGCHLD, SIG_DFL);
  platform.has_child_handler = true;
  Pipes pipes;
  IoResult result = PipesOpen(pipes, !is_service);
  if (!result.ok()) {
    PipesClose(pipes);
    return result;
  }
  const pid_t parent = getpid();
  // By number: the C library's copies hold locks for threads that aren't here.
  const auto child = static_cast<pid_t>(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
  if (child == 0) Become(platform, plan, pipes, parent);
  result = ResultOf(child);
  if (result.ok()) result = {Release(platform, pipes, is_service), 0};
  if (result.ok() && !is_service) {
    output->handle = pipes.output[0];
    platform.socket_states[output->handle] = kSocketOpen;
    pipes.output[0] = -1;
  }
  PipesClose(pipes);
  if (result.ok()) *pid = static_cast<uint32_t>(child);
  if (!result.ok() && child > 0) {
    static_cast<void>(Retry([&] { return waitpid(child, nullptr, 0); }));
  }
  return result;
}

IoResult ChildSignal(Platform&, uint32_t pid, int32_t signal_number, bool is_group) {
  const auto id = static_cast<pid_t>(pid);
  PLATFORM_CHECK(id > 0);
  return ResultOf(kill(is_group ? -id : id, signal_number));
}

bool ChildReap(Platform&, ChildEnd* end) {
  int status = 0;
  const IoResult reaped = Retry([&] { return waitpid(-1, &status, WNOHANG); });
  if (!reaped.ok() || reaped.count == 0) return false;
  *end = ChildEnd{};
  end->pid = reaped.count;
  if (WIFSIGNALED(status)) {
    end->signal_number = static_cast<uint8_t>(WTERMSIG(status));
  } else {
    end->exit_code = static_cast<uint8_t>(WEXITSTATUS(status));
  }
  return true;
}

void ProcessSuspend(Platform&) {
  // As ^Z does: nothing happens where nobody could continue it.
  const uint64_t stop = SignalBit(SIGTSTP);
  kill(getpid(), SIGTSTP);
  syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &stop, nullptr, kSignalSetSize);
  syscall(SYS_rt_sigprocmask, SIG_BLOCK, &stop, nullptr, kSignalSetSize);
}

IoResult ProcessOpen(Platform&, uint32_t pid, Process* process) {
  const IoResult opened = ResultOf(syscall(kPidfdOpen, pid, 0));
  if (!opened.ok()) return opened;
  process->handle = static_cast<int32_t>(opened.count);
  return {};
}

IoResult ProcessSignal(Platform&, Process process, int32_t signal_number) {
  return ResultOf(syscall(kPidfdSendSignal, process.handle, signal_number, nullptr, 0));
}

void ProcessClose(Platform&, Process process) { DescriptorClose(process.handle); }

}  // namespace miagent
