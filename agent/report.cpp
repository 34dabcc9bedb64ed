#include "agent/report.h"

#include <cerrno>

#include "agent/base/check.h"

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
};

void AppendErrno(TextWriter& writer, int32_t error) {
  for (const ErrnoText& row : kErrnoTexts) {
    if (row.error == error) {
      Append(writer, row.text);
      return;
    }
  }
  Append(writer, "errno ");
  AppendDecimal(writer, error);
}

bool DetailIsHttpStatus(Fault fault) {
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

}  // namespace

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
  } else if (failure.detail != 0) {
    Append(writer, ": ");
    AppendErrno(writer, failure.detail);
  }
  if (remedy.empty()) remedy = facts.advice;
  if (!remedy.empty()) Append(writer, "; ");
  Append(writer, remedy);
}

void ReportToken(Agent& agent, LogLevel level, std::string_view event, uint32_t token_index) {
  if (agent.mode != Mode::kRun || level > ConfigOf(agent).log_level) return LogSkip(agent.line);
  LogBegin(agent.line, level, event);
  if (token_index != kTokenNone) LogText(agent.line, "token", TokenAt(agent, token_index).name);
}

void ReportFile(Agent& agent, LogLevel level, std::string_view event, uint32_t file_index) {
  const FileConfig& file = FileAt(agent, file_index);
  ReportToken(agent, level, event, file.token_index);
  LogText(agent.line, "file", file.path);
}

void ReportSend(Agent& agent, Platform& platform) {
  if (agent.line.is_wanted) LogWrite(platform, LogEnd(agent.line));
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
    LogText(agent.line, "reason", text.text());
    ReportSend(agent, platform);
    return;
  }
  TextWriter& line = CommandLineBegin(agent);
  if (token.line != 0) {
    Append(line, "token ");
    Append(line, token.name);
    Append(line, ": ");
  }
  Append(line, SourceLookUp(token.source).name);
  Append(line, " at http://");
  AppendPrintable(line, token.endpoint.authority);
  Append(line, ": ");
  AppendPrintable(line, text.text());
  LogWrite(platform, LogEnd(agent.line));
}

void ReportFileFailure(Agent& agent, Platform& platform, uint32_t file_index, Status failure) {
  char bytes[256];
  TextWriter text{bytes, sizeof(bytes)};
  FailureDescribe(text, failure, nullptr);
  if (agent.mode == Mode::kRun) {
    ReportFile(agent, LogLevel::kError, "publish_failed", file_index);
    LogText(agent.line, "reason", text.text());
    ReportSend(agent, platform);
    return;
  }
  ReportFailure(agent, platform, FileAt(agent, file_index).path, failure);
}

void ReportFailure(Agent& agent, Platform& platform, std::string_view subject, Status failure) {
  TextWriter& line = CommandLineBegin(agent);
  AppendPrintable(line, subject);
  Append(line, ": ");
  FailureDescribe(line, failure, nullptr);
  LogWrite(platform, LogEnd(agent.line));
}

}  // namespace miagent
