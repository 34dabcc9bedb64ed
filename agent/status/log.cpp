#include "agent/status/log.h"

#include "agent/base/check.h"
#include "agent/config/choice.h"

namespace miagent {
namespace {

constexpr std::string_view kCutMark = "...\n";
constexpr uint32_t kFacilityDaemon = 3;                 // RFC 3164, 4.1.1
constexpr uint8_t kSeverities[] = {3, 4, 6, 7};         // of LogLevel
constexpr uint32_t kHashStart = 0x811C9DC5U;            // FNV-1a
constexpr uint32_t kHashPrime = 0x01000193U;

bool IsProblem(const LogLine& line) { return line.level <= LogLevel::kWarning; }

void KeyAdd(LogLine& line, std::string_view text) {
  if (!IsProblem(line)) return;
  for (const char c : text) line.key = (line.key ^ static_cast<uint8_t>(c)) * kHashPrime;
}

}  // namespace

void LogBegin(LogLine& line, LogLevel level, std::string_view event) {
  line.is_wanted = true;
  line.level = level;
  line.subject = kLogSubjectNone;
  line.key = kHashStart;
  KeyAdd(line, event);
  line.writer = {line.bytes, sizeof(line.bytes) - kCutMark.size()};
  Append(line.writer, "level=");
  Append(line.writer, ChoiceAt(kLogLevelChoices, static_cast<uint32_t>(level)));
  Append(line.writer, " event=");
  Append(line.writer, event);
}

void LogSkip(LogLine& line) { line.is_wanted = false; }

void LogText(LogLine& line, std::string_view key, std::string_view value) {
  if (!line.is_wanted) return;
  KeyAdd(line, value);
  LogAside(line, key, value);
}

void LogDistinguish(LogLine& line, uint32_t bits) { line.key = (line.key ^ bits) * kHashPrime; }

void LogAside(LogLine& line, std::string_view key, std::string_view value) {
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

bool LogIsNews(LogMemory& memory, LogLine& line, Instant now) {
  if (!IsProblem(line) || line.subject == kLogSubjectNone) return true;
  uint32_t place = 0;
  for (uint32_t index = 0; index < memory.entry_count; ++index) {
    LogEntry& entry = memory.entries[index];
    if (entry.told_at < memory.entries[place].told_at) place = index;
    if (entry.subject != line.subject || entry.key != line.key) continue;
    if (now - entry.told_at < kLogRepeatInterval) {
      ++entry.repeat_count;
      return false;
    }
    LogNumber(line, "repeated", entry.repeat_count + 1);
    entry.repeat_count = 0;
    entry.told_at = now;
    return true;
  }
  if (memory.entry_count < kLogEntryCountMax) place = memory.entry_count++;
  memory.entries[place] = {line.subject, line.key, 0, now};
  return true;
}

void LogForget(LogMemory& memory, uint32_t subject) {
  for (uint32_t index = memory.entry_count; index-- > 0;) {
    if (memory.entries[index].subject != subject) continue;
    memory.entries[index] = memory.entries[--memory.entry_count];
  }
}

void SyslogWrite(TextWriter& writer, LogLevel level, uint32_t pid, std::string_view line) {
  Append(writer, '<');
  AppendDecimal(writer, kFacilityDaemon * 8 + kSeverities[static_cast<uint32_t>(level)]);
  Append(writer, ">miagent[");
  AppendDecimal(writer, pid);
  Append(writer, "]: ");
  CHECK(EndsWith(line, "\n"));
  Append(writer, Slice(line, 0, line.size() - 1));
}

}  // namespace miagent
