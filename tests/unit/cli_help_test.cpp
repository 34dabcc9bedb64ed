#include <string>

#include "agent/cli/command.h"
#include "agent/cli/version.h"
#include "agent/config/resource.h"
#include "doctest.h"

namespace miagent {
namespace {

std::string Help(std::string_view topic) {
  char text[8 * 1024];
  TextWriter writer{text, sizeof(text)};
  HelpWrite(topic, writer);
  REQUIRE_FALSE(writer.overflowed);
  return std::string(writer.text());
}

constexpr const char* kTopics[] = {"",       "run",  "once", "get",  "check",
                                   "status", "wait", "exec", "call", "resources"};

TEST_CASE("help: every text is short, printable and ends its last line") {
  size_t total = 0;
  for (const char* topic : kTopics) {
    const std::string text = Help(topic);
    INFO(topic);
    CHECK(text.size() < 2048);
    CHECK(text.back() == '\n');
    size_t line_count = 0;
    size_t line_size = 0;
    for (const char c : text) {
      CHECK((c == '\n' || (c >= 0x20 && c <= 0x7E)));
      line_size = c == '\n' ? 0 : line_size + 1;
      CHECK(line_size <= (std::string(topic) == "resources" ? 140 : 80));
      if (c == '\n') ++line_count;
    }
    CHECK(line_count <= 28);  // the commands and every exit code on one screen
    total += text.size();
  }
  CHECK(total < 8 * 1024);
  CHECK(Help("nonsense") == Help(""));
}

TEST_CASE("help: the general text has every command and exit code") {
  const std::string text = Help("");
  for (const char* word : {"run",  "once", "get",  "check",     "status",
                           "wait", "exec", "help", "--version", "/etc/miagent.conf",
                           " 1  ", "64",   "65",   "69",        "73",
                           "75",   "77",   "78",   "126",       "127"}) {
    CHECK_MESSAGE(text.find(word) != std::string::npos, word);
  }
}

// The options that the help of a command shows are those that the command takes.
TEST_CASE("help: each command's options are told and taken") {
  const char* const options[] = {
      "--resource", "--cloud",  "--source",  "--client-id", "--object-id", "--mi-res-id",
      "--endpoint", "--file",   "--timeout", "--format",    "-c",          "--json",
      "--fresh",    "--method", "--header",  "--data",      "--key"};
  for (const char* name : {"run", "once", "get", "check", "status", "wait", "exec", "call"}) {
    const std::string text = Help(name);
    for (const char* option : options) {
      const char* const arguments[] = {"miagent", name, option, "1"};
      Command command;
      char problem[400];
      TextWriter writer{problem, sizeof(problem)};
      static_cast<void>(CommandParse(4, arguments, &command, writer));
      const bool is_taken = writer.text().find("has no option") == std::string_view::npos;
      const bool is_told = text.find(std::string(option) + " ") != std::string::npos;
      CHECK_MESSAGE(is_taken == is_told, name << " " << option);
    }
  }
}

TEST_CASE("help: resources are those of the table") {
  const std::string text = Help("resources");
  for (uint32_t index = 0; index < kResourceNameCount; ++index) {
    const ResourceName& row = ResourceNameAt(index);
    std::string line = std::string(row.name) + std::string(14 - std::string(row.name).size(), ' ');
    for (const char* uri : row.uris) line += std::string(" ") + (uri == nullptr ? "-" : uri);
    CHECK_MESSAGE(text.find("\n" + line + "\n") != std::string::npos, line);
  }
}

TEST_CASE("version: three numbers") { CHECK(kVersion == "0.1.0"); }

}  // namespace
}  // namespace miagent
