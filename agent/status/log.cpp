#include "agent/status/log.h"

#include "agent/config/choice.h"

namespace miagent {
namespace {

constexpr std::string_view kCutMark = "...\n";

}  // namespace

void LogBegin(LogLine& line, LogLevel level, std::string_view event) {
  line.is_wanted = true;
  line.writer = {line.bytes, sizeof(line.bytes) - kCutMark.size()};
  Append(line.writer, "level=");
  Append(line.writer, ChoiceAt(kLogLevelChoices, static_cast<uint32_t>(level)));
  Append(line.writer, " event=");
  Append(line.writer, event);
}

void LogSkip(LogLine& line) { line.is_wanted = false; }

void LogText(LogLine& line, std::string_view key, std::string_view value) {
  if (!line.is_wanted) return;
  const bool is_quoted =
      value.empty() || Find(value, ' ') != value.size() || Find(value, '=') != value.size();
  Append(line.writer, ' ');
  Append(line.writer, key);
  Append(line.writer, is_quoted ? "=\"" : "=");
  AppendPrintable(line.writer, value);
  if (is_quoted) Append(line.writer, '"');
}

void LogNumber(LogLine& line, std::string_view key, int64_t value) {
  if (!line.is_wanted) return;
  Append(line.writer, ' ');
  Append(line.writer, key);
  Append(line.writer, '=');
  AppendDecimal(line.writer, value);
}

std::string_view LogEnd(LogLine& line) {
  line.writer.capacity = sizeof(line.bytes);
  Append(line.writer, line.writer.overflowed ? kCutMark : "\n");
  return line.writer.text();
}

}  // namespace miagent
