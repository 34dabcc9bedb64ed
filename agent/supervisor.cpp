#include "agent/supervisor.h"

#include <cerrno>

#include "agent/base/check.h"
#include "agent/report.h"
#include "agent/request.h"

namespace miagent {
namespace {

constexpr Duration kFullRetryDelay = Seconds(1);  // where the supervisor has no room now
// What a turn takes beside requests: a disk that syncs, a log whose reader is slow.
constexpr Duration kTurnPatience = Seconds(30);
constexpr uint64_t kWatchdogMaxUs = 1'000'000'000'000;  // 11 days

void FailureTell(Agent& agent, Platform& platform, const char* what, int32_t error) {
  if (agent.supervisor.error == error) return;
  agent.supervisor.error = error;
  char bytes[64];
  TextWriter text{bytes, sizeof(bytes)};
  ErrnoDescribe(text, error);
  ReportToken(agent, LogLevel::kWarning, "supervisor_failed", kTokenNone);
  LogText(agent.line, "to", what);
  LogText(agent.line, "reason", text.text());
  ReportSend(agent, platform);
}

bool Send(Agent& agent, Platform& platform, std::string_view message) {
  SupervisorState& state = agent.supervisor;
  const IoResult sent = LocalSend(platform, state.socket, message);
  if (sent.ok()) {
    state.error = 0;
    return true;
  }
  state.retry_at = agent.now + (sent.error == EAGAIN ? kFullRetryDelay : kRetryDelayMax);
  FailureTell(agent, platform, "NOTIFY_SOCKET", sent.error);
  return false;
}

bool SendReloading(Agent& agent, Platform& platform) {
  char bytes[64];
  TextWriter text{bytes, sizeof(bytes)};
  Append(text, "RELOADING=1\nMONOTONIC_USEC=");
  AppendDecimal(text, ClockMonotonicUs(platform));
  return Send(agent, platform, text.text());
}

bool HoldsToken(const Agent& agent, uint32_t file_index) {
  return agent.files[file_index].expires_at > agent.now;
}

// What a token or a file waits for, and when it is tried again.
void AppendProblem(const Agent& agent, TextWriter& text, Instant attempt_at, Status failure,
                   const ErrorAnswer* error) {
  Append(text, ", next try in ");
  AppendDecimal(text, Greatest(attempt_at - agent.now, Duration{0}).ms / 1000);
  Append(text, " s: ");
  FailureDescribe(text, failure, error);
}

// "2 of 3 files hold a token; token storage, next try in 14 s: can't connect: …": of what is wrong,
// what comes first in the configuration.
void StatusWrite(const Agent& agent, TextWriter& text) {
  const Config& config = ConfigOf(agent);
  uint32_t held_count = 0;
  for (uint32_t index = 0; index < config.file_count; ++index) {
    if (HoldsToken(agent, index)) ++held_count;
  }
  Append(text, "STATUS=");
  if (agent.supervisor.is_reload_refused) {
    Append(text, "the new configuration was refused, the old one stays; ");
  }
  AppendDecimal(text, held_count);
  Append(text, " of ");
  AppendDecimal(text, config.file_count);
  Append(text, " files hold a token");
  for (uint32_t index = 0; index < config.token_count; ++index) {
    const TokenState& token = agent.tokens[index];
    if (token.failure.ok()) continue;
    Append(text, "; token ");
    Append(text, config.tokens[index].name);
    return AppendProblem(agent, text, token.attempt_at, token.failure, &agent.output.errors[index]);
  }
  for (uint32_t index = 0; index < config.file_count; ++index) {
    const FileState& file = agent.files[index];
    if (file.failure.ok()) continue;
    Append(text, "; file ");
    AppendPrintable(text, config.files[index].path);
    return AppendProblem(agent, text, file.attempt_at, file.failure, nullptr);
  }
}

uint32_t HashOf(std::string_view text) {
  uint32_t hash = 0x811C9DC5U;  // FNV-1a
  for (const char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 0x01000193U;
  return hash;
}

// Tells what has changed.
void Tell(Agent& agent, Platform& platform) {
  SupervisorState& state = agent.supervisor;
  state.retry_at = kInstantNever;
  if (state.is_reloading_untold) {
    if (!SendReloading(agent, platform)) return;
    state.is_reloading_untold = false;
  }
  const bool is_ready_news = state.is_ready && !state.is_ready_told;
  char bytes[1024];
  TextWriter text{bytes, sizeof(bytes)};
  if (is_ready_news) Append(text, "READY=1\n");
  StatusWrite(agent, text);
  const uint32_t hash = HashOf(text.text());
  if (!is_ready_news && hash == state.status_hash) return;
  if (!Send(agent, platform, text.text())) return;
  state.status_hash = hash;
  if (is_ready_news) state.is_ready_told = true;
}

void BecomeReady(Agent& agent, Platform& platform) {
  SupervisorState& state = agent.supervisor;
  for (uint32_t index = 0; index < ConfigOf(agent).file_count; ++index) {
    if (!HoldsToken(agent, index)) return;
  }
  state.is_ready = true;
  if (agent.command->ready_descriptor < 0) return;
  // Once: it is closed now, whatever came of that.
  const IoResult told = DescriptorTell(platform, agent.command->ready_descriptor, "\n");
  if (!told.ok()) FailureTell(agent, platform, "--ready-fd", told.error);
}

// Whether nothing waits for an inner reason.
bool IsSound(const Agent& agent) {
  const Config& config = ConfigOf(agent);
  const Duration patience{SaturatedMultiply(config.request_timeout.ms, config.token_count + 1)};
  const Instant overdue_before = agent.now + (Duration{0} - (patience + kTurnPatience));
  if (agent.supervisor.excused_at >= overdue_before) return true;
  for (uint32_t index = 0; index < config.token_count; ++index) {
    const TokenState& token = agent.tokens[index];
    const bool is_overdue = token.attempt_at < overdue_before && !SecretIsWaiting(agent, index);
    if (is_overdue || token.expires_at < overdue_before) return false;
  }
  for (uint32_t index = 0; index < config.file_count; ++index) {
    const FileState& file = agent.files[index];
    const bool has_token = agent.tokens[config.files[index].token_index].slot != kSlotNone;
    if (has_token && !file.is_current && file.attempt_at < overdue_before) return false;
  }
  return true;
}

}  // namespace

Status SupervisorStart(Agent& agent, Platform& platform) {
  SupervisorState& state = agent.supervisor;
  const int32_t descriptor = agent.command->ready_descriptor;
  if (descriptor >= 0 && !DescriptorIsOpen(platform, descriptor)) {
    const Status wrong{Fault::kCommandLine, 0};
    ReportFailure(agent, platform, "run expects --ready-fd N, the number of an open descriptor",
                  wrong);
    return wrong;
  }
  state.excused_at = agent.now;
  state.socket = EnvironmentGet(platform, "NOTIFY_SOCKET");
  // Another kind of address (vsock: …) is none of ours.
  if (!state.socket.empty() && state.socket[0] != '/' && state.socket[0] != '@') state.socket = {};
  state.is_asked = descriptor >= 0 || !state.socket.empty();
  if (state.socket.empty()) return kOk;
  const std::string_view pid_text = EnvironmentGet(platform, "WATCHDOG_PID");
  uint64_t pid = ProcessInspect(platform).pid;
  uint64_t usec = 0;
  const bool is_ours = pid_text.empty() || (ParseUnsigned(pid_text, UINT32_MAX, &pid) &&
                                            pid == ProcessInspect(platform).pid);
  if (!is_ours ||
      !ParseUnsigned(EnvironmentGet(platform, "WATCHDOG_USEC"), kWatchdogMaxUs, &usec) ||
      usec == 0) {
    return kOk;
  }
  state.watchdog_interval =
      Greatest(Milliseconds(static_cast<int64_t>(usec) / 2000), Milliseconds(1));
  state.watchdog_at = agent.now + state.watchdog_interval;
  return kOk;
}

void SupervisorReloading(Agent& agent, Platform& platform) {
  SupervisorState& state = agent.supervisor;
  // A request that goes on may have the old configuration's time; later ones have all of theirs.
  const bool is_busy = agent.request.token_index != kTokenNone;
  state.excused_at = is_busy ? Latest(agent.now, agent.connection.deadline) : agent.now;
  // Before it was ready once, a supervisor takes no reload from it.
  if (state.socket.empty() || !state.is_ready) return;
  state.is_reloading_untold = !SendReloading(agent, platform);
  state.is_ready_told = false;
}

void SupervisorReloaded(Agent& agent, Status reloaded) {
  agent.supervisor.is_reload_refused = !reloaded.ok();
  agent.output.has_news = true;
}

void SupervisorOnTick(Agent& agent, Platform& platform) {
  SupervisorState& state = agent.supervisor;
  if (!state.is_asked) return;
  if (agent.output.has_news || state.retry_at <= agent.now) {
    if (!state.is_ready) BecomeReady(agent, platform);
    if (!state.socket.empty()) Tell(agent, platform);
  }
  if (state.watchdog_at > agent.now) return;
  state.watchdog_at = agent.now + state.watchdog_interval;
  if (!IsSound(agent)) return;
  const IoResult sent = LocalSend(platform, state.socket, "WATCHDOG=1");
  if (sent.error == EAGAIN) {
    state.watchdog_at = agent.now + Least(state.watchdog_interval, kFullRetryDelay);
  }
}

void SupervisorStopping(Agent& agent, Platform& platform) {
  if (!agent.supervisor.socket.empty()) static_cast<void>(Send(agent, platform, "STOPPING=1"));
}

}  // namespace miagent
