#include "agent/config/config.h"

#include <ini.h>

#include "agent/base/bytes.h"
#include "agent/base/check.h"
#include "agent/config/reading.h"
#include "agent/config/sentence.h"

// The library's settings are the build's; these are what the code below stands on.
static_assert(INI_HANDLER_LINENO == 1, "a key is told with its line");
static_assert(INI_CALL_HANDLER_ON_NEW_SECTION == 1, "an empty section is a section");
static_assert(INI_USE_STACK == 1, "no heap");
static_assert(INI_ALLOW_MULTILINE == 0, "an indented key is a key");
static_assert(INI_ALLOW_NO_VALUE == 0, "a key has a value");
static_assert(INI_STOP_ON_FIRST_ERROR == 0, "every problem is told");
static_assert(std::string_view(INI_INLINE_COMMENT_PREFIXES) == ";#", "comments begin with either");
static_assert(INI_MAX_LINE == miagent::kConfigLineSizeMax, "one limit");

namespace miagent {
namespace {

constexpr size_t kProblemSizeMax = 384;
// What the library's line buffer holds besides the line: a newline and a NUL.
constexpr size_t kLineContentSizeMax = kConfigLineSizeMax - 2;

// A key or `[section]` as it is named in a file; for the command line as the option of that name:
// `--client-id` for client_id, `--file` for [file]. A variable is named as it is.
void AppendSubject(TextWriter& writer, const char* subject, bool is_command_line) {
  const bool is_variable = subject[0] <= 'Z';  // keys are small, and [ comes behind Z
  const bool is_option = is_command_line && !is_variable;
  if (is_option) Append(writer, "--");
  for (; *subject != '\0'; ++subject) {
    if (!is_option) {
      Append(writer, *subject);
    } else if (*subject != '[' && *subject != ']') {
      Append(writer, *subject == '_' ? '-' : *subject);
    }
  }
  Append(writer, ": ");
}

void Tell(Reading& reading, uint32_t line, const char* subject, const char* sentence,
          std::string_view outside) {
  char text[kProblemSizeMax];
  TextWriter writer{text, sizeof(text)};
  if (subject != nullptr) AppendSubject(writer, subject, reading.is_command_line);
  AppendSentence(writer, sentence, outside);
  ++reading.problem_count;
  reading.is_line_judged = true;
  reading.report->problem(reading.report->context, line, writer.text());
}

bool IsBlank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// What the line begins with, blanks apart; NUL for nothing.
char LineFirst(const Reading& reading) {
  size_t begin = 0;
  while (begin < reading.line.size() && IsBlank(reading.line[begin])) ++begin;
  return begin < reading.line.size() ? reading.line[begin] : '\0';
}

// Tells that the line as a whole is wrong. Where it was to begin a section, the keys that follow
// are not taken for those of the section before.
void LineRefuse(Reading& reading, const char* sentence) {
  if (LineFirst(reading) == '[') {
    SectionEnd(reading);
    reading.section = SectionKind::kRefused;
  }
  Problem(reading, reading.line_number, nullptr, sentence);
}

// Says so where the library took nothing from the line and it isn't blank or a comment. To be
// called when the library is done with it.
void LineJudge(Reading& reading) {
  const char first = LineFirst(reading);
  if (reading.is_line_judged || first == '\0' || first == '#' || first == ';') return;
  LineRefuse(reading, "expected [SECTION], KEY = VALUE or a comment");
}

// Takes the next line of the text; false at its end.
bool LineNext(Reading& reading) {
  const std::string_view rest = SliceFrom(reading.text, reading.offset);
  if (rest.empty()) return false;
  const size_t size = Find(rest, '\n');
  reading.line = Slice(rest, 0, size);
  const bool has_nul = Find(reading.line, '\0') != size;
  reading.offset += size < rest.size() ? size + 1 : size;
  if (EndsWith(reading.line, "\r")) reading.line = Slice(reading.line, 0, reading.line.size() - 1);
  ++reading.line_number;
  reading.is_line_judged = false;
  if (has_nul) {
    LineRefuse(reading, "a NUL byte: expected a text file");
  } else if (reading.line.size() > kLineContentSizeMax) {
    LineRefuse(reading,
               "the line is longer than 1022 bytes, the limit of this build "
               "(kConfigLineSizeMax, agent/limits.h)");
  }
  return true;
}
static_assert(kLineContentSizeMax == 1022, "as the message says");

// ini_reader. A line that the library would split or cut is given to it as an empty one.
char* LineRead(char* buffer, int buffer_size, void* stream) {
  Reading& reading = *static_cast<Reading*>(stream);
  LineJudge(reading);
  if (!LineNext(reading)) return nullptr;
  TextWriter writer{buffer, static_cast<size_t>(buffer_size)};
  if (!reading.is_line_judged) Append(writer, reading.line);
  Append(writer, '\n');
  Append(writer, '\0');
  CHECK(!writer.overflowed);
  return buffer;
}

// The title of a section, from the line itself: the library cuts its copy at 49 characters.
void TitleTake(Reading& reading) {
  const size_t begin = Find(reading.line, '[') + 1;
  const size_t end = Find(reading.line, ']', begin);
  const std::string_view title = Trim(Slice(reading.line, begin, end - begin));
  size_t word_size = 0;
  while (word_size < title.size() && !IsBlank(title[word_size])) ++word_size;
  SectionBegin(reading, Slice(title, 0, word_size), Trim(SliceFrom(title, word_size)));
  const std::string_view rest = Trim(SliceFrom(reading.line, end + 1));
  if (!rest.empty() && rest[0] != '#' && rest[0] != ';') {
    Problem(reading, reading.line_number, nullptr, "expected nothing after the section's ]");
  }
}

// ini_handler: a section, where `name` is null, or a key with its value.
int LineTake(void* user, const char* section, const char* name, const char* value, int line) {
  static_cast<void>(section);
  Reading& reading = *static_cast<Reading*>(user);
  CHECK(static_cast<uint32_t>(line) == reading.line_number);
  reading.is_line_judged = true;
  if (name == nullptr) {
    TitleTake(reading);
  } else {
    KeySet(reading, name, value);
  }
  return 1;
}

void ReadingBegin(Reading& reading, const SourceEnvironment& environment,
                  const ConfigReport& report, Config* config) {
  reading.environment = &environment;
  reading.report = &report;
  reading.config = config;
  config->log = LogTarget::kStderr;
  config->log_level = LogLevel::kInfo;
  config->cloud = Cloud::kPublic;
  config->request_timeout = kRequestTimeoutDefault;
  config->require_tmpfs = true;
  config->ca_file = {};
  for (uint32_t index = 0; index < kOutputCount; ++index) config->outputs[index].path = {};
  config->token_count = 0;
  config->file_count = 0;
  config->arena_size = 0;
}

void OptionSet(Reading& reading, const char* key, std::string_view value) {
  if (!value.empty()) KeySet(reading, key, value);
}

}  // namespace

void Problem(Reading& reading, uint32_t line, const char* subject, const char* sentence,
             std::string_view outside) {
  if (reading.problem_count == 0) {
    reading.fault = reading.is_command_line ? Fault::kCommandLine : Fault::kConfig;
  }
  Tell(reading, line, subject, sentence, outside);
}

void ProblemOfConfig(Reading& reading, uint32_t line, const char* subject, const char* sentence,
                     std::string_view outside) {
  if (reading.problem_count == 0) reading.fault = Fault::kConfig;
  Tell(reading, line, subject, sentence, outside);
}

std::string_view Keep(Reading& reading, std::string_view text) {
  Config& config = *reading.config;
  const uint32_t begin = config.arena_size;
  TextWriter writer{config.arena + begin, sizeof(config.arena) - begin};
  Append(writer, text);
  Append(writer, '\0');
  if (!writer.overflowed) {
    config.arena_size += static_cast<uint32_t>(writer.size);
    return {config.arena + begin, text.size()};
  }
  if (!reading.is_arena_told) {
    reading.is_arena_told = true;
    Problem(reading, reading.line_number, nullptr,
            "the values up to here take more than " MIAGENT_TEXT(MIAGENT_CONFIG_KIB_MAX)
            " KiB, the limit of this build (kConfigSizeMax; -DMIAGENT_CONFIG_KIB_MAX=...)");
  }
  return {};
}

Status ConfigParse(std::string_view text, const SourceEnvironment& environment,
                   const ConfigReport& report, Config* config) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  Reading reading;
  ReadingBegin(reading, environment, report, config);
  reading.text = StartsWith(text, kByteOrderMark) ? SliceFrom(text, kByteOrderMark.size()) : text;
  if (text.size() > kConfigSizeMax) {
    Problem(reading, 0, nullptr,
            "the file is larger than " MIAGENT_TEXT(MIAGENT_CONFIG_KIB_MAX)
            " KiB, the limit of this build (kConfigSizeMax; -DMIAGENT_CONFIG_KIB_MAX=...)");
    return {reading.fault};
  }
  // Its result is the first line with an error; every one has been told by LineJudge.
  static_cast<void>(ini_parse_stream(LineRead, &reading, LineTake, &reading));
  SectionEnd(reading);
  SectionsRelate(reading);
  if (reading.problem_count == 0 && config->file_count == 0) {
    Problem(reading, 0, nullptr, "nothing to do: expected a [token NAME] and a [file PATH]");
  }
  return {reading.fault};
}

Status ConfigFromOptions(const TokenOptions& options, const SourceEnvironment& environment,
                         const ConfigReport& report, Config* config) {
  constexpr std::string_view kTokenName = "cli";
  Reading reading;
  ReadingBegin(reading, environment, report, config);
  reading.is_command_line = true;
  SectionBegin(reading, "agent", {});
  OptionSet(reading, "cloud", options.cloud);
  OptionSet(reading, "timeout", options.timeout);
  OptionSet(reading, "ca_file", options.ca);
  SectionBegin(reading, "token", kTokenName);
  OptionSet(reading, "resource", options.resource);
  OptionSet(reading, "source", options.source);
  OptionSet(reading, "endpoint", options.endpoint);
  OptionSet(reading, "client_id", options.client_id);
  OptionSet(reading, "object_id", options.object_id);
  OptionSet(reading, "mi_res_id", options.mi_res_id);
  if (!options.file.empty()) {
    SectionBegin(reading, "file", options.file);
    OptionSet(reading, "token", kTokenName);
  }
  SectionEnd(reading);
  SectionsRelate(reading);
  return {reading.fault};
}

}  // namespace miagent
