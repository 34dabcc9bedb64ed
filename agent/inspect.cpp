#include "agent/inspect.h"

#include "agent/base/check.h"
#include "agent/config/choice.h"
#include "agent/output.h"
#include "agent/plan.h"
#include "agent/report.h"
#include "agent/status/status.h"

namespace miagent {
namespace {

constexpr Duration kPollInterval = Seconds(1);

// How the agent that wrote the file is.
enum class Liveness : uint8_t { kRunning, kStopped, kGone };
constexpr std::string_view kLivenessNames = "running|stopped|gone";

// One reading of the status file.
struct Scan {
  Agent* agent;
  Platform* platform;
  StatusWriter* writer = nullptr;      // null: nothing is shown
  bool is_json = false;
  StatusReader reader{};
  StatusMoment moment{};
  Liveness liveness = Liveness::kGone;
  bool is_any_bad = false;
  bool good[kFileCountMax] = {};       // by the configuration's files
  bool seen[kFileCountMax] = {};
};

// The lines of a file, through the memory that the configuration's text was read into.
struct Lines {
  Platform* platform;
  File file;
  Span memory;
  size_t begin = 0;
  size_t end = 0;
};

// The next line, without its newline. False at the end, or where the rest is no line; *fault says
// what was wrong.
bool LineNext(Lines& lines, Span* line, Status* fault) {
  IoResult read{0, 1};
  size_t looked = lines.begin;
  while (true) {
    const size_t newline = Find({lines.memory.data, lines.end}, '\n', looked);
    if (newline < lines.end) {
      *line = {lines.memory.data + lines.begin, newline - lines.begin};
      lines.begin = newline + 1;
      return true;
    }
    const size_t rest = lines.end - lines.begin;
    if (!read.ok()) *fault = {Fault::kStatusRead, read.error};
    if (read.ok() && (rest > kStatusLineSizeMax || (read.count == 0 && rest != 0))) {
      *fault = {Fault::kStatusForm, 0};
    }
    if (!fault->ok() || read.count == 0) return false;
    for (size_t index = 0; index < rest; ++index) {
      lines.memory.data[index] = lines.memory.data[lines.begin + index];
    }
    lines.begin = 0;
    lines.end = rest;
    looked = rest;
    read =
        FileRead(*lines.platform, lines.file, lines.memory.data + rest, lines.memory.size - rest);
    lines.end += read.count;
  }
}

const OutputConfig& StatusConfig(const Agent& agent) {
  return ConfigOf(agent).outputs[static_cast<uint32_t>(OutputId::kStatus)];
}

void AgentShow(const Scan& scan) {
  const StatusAgent& agent = scan.reader.agent;
  StatusWriter& writer = *scan.writer;
  if (scan.is_json) {
    Put(writer, "\"read\":{\"at\":");
    PutDecimal(writer, scan.moment.now_wall.unix_s);
    Put(writer, ",\"boot_ms\":");
    PutDecimal(writer, scan.moment.now.boot_ms);
    Put(writer, ",\"agent\":\"");
    Put(writer, ChoiceAt(kLivenessNames, static_cast<uint32_t>(scan.liveness)));
    Put(writer, "\"},\n");
    return;
  }
  char bytes[24];
  TextWriter age{bytes, sizeof(bytes)};
  AppendDuration(age, StatusAge(agent, scan.moment));
  Put(writer, "miagent ");
  PutEscaped(writer, agent.version);
  Put(writer, ", process ");
  PutDecimal(writer, agent.pid);
  Put(writer, ": ");
  Put(writer, ChoiceAt(kLivenessNames, static_cast<uint32_t>(scan.liveness)));
  Put(writer,
      scan.liveness == Liveness::kGone ? ", without having stopped; told this " : "; told this ");
  Put(writer, age.text());
  Put(writer, " ago\n");
}

void AgentTake(Scan& scan) {
  const StatusAgent& agent = scan.reader.agent;
  char bytes[sizeof(OutputState::boot_id)];
  const std::string_view boot_id = BootIdRead(*scan.platform, {bytes, sizeof(bytes)});
  scan.moment.is_same_boot = agent.boot_id == boot_id && agent.written_at <= scan.moment.now;
  // One of the two may see no boot id (a service whose /proc shows processes alone): then it is the
  // process that tells, though the clocks are not trusted.
  const bool is_other_boot =
      !scan.moment.is_same_boot && !agent.boot_id.empty() && !boot_id.empty();
  if (agent.is_stopped) {
    scan.liveness = Liveness::kStopped;
  } else if (!is_other_boot && ProcessIsAlive(*scan.platform, agent.pid)) {
    scan.liveness = Liveness::kRunning;
  }
  if (scan.writer == nullptr) return;
  AgentShow(scan);
  if (!scan.is_json) StatusHeadingShow("TOKEN", *scan.writer);
}

void TokenTake(Scan& scan) {
  const StatusToken& token = scan.reader.token;
  if (StatusTokenJudge(token, scan.moment) != TokenCondition::kFresh) scan.is_any_bad = true;
  if (scan.writer == nullptr || scan.is_json) return;
  StatusTokenShow(token, scan.reader.agent, scan.moment, scan.liveness == Liveness::kRunning,
                  *scan.writer);
}

void FileTake(Scan& scan) {
  const StatusFile& file = scan.reader.file;
  const Duration remaining = StatusRemaining(file.expires_at, file.expires_at_wall, scan.moment);
  const bool is_good = remaining.ms > 0 && remaining >= scan.agent->command->fresh;
  if (!is_good || file.condition == FileCondition::kFailed) scan.is_any_bad = true;
  const Config& config = ConfigOf(*scan.agent);
  for (uint32_t index = 0; index < config.file_count; ++index) {
    if (!StatusPathIs(file.path, config.files[index].path)) continue;
    scan.seen[index] = true;
    scan.good[index] = is_good;
  }
  if (scan.writer != nullptr && !scan.is_json) StatusFileShow(file, scan.moment, *scan.writer);
}

Status LinesTake(Scan& scan, Lines& lines) {
  Span line;
  Status status;
  while (LineNext(lines, &line, &status)) {
    if (scan.is_json && scan.writer != nullptr) {
      Put(*scan.writer, {line.data, line.size});
      Put(*scan.writer, "\n");
    }
    TRY(StatusLineRead(scan.reader, line));
    switch (scan.reader.kind) {
      case StatusLineKind::kAgent: AgentTake(scan); break;
      case StatusLineKind::kToken: TokenTake(scan); break;
      case StatusLineKind::kFile: FileTake(scan); break;
      case StatusLineKind::kFilesBegin:
        if (scan.writer != nullptr && !scan.is_json) StatusHeadingShow("FILE", *scan.writer);
        break;
      case StatusLineKind::kFrame:
      case StatusLineKind::kEnd: break;
    }
  }
  TRY(status);
  return scan.reader.kind == StatusLineKind::kEnd ? kOk : Status{Fault::kStatusForm, 0};
}

// Reads the file to its end.
Status ScanRun(Scan& scan) {
  Agent& agent = *scan.agent;
  scan.moment.now = ClockBoot(*scan.platform);
  scan.moment.now_wall = ClockWall(*scan.platform);
  Lines lines{scan.platform, {}, {agent.config_text, sizeof(agent.config_text)}};
  const IoResult opened = FileOpen(*scan.platform, StatusConfig(agent).path.data(), &lines.file);
  if (!opened.ok()) return {Fault::kStatusRead, opened.error};
  const Status status = LinesTake(scan, lines);
  FileClose(*scan.platform, lines.file);
  return status;
}

Status TextPrint(void* context, std::string_view text) {
  const ConstPart part{text.data(), text.size()};
  const IoResult written = OutputWrite(*static_cast<Platform*>(context), &part, 1);
  return written.ok() ? kOk : Status{Fault::kOutputWrite, written.error};
}

// The files that the agent doesn't serve: it runs with another configuration.
void AbsentShow(Scan& scan) {
  const Config& config = ConfigOf(*scan.agent);
  for (uint32_t index = 0; index < config.file_count; ++index) {
    if (scan.seen[index]) continue;
    scan.is_any_bad = true;
    if (scan.is_json) continue;
    StatusFile file;
    file.path = config.files[index].path;
    file.error = "the agent's configuration doesn't have it yet: SIGHUP makes it read this one";
    StatusFileShow(file, scan.moment, *scan.writer);
  }
}

// Tells why `wait` gave up: the status file can't be read, or a file's token.
void GivenUpTell(Agent& agent, Platform& platform, const Scan& scan, Status status) {
  if (!status.ok()) return ReportFailure(agent, platform, StatusConfig(agent).path, status);
  uint32_t index = 0;
  while (index < ConfigOf(agent).file_count && scan.good[index]) ++index;
  CHECK(index < ConfigOf(agent).file_count);
  ReportFailure(agent, platform, ConfigOf(agent).files[index].path, {Fault::kNotFresh, 0});
}

}  // namespace

uint8_t StatusRun(Agent& agent, Platform& platform, const Command& command) {
  agent.mode = Mode::kOnce;
  agent.command = &command;
  const Status loaded = PlanLoad(agent, platform);
  if (!loaded.ok()) return FaultLookUp(loaded.fault).exit_code;
  StatusWriter writer;
  writer.flush = TextPrint;
  writer.context = &platform;
  Scan scan{&agent, &platform};
  scan.writer = &writer;
  scan.is_json = command.is_json;
  const Status status = ScanRun(scan);
  if (status.ok()) AbsentShow(scan);
  const Status printed = StatusFlush(writer);
  if (!status.ok()) {
    ReportFailure(agent, platform, StatusConfig(agent).path, status);
    return FaultLookUp(status.fault).exit_code;
  }
  if (!printed.ok()) {
    ReportFailure(agent, platform, "standard output", printed);
    return FaultLookUp(printed.fault).exit_code;
  }
  return FaultLookUp(scan.is_any_bad ? Fault::kNotFresh : Fault::kNone).exit_code;
}

uint8_t WaitRun(Agent& agent, Platform& platform, const Command& command) {
  agent.mode = Mode::kOnce;
  agent.command = &command;
  const Status loaded = PlanLoad(agent, platform);
  if (!loaded.ok()) return FaultLookUp(loaded.fault).exit_code;
  if (command.timeout.ms != 0) agent.command_deadline = ClockBoot(platform) + command.timeout;
  while (true) {
    Scan scan{&agent, &platform};
    const Status status = ScanRun(scan);
    bool is_good = status.ok();
    for (uint32_t index = 0; index < ConfigOf(agent).file_count; ++index) {
      is_good = is_good && scan.good[index];
    }
    if (is_good) return 0;
    if (scan.moment.now >= agent.command_deadline) {
      GivenUpTell(agent, platform, scan, status);
      return FaultLookUp(Fault::kNotFresh).exit_code;
    }
    Event events[kEventCountMax];
    const Instant next = Earliest(scan.moment.now + kPollInterval, agent.command_deadline);
    static_cast<void>(Wait(platform, next, events, kEventCountMax));
  }
}

}  // namespace miagent
