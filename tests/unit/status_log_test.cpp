#include "agent/status/log.h"

#include <string>
#include <utility>

#include "doctest.h"

namespace miagent {
namespace {

TEST_CASE("log: one line of logfmt") {
  LogLine line;
  LogBegin(line, LogLevel::kInfo, "published");
  LogText(line, "token", "storage");
  LogNumber(line, "expires_on", 1750086400);
  CHECK(LogEnd(line) == "level=info event=published token=storage expires_on=1750086400\n");
}

TEST_CASE("log: values are quoted where they need it, and can't forge a line") {
  LogLine line;
  LogBegin(line, LogLevel::kError, "x");
  LogText(line, "a", "two words");
  LogText(line, "b", "");
  LogText(line, "c", "k=v");
  LogText(line, "d", "x\nlevel=error\x1b[31m\"\\");
  CHECK(LogEnd(line) ==
        "level=error event=x a=\"two words\" b=\"\" c=\"k=v\" d=\"x?level=error?[31m??\"\n");
}

TEST_CASE("log: a line that is too long is cut, says so, and still ends") {
  LogLine line;
  LogBegin(line, LogLevel::kDebug, "long");
  LogText(line, "value", std::string(5000, 'v'));
  const std::string_view text = LogEnd(line);
  CHECK(text.size() <= kLogLineSizeMax);
  CHECK(text.substr(text.size() - 4) == "...\n");
}

TEST_CASE("log: a line that nobody wants takes nothing") {
  LogLine line;
  LogBegin(line, LogLevel::kError, "x");
  const uint32_t key = line.key;
  LogSkip(line);
  LogText(line, "a", "b");
  LogAside(line, "c", "d");
  LogNumber(line, "e", 1);
  CHECK_FALSE(line.is_wanted);
  CHECK(line.key == key);
  CHECK(line.writer.text() == "level=error event=x");
}

TEST_CASE("log: a line for syslog has its priority and no time or newline") {
  char bytes[200];
  for (const auto& [level, priority] :
       {std::pair(LogLevel::kError, 27), std::pair(LogLevel::kWarning, 28),
        std::pair(LogLevel::kInfo, 30), std::pair(LogLevel::kDebug, 31)}) {
    TextWriter writer{bytes, sizeof(bytes)};
    SyslogWrite(writer, level, 4711, "event=x\n");
    CHECK(std::string(writer.text()) == "<" + std::to_string(priority) + ">miagent[4711]: event=x");
  }
}

// Whether a line of `event` about `subject` is told.
std::string Told(LogMemory& memory, uint32_t subject, const char* event, const char* reason,
                 int64_t at_s, LogLevel level = LogLevel::kWarning) {
  LogLine line;
  LogBegin(line, level, event);
  line.subject = subject;
  LogNumber(line, "at", at_s);
  LogText(line, "reason", reason);
  LogAside(line, "aside", std::to_string(at_s));
  return LogIsNews(memory, line, Instant{at_s * 1000}) ? std::string(LogEnd(line)) : "";
}

TEST_CASE("log: the same problem of the same subject is told once an hour, with its count") {
  LogMemory memory;
  CHECK(Told(memory, 1, "e", "r", 0) == "level=warning event=e at=0 reason=r aside=0\n");
  CHECK(Told(memory, 1, "e", "r", 10).empty());
  CHECK(Told(memory, 1, "e", "r", 3599).empty());
  CHECK(Told(memory, 1, "e", "r", 3600) ==
        "level=warning event=e at=3600 reason=r aside=3600 repeated=3\n");
  CHECK(Told(memory, 1, "e", "r", 3610).empty());
  CHECK_FALSE(Told(memory, 1, "e", "other", 3610).empty());
  CHECK_FALSE(Told(memory, 1, "f", "r", 3610).empty());
  CHECK_FALSE(Told(memory, 2, "e", "r", 3610).empty());
  CHECK(Told(memory, 1, "e", "r", 3620).empty());
  LogForget(memory, 1);
  CHECK(memory.entry_count == 1);
  CHECK_FALSE(Told(memory, 1, "e", "r", 3630).empty());
  CHECK(Told(memory, 2, "e", "r", 3630).empty());
}

TEST_CASE("log: news, and what is about nothing of its own, are always told") {
  LogMemory memory;
  for (int round = 0; round < 3; ++round) {
    CHECK_FALSE(Told(memory, 1, "e", "r", 0, LogLevel::kInfo).empty());
    CHECK_FALSE(Told(memory, kLogSubjectNone, "e", "r", 0).empty());
  }
  CHECK(memory.entry_count == 0);
}

TEST_CASE("log: beyond what is remembered, what was told longest ago is told again") {
  LogMemory memory;
  for (uint32_t subject = 0; subject <= kLogEntryCountMax; ++subject) {
    CHECK_FALSE(Told(memory, subject, "e", "r", subject).empty());
  }
  CHECK(memory.entry_count == kLogEntryCountMax);
  CHECK(Told(memory, kLogEntryCountMax, "e", "r", 1000).empty());
  CHECK(Told(memory, 1, "e", "r", 1000).empty());
  CHECK_FALSE(Told(memory, 0, "e", "r", 1000).empty());
}

}  // namespace
}  // namespace miagent
