#include "tests/scenarios/scenario.h"

#include <algorithm>
#include <cstdio>
#include <map>

#include "tests/scenarios/script.h"
#include "tests/scenarios/story.h"

namespace miagent {
namespace {

// What a line came to: empty where all is well.
using Verdict = std::string;

std::string Shown(int64_t value) { return std::to_string(value); }

Verdict Judge(std::string_view what, int64_t seen, const std::string& expected) {
  ScriptRange range;
  if (!ScriptCounts(expected, &range)) return "'" + expected + "' is no count: 3, 2..5 or 2..";
  if (seen >= range.low && seen <= range.high) return {};
  return "expected " + expected + " " + std::string(what) + ", saw " + Shown(seen);
}

template <typename Item>
bool IsIn(const ScriptLine& line, const Item& item) {
  return item.at <= line.to && (!line.is_window || item.at >= line.from);
}

template <typename Item, typename Is>
int64_t Count(const ScriptLine& line, const std::vector<Item>& items, Is is) {
  return std::count_if(items.begin(), items.end(),
                       [&](const Item& item) { return IsIn(line, item) && is(item); });
}

std::string FileShown(const FileChange& file) {
  if (file.number == kFileAbsent) return "absent";
  return file.number == kFileEmpty ? "empty" : "token " + Shown(file.number);
}

// One state of a file, which lasts until `until`.
Verdict FileJudge(const FileChange& file, Instant until, const std::vector<std::string>& words) {
  const std::string& wanted = words[2];
  const bool is_expired = file.expires_at <= until;
  bool is_good = false;
  if (wanted == "absent") is_good = file.number == kFileAbsent;
  if (wanted == "empty") is_good = file.number == kFileEmpty;
  if (wanted == "token" && words.size() > 3) is_good = FileShown(file) == "token " + words[3];
  if (wanted == "fresh") is_good = file.number > 0 && !is_expired;
  if (wanted == "expired") is_good = file.number > 0 && is_expired;
  if (is_good) return {};
  const std::string state = FileShown(file) + (file.number > 0 && is_expired ? ", expired" : "");
  return "expected " + words[1] + " " + wanted + (words.size() > 3 ? " " + words[3] : "") +
         ", saw " + state + " at " + TimeShown(until);
}

Verdict ExpectFile(const Story& story, const ScriptLine& line) {
  const std::vector<std::string>& words = line.words;
  if (words.size() < 3) return "expected: file PATH absent|empty|fresh|expired|token N";
  FileChange state{Instant{}, words[1], kFileAbsent, Instant{}};
  for (const FileChange& change : story.files) {
    if (change.path != words[1] || change.at > line.to) continue;
    if (line.is_window && change.at > line.from) {
      const Instant until = change.at + Milliseconds(-1);
      if (const Verdict verdict = FileJudge(state, until, words); !verdict.empty()) return verdict;
    }
    state = change;
  }
  return FileJudge(state, line.to, words);
}

Verdict ExpectRequests(const Story& story, const ScriptLine& line) {
  if (line.words.size() < 2) return "expected: requests COUNT [forced]";
  const bool is_forced = line.words.size() > 2 && line.words[2] == "forced";
  return Judge(is_forced ? "forced requests" : "requests",
               Count(line, story.requests,
                     [&](const StoryRequest& request) { return request.is_forced || !is_forced; }),
               line.words[1]);
}

Verdict ExpectGap(const Story& story, const ScriptLine& line) {
  ScriptRange range;
  if (line.words.size() < 2 || !ScriptDurations(line.words[1], &range)) {
    return "expected: gap DURATION..DURATION";
  }
  const StoryRequest* last = nullptr;
  int gap_count = 0;
  for (const StoryRequest& request : story.requests) {
    if (!IsIn(line, request)) continue;
    const int64_t gap_ms = last == nullptr ? range.low : (request.at - last->at).ms;
    if (gap_ms < range.low || gap_ms > range.high) {
      return "expected a gap of " + line.words[1] + ", saw " + Shown(gap_ms) + " ms before the " +
             "request at " + TimeShown(request.at);
    }
    if (last != nullptr) ++gap_count;
    last = &request;
  }
  return gap_count > 0 ? Verdict{} : "expected a gap, saw less than two requests";
}

Verdict ExpectLog(const Story& story, const ScriptLine& line) {
  if (line.words.size() < 3) return "expected: log \"TEXT\" COUNT";
  const std::string& text = line.words[1];
  return Judge(
      "lines with \"" + text + "\"",
      Count(line, story.log,
            [&](const StoryLine& entry) { return entry.text.find(text) != std::string::npos; }),
      line.words[2]);
}

Verdict ExpectPublished(const Story& story, const ScriptLine& line) {
  if (line.words.size() < 3) return "expected: published PATH COUNT";
  return Judge("publications",
               Count(line, story.files,
                     [&](const FileChange& change) {
                       return change.path == line.words[1] && change.number > 0;
                     }),
               line.words[2]);
}

Verdict ExpectCount(const std::vector<StoryLine>& items, const char* what, const ScriptLine& line) {
  if (line.words.size() < 2) return "expected: a count";
  return Judge(what, Count(line, items, [](const StoryLine&) { return true; }), line.words[1]);
}

// The newest start or end of a process.
Verdict ExpectProcess(const Story& story, const ScriptLine& line) {
  const std::string wanted =
      line.words[0] == "exit" && line.words.size() > 1 ? "exit " + line.words[1] : line.words[0];
  std::string seen = "nothing that ran";
  for (const StoryLine& change : story.processes) {
    if (change.at > line.to) continue;
    if (line.is_window && change.at > line.from && seen != wanted) break;
    seen = change.text;
  }
  return seen == wanted ? Verdict{} : "expected '" + wanted + "', saw '" + seen + "'";
}

Verdict Expect(const Story& story, const ScriptLine& line) {
  const std::string& what = line.words[0];
  if (what == "file") return ExpectFile(story, line);
  if (what == "requests") return ExpectRequests(story, line);
  if (what == "gap") return ExpectGap(story, line);
  if (what == "log") return ExpectLog(story, line);
  if (what == "published") return ExpectPublished(story, line);
  if (what == "connections") return ExpectCount(story.connections, "connections tried", line);
  if (what == "hooks") return ExpectCount(story.hooks, "starts of a hook", line);
  if (what == "wakeups") return ExpectCount(story.turns, "wake-ups", line);
  if (what == "exit" || what == "running") return ExpectProcess(story, line);
  return "nobody knows how to expect '" + what + "'";
}

std::string Timeline(const Story& story) {
  std::multimap<int64_t, std::string> rows;  // those of one instant stay in order
  const auto add = [&rows](Instant at, const std::string& text) {
    rows.emplace(at.boot_ms, TimeShown(at) + "  " + text + "\n");
  };
  for (const StoryLine& line : story.actions) add(line.at, line.text);
  for (const StoryLine& line : story.processes) add(line.at, "  " + line.text);
  for (const StoryRequest& request : story.requests) {
    add(request.at, request.is_forced ? "  request, forced" : "  request");
  }
  for (const StoryLine& line : story.log) add(line.at, "  log " + line.text);
  for (const FileChange& file : story.files)
    add(file.at, "  " + file.path + ": " + FileShown(file));
  for (const StoryLine& line : story.hooks) add(line.at, "  hook " + line.text);
  std::string text;
  for (const auto& [at, row] : rows) text += row;
  return text;
}

}  // namespace

ScenarioOutcome ScenarioRun(std::string_view name, std::string_view text) {
  ScenarioOutcome outcome;
  std::vector<ScriptError> errors;
  const std::vector<ScriptLine> lines = ScriptParse(text, &errors);
  Story story;
  Instant end;
  int expected_count = 0;
  for (const ScriptLine& line : lines) end = Latest(end, line.to);
  for (const ScriptLine& line : lines) {
    if (!errors.empty()) break;
    if (line.words[0] == "expect") {
      ++expected_count;
      continue;
    }
    if (line.is_window) errors.push_back({line.number, "only 'expect' can be from … to …"});
    StoryLive(story, line.from);
    const std::string wrong = StoryAct(story, line);
    if (!wrong.empty()) errors.push_back({line.number, wrong});
  }
  if (errors.empty()) StoryLive(story, end);
  for (const StoryLine& broken : story.broken) errors.push_back({story.line, broken.text});
  for (ScriptLine line : lines) {
    if (line.words.empty() || line.words[0] != "expect") continue;
    line.words.erase(line.words.begin());
    const Verdict verdict = line.words.empty() ? "expected: something" : Expect(story, line);
    if (!verdict.empty() && story.broken.empty()) errors.push_back({line.number, verdict});
  }
  if (expected_count == 0) errors.push_back({0, "expects nothing"});
  for (const ScriptError& error : errors) {
    outcome.failures.push_back(std::string(name) + ":" + Shown(error.number) + ": " + error.text);
  }
  outcome.timeline = Timeline(story);
  return outcome;
}

}  // namespace miagent
