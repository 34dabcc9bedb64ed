// One line an event.
//
// Purpose: compose log lines in logfmt (`level=info event=published token=storage …`): one line
//          for each event, every value safe to print.
// Limits:  kLogLineSizeMax; a longer line is cut and says so.
// Never:   takes a secret: no function here accepts SecretBytes.
#pragma once

#include <cstdint>
#include <string_view>

#include "agent/base/bytes.h"
#include "agent/config/config.h"
#include "agent/limits.h"

namespace miagent {

struct LogLine {
  TextWriter writer;
  bool is_wanted;  // else nothing is composed
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

// The whole line, its newline included.
std::string_view LogEnd(LogLine& line);

}  // namespace miagent
