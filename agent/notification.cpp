#include "agent/notification.h"

#include "agent/base/check.h"
#include "agent/notify/pid_file.h"
#include "agent/notify/signal_name.h"
#include "agent/report.h"

namespace miagent {
namespace {

constexpr uint32_t kFileNone = UINT32_MAX;
constexpr size_t kVariableSizeMax = kPathSizeMax + 16;  // with its name

// The first file that the run under way is for; none where a reload dropped it.
uint32_t LeaderFind(const Agent& agent) {
  for (uint32_t index = 0; index < ConfigOf(agent).file_count; ++index) {
    if (agent.files[index].notify.is_running) return index;
  }
  return kFileNone;
}

void Report(Agent& agent, LogLevel level, std::string_view event) {
  const uint32_t leader = LeaderFind(agent);
  if (leader == kFileNone) return ReportToken(agent, level, event, kTokenNone);
  ReportFile(agent, level, event, leader);
}

// Where a program's lines go.
struct Target {
  Agent* agent;
  Platform* platform;
};

void LineTake(void* context, std::string_view line) {
  const Target& target = *static_cast<Target*>(context);
  Report(*target.agent, LogLevel::kInfo, "hook_output");
  LogText(target.agent->line, "text", line);
  ReportSend(*target.agent, *target.platform);
}

// A run is over: counts it for its files, and tells what is new.
void Conclude(Agent& agent, Platform& platform, Status status) {
  const uint32_t leader = LeaderFind(agent);
  if (leader == kFileNone) return;
  const Status before = agent.files[leader].notify.failure;
  const bool is_new = before.fault != status.fault || before.detail != status.detail;
  if (!status.ok() && (is_new || agent.mode != Mode::kRun)) {
    ReportNotifyFailure(agent, platform, leader, status);
  } else if (status.ok()) {
    Report(agent, LogLevel::kInfo, before.ok() ? "notified" : "notify_recovered");
    ReportSend(agent, platform);
  }
  for (uint32_t index = 0; index < ConfigOf(agent).file_count; ++index) {
    NotifyState& state = agent.files[index].notify;
    if (!state.is_running) continue;
    state.is_running = false;
    state.failure = status;
    ++(status.ok() ? state.success_count : state.failure_count);
  }
  agent.output.has_news = true;
}

// Writes `NAME=value`, NUL-terminated.
const char* VariableWrite(Span memory, std::string_view name, std::string_view value) {
  TextWriter writer{memory.data, memory.size};
  Append(writer, name);
  Append(writer, value);
  Append(writer, '\0');
  CHECK(!writer.overflowed);
  return memory.data;
}

Status Execute(Agent& agent, Platform& platform, uint32_t file_index) {
  const FileConfig& file = ConfigOf(agent).files[file_index];
  const char* arguments[kNotifyArgumentCountMax + 1];
  uint32_t count = 0;
  for (size_t begin = 0; begin < file.notify.words.size(); ++count) {
    CHECK(count < kNotifyArgumentCountMax);
    arguments[count] = file.notify.words.data() + begin;
    begin = Find(file.notify.words, '\0', begin) + 1;
  }
  arguments[count] = nullptr;
  char digits[24];
  TextWriter expires_on{digits, sizeof(digits)};
  AppendDecimal(expires_on, agent.tokens[file.token_index].expires_at_wall.unix_s);
  char path[kVariableSizeMax];
  char token[kVariableSizeMax];
  char expires[kVariableSizeMax];
  const char* const environment[] = {
      "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
      VariableWrite({path, sizeof(path)}, "MIAGENT_FILE=", file.path),
      VariableWrite({token, sizeof(token)},
                    "MIAGENT_TOKEN=", ConfigOf(agent).tokens[file.token_index].name),
      VariableWrite({expires, sizeof(expires)}, "MIAGENT_EXPIRES_ON=", expires_on.text()), nullptr};
  return HookStart(agent.hook, platform, agent.now, {ChildRole::kHook, arguments, environment});
}

void Begin(Agent& agent, Platform& platform, uint32_t file_index) {
  const NotifyConfig& notify = ConfigOf(agent).files[file_index].notify;
  for (uint32_t index = file_index; index < ConfigOf(agent).file_count; ++index) {
    NotifyState& state = agent.files[index].notify;
    if (!state.is_due || ConfigOf(agent).files[index].notify.text != notify.text) continue;
    state.is_due = false;
    state.is_running = true;
  }
  if (notify.kind == NotifyKind::kExec) {
    const Status started = Execute(agent, platform, file_index);
    if (!started.ok()) Conclude(agent, platform, started);
    return;
  }
  uint32_t pid = 0;
  Conclude(agent, platform,
           PidFileSignal(platform, notify.directory.data(), notify.name.data(),
                         notify.signal_number, &pid));
}

}  // namespace

void NotificationAdd(Agent& agent, uint32_t file_index) {
  if (ConfigOf(agent).files[file_index].notify.kind == NotifyKind::kNone) return;
  agent.files[file_index].notify.is_due = true;
  agent.has_notification = true;
}

void NotificationOnTick(Agent& agent, Platform& platform) {
  HookExpire(agent.hook, platform, agent.now);
  if (!agent.has_notification) return;
  for (uint32_t index = 0; index < ConfigOf(agent).file_count; ++index) {
    if (agent.hook.pid != 0) return;  // the rest waits
    if (agent.files[index].notify.is_due) Begin(agent, platform, index);
  }
  agent.has_notification = false;
}

void NotificationOnOutput(Agent& agent, Platform& platform) {
  Target target{&agent, &platform};
  HookRead(agent.hook, platform, {&target, LineTake});
}

bool NotificationOnEnd(Agent& agent, Platform& platform, const ChildEnd& end) {
  if (agent.hook.pid == 0 || agent.hook.pid != end.pid) return false;
  Target target{&agent, &platform};
  const Status status = HookEnd(agent.hook, platform, end, {&target, LineTake});
  if (agent.hook.dropped_count != 0) {
    Report(agent, LogLevel::kInfo, "hook_output_cut");
    LogNumber(agent.line, "lines", agent.hook.dropped_count);
    ReportSend(agent, platform);
  }
  Conclude(agent, platform, status);
  return true;
}

}  // namespace miagent
