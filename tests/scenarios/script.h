// The text of a scenario as lines of words.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "platform/time.h"

namespace miagent {

struct ScriptLine {
  int number = 0;
  Instant from;
  Instant to;  // of "from A to B"; of "at A": A
  bool is_window = false;
  std::vector<std::string> words;  // after the time; "…" is one
  std::string block;               // the indented lines below, without what they all begin with
};

struct ScriptError {
  int number = 0;
  std::string text;
};

// The lines, in the text's order. Errors are appended.
std::vector<ScriptLine> ScriptParse(std::string_view text, std::vector<ScriptError>* errors);

// "1h30m", "2d", "500ms", "-1y": false for what is none.
bool ScriptDuration(std::string_view word, Duration* duration);

// "3", "2..5", "2..", each bound read by ScriptDuration or as a count.
struct ScriptRange {
  int64_t low = 0;
  int64_t high = 0;
};
bool ScriptCounts(std::string_view word, ScriptRange* range);
bool ScriptDurations(std::string_view word, ScriptRange* range_ms);

}  // namespace miagent
