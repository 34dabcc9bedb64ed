// One line an event.
//
// Purpose: compose log lines in logfmt (`level=info event=published token=storage …`): one line
//          for each event, every value safe to print. And remember which problems were told: the
//          same one is counted, and told again after an hour.
// Limits:  kLogLineSizeMax; a longer line is cut and says so. kLogEntryCountMax problems are
//          remembered; beyond that the one told longest ago is forgotten, and so told again.
// Never:   takes a secret: no function here accepts SecretBytes.
#pragma once

#include <cstdint>
#include <string_view>

#include "agent/base/array.h"
#include "agent/base/bytes.h"
#include "agent/config/config.h"
#include "agent/limits.h"
#include "platform/time.h"

namespace miagent {

inline constexpr uint32_t kLogSubjectNone = UINT32_MAX;

struct LogLine {
  TextWriter writer;
  bool is_wanted;  // else nothing is composed
  LogLevel level;
  uint32_t subject;  // whom it is about: lines about different ones are never the same
  uint32_t key;      // of a problem: equal where two lines tell the same
  char bytes[kLogLineSizeMax];
};

// Begins a line with its level and the event's name.
void LogBegin(LogLine& line, LogLevel level, std::string_view event);

// Begins a line that is not to be told.
void LogSkip(LogLine& line);

// Adds ` key=value`. A value with a blank or nothing in it is put in quotes; what isn't printable
// is shown as `?`.
void LogText(LogLine& line, std::string_view key, std::string_view value);
void LogNumber(LogLine& line, std::string_view key, int64_t value);

// The same as LogText, of what may differ between two lines that tell the same. LogText's values
// may not, and LogNumber's may.
void LogAside(LogLine& line, std::string_view key, std::string_view value);

// What two lines that tell the same have in common, and isn't in their texts.
void LogDistinguish(LogLine& line, uint32_t bits);

// The whole line, its newline included.
std::string_view LogEnd(LogLine& line);

// ---- repeats ----------------------------------------------------------------------------------

struct LogEntry {
  uint32_t subject;
  uint32_t key;
  uint32_t repeat_count;  // since it was told
  Instant told_at;
};

struct LogMemory {
  uint32_t entry_count = 0;
  Array<LogEntry, kLogEntryCountMax> entries;
};

// Whether a line is to be told: one of level info or debug, or about nothing of its own, always is;
// a problem where it wasn't told within kLogRepeatInterval. Then how often it came meanwhile is
// added to the line.
bool LogIsNews(LogMemory& memory, LogLine& line, Instant now);

// The subject is well again: its next problem is news.
void LogForget(LogMemory& memory, uint32_t subject);

// ---- syslog -----------------------------------------------------------------------------------

// Appends a line as /dev/log takes it: `<PRI>miagent[PID]: LINE`, without the line's newline;
// RFC 3164 with facility daemon. Without its time: RFC 3164's is local time without a year, which
// there is no time zone for in this program. BusyBox' syslogd, rsyslog and journald all put the
// time of reception there, as they see it, which is the same.
void SyslogWrite(TextWriter& writer, LogLevel level, uint32_t pid, std::string_view line);

}  // namespace miagent
