#include "tests/scenarios/script.h"

#include <charconv>
#include <cstdint>

namespace miagent {
namespace {

constexpr std::string_view kBlanks = " \t\r";

bool Number(std::string_view word, int64_t* value) {
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), *value);
  return error == std::errc{} && end == word.data() + word.size();
}

int64_t UnitMs(std::string_view unit) {
  if (unit == "ms") return 1;
  if (unit == "s") return 1000;
  if (unit == "m") return 60 * 1000;
  if (unit == "h") return 3600 * 1000;
  if (unit == "d") return int64_t{86400} * 1000;
  if (unit == "y") return int64_t{365} * 86400 * 1000;
  return 0;
}

// Splits at blanks; "…" holds them together, and # begins a comment.
std::vector<std::string> Words(std::string_view line) {
  std::vector<std::string> words;
  size_t at = 0;
  while ((at = line.find_first_not_of(kBlanks, at)) != std::string_view::npos && line[at] != '#') {
    const bool is_quoted = line[at] == '"';
    if (is_quoted) ++at;
    size_t end = is_quoted ? line.find('"', at) : line.find_first_of(kBlanks, at);
    if (end == std::string_view::npos) end = line.size();
    words.emplace_back(line.substr(at, end - at));
    at = is_quoted ? end + 1 : end;
    if (at > line.size()) break;
  }
  return words;
}

// Reads "at A" or "from A to B", or says what is wrong with it.
std::string TimeTake(ScriptLine& line, Instant line_above) {
  std::vector<std::string>& words = line.words;
  line.is_window = words[0] == "from";
  const size_t count = line.is_window ? 4 : 2;
  const bool is_shaped = (line.is_window || words[0] == "at") && words.size() > count &&
                         (!line.is_window || words[2] == "to");
  if (!is_shaped) return "expected 'at TIME …' or 'from TIME to TIME …'";
  Duration from;
  Duration to;
  if (!ScriptDuration(words[1], &from)) return "'" + words[1] + "' is no time";
  if (!ScriptDuration(words[count - 1], &to)) return "'" + words[count - 1] + "' is no time";
  line.from = Instant{from.ms};
  line.to = Instant{to.ms};
  words.erase(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(count));
  if (line.to < line.from) return "it ends before it begins";
  if (!line.is_window && line.from < line_above) return "it is before the line above";
  return {};
}

bool Range(std::string_view word, ScriptRange* range, bool (*read)(std::string_view, int64_t*)) {
  const size_t dots = word.find("..");
  const std::string_view low = word.substr(0, dots);
  if (!read(low, &range->low)) return false;
  range->high = range->low;
  if (dots == std::string_view::npos) return true;
  const std::string_view high = word.substr(dots + 2);
  range->high = INT64_MAX;
  return high.empty() || read(high, &range->high);
}

}  // namespace

bool ScriptDuration(std::string_view word, Duration* duration) {
  const bool is_negative = !word.empty() && word[0] == '-';
  if (is_negative) word.remove_prefix(1);
  if (word == "0") return *duration = Duration{0}, true;
  int64_t sum_ms = 0;
  bool is_any = false;
  while (!word.empty()) {
    const size_t digits = word.find_first_not_of("0123456789");
    if (digits == 0 || digits == std::string_view::npos) return false;
    size_t end = word.find_first_of("0123456789", digits);
    if (end == std::string_view::npos) end = word.size();
    int64_t count = 0;
    const int64_t unit_ms = UnitMs(word.substr(digits, end - digits));
    if (unit_ms == 0 || !Number(word.substr(0, digits), &count)) return false;
    sum_ms += count * unit_ms;
    word.remove_prefix(end);
    is_any = true;
  }
  *duration = Milliseconds(is_negative ? -sum_ms : sum_ms);
  return is_any;
}

bool ScriptCounts(std::string_view word, ScriptRange* range) { return Range(word, range, Number); }

bool ScriptDurations(std::string_view word, ScriptRange* range_ms) {
  return Range(word, range_ms, [](std::string_view bound, int64_t* ms) {
    Duration duration;
    const bool is_good = ScriptDuration(bound, &duration);
    *ms = duration.ms;
    return is_good;
  });
}

std::vector<ScriptLine> ScriptParse(std::string_view text, std::vector<ScriptError>* errors) {
  std::vector<ScriptLine> lines;
  Instant last;
  int number = 0;
  while (!text.empty()) {
    const size_t size = text.find('\n');
    std::string_view row = text.substr(0, size);
    text.remove_prefix(size == std::string_view::npos ? text.size() : size + 1);
    ++number;
    const size_t begin = row.find_first_not_of(kBlanks);
    if (begin == std::string_view::npos) continue;
    if (begin != 0) {
      if (!lines.empty()) {
        lines.back().block.append(row.substr(begin)).append("\n");
        continue;
      }
      errors->push_back({number, "an indented line, and none above that it belongs to"});
      continue;
    }
    ScriptLine line;
    line.number = number;
    line.words = Words(row);
    if (line.words.empty()) continue;
    const std::string wrong = TimeTake(line, last);
    if (!wrong.empty()) errors->push_back({number, wrong});
    if (!line.is_window) last = Latest(last, line.to);
    lines.push_back(line);
  }
  return lines;
}

}  // namespace miagent
