// The status file's reader: whatever the lines, no step beyond them; and what is read, written and
// read again is the same.

#include "agent/status/status.h"

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/json_reference.h"

namespace miagent {
namespace {

struct Rows {
  std::vector<std::unique_ptr<Bytes>> lines;  // the rows' views are in them
  StatusAgent agent;
  std::vector<StatusToken> tokens;
  std::vector<StatusFile> files;
};

Status Add(void* context, std::string_view text) {
  static_cast<std::string*>(context)->append(text);
  return kOk;
}

StatusWriter WriterTo(std::string* text) {
  StatusWriter writer;
  writer.flush = Add;
  writer.context = text;
  return writer;
}

// Reads the whole; false for what is no status file.
bool Read(std::string_view text, Rows* rows) {
  StatusReader reader;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    if (end == text.npos) return false;
    rows->lines.push_back(std::make_unique<Bytes>(text.substr(0, end)));
    text.remove_prefix(end + 1);
    if (!StatusLineRead(reader, rows->lines.back()->span()).ok()) {
      MUST(!StatusLineRead(reader, rows->lines.back()->span()).ok());  // it is over
      return false;
    }
    if (reader.kind == StatusLineKind::kAgent) rows->agent = reader.agent;
    if (reader.kind == StatusLineKind::kToken) rows->tokens.push_back(reader.token);
    if (reader.kind == StatusLineKind::kFile) rows->files.push_back(reader.file);
    if (reader.kind == StatusLineKind::kEnd) return text.empty();
  }
  return false;
}

std::string Write(Rows& rows) {
  StatusReport report;
  report.agent = rows.agent;
  report.token_count = static_cast<uint32_t>(rows.tokens.size());
  report.file_count = static_cast<uint32_t>(rows.files.size());
  report.context = &rows;
  report.read_token = [](void* context, uint32_t index, StatusToken* token) {
    *token = static_cast<Rows*>(context)->tokens[index];
  };
  report.read_file = [](void* context, uint32_t index, StatusFile* file) {
    *file = static_cast<Rows*>(context)->files[index];
  };
  std::string text;
  StatusWriter writer = WriterTo(&text);
  MUST(StatusJsonWrite(report, writer).ok());
  std::string metrics;
  StatusWriter metrics_writer = WriterTo(&metrics);
  MUST(MetricsWrite(report, metrics_writer).ok());
  MUST(metrics.empty() || metrics.back() == '\n');
  return text;
}

// Shows it at a moment; the table has a line for each row.
void Show(const Rows& rows, const StatusMoment& moment) {
  std::string text;
  StatusWriter writer = WriterTo(&text);
  StatusHeadingShow("TOKEN", writer);
  MUST(StatusAge(rows.agent, moment).ms >= 0);
  for (const StatusToken& token : rows.tokens) {
    const TokenCondition condition = StatusTokenJudge(token, moment);
    MUST(condition <= TokenCondition::kRefused);
    const Duration left = StatusRemaining(token.expires_at, token.expires_at_wall, moment);
    MUST(condition != TokenCondition::kFresh || left.ms > 0);
    StatusTokenShow(token, rows.agent, moment, true, writer);
  }
  for (const StatusFile& file : rows.files) {
    MUST(StatusFileJudge(file, moment) <= FileCondition::kMissing);
    StatusFileShow(file, moment, writer);
  }
  MUST(StatusFlush(writer).ok());
}

}  // namespace
}  // namespace miagent

FUZZ_TARGET(input) {
  Rows rows;
  if (!Read(input, &rows)) return;
  for (const bool is_same_boot : {false, true}) {
    Show(rows, {Instant{0}, WallTime{0}, is_same_boot});
    Show(rows, {Instant{86400000}, WallTime{1750000000}, is_same_boot});
    Show(rows, {Instant{kTimeMax}, WallTime{kTimeMax}, is_same_boot});
  }
  const std::string once = Write(rows);
  JsonNode root;
  MUST(JsonReference().Read(once, &root));
  Rows again;
  size_t line_size_max = 0;
  size_t line_size = 0;
  for (const char c : once) {
    line_size = c == '\n' ? 0 : line_size + 1;
    line_size_max = std::max(line_size_max, line_size);
  }
  if (line_size_max > kStatusLineSizeMax) return;
  MUST(Read(once, &again));
  MUST(Write(again) == once);
}
