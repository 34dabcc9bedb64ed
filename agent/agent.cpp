#include "agent/agent.h"

#include "agent/base/check.h"
#include "agent/call.h"
#include "agent/notification.h"
#include "agent/output.h"
#include "agent/plan.h"
#include "agent/publication.h"
#include "agent/report.h"
#include "agent/request.h"
#include "agent/supervisor.h"
#include "agent/wrapper.h"

namespace miagent {
namespace {

void Finish(Agent& agent, uint8_t exit_code) {
  agent.is_finished = true;
  agent.exit_code = exit_code;
}

void OnSignal(Agent& agent, Platform& platform, const Event& event) {
  if (agent.command->id == CommandId::kExec && event.signal != Signal::kChild) {
    return WrapperOnSignal(agent, platform, event);
  }
  switch (event.signal) {
    case Signal::kStop: agent.is_stopping = true; break;
    case Signal::kReload: agent.is_reloading = true; break;
    case Signal::kRefresh:
      ReportToken(agent, LogLevel::kInfo, "refresh_forced", kTokenNone);
      ReportSend(agent, platform);
      RequestForceAll(agent);
      break;
    case Signal::kReport: agent.output.has_news = true; break;
    case Signal::kChild: agent.has_ended_child = true; break;
    case Signal::kOther:
    case Signal::kNone: break;
  }
}

// Takes note of the children that have ended. As PID 1 they are everybody's orphans.
void ReapChildren(Agent& agent, Platform& platform) {
  for (uint32_t count = 0; count < kReapCountMax && agent.has_ended_child; ++count) {
    ChildEnd end;
    agent.has_ended_child = ChildReap(platform, &end);
    if (!agent.has_ended_child || NotificationOnEnd(agent, platform, end)) continue;
    WrapperOnEnd(agent, platform, end);
  }
}

// Applies what time alone brings about: stale and expired tokens.
void AgeTokens(Agent& agent, Platform& platform) {
  for (uint32_t index = 0; index < ConfigOf(agent).token_count; ++index) {
    TokenState& token = agent.tokens[index];
    if (token.slot != kSlotNone && token.stale_at <= agent.now && !token.is_stale_told) {
      token.is_stale_told = true;
      agent.output.has_news = true;
      ReportToken(agent, LogLevel::kWarning, "stale", index);
      const bool is_secret = ConfigOf(agent).tokens[index].is_secret;
      const Duration left = (is_secret ? token.attempt_at : token.expires_at) - agent.now;
      LogNumber(agent.line, is_secret ? "retry_in_s" : "expires_in_s", left.ms / 1000);
      ReportSend(agent, platform);
    }
    if (token.expires_at > agent.now) continue;
    agent.output.has_news = true;
    ReportToken(agent, LogLevel::kError, "expired", index);
    ReportSend(agent, platform);
    RequestForgetToken(agent, platform, index);
    const bool is_cleared = PublicationExpire(agent, platform, index);
    if (token.slot != kSlotNone) RingRetire(agent.ring, token.slot);
    token.slot = kSlotNone;
    token.stale_at = kInstantNever;
    // A file that could not be cleared is tried again.
    token.expires_at = is_cleared ? kInstantNever : agent.now + kRetryDelayMax;
  }
}

// Whether every token of `once` or `get` has its outcome, every file was tried, and every
// notification is over.
bool IsSettled(const Agent& agent) {
  for (uint32_t index = 0; index < ConfigOf(agent).token_count; ++index) {
    if (!agent.tokens[index].is_settled) return false;
  }
  if (agent.request.token_index != kTokenNone) return false;
  return agent.hook.pid == 0 || agent.command->id == CommandId::kExec;  // nobody waits for a hook
}

// The exit code of the failure that comes first in the configuration's order.
uint8_t FirstFailure(const Agent& agent) {
  const Config& config = ConfigOf(agent);
  uint32_t first_line = UINT32_MAX;
  Status first;
  for (uint32_t index = 0; index < config.token_count; ++index) {
    if (agent.tokens[index].failure.ok() || config.tokens[index].line >= first_line) continue;
    first_line = config.tokens[index].line;
    first = agent.tokens[index].failure;
  }
  for (uint32_t index = 0; index < config.file_count; ++index) {
    if (agent.files[index].failure.ok() || config.files[index].line >= first_line) continue;
    first_line = config.files[index].line;
    first = agent.files[index].failure;
  }
  return FaultLookUp(first.fault).exit_code;
}

// `once` and `get`: gives up what is still waiting when the command's time is over.
void RunOutOfTime(Agent& agent, Platform& platform) {
  RequestAbandon(agent, platform);
  agent.command_deadline = kInstantNever;  // what notifications take is theirs
  for (uint32_t index = 0; index < ConfigOf(agent).token_count; ++index) {
    TokenState& token = agent.tokens[index];
    if (token.is_settled) continue;
    token.is_settled = true;
    token.failure = {Fault::kOutOfTime, 0};
    ReportTokenFailure(agent, platform, index, token.failure, Duration{0});
  }
}

// Applies on_stop.
void WithdrawFiles(Agent& agent, Platform& platform) {
  for (uint32_t index = 0; index < ConfigOf(agent).file_count; ++index) {
    PublicationStop(agent, platform, index);
  }
}

void FinishCommand(Agent& agent, Platform& platform) {
  if (agent.mode == Mode::kGet && agent.tokens[0].failure.ok()) {
    if (agent.command->id == CommandId::kCall) return CallBegin(agent, platform);
    const Status printed = PublicationPrint(agent, platform, 0);
    if (!printed.ok()) ReportFailure(agent, platform, "get", printed);
    Finish(agent, FaultLookUp(printed.fault).exit_code);
    return;
  }
  const uint8_t exit_code = FirstFailure(agent);
  if (agent.command->id != CommandId::kExec || exit_code != 0) return Finish(agent, exit_code);
  if (WrapperBegin(agent, platform)) return;
  WithdrawFiles(agent, platform);
  Finish(agent, agent.wrapper.exit_code);
}

void Stop(Agent& agent, Platform& platform) {
  RequestAbandon(agent, platform);
  SupervisorStopping(agent, platform);
  if (agent.mode != Mode::kRun) {
    const Status stopped{Fault::kStopped};
    ReportFailure(agent, platform, agent.command->id == CommandId::kExec ? "exec" : "once",
                  stopped);
    return Finish(agent, FaultLookUp(stopped.fault).exit_code);
  }
  WithdrawFiles(agent, platform);
  ReportToken(agent, LogLevel::kInfo, "stopped", kTokenNone);
  ReportSend(agent, platform);
  Finish(agent, agent.wrapper.exit_code);
  agent.output.has_news = true;
  OutputOnTick(agent, platform);
}

void OnTick(Agent& agent, Platform& platform) {
  if (agent.has_ended_child) ReapChildren(agent, platform);
  if (agent.is_stopping) {
    Stop(agent, platform);
    return;
  }
  if (agent.is_reloading) {
    agent.is_reloading = false;
    SupervisorReloading(agent, platform);
    SupervisorReloaded(agent, PlanReload(agent, platform));
  }
  if (agent.call.phase != CallPhase::kToken) CallOnTick(agent, platform);
  if (agent.call.phase != CallPhase::kToken) return;
  RequestOnTick(agent, platform);
  AgeTokens(agent, platform);
  PublicationOnTick(agent, platform);
  if (NotificationIsDue(agent)) NotificationOnTick(agent, platform);
  if (agent.mode != Mode::kRun && agent.command_deadline <= agent.now) {
    RunOutOfTime(agent, platform);
  }
  if (agent.wrapper.pid != 0 || agent.wrapper.is_restarting) WrapperOnTick(agent, platform);
  RequestBeginDue(agent, platform);
  SupervisorOnTick(agent, platform);
  if (agent.mode == Mode::kRun && OutputIsDue(agent)) OutputOnTick(agent, platform);
  // Last, as a request can fail in the moment it begins.
  if (agent.mode != Mode::kRun && IsSettled(agent)) FinishCommand(agent, platform);
}

// `once`: a token whose files all hold it, and are not due, needs no request; nor one that has no
// file that could be written.
void SettleGoodFiles(Agent& agent, Platform& platform) {
  const Config& config = ConfigOf(agent);
  for (uint32_t token = 0; token < config.token_count; ++token) {
    agent.tokens[token].is_settled = true;
  }
  for (uint32_t file = 0; file < config.file_count; ++file) {
    TokenState& token = agent.tokens[config.files[file].token_index];
    if (!token.is_settled || !agent.files[file].failure.ok()) continue;
    token.is_settled = PublicationIsGood(agent, platform, file);
  }
  for (uint32_t index = 0; index < config.token_count; ++index) {
    const TokenConfig& secret = config.tokens[index];
    if (!secret.is_secret || agent.tokens[index].is_settled) continue;
    agent.tokens[secret.parent_index].is_settled = false;
  }
}

}  // namespace

void AgentStart(Agent& agent, Platform& platform, const Command& command) {
  agent.command = &command;
  agent.mode = command.id == CommandId::kRun                                     ? Mode::kRun
               : command.id == CommandId::kGet || command.id == CommandId::kCall ? Mode::kGet
                                                                                 : Mode::kOnce;
  const bool is_wrapper = command.id == CommandId::kExec;
  agent.now = ClockBoot(platform);
  agent.output.started_at = agent.now;
  agent.output.has_news = true;
  if (command.id == CommandId::kRun) {
    const Status heard = SupervisorStart(agent, platform);
    if (!heard.ok()) return Finish(agent, FaultLookUp(heard.fault).exit_code);
  }
  MemoryLock(platform, &agent.ring, sizeof(agent.ring));
  agent.prng.state = ProcessInspect(platform).seed;
  // `get` publishes nothing, so a signal may end it as it ends any program.
  if (agent.mode != Mode::kGet) {
    const SignalSet set = is_wrapper ? SignalSet::kWrapper : SignalSet::kAgent;
    const IoResult watched = SignalsWatch(platform, set);
    if (!watched.ok()) {
      ReportFailure(agent, platform, "signals", {Fault::kSystem, watched.error});
      Finish(agent, FaultLookUp(Fault::kSystem).exit_code);
      return;
    }
  }
  if (agent.mode != Mode::kRun && command.timeout.ms != 0) {
    agent.command_deadline = agent.now + command.timeout;
  }
  const Status loaded = PlanLoad(agent, platform);
  if (!loaded.ok()) {
    Finish(agent, FaultLookUp(loaded.fault).exit_code);
    return;
  }
  if (command.id == CommandId::kCall) {
    const Status prepared = CallPrepare(agent, platform);
    if (!prepared.ok()) return Finish(agent, FaultLookUp(prepared.fault).exit_code);
  }
  const Status opened = PlanOpenDirectories(agent, platform);
  if ((agent.mode == Mode::kRun || is_wrapper) && !opened.ok()) {
    Finish(agent, FaultLookUp(opened.fault).exit_code);
    return;
  }
  agent.is_syslog = agent.mode == Mode::kRun && ConfigOf(agent).log == LogTarget::kSyslog;
  if (agent.mode == Mode::kRun) PublicationInherit(agent, platform);
  if (agent.mode == Mode::kOnce) SettleGoodFiles(agent, platform);
  ReportToken(agent, LogLevel::kInfo, "started", kTokenNone);
  LogNumber(agent.line, "tokens", ConfigOf(agent).token_count);
  LogNumber(agent.line, "files", ConfigOf(agent).file_count);
  ReportSend(agent, platform);
  OnTick(agent, platform);
}

void AgentTurn(Agent& agent, Platform& platform) {
  CHECK(!agent.is_finished);
  Event events[kEventCountMax];
  if (agent.mode == Mode::kRun) DirectoryRelease(agent.directory, platform);
  const Instant deadline = AgentNextDeadline(agent);
  const Instant expected = Latest(deadline, agent.now);
  const size_t event_count = Wait(platform, deadline, events, kEventCountMax);
  CHECK(event_count <= kEventCountMax);
  const Instant now = ClockBoot(platform);
  CHECK(now >= agent.now);
  agent.still_turn_count = now == agent.now ? agent.still_turn_count + 1 : 0;
  CHECK(agent.still_turn_count < kStillTurnCountMax);
  agent.now = now;
  SupervisorOnWake(agent, expected);
  for (size_t index = 0; index < event_count; ++index) {
    if (events[index].kind == EventKind::kSignal) {
      OnSignal(agent, platform, events[index]);
    } else if (events[index].socket.handle == agent.hook.output.handle) {
      NotificationOnOutput(agent, platform);
    } else if (agent.call.phase == CallPhase::kAsking) {
      CallOnEvent(agent, platform, events[index]);
    } else {
      RequestOnEvent(agent, platform, events[index]);
    }
  }
  OnTick(agent, platform);
}

Instant AgentNextDeadline(const Agent& agent) {
  const bool is_busy = agent.request.token_index != kTokenNone;
  if (agent.call.phase == CallPhase::kAsking) return ExchangeNextDeadline(agent.connection);
  Instant next = Earliest(agent.command_deadline, agent.output.retry_at);
  next = Earliest(next, agent.wrapper.kill_at);
  if (agent.has_ended_child || agent.is_stopping) next = agent.now;
  next = Earliest(next, Earliest(agent.supervisor.watchdog_at, agent.supervisor.retry_at));
  if (is_busy) next = Earliest(next, ExchangeNextDeadline(agent.connection));
  if (agent.hook.pid != 0) next = Earliest(next, agent.hook.deadline);
  for (uint32_t index = 0; index < ConfigOf(agent).token_count; ++index) {
    const TokenState& token = agent.tokens[index];
    const bool is_asked =
        (agent.mode == Mode::kRun || !token.is_settled) && !SecretIsWaiting(agent, index);
    if (is_asked && !is_busy) next = Earliest(next, token.attempt_at);
    if (!token.is_stale_told) next = Earliest(next, token.stale_at);
    next = Earliest(next, token.expires_at);
  }
  for (uint32_t index = 0; index < ConfigOf(agent).file_count; ++index) {
    const FileState& file = agent.files[index];
    if (file.is_current) continue;  // as nearly all are: nothing is due before its token is
    const TokenState& token = agent.tokens[ConfigOf(agent).files[index].token_index];
    if (token.slot != kSlotNone && !is_busy) next = Earliest(next, file.attempt_at);
    next = Earliest(next, PublicationExpiry(agent, index));
  }
  return next;
}

void AgentEnd(Agent& agent, Platform& platform) {
  RequestAbandon(agent, platform);
  ConnectionClose(agent.connection, platform);
  DirectoryRelease(agent.directory, platform);
  HookAbandon(agent.hook, platform);
  RingClear(agent.ring);
  SecretWipe(agent.request.bytes, agent.request.touched_size);
  SecretWipe(agent.call.data, agent.call.data_size);
}

}  // namespace miagent
