// What a child gets of the process that starts it on Linux, and how its end is told.
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "doctest/doctest.h"
#include "platform/linux/platform_linux.h"

using namespace miagent;

namespace {

// Whether `holds` is true in a process of its own, which has started its platform.
bool InChild(
    const std::function<bool(Platform&)>& holds, const std::function<void()>& prepare = [] {}) {
  const pid_t child = fork();
  if (child == 0) {
    static Platform platform;
    signal(SIGPIPE, SIG_DFL);
    prepare();
    PlatformStart(platform);
    _exit(holds(platform) ? 0 : 1);
  }
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

IoResult Start(Platform& platform, ChildRole role, const std::vector<const char*>& arguments,
               uint32_t* pid, Socket* output = nullptr) {
  static const char* const environment[] = {"A=1", "B=two words", nullptr};
  std::vector<const char*> terminated = arguments;
  terminated.push_back(nullptr);
  return ChildStart(platform, {role, terminated.data(), environment}, pid, output);
}

// Waits for the next end.
ChildEnd Reap(Platform& platform) {
  ChildEnd end;
  while (!ChildReap(platform, &end)) {
    Event event;
    Wait(platform, ClockBoot(platform) + Seconds(1), &event, 1);
  }
  return end;
}

// Runs a program as the service; its exit code, or 128 and the signal.
int32_t Run(Platform& platform, const std::vector<const char*>& arguments) {
  uint32_t pid = 0;
  if (!Start(platform, ChildRole::kService, arguments, &pid).ok()) return -1;
  const ChildEnd end = Reap(platform);
  if (end.pid != pid) return -2;
  return end.signal_number != 0 ? 128 + end.signal_number : end.exit_code;
}

int32_t Run(Platform& platform, const char* script) { return Run(platform, {"sh", "-c", script}); }

// Whether a line of the child's own /proc/self/NAME matches.
bool Finds(Platform& platform, const char* pattern, const char* path) {
  return Run(platform, {"grep", "-Eq", pattern, path}) == 0;
}

// Everything a hook prints, to its end.
std::string Printed(Platform& platform, Socket output) {
  std::string text;
  for (;;) {
    char bytes[100];
    const IoResult result = SocketRead(platform, output, bytes, sizeof(bytes));
    if (result.ok() && result.count == 0) return text;
    text.append(bytes, result.count);
    if (result.ok()) continue;
    static_cast<void>(SocketWatch(platform, output, true, false));
    Event event;
    Wait(platform, ClockBoot(platform) + Seconds(20), &event, 1);
  }
}

}  // namespace

TEST_CASE("a child's exit code and signal are told once") {
  CHECK(InChild([](Platform& platform) {
    return SignalsWatch(platform, SignalSet::kWrapper).ok() && Run(platform, "exit 0") == 0 &&
           Run(platform, "exit 255") == 255 && Run(platform, "kill -9 $$") == 128 + 9 &&
           Run(platform, "kill -15 $$") == 128 + 15 && [&] {
             ChildEnd end;
             return !ChildReap(platform, &end);
           }();
  }));
}

TEST_CASE("what can't be started says why, and leaves no process and no descriptor") {
  CHECK(InChild([](Platform& platform) {
    char path[] = "/tmp/miagent-child-XXXXXX";
    const int file = mkstemp(path);
    if (file < 0 || write(file, "exit 3\n", 7) != 7) return false;
    close(file);
    const int free_before = dup(0);
    close(free_before);
    uint32_t pid = 7;
    Socket output;
    bool holds = true;
    for (const ChildRole role : {ChildRole::kService, ChildRole::kHook}) {
      holds = holds && Start(platform, role, {path}, &pid, &output).error == EACCES;
      holds = holds && Start(platform, role, {"/nowhere/x"}, &pid, &output).error == ENOENT;
    }
    holds = holds && Start(platform, ChildRole::kService, {""}, &pid).error == ENOENT;
    holds = holds && Start(platform, ChildRole::kService, {"no-such-x"}, &pid).error == ENOENT;
    chmod(path, 0700);
    holds = holds && Start(platform, ChildRole::kService, {path}, &pid).error == ENOEXEC;
    unlink(path);
    const int free_after = dup(0);
    return holds && pid == 7 && free_after == free_before && waitpid(-1, nullptr, 0) < 0 &&
           errno == ECHILD;
  }));
}

// Signals 32 and up are as this process got them: whoever started it may ignore those.
TEST_CASE("a service has the signals, limits and descriptors of the start") {
  const auto check = [](Platform& platform) {
    if (!SignalsWatch(platform, SignalSet::kWrapper).ok()) return false;
    return Finds(platform, "^Max core file size +4096 +8192 ", "/proc/self/limits") &&
           Finds(platform, "^SigBlk:.*0000000000000200$", "/proc/self/status") &&
           Finds(platform, "^SigIgn:.*[08]0000001$", "/proc/self/status") &&
           // The fourth is the shell's own, of this folder.
           Run(platform, "set -- /proc/$$/fd/*; test $# -eq 4") == 0;
  };
  CHECK(InChild(check, [] {
    const rlimit core{4096, 8192};
    setrlimit(RLIMIT_CORE, &core);
    for (int number = 1; number < 32; ++number) signal(number, SIG_DFL);
    signal(SIGHUP, SIG_IGN);
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    sigprocmask(SIG_SETMASK, &blocked, nullptr);
    for (int descriptor = 3; descriptor < 256; ++descriptor) close(descriptor);
  }));
}

TEST_CASE("a parent that ignored SIGCHLD doesn't hide the end of a child") {
  const auto check = [](Platform& platform) {
    return SignalsWatch(platform, SignalSet::kWrapper).ok() && Run(platform, "exit 5") == 5 &&
           Finds(platform, "^SigIgn:.*[08]0010000$", "/proc/self/status");
  };
  CHECK(InChild(check, [] {
    for (int number = 1; number < 32; ++number) signal(number, SIG_DFL);
    signal(SIGCHLD, SIG_IGN);
  }));
}

TEST_CASE("a signal that waits for this process still is not the child's yet, nor is it lost") {
  CHECK(InChild([](Platform& platform) {
    if (!SignalsWatch(platform, SignalSet::kWrapper).ok()) return false;
    kill(getpid(), SIGINT);
    uint32_t pid = 0;
    if (!Start(platform, ChildRole::kService, {"sleep", "100"}, &pid).ok()) return false;
    if (platform.unshared_signals != SignalBit(SIGINT)) return false;
    Event event;
    if (Wait(platform, ClockBoot(platform) + Seconds(20), &event, 1) != 1) return false;
    if (event.signal_number != SIGINT || event.is_from_terminal) return false;
    if (platform.unshared_signals != 0) return false;
    return ChildSignal(platform, pid, SIGINT, false).ok() && Reap(platform).signal_number == SIGINT;
  }));
}

TEST_CASE("a wrapper's signals arrive with their numbers, and its own faults don't") {
  CHECK(InChild([](Platform& platform) {
    if (!SignalsWatch(platform, SignalSet::kWrapper).ok()) return false;
    for (const int number : {SIGHUP, SIGQUIT, SIGALRM, SIGTSTP, SIGCONT, SIGWINCH, SIGIO, SIGPWR,
                             SIGRTMIN, SIGRTMAX}) {
      kill(getpid(), number);
      Event event;
      if (Wait(platform, ClockBoot(platform) + Seconds(20), &event, 1) != 1) return false;
      if (event.kind != EventKind::kSignal || event.signal_number != number) return false;
      if (event.is_from_terminal) return false;
    }
    sigset_t blocked;
    sigprocmask(SIG_BLOCK, nullptr, &blocked);
    for (const int number : {SIGSEGV, SIGILL, SIGABRT, SIGTTIN, SIGTTOU, SIGPIPE}) {
      if (sigismember(&blocked, number) != 0) return false;
    }
    return true;
  }));
}

TEST_CASE("a hook has a group, a folder and an environment of its own, and a pipe") {
  CHECK(InChild([](Platform& platform) {
    uint32_t pid = 0;
    Socket output;
    const char* const script =
        "echo out; echo err >/dev/stderr; pwd; read x; echo \"read $?\"; /usr/bin/env | sort | "
        "grep -v '^_=\\|^PWD=\\|^SHLVL='; test $(cut -d' ' -f5 /proc/$$/stat) = $$ && echo leads";
    if (!Start(platform, ChildRole::kHook, {"/bin/sh", "-c", script}, &pid, &output).ok()) {
      return false;
    }
    const std::string text = Printed(platform, output);
    SocketClose(platform, output);
    const ChildEnd end = Reap(platform);
    return end.pid == pid && end.exit_code == 0 &&
           text == "out\nerr\n/\nread 1\nA=1\nB=two words\nleads\n";
  }));
}

TEST_CASE("a hook's whole group can be ended") {
  CHECK(InChild([](Platform& platform) {
    uint32_t pid = 0;
    Socket output;
    if (!Start(platform, ChildRole::kHook, {"/bin/sh", "-c", "echo x; sleep 100 & wait"}, &pid,
               &output)
             .ok()) {
      return false;
    }
    char byte[2];
    while (!SocketRead(platform, output, byte, sizeof(byte)).ok()) {
    }
    return ChildSignal(platform, pid, SIGKILL, true).ok() &&
           Printed(platform, output).empty() &&  // the sleep had the pipe too
           Reap(platform).signal_number == SIGKILL;
  }));
}

TEST_CASE("a service is told when the process that started it dies") {
  int ends[2] = {-1, -1};
  REQUIRE(pipe(ends) == 0);
  const pid_t starter = fork();
  if (starter == 0) {
    static Platform platform;
    close(ends[0]);
    PlatformStart(platform);
    uint32_t pid = 0;
    const char* const script = "trap 'echo told; exit' TERM; echo up; while :; do sleep 0.01; done";
    dup2(ends[1], 1);
    static_cast<void>(SignalsWatch(platform, SignalSet::kWrapper));
    static_cast<void>(Start(platform, ChildRole::kService, {"sh", "-c", script}, &pid));
    pause();
  }
  close(ends[1]);
  std::string text;
  char byte = 0;
  while (read(ends[0], &byte, 1) == 1) {
    text += byte;
    if (text == "up\n") kill(starter, SIGKILL);
  }
  close(ends[0]);
  CHECK(text == "up\ntold\n");
  CHECK(waitpid(starter, nullptr, 0) == starter);
}

TEST_CASE("another process is signalled by a handle, and never after its end") {
  CHECK(InChild([](Platform& platform) {
    signal(SIGTERM, SIG_DFL);
    const pid_t other = fork();
    if (other == 0) {
      pause();
      _exit(0);
    }
    Process process;
    const IoResult opened = ProcessOpen(platform, static_cast<uint32_t>(other), &process);
    if (opened.error == ENOSYS) return true;
    if (!opened.ok() || !ProcessSignal(platform, process, SIGTERM).ok()) return false;
    int status = 0;
    if (waitpid(other, &status, 0) != other || WTERMSIG(status) != SIGTERM) return false;
    const bool is_over = ProcessSignal(platform, process, SIGTERM).error == ESRCH;
    ProcessClose(platform, process);
    return is_over && ProcessOpen(platform, static_cast<uint32_t>(other), &process).error == ESRCH;
  }));
}
