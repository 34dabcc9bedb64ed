// The reading of a configuration: what this room's files share while it lasts.
//
// Purpose: config.cpp feeds sections and keys, from a file's text or from options; section.cpp
//          begins, ends and relates sections; key.cpp judges each value. Every problem goes through
//          Problem, so it is said in one form.
// Owns:    nothing; it refers to the Config that is filled.
//
// A new key: its row in the table of key.cpp, and the function that sets it.
#pragma once

#include <cstdint>
#include <string_view>

#include "agent/base/status.h"
#include "agent/config/config.h"

namespace miagent {

enum class SectionKind : uint8_t {
  kNone,  // before the first section
  kRefused,  // in a section that can't be used: its keys are not judged
  kAgent,
  kToken,
  kSecret,
  kFile,
};

inline constexpr uint32_t kConfigKeyCountMax = 32;  // the bits of a mask

struct Reading {
  const SourceEnvironment* environment = nullptr;
  const ConfigReport* report = nullptr;
  Config* config = nullptr;
  bool is_command_line = false;  // options, not a file
  Fault fault = Fault::kNone;  // the first problem's
  uint32_t problem_count = 0;

  // What is told once, however often it is met.
  bool is_arena_told = false;
  bool is_token_limit_told = false;
  bool is_file_limit_told = false;
  bool is_environment_told = false;

  // The text, line by line.
  std::string_view text;
  size_t offset = 0;
  std::string_view line;
  uint32_t line_number = 0;  // of `line`, from 1; 0 for options
  bool is_line_judged = true;  // nothing more is to be said of `line`

  // The section.
  SectionKind section = SectionKind::kNone;
  uint32_t section_line = 0;
  uint32_t agent_line = 0;  // of [agent], once it was seen
  bool is_source_chosen = false;  // the token's source is named, not `auto`
  std::string_view secret_version;  // of a secret; empty: the current one
  const char* key_name = nullptr;  // the key being set
  uint32_t keys_given = 0;  // of this section; bits are positions in the table of keys
  uint32_t keys_failed = 0;
  uint32_t key_lines[kConfigKeyCountMax] = {};
};

// Tells a problem of a line: `subject: sentence`. The subject is null, a key or `[section]`, shown
// as the option of that name for the command line, or whatever else is wrong. `~` in the sentence
// stands for what comes from outside (sentence.h).
void Problem(Reading& reading, uint32_t line, const char* subject, const char* sentence,
             std::string_view outside = {});

// A problem that isn't the command line's fault, though its options lead to it (exit 78, not 64).
void ProblemOfConfig(Reading& reading, uint32_t line, const char* subject, const char* sentence,
                     std::string_view outside = {});

// Copies `text` to the configuration's arena, with a NUL behind it, which isn't part of the view.
std::string_view Keep(Reading& reading, std::string_view text);

// Null where `path` can be that of a file that is published, else what is wrong with it. One file
// has one spelling, so that two keys or sections for one file are noticed.
const char* PathCheck(std::string_view path);

// Keeps a path that PathCheck found right, and its parts: each with a NUL behind it.
void PathKeep(Reading& reading, std::string_view path, std::string_view* whole,
              std::string_view* directory, std::string_view* name);

// Sets a key of the current section.
void KeySet(Reading& reading, std::string_view name, std::string_view value);

// Whether a key of the current section was given; whether its value was found wrong.
bool KeyIsGiven(const Reading& reading, const char* name);
bool KeyIsFailed(const Reading& reading, const char* name);

// The line of a key of the current section, or the section's where it was not given.
uint32_t KeyLine(const Reading& reading, const char* name);

// Ends the current section and begins `[word name]`; `name` may be empty.
void SectionBegin(Reading& reading, std::string_view word, std::string_view name);

// Ends the current section: judges how its keys relate.
void SectionEnd(Reading& reading);

// Judges how sections relate, after the last one.
void SectionsRelate(Reading& reading);

}  // namespace miagent
