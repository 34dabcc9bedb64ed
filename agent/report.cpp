#include "agent/report.h"

#include <cerrno>

#include "agent/base/check.h"
#include "agent/base/sha256.h"

namespace miagent {
namespace {

struct ErrnoText {
  int32_t error;
  char text[26];
};

// The errno values that users of this program can do something about.
constexpr ErrnoText kErrnoTexts[] = {
    {ECONNREFUSED, "connection refused"},
    {ECONNRESET, "connection reset"},
    {ETIMEDOUT, "timed out"},
    {ENETUNREACH, "network unreachable"},
    {EHOSTUNREACH, "host unreachable"},
    {EPIPE, "closed by the reader"},
    {EACCES, "permission denied"},
    {EPERM, "not permitted"},
    {ENOENT, "no such file or directory"},
    {EISDIR, "is a directory"},
    {ENOSPC, "no space left"},
    {EDQUOT, "over quota"},
    {EROFS, "read-only file system"},
    {EIO, "input/output error"},
    {EMFILE, "too many open files"},
    {ELOOP, "a symbolic link"},
    {ENOTDIR, "no directory, or a link"},
    {ENOEXEC, "not a program"},
};

bool DetailIsHttpStatus(Fault fault) {
  // kAnswerUnchallenged's too: the status of what came in place of a challenge.
  return fault >= Fault::kHttpSyntax && fault <= Fault::kAnswerStatusUnexpected;
}

const TokenConfig& TokenAt(const Agent& agent, uint32_t token_index) {
  CHECK(token_index < ConfigOf(agent).token_count);
  return ConfigOf(agent).tokens[token_index];
}

const FileConfig& FileAt(const Agent& agent, uint32_t file_index) {
  CHECK(file_index < ConfigOf(agent).file_count);
  return ConfigOf(agent).files[file_index];
}

// Begins a line of a command: what it is about comes before the failure.
TextWriter& CommandLineBegin(Agent& agent) {
  agent.line.writer = {agent.line.bytes, sizeof(agent.line.bytes) - 4};
  Append(agent.line.writer, "miagent: ");
  return agent.line.writer;
}

uint32_t SubjectOfFile(uint32_t file_index) {
  return static_cast<uint32_t>(kTokenCountMax) + file_index;
}

}  // namespace

void ErrnoDescribe(TextWriter& writer, int32_t error) {
  for (const ErrnoText& row : kErrnoTexts) {
    if (row.error == error) {
      Append(writer, row.text);
      return;
    }
  }
  Append(writer, "errno ");
  AppendDecimal(writer, error);
}

void FailureDescribe(TextWriter& writer, Status failure, const ErrorAnswer* error) {
  const FaultFacts facts = FaultLookUp(failure.fault);
  Append(writer, facts.what);
  std::string_view remedy;
  if (DetailIsHttpStatus(failure.fault)) {
    if (failure.detail != 0) {
      Append(writer, ": HTTP ");
      AppendDecimal(writer, failure.detail);
    }
    if (error != nullptr) {
      if (error->code_size != 0) Append(writer, ' ');
      AppendPrintable(writer, error->code_text());
      if (error->description_size != 0) Append(writer, ": ");
      AppendPrintable(writer, error->description_text());
      remedy = ErrorRemedy(failure.detail, error->code_text());
    }
  } else if (failure.fault == Fault::kTlsProtocol) {
    Append(writer, ": error -0x");
    AppendHex(writer, static_cast<uint32_t>(failure.detail), 4);
  } else if (failure.detail != 0) {
    const bool is_number =
        failure.fault == Fault::kNotifyExit || failure.fault == Fault::kNotifyDied;
    Append(writer, is_number ? " " : ": ");
    is_number ? AppendDecimal(writer, failure.detail) : ErrnoDescribe(writer, failure.detail);
  }
  if (remedy.empty()) remedy = facts.advice;
  if (!remedy.empty()) Append(writer, "; ");
  Append(writer, remedy);
}

void ReportToken(Agent& agent, LogLevel level, std::string_view event, uint32_t token_index) {
  if (agent.mode != Mode::kRun || level > ConfigOf(agent).log_level) return LogSkip(agent.line);
  LogBegin(agent.line, level, event);
  if (token_index == kTokenNone) return;
  agent.line.subject = token_index;
  const TokenConfig& token = TokenAt(agent, token_index);
  LogText(agent.line, token.is_secret ? "secret" : "token", token.name);
}

void ReportFile(Agent& agent, LogLevel level, std::string_view event, uint32_t file_index) {
  const FileConfig& file = FileAt(agent, file_index);
  ReportToken(agent, level, event, file.token_index);
  agent.line.subject = SubjectOfFile(file_index);
  LogText(agent.line, "file", file.path);
}

void ReportLine(const Agent& agent, Platform& platform, LogLevel level, std::string_view line) {
  if (agent.is_syslog) {
    char bytes[kLogLineSizeMax + 64];
    TextWriter writer{bytes, sizeof(bytes)};
    SyslogWrite(writer, level, ProcessInspect(platform).pid, line);
    if (LocalSend(platform, "/dev/log", writer.text()).ok()) return;
  }
  LogWrite(platform, line);
}

void ReportSend(Agent& agent, Platform& platform) {
  if (!agent.line.is_wanted || !LogIsNews(agent.told, agent.line, agent.now)) return;
  ReportLine(agent, platform, agent.line.level, LogEnd(agent.line));
}

void ReportForgetToken(Agent& agent, uint32_t token_index) { LogForget(agent.told, token_index); }

void ReportForgetFile(Agent& agent, uint32_t file_index) {
  LogForget(agent.told, SubjectOfFile(file_index));
}

void ReportRequest(Agent& agent, Platform& platform, std::string_view request) {
  ReportToken(agent, LogLevel::kDebug, "request", agent.request.token_index);
  if (!agent.line.is_wanted) return;
  char bytes[256];
  TextWriter names{bytes, sizeof(bytes)};
  const size_t target_at = Find(request, ' ') + 1;
  size_t line_at = Find(request, '\n') + 1;
  while (line_at < request.size() && request[line_at] != '\r') {
    if (names.size != 0) Append(names, ',');
    Append(names, Slice(request, line_at, Find(request, ':', line_at) - line_at));
    line_at = Find(request, '\n', line_at) + 1;
  }
  LogText(agent.line, "endpoint", TokenAt(agent, agent.request.token_index).endpoint.authority);
  LogText(agent.line, "method", Slice(request, 0, target_at - 1));
  LogText(agent.line, "headers", names.text());
  LogText(agent.line, "target",
          Slice(request, target_at, Find(request, ' ', target_at) - target_at));
  ReportSend(agent, platform);
}

void ReportAnswer(Agent& agent, Platform& platform, Status status) {
  ReportToken(agent, LogLevel::kDebug, "answer", agent.request.token_index);
  if (!agent.line.is_wanted) return;
  const ResponseReader& reader = agent.connection.reader;
  if (status.ok()) {
    LogNumber(agent.line, "status", reader.http_status);
    LogNumber(agent.line, "body_bytes", reader.body.size);
  } else {
    LogText(agent.line, "failure", FaultLookUp(status.fault).what);
  }
  LogNumber(agent.line, "ms", (agent.now - agent.request.sent_at).ms);
  ReportSend(agent, platform);
}

uint32_t ReportFingerprint(const Agent& agent, std::string_view token) {
  if (ConfigOf(agent).log_level != LogLevel::kDebug) return 0;
  Sha256 hash;
  Sha256Feed(hash, token);
  uint8_t digest[kSha256Size];
  Sha256End(hash, digest);
  SecretWipe(&hash, sizeof(hash));
  return uint32_t{digest[0]} << 24 | uint32_t{digest[1]} << 16 | uint32_t{digest[2]} << 8 |
         digest[3];
}

void ReportTokenFailure(Agent& agent, Platform& platform, uint32_t token_index, Status failure,
                        Duration retry_in) {
  const TokenConfig& token = TokenAt(agent, token_index);
  const ErrorAnswer* error = DetailIsHttpStatus(failure.fault) ? &agent.error : nullptr;
  char bytes[kErrorDescriptionSizeMax + 256];
  TextWriter text{bytes, sizeof(bytes)};
  FailureDescribe(text, failure, error);
  if (agent.mode == Mode::kRun) {
    const bool is_refusal = FaultLookUp(failure.fault).remedy == Remedy::kSlowPoll;
    const LogLevel level = is_refusal ? LogLevel::kError : LogLevel::kWarning;
    ReportToken(agent, level, "refresh_failed", token_index);
    LogText(agent.line, "source", SourceLookUp(token.source).name);
    LogText(agent.line, "endpoint", token.endpoint.authority);
    LogNumber(agent.line, "retry_in_s", retry_in.ms / 1000);
    const TokenState& state = agent.tokens[token_index];
    if (state.failure_count > 1) {
      LogNumber(agent.line, "failures", state.failure_count);
      LogNumber(agent.line, "outage_s", (agent.now - state.failing_since).ms / 1000);
    }
    // Not by the description, in which some endpoints tell the time.
    LogDistinguish(agent.line, static_cast<uint32_t>(failure.fault));
    LogDistinguish(agent.line, static_cast<uint32_t>(failure.detail));
    if (error != nullptr) {
      for (const char c : error->code_text()) LogDistinguish(agent.line, static_cast<uint8_t>(c));
    }
    LogAside(agent.line, "reason", text.text());
    ReportSend(agent, platform);
    return;
  }
  TextWriter& line = CommandLineBegin(agent);
  if (token.line != 0) {
    Append(line, token.is_secret ? "secret " : "token ");
    Append(line, token.name);
    Append(line, ": ");
  }
  Append(line, SourceLookUp(token.source).name);
  Append(line, token.endpoint.is_https ? " at https://" : " at http://");
  AppendPrintable(line, token.endpoint.authority);
  Append(line, ": ");
  AppendPrintable(line, text.text());
  LogWrite(platform, LogEnd(agent.line));
}

namespace {

void FileFailureTell(Agent& agent, Platform& platform, const char* event, uint32_t file_index,
                     Status failure) {
  char bytes[256];
  TextWriter text{bytes, sizeof(bytes)};
  FailureDescribe(text, failure, nullptr);
  if (agent.mode == Mode::kRun) {
    ReportFile(agent, LogLevel::kError, event, file_index);
    LogText(agent.line, "reason", text.text());
    ReportSend(agent, platform);
    return;
  }
  ReportFailure(agent, platform, FileAt(agent, file_index).path, failure);
}

}  // namespace

void ReportFileFailure(Agent& agent, Platform& platform, uint32_t file_index, Status failure) {
  FileFailureTell(agent, platform, "publish_failed", file_index, failure);
}

void ReportNotifyFailure(Agent& agent, Platform& platform, uint32_t file_index, Status failure) {
  FileFailureTell(agent, platform, "notify_failed", file_index, failure);
}

void ReportText(Agent& agent, Platform& platform, std::string_view subject, std::string_view text) {
  TextWriter& line = CommandLineBegin(agent);
  AppendPrintable(line, subject);
  Append(line, ": ");
  AppendPrintable(line, text);
  ReportLine(agent, platform, LogLevel::kError, LogEnd(agent.line));
}

void ReportFailure(Agent& agent, Platform& platform, std::string_view subject, Status failure) {
  char bytes[384];
  TextWriter text{bytes, sizeof(bytes)};
  FailureDescribe(text, failure, nullptr);
  ReportText(agent, platform, subject, text.text());
}

}  // namespace miagent
