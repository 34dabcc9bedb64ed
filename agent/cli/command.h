// The command line.
//
// Purpose: argv to plain data, and the texts of help.
// Owns:    nothing; views refer to argv.
// Errors:  one sentence that says what was expected (exit 64).
#pragma once

#include <cstdint>
#include <string_view>

#include "agent/base/bytes.h"
#include "agent/cli/call_options.h"
#include "agent/config/config.h"
#include "platform/time.h"

namespace miagent {

enum class CommandId : uint8_t {
  kRun,
  kOnce,
  kGet,
  kCheck,
  kStatus,
  kWait,
  kExec,
  kCall,
  kHelp,
  kVersion
};

inline constexpr std::string_view kConfigPathDefault = "/etc/miagent.conf";

struct Command {
  CommandId id = CommandId::kHelp;
  const char* config_path = nullptr;  // NUL-terminated; null: none was named
  bool has_token_options = false;     // in place of a configuration file
  TokenOptions options;
  Format format = Format::kRaw;       // get --format
  Duration timeout{0};  // once, get, call, wait, exec --timeout: of the whole; 0: none
  Duration fresh{0};  // wait --fresh
  bool is_json = false;  // status --json
  const char* const* child_arguments = nullptr;  // exec: the program's, null-terminated
  int32_t ready_descriptor = -1;  // run --ready-fd; -1: none given
  CallOptions call;
  std::string_view topic;  // help COMMAND
};

// Reads the command line; arguments[0] is the program's name. On a problem appends one sentence to
// `problem` and returns kCommandLine. Options take `--x V` and `--x=V`; `-c FILE` and `-cFILE`.
Status CommandParse(uint32_t argument_count, const char* const* arguments, Command* command,
                    TextWriter& problem);

// Appends the text of `miagent help [topic]`, at most 2 KiB: of a command, or of `resources`; for
// anything else the general help.
void HelpWrite(std::string_view topic, TextWriter& writer);

}  // namespace miagent
