// What the verbs of children and other processes promise. What a child is given of its parent
// (descriptors, signals, limits) only a real one can show: linux_child_test.cpp.
#include <signal.h>

#include <cerrno>
#include <map>
#include <string>

#include "doctest/doctest.h"
#include "tests/contract/fixture.h"

using namespace miagent;

namespace {

const char* const kEnvironment[] = {"A=1", nullptr};

IoResult Start(Platform& platform, const std::string& path, ChildRole role, uint32_t* pid,
               Socket* output) {
  const char* const arguments[] = {path.c_str(), "x", nullptr};
  return ChildStart(platform, {role, arguments, kEnvironment}, pid, output);
}

// Waits for the next child's end.
ChildEnd EndAwait(Platform& platform) {
  ChildEnd end;
  while (!ChildReap(platform, &end)) {
    Event event;
    if (Wait(platform, kInstantNever, &event, 1) == 0) continue;
    CHECK(event.kind == EventKind::kSignal);
    CHECK(event.signal == Signal::kChild);
    CHECK(event.signal_number == SIGCHLD);
  }
  return end;
}

// What comes out of a pipe, to its end.
std::string ReadAll(Platform& platform, Socket output) {
  std::string all;
  REQUIRE(SocketWatch(platform, output, true, false).ok());
  for (;;) {
    char bytes[8];
    const IoResult read = SocketRead(platform, output, bytes, sizeof(bytes));
    if (read.ok() && read.count == 0) break;
    if (read.ok()) all.append(bytes, read.count);
    Event event;
    if (read.error == EAGAIN) static_cast<void>(Wait(platform, kInstantNever, &event, 1));
  }
  REQUIRE(SocketWatch(platform, output, false, false).ok());
  return all;
}

}  // namespace

TEST_CASE("a hook prints into its pipe, ends, and is reaped once") {
  Fixture fixture;
  Platform& platform = fixture.platform();
  const std::string path = fixture.ProgramPut({"said, and more", 7});
  REQUIRE(SignalsWatch(platform, SignalSet::kAgent).ok());
  uint32_t pid = 0;
  Socket output;
  REQUIRE(Start(platform, path, ChildRole::kHook, &pid, &output).ok());
  CHECK(pid > 1);
  CHECK(ReadAll(platform, output) == "said, and more");
  char byte = 0;
  CHECK(SocketRead(platform, output, &byte, 1).count == 0);  // and again
  const ChildEnd end = EndAwait(platform);
  CHECK(end.pid == pid);
  CHECK(end.exit_code == 7);
  CHECK(end.signal_number == 0);
  ChildEnd none;
  CHECK_FALSE(ChildReap(platform, &none));
  SocketClose(platform, output);
}

TEST_CASE("a pipe has nothing yet while the hook says nothing") {
  Fixture fixture;
  Platform& platform = fixture.platform();
  ProgramPlan plan;
  plan.stays = true;
  const std::string path = fixture.ProgramPut(plan);
  REQUIRE(SignalsWatch(platform, SignalSet::kAgent).ok());
  uint32_t pid = 0;
  Socket output;
  REQUIRE(Start(platform, path, ChildRole::kHook, &pid, &output).ok());
  ChildEnd end;
  CHECK_FALSE(ChildReap(platform, &end));
  CHECK(ProcessIsAlive(platform, pid));
  REQUIRE(ChildSignal(platform, pid, SIGTERM, true).ok());
  end = EndAwait(platform);
  CHECK(end.pid == pid);
  CHECK(end.signal_number == SIGTERM);
  CHECK(end.exit_code == 0);
  SocketClose(platform, output);
}

TEST_CASE("what can't be started says why, and leaves nothing behind") {
  Fixture fixture;
  Platform& platform = fixture.platform();
  ProgramPlan plan;
  plan.may_execute = false;
  const std::string plain = fixture.ProgramPut(plan);
  REQUIRE(SignalsWatch(platform, SignalSet::kAgent).ok());
  for (const ChildRole role : {ChildRole::kHook, ChildRole::kService}) {
    uint32_t pid = 0;
    Socket output;
    CHECK(Start(platform, "/nowhere/at/all", role, &pid, &output).error == ENOENT);
    CHECK(Start(platform, plain, role, &pid, &output).error == EACCES);
    CHECK(fixture.HandleCount() == 0);
    ChildEnd end;
    CHECK_FALSE(ChildReap(platform, &end));
  }
}

TEST_CASE("a group is ended as a whole, its deaf members too") {
  Fixture fixture;
  Platform& platform = fixture.platform();
  ProgramPlan plan;
  plan.stays = true;
  plan.ignores_term = true;
  const std::string path = fixture.ProgramPut(plan);
  REQUIRE(SignalsWatch(platform, SignalSet::kAgent).ok());
  uint32_t pid = 0;
  Socket output;
  REQUIRE(Start(platform, path, ChildRole::kHook, &pid, &output).ok());
  REQUIRE(ChildSignal(platform, pid, SIGKILL, true).ok());
  CHECK(EndAwait(platform).signal_number == SIGKILL);
  // Nobody holds the pipe any more.
  static_cast<void>(ReadAll(platform, output));
  SocketClose(platform, output);
}

TEST_CASE("a child that has ended can be signalled until it is reaped, without effect") {
  Fixture fixture;
  Platform& platform = fixture.platform();
  const std::string path = fixture.ProgramPut({"", 5});
  REQUIRE(SignalsWatch(platform, SignalSet::kAgent).ok());
  uint32_t pid = 0;
  Socket output;
  REQUIRE(Start(platform, path, ChildRole::kHook, &pid, &output).ok());
  Event event;
  while (Wait(platform, kInstantNever, &event, 1) == 0) {
  }
  CHECK(event.signal == Signal::kChild);
  CHECK(ChildSignal(platform, pid, SIGKILL, false).ok());
  CHECK(ChildSignal(platform, pid, SIGKILL, true).ok());
  CHECK(EndAwait(platform).exit_code == 5);
  SocketClose(platform, output);
}

TEST_CASE("each of several children is reaped once, with its own end") {
  Fixture fixture;
  Platform& platform = fixture.platform();
  REQUIRE(SignalsWatch(platform, SignalSet::kAgent).ok());
  std::map<uint32_t, int> expected;
  for (uint8_t code = 1; code <= 4; ++code) {
    const std::string path = fixture.ProgramPut({"", code});
    uint32_t pid = 0;
    Socket none;
    REQUIRE(Start(platform, path, ChildRole::kService, &pid, &none).ok());
    expected[pid] = code;
  }
  REQUIRE(expected.size() == 4);
  while (!expected.empty()) {
    const ChildEnd end = EndAwait(platform);
    REQUIRE(expected.count(end.pid) == 1);
    CHECK(expected[end.pid] == end.exit_code);
    expected.erase(end.pid);
  }
  ChildEnd end;
  CHECK_FALSE(ChildReap(platform, &end));
}

TEST_CASE("another process is reached by its handle") {
  Fixture fixture;
  Platform& platform = fixture.platform();
  const uint32_t pid = fixture.ProcessPut();
  Process process;
  REQUIRE(ProcessOpen(platform, pid, &process).ok());
  CHECK(fixture.HandleCount() == 1);
  CHECK(ProcessSignal(platform, process, SIGHUP).ok());
  ProcessClose(platform, process);
  CHECK(fixture.ProcessEnd(pid) == SIGHUP);
  CHECK(ProcessOpen(platform, 0x7FFFFFFE, &process).error == ESRCH);
}

TEST_CASE("a handle never reaches the process that has its id next") {
  Fixture fixture;
  Platform& platform = fixture.platform();
  const uint32_t pid = fixture.ProcessPut();
  Process process;
  REQUIRE(ProcessOpen(platform, pid, &process).ok());
  CHECK(fixture.ProcessEnd(pid) == SIGKILL);
  CHECK(ProcessSignal(platform, process, SIGHUP).error == ESRCH);
  const auto next = fixture.ProcessPutAgain(pid);
  CHECK(ProcessSignal(platform, process, SIGHUP).error == ESRCH);
  ProcessClose(platform, process);
  if (!next.has_value()) {
    MESSAGE("an id can't be used again at will here");
    return;
  }
  CHECK(*next == pid);
  REQUIRE(ProcessOpen(platform, pid, &process).ok());
  ProcessClose(platform, process);
  CHECK(fixture.ProcessEnd(pid) == SIGKILL);
}

TEST_CASE("a wrapper is told of every signal by its number, an agent of its own") {
  Fixture fixture;
  Platform& platform = fixture.platform();
  REQUIRE(SignalsWatch(platform, SignalSet::kWrapper).ok());
  const std::map<int, Signal> meanings = {{SIGHUP, Signal::kReload},  {SIGINT, Signal::kStop},
                                          {SIGTERM, Signal::kStop},   {SIGQUIT, Signal::kOther},
                                          {SIGWINCH, Signal::kOther}, {SIGCONT, Signal::kOther}};
  for (const auto& [number, meaning] : meanings) {
    fixture.SignalNumberSend(number);
    Event event;
    while (Wait(platform, kInstantNever, &event, 1) == 0) {
    }
    CHECK(event.kind == EventKind::kSignal);
    CHECK(event.signal_number == number);
    CHECK(event.signal == meaning);
    CHECK_FALSE(event.is_from_terminal);
  }
}
