#include "agent/output.h"

#include "agent/base/check.h"
#include "agent/cli/version.h"
#include "agent/config/choice.h"
#include "agent/report.h"
#include "agent/request.h"
#include "agent/status/status.h"
#include "agent/tls/tls.h"

namespace miagent {
namespace {

constexpr const char* kBootIdPath = "/proc/sys/kernel/random/boot_id";
constexpr uint32_t kOutputMode = 0644;
constexpr Duration kWallOffsetTolerance = Seconds(2);  // below it the clock has not been set anew

bool IsAsked(const Agent& agent) {
  if (agent.mode != Mode::kRun) return false;
  for (uint32_t index = 0; index < kOutputCount; ++index) {
    if (!ConfigOf(agent).outputs[index].path.empty()) return true;
  }
  return false;
}

// What a report's rows are made of.
struct Source {
  const Agent* agent;
  char error[kErrorDescriptionSizeMax + 256];
  char notify_error[256];
};

// An instant, as the wall clock has it: the same each time, unless that clock was set.
WallTime WallAt(const Agent& agent, Instant instant) {
  return {(instant.boot_ms + agent.output.wall_offset.ms) / 1000};
}

std::string_view Describe(Span memory, Status failure, const ErrorAnswer* error) {
  if (failure.ok()) return {};
  TextWriter text{memory.data, memory.size};
  FailureDescribe(text, failure, error);
  return text.text();
}

TokenCondition ConditionOf(const TokenState& token, Instant now) {
  if (token.slot != kSlotNone) {
    if (token.expires_at <= now) return TokenCondition::kExpired;
    return token.stale_at <= now ? TokenCondition::kStale : TokenCondition::kFresh;
  }
  if (FaultLookUp(token.failure.fault).remedy == Remedy::kSlowPoll) return TokenCondition::kRefused;
  const bool has_been = token.expires_at_wall.unix_s != 0;
  return has_been ? TokenCondition::kExpired : TokenCondition::kMissing;
}

FileCondition ConditionOf(const FileState& file, const TokenState& token, Instant now) {
  if (!file.failure.ok()) return FileCondition::kFailed;
  if (token.slot != kSlotNone) {
    return file.is_current ? FileCondition::kCurrent : FileCondition::kPending;
  }
  if (file.expires_at.boot_ms == 0) return FileCondition::kMissing;
  return file.expires_at <= now ? FileCondition::kExpired : FileCondition::kInherited;
}

void TokenDescribe(void* context, uint32_t index, StatusToken* token) {
  Source& source = *static_cast<Source*>(context);
  const Agent& agent = *source.agent;
  const TokenConfig& config = ConfigOf(agent).tokens[index];
  const TokenState& state = agent.tokens[index];
  token->name = config.name;
  token->source = SourceLookUp(config.source).name;
  token->resource = config.resource;
  if (config.identity.kind != IdentityKind::kNone) {
    token->identity[0] =
        ChoiceAt("|client_id|object_id|mi_res_id", static_cast<uint32_t>(config.identity.kind));
    token->identity[1] = config.identity.value;
  }
  token->error =
      Describe({source.error, sizeof(source.error)}, state.failure, &agent.output.errors[index]);
  if (state.failure.ok() && SecretIsWaiting(agent, index)) token->error = "waits for its token";
  token->condition = ConditionOf(state, agent.now);
  token->issued_at_wall = state.not_before_wall;
  token->expires_at_wall = state.expires_at_wall;
  if (state.slot != kSlotNone) token->expires_at = state.expires_at;
  token->next_attempt_in = Greatest(state.attempt_at - agent.now, Duration{0});
  token->http_status = state.http_status;
  token->failures_in_a_row = state.failure_count;
  token->request_count = state.request_count;
  token->success_count = state.success_count;
  token->same_count = state.same_count;
  token->failure_count = state.failure_total;
}

void FileDescribe(void* context, uint32_t index, StatusFile* file) {
  Source& source = *static_cast<Source*>(context);
  const Agent& agent = *source.agent;
  const FileConfig& config = ConfigOf(agent).files[index];
  const FileState& state = agent.files[index];
  file->path = config.path;
  file->token = ConfigOf(agent).tokens[config.token_index].name;
  file->error = Describe({source.error, sizeof(source.error)}, state.failure, nullptr);
  file->condition = ConditionOf(state, agent.tokens[config.token_index], agent.now);
  file->mode = config.mode;
  file->published_at = state.published_at;
  if (state.published_at.boot_ms != 0) file->published_at_wall = WallAt(agent, state.published_at);
  file->expires_at = state.expires_at;
  if (state.expires_at.boot_ms != 0) file->expires_at_wall = WallAt(agent, state.expires_at);
  file->published_count = state.published_count;
  file->failure_count = state.failure_total;
  file->notify.is_asked = config.notify.kind != NotifyKind::kNone;
  file->notify.success_count = state.notify.success_count;
  file->notify.failure_count = state.notify.failure_count;
  file->notify.error =
      Describe({source.notify_error, sizeof(source.notify_error)}, state.notify.failure, nullptr);
}

// The content of an output, written by way of a small buffer.
struct Content {
  const StatusReport* report;
  OutputId id;
};

Status TextFlush(void* part_target, std::string_view text) {
  const FormatPart part{text.data(), text.size()};
  return PartFlush(part_target, &part, 1);
}

Status ContentWrite(void* context, Platform& platform, File file) {
  const Content& content = *static_cast<Content*>(context);
  PartTarget target{&platform, file};
  StatusWriter writer;
  writer.flush = TextFlush;
  writer.context = &target;
  return content.id == OutputId::kStatus ? StatusJsonWrite(*content.report, writer)
                                         : MetricsWrite(*content.report, writer);
}

// The wall clock as it is now.
void WallTake(Agent& agent, WallTime now_wall) {
  OutputState& output = agent.output;
  const Duration offset = Seconds(now_wall.unix_s) - Milliseconds(agent.now.boot_ms);
  const Duration step = offset - output.wall_offset;
  if (step > kWallOffsetTolerance || Duration{0} - step > kWallOffsetTolerance) {
    output.wall_offset = offset;
  }
}

void Told(Agent& agent, Platform& platform, uint32_t output_index, Status written) {
  OutputState& output = agent.output;
  Status& failure = output.failures[output_index];
  const bool is_new = failure.fault != written.fault || failure.detail != written.detail;
  failure = written;
  if (!written.ok()) output.retry_at = agent.now + kRetryDelayMax;
  if (!is_new) return;
  const LogLevel level = written.ok() ? LogLevel::kInfo : LogLevel::kError;
  ReportToken(agent, level, written.ok() ? "status_recovered" : "status_failed", kTokenNone);
  LogText(agent.line, "file", ConfigOf(agent).outputs[output_index].path);
  if (!written.ok()) {
    char bytes[256];
    TextWriter text{bytes, sizeof(bytes)};
    FailureDescribe(text, written, nullptr);
    LogText(agent.line, "reason", text.text());
  }
  ReportSend(agent, platform);
}

}  // namespace

std::string_view BootIdRead(Platform& platform, Span bytes) {
  File file;
  if (!FileOpen(platform, kBootIdPath, &file).ok()) return {};
  const IoResult read = FileRead(platform, file, bytes.data, bytes.size);
  FileClose(platform, file);
  return {bytes.data, read.ok() ? read.count : 0};
}

FileTarget OutputTarget(Agent& agent, Platform& platform, const OutputConfig& output) {
  const ProcessFacts process = ProcessInspect(platform);
  FileTarget target{};
  target.hold = &agent.directory;
  target.directory = output.directory.data();
  target.name = output.name.data();
  target.uid = process.uid;
  target.gid = process.gid;
  target.mode = kOutputMode;
  target.require_memory_fs = false;
  return target;
}

void OutputRemember(Agent& agent, uint32_t token_index) {
  agent.output.has_news = true;
  if (IsAsked(agent) || agent.supervisor.is_asked) agent.output.errors[token_index] = agent.error;
}

void OutputOnTick(Agent& agent, Platform& platform) {
  OutputState& output = agent.output;
  const bool has_news = output.has_news;
  output.has_news = false;
  output.retry_at = kInstantNever;
  if (!IsAsked(agent)) return;
  const WallTime now_wall = ClockWall(platform);
  WallTake(agent, now_wall);
  if (!output.is_boot_id_read) {
    const std::string_view id = BootIdRead(platform, {output.boot_id, sizeof(output.boot_id)});
    output.boot_id_size = static_cast<uint32_t>(id.size());
    output.is_boot_id_read = true;
  }
  Source source;
  source.agent = &agent;
  StatusReport report;
  report.agent.version = kVersion;
  report.agent.boot_id = {output.boot_id, output.boot_id_size};
  report.agent.pid = ProcessInspect(platform).pid;
  report.agent.tls_peak_size = static_cast<uint32_t>(TlsPoolPeak());
  report.agent.is_stopped = agent.is_finished;
  report.agent.started_at_wall = WallAt(agent, output.started_at);
  report.agent.written_at_wall = now_wall;
  report.agent.written_at = agent.now;
  report.token_count = ConfigOf(agent).token_count;
  report.file_count = ConfigOf(agent).file_count;
  report.context = &source;
  report.read_token = TokenDescribe;
  report.read_file = FileDescribe;
  for (uint32_t index = 0; index < kOutputCount; ++index) {
    const OutputConfig& config = ConfigOf(agent).outputs[index];
    if (config.path.empty() || (!has_news && output.failures[index].ok())) continue;
    const FileTarget target = OutputTarget(agent, platform, config);
    if (!output.is_swept[index]) output.is_swept[index] = FileSweep(platform, target).ok();
    Content content{&report, static_cast<OutputId>(index)};
    const FileMark mark{now_wall, now_wall, 0};
    Told(agent, platform, index, FilePublish(platform, target, mark, {ContentWrite, &content}));
  }
}

void OutputReload(Agent& agent, Platform& platform, const Config& next) {
  OutputState& output = agent.output;
  output.has_news = true;
  for (uint32_t index = 0; index < next.token_count; ++index) {
    output.errors[index].code_size = 0;
    output.errors[index].description_size = 0;
  }
  for (uint32_t index = 0; index < kOutputCount; ++index) {
    const OutputConfig& old = ConfigOf(agent).outputs[index];
    if (old.path == next.outputs[index].path) continue;
    output.failures[index] = kOk;
    output.is_swept[index] = false;
    if (old.path.empty()) continue;
    const Status removed = FileWithdraw(platform, OutputTarget(agent, platform, old));
    if (!removed.ok()) ReportFailure(agent, platform, old.path, removed);
  }
}

}  // namespace miagent
