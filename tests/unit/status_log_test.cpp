#include "agent/status/log.h"

#include <string>

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

}  // namespace
}  // namespace miagent
