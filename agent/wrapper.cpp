#include "agent/wrapper.h"

#include <cerrno>

#include "agent/base/check.h"
#include "agent/notify/signal_name.h"
#include "agent/output.h"
#include "agent/publication.h"
#include "agent/report.h"

namespace miagent {
namespace {

constexpr uint8_t kExitSignalBase = 128;  // as shells have it: 128 and the signal's number

Fault FaultOf(int32_t error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR: return Fault::kProgramAbsent;
    case EAGAIN:
    case ENOMEM:
    case EMFILE:
    case ENFILE: return Fault::kSystem;
    default: return Fault::kProgramNotExecutable;
  }
}

bool Launch(Agent& agent, Platform& platform, const char* event) {
  WrapperState& wrapper = agent.wrapper;
  wrapper.is_restarting = false;
  wrapper.kill_at = kInstantNever;
  // It finds what is there now.
  for (uint32_t index = 0; index < ConfigOf(agent).token_count; ++index) {
    agent.tokens[index].is_published_anew = false;
  }
  const ChildPlan plan{ChildRole::kService, agent.command->child_arguments, nullptr};
  const IoResult started = ChildStart(platform, plan, &wrapper.pid, nullptr);
  if (started.ok()) {
    ReportToken(agent, LogLevel::kInfo, event, kTokenNone);
    LogNumber(agent.line, "pid", wrapper.pid);
    ReportSend(agent, platform);
    return true;
  }
  const Status failure{FaultOf(started.error), started.error};
  ReportFailure(agent, platform, plan.arguments[0], failure);
  wrapper.exit_code = FaultLookUp(failure.fault).exit_code;
  return false;
}

// What a signal is for a program that does nothing about it.
bool IsHarmless(int32_t number) {
  return number == kSignalCont || number == kSignalUrg || number == kSignalWinch;
}

// Whether a signal asks a program to end, so that it isn't to be started again.
bool AsksToEnd(int32_t number) {
  return number == kSignalTerm || number == kSignalInt || number == kSignalQuit;
}

// Whether there is a token whose files have all been published anew; they are taken note of.
bool NewsTake(Agent& agent) {
  bool has_news = false;
  for (uint32_t token = 0; token < ConfigOf(agent).token_count; ++token) {
    if (!agent.tokens[token].is_published_anew) continue;
    bool is_whole = true;
    for (uint32_t file = 0; file < ConfigOf(agent).file_count; ++file) {
      if (ConfigOf(agent).files[file].token_index != token) continue;
      is_whole = is_whole && agent.files[file].is_current;
    }
    if (!is_whole) continue;
    agent.tokens[token].is_published_anew = false;
    has_news = true;
  }
  return has_news;
}

void Send(Agent& agent, Platform& platform, int32_t number) {
  CHECK(agent.wrapper.pid != 0);
  // It can fail for a program of another user alone, which has chosen so.
  static_cast<void>(ChildSignal(platform, agent.wrapper.pid, number, false));
}

}  // namespace

void WrapperOnSignal(Agent& agent, Platform& platform, const Event& event) {
  WrapperState& wrapper = agent.wrapper;
  const int32_t number = event.signal_number;
  if (wrapper.pid != 0) {
    if (!event.is_from_terminal) Send(agent, platform, number);
    if (AsksToEnd(number)) {
      // After a ^C a program may well go on; after any other it is not to be started again.
      wrapper.is_end_asked = wrapper.is_end_asked || !event.is_from_terminal;
      wrapper.is_restarting = false;
      wrapper.kill_at = kInstantNever;  // how long it takes is for whoever asked to judge
    }
  } else if (number != kSignalTstp && !IsHarmless(number)) {
    agent.is_stopping = true;
  }
  if (number == kSignalTstp) ProcessSuspend(platform);
}

bool WrapperBegin(Agent& agent, Platform& platform) {
  agent.mode = Mode::kRun;
  agent.command_deadline = kInstantNever;
  if (!Launch(agent, platform, "child_started")) {
    agent.mode = Mode::kOnce;
    return false;
  }
  // Files that were good already are for a token that `run` has yet to ask for.
  PublicationInherit(agent, platform);
  // `wait` and `status` ask from now on, and the next turn may be hours away.
  agent.output.has_news = true;
  OutputOnTick(agent, platform);
  return true;
}

void WrapperOnEnd(Agent& agent, Platform& platform, const ChildEnd& end) {
  WrapperState& wrapper = agent.wrapper;
  if (end.pid != wrapper.pid) return;
  wrapper.pid = 0;
  wrapper.exit_code = end.signal_number == 0
                          ? end.exit_code
                          : static_cast<uint8_t>(kExitSignalBase + end.signal_number);
  ReportToken(agent, LogLevel::kInfo, "child_ended", kTokenNone);
  LogNumber(agent.line, "pid", end.pid);
  LogNumber(agent.line, "status", wrapper.exit_code);
  ReportSend(agent, platform);
  if (!wrapper.is_restarting) agent.is_stopping = true;
}

void WrapperOnTick(Agent& agent, Platform& platform) {
  WrapperState& wrapper = agent.wrapper;
  if (wrapper.pid == 0) {
    if (!Launch(agent, platform, "child_restarted")) agent.is_stopping = true;
    return;
  }
  if (wrapper.kill_at <= agent.now) {
    wrapper.kill_at = kInstantNever;
    Send(agent, platform, kSignalKill);
  }
  const Config& config = ConfigOf(agent);
  if (config.refresh_signal == 0 || (config.refresh_restarts && wrapper.is_end_asked)) return;
  if (wrapper.is_restarting || !NewsTake(agent)) return;
  Send(agent, platform, config.refresh_signal);
  if (!config.refresh_restarts) return;
  wrapper.is_restarting = true;
  wrapper.kill_at = agent.now + kRestartPatience;
}

}  // namespace miagent
