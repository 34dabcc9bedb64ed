#include "agent/cli/command.h"

#include "agent/base/check.h"
#include "agent/config/choice.h"
#include "agent/config/sentence.h"

namespace miagent {
namespace {

constexpr std::string_view kCommands =
    "run|once|get|check|status|wait|exec|call|help";  // in the order of CommandId
constexpr std::string_view kHelpTopics = "run|once|get|check|status|wait|exec|call|resources";

constexpr uint64_t kReadyDescriptorMax = 1023;  // the usual limit of open files

constexpr uint8_t Bit(CommandId id) {
  return static_cast<uint8_t>(1U << static_cast<uint32_t>(id));
}
constexpr uint8_t kFileBits = Bit(CommandId::kRun) | Bit(CommandId::kOnce) | Bit(CommandId::kCheck);
constexpr uint8_t kAllBits = kFileBits | Bit(CommandId::kGet) | Bit(CommandId::kCall);
constexpr uint8_t kConfigBits =
    kFileBits | Bit(CommandId::kStatus) | Bit(CommandId::kWait) | Bit(CommandId::kExec);

// An option, which has a value, but for --json. A token option's goes to its field; the others are
// judged one by one.
struct Option {
  char name[12];
  uint8_t command_bits;  // of those that take it
  std::string_view TokenOptions::* field;
};

constexpr Option kOptions[] = {
    {"-c", kConfigBits, nullptr},
    {"--timeout", kAllBits | Bit(CommandId::kWait) | Bit(CommandId::kExec), nullptr},
    {"--format", Bit(CommandId::kGet), nullptr},
    {"--ready-fd", Bit(CommandId::kRun), nullptr},
    {"--resource", kAllBits, &TokenOptions::resource},
    {"--cloud", kAllBits, &TokenOptions::cloud},
    {"--source", kAllBits, &TokenOptions::source},
    {"--client-id", kAllBits, &TokenOptions::client_id},
    {"--object-id", kAllBits, &TokenOptions::object_id},
    {"--mi-res-id", kAllBits, &TokenOptions::mi_res_id},
    {"--endpoint", kAllBits, &TokenOptions::endpoint},
    {"--ca", kAllBits, &TokenOptions::ca},
    {"--file", kFileBits, &TokenOptions::file},
    {"--fresh", Bit(CommandId::kWait), nullptr},
    {"--json", Bit(CommandId::kStatus), nullptr},
    {"--method", Bit(CommandId::kCall), nullptr},
    {"--header", Bit(CommandId::kCall), nullptr},
    {"--data", Bit(CommandId::kCall), nullptr},
    {"--key", Bit(CommandId::kCall), nullptr},
};
constexpr uint32_t kOptionCount = sizeof(kOptions) / sizeof(kOptions[0]);
constexpr uint32_t kConfigIndex = 0;
constexpr uint32_t kTimeoutIndex = 1;
constexpr uint32_t kFormatIndex = 2;
constexpr uint32_t kReadyIndex = 3;
constexpr uint32_t kFreshIndex = 13;  // none behind it is a token option
constexpr uint32_t kJsonIndex = 14;
constexpr uint32_t kMethodIndex = 15;
constexpr uint32_t kHeaderIndex = 16;
constexpr uint32_t kDataIndex = 17;
constexpr uint32_t kKeyIndex = 18;
static_assert(kOptionCount == kKeyIndex + 1 && kOptions[kFreshIndex].name[2] == 'f' &&
                  kOptions[kDataIndex].name[2] == 'd',
              "the indexes are the table's");

struct Line {
  uint32_t argument_count = 0;
  const char* const* arguments = nullptr;
  uint32_t next = 2;             // the argument to read next
  std::string_view name;         // of the command
  Command* command = nullptr;
  TextWriter* problem = nullptr;
  const char* values[kOptionCount] = {};  // null: not given
};

// `~` in a sentence stands for what the user typed (config/sentence.h).
Status Refuse(const Line& line, const char* sentence, std::string_view typed = {}) {
  AppendSentence(*line.problem, sentence, typed);
  return {Fault::kCommandLine, 0};
}

// The same about the command: which it is, and where to read more.
Status RefuseUsage(const Line& line, const char* sentence, std::string_view typed = {}) {
  Append(*line.problem, line.name);
  Append(*line.problem, ' ');
  AppendSentence(*line.problem, sentence, typed);
  Append(*line.problem, " (see 'miagent help ");
  Append(*line.problem, line.name);
  Append(*line.problem, "')");
  return {Fault::kCommandLine, 0};
}

// The next argument, if there is one.
bool ArgumentTake(Line& line, std::string_view* argument) {
  if (line.next >= line.argument_count) return false;
  *argument = line.arguments[line.next++];
  return true;
}

// Takes the value of an option: `value`, or where that is null the next argument, which then can't
// be an option itself.
Status ValueTake(Line& line, uint32_t option_index, const char* value) {
  const std::string_view name = kOptions[option_index].name;
  if (line.values[option_index] != nullptr && option_index != kHeaderIndex) {
    return RefuseUsage(line, "takes ~ once", name);
  }
  if (option_index == kJsonIndex) {
    if (value != nullptr) return RefuseUsage(line, "takes ~ without a value", name);
    value = "yes";
  }
  std::string_view next;
  if (value == nullptr && ArgumentTake(line, &next) && !StartsWith(next, "--")) {
    value = next.data();
  }
  if (value == nullptr || value[0] == '\0') {
    return RefuseUsage(line, "needs a value for ~", name);
  }
  line.values[option_index] = value;
  if (option_index == kHeaderIndex) {
    CallOptions& call = line.command->call;
    if (call.header_count == kCallHeaderCountMax) {
      return RefuseUsage(line, "takes at most 8 times --header");
    }
    call.headers[call.header_count++] = value;
  }
  return kOk;
}
static_assert(kCallHeaderCountMax == 8, "as the message says");

// Takes an option: `--x=V`, `--x` and the next argument, `-cV`, or `-c` and the next argument.
Status OptionTake(Line& line, std::string_view argument) {
  const bool is_long = StartsWith(argument, "--");
  size_t name_size = is_long ? Find(argument, '=') : 2;
  if (name_size > argument.size()) name_size = argument.size();
  const std::string_view name = Slice(argument, 0, name_size);
  const bool has_value = argument.size() > name_size;
  const char* const value = has_value ? argument.data() + name_size + (is_long ? 1 : 0) : nullptr;
  for (uint32_t index = 0; index < kOptionCount; ++index) {
    if (!IsName(name, kOptions[index].name)) continue;
    if ((kOptions[index].command_bits & Bit(line.command->id)) == 0) break;
    return ValueTake(line, index, value);
  }
  return RefuseUsage(line, "has no option ~", name);
}

// --timeout: for once, get, wait and exec's tokens the whole; run and check take it as the
// configuration's, for one request.
Status TimeoutJudge(Line& line) {
  Command& command = *line.command;
  const char* const value = line.values[kTimeoutIndex];
  if (value == nullptr) return kOk;
  const bool is_whole = command.id == CommandId::kOnce || command.id == CommandId::kGet ||
                        command.id == CommandId::kWait || command.id == CommandId::kExec ||
                        command.id == CommandId::kCall;
  const Duration timeout_max = is_whole ? kTimeoutMax : kRequestTimeoutMax;
  if (!is_whole && !command.has_token_options) {
    return RefuseUsage(line, "takes --timeout with --resource; a file has its own, in [agent]");
  }
  uint64_t seconds = 0;
  if (!ParseUnsigned(value, static_cast<uint64_t>(timeout_max.ms) / 1000, &seconds) ||
      seconds == 0) {
    return RefuseUsage(line, is_whole ? "expects --timeout 1 to 86400 seconds"
                                      : "expects --timeout 1 to 300 seconds");
  }
  if (!is_whole) command.options.timeout = value;
  if (is_whole) command.timeout = Seconds(static_cast<int64_t>(seconds));
  return kOk;
}

// --fresh of wait, --json of status.
Status StatusOptionsJudge(Line& line) {
  line.command->is_json = line.values[kJsonIndex] != nullptr;
  if (line.values[kFreshIndex] == nullptr) return kOk;
  uint64_t seconds = 0;
  if (!ParseUnsigned(line.values[kFreshIndex], static_cast<uint64_t>(kTimeoutMax.ms) / 1000,
                     &seconds)) {
    return RefuseUsage(line, "expects --fresh 0 to 86400 seconds");
  }
  line.command->fresh = Seconds(static_cast<int64_t>(seconds));
  return kOk;
}
static_assert(kTimeoutMax == Seconds(86400) && kRequestTimeoutMax == Seconds(300),
              "as the messages say");

// --ready-fd: not a standard descriptor, which has other uses and stays open.
Status ReadyJudge(Line& line) {
  const char* const value = line.values[kReadyIndex];
  if (value == nullptr) return kOk;
  uint64_t descriptor = 0;
  if (!ParseUnsigned(value, kReadyDescriptorMax, &descriptor) || descriptor < 3) {
    return RefuseUsage(line, "expects --ready-fd 3 to 1023, an open descriptor");
  }
  line.command->ready_descriptor = static_cast<int32_t>(descriptor);
  return kOk;
}

Status FormatJudge(Line& line) {
  const char* const value = line.values[kFormatIndex];
  if (value == nullptr) return kOk;
  uint32_t index = 0;
  if (!ChoiceFind(value, "raw|json|env|header", &index)) {
    return RefuseUsage(line, "expects --format raw|json|env|header");
  }
  line.command->format = static_cast<Format>(index);
  return kOk;
}

// call's own.
Status CallJudge(Line& line) {
  CallOptions& call = line.command->call;
  const char* const* const values = line.values;
  if (values[kMethodIndex] != nullptr) call.method = values[kMethodIndex];
  if (values[kKeyIndex] != nullptr) call.key = values[kKeyIndex];
  if (values[kDataIndex] != nullptr) call.data = values[kDataIndex];
  if (call.url_text.empty()) return RefuseUsage(line, "needs a URL behind its options");
  const char* problem = CallUrlJudge(call);
  if (problem != nullptr) {
    Append(*line.problem, "call: the URL ");
    return Refuse(line, problem);
  }
  problem = CallOptionsJudge(call);
  return problem == nullptr ? kOk : RefuseUsage(line, problem);
}

// How the options relate.
Status OptionsJudge(Line& line) {
  Command& command = *line.command;
  for (uint32_t index = 0; index < kFreshIndex; ++index) {
    if (kOptions[index].field == nullptr || line.values[index] == nullptr) continue;
    command.options.*kOptions[index].field = line.values[index];
    command.has_token_options = true;
  }
  command.config_path = line.values[kConfigIndex];
  if (command.config_path != nullptr && command.has_token_options) {
    return RefuseUsage(line, "takes -c FILE or --resource and its options, not both");
  }
  const bool is_get = command.id == CommandId::kGet || command.id == CommandId::kCall;
  const TokenOptions& options = command.options;
  if ((is_get || command.has_token_options) && options.resource.empty()) {
    return RefuseUsage(line, "needs --resource URI");
  }
  if (!is_get && command.has_token_options && options.file.empty()) {
    return RefuseUsage(line, "needs --file PATH beside --resource");
  }
  const int32_t identity_count = (options.client_id.empty() ? 0 : 1) +
                                 (options.object_id.empty() ? 0 : 1) +
                                 (options.mi_res_id.empty() ? 0 : 1);
  if (identity_count > 1) {
    return RefuseUsage(line, "takes one of --client-id, --object-id and --mi-res-id");
  }
  TRY(TimeoutJudge(line));
  TRY(ReadyJudge(line));
  if (command.id == CommandId::kCall) return CallJudge(line);
  if (command.id >= CommandId::kStatus) return StatusOptionsJudge(line);
  return FormatJudge(line);
}

constexpr char kCommandMissing[] = "expects a program to start behind its options: -- CMD ARG...";

// Takes an argument that is no option.
Status ArgumentJudge(Line& line, std::string_view argument) {
  if (line.command->id != CommandId::kCall) {
    return RefuseUsage(line, "takes no argument, but got ~", argument);
  }
  if (!line.command->call.url_text.empty()) return RefuseUsage(line, "takes one URL");
  line.command->call.url_text = argument;
  return kOk;
}

Status OptionsParse(Line& line) {
  std::string_view argument;
  while (ArgumentTake(line, &argument)) {
    if (argument == "--" && line.command->id == CommandId::kExec) {
      line.command->child_arguments = line.arguments + line.next;
      if (line.next == line.argument_count) return RefuseUsage(line, kCommandMissing);
      return OptionsJudge(line);
    }
    if (argument == "--") {
      while (ArgumentTake(line, &argument)) TRY(ArgumentJudge(line, argument));
      break;
    }
    if (argument == "-h" || argument == "--help") {
      line.command->id = CommandId::kHelp;
      line.command->topic = line.name;
      return kOk;
    }
    if (!StartsWith(argument, "-")) {
      if (line.command->id == CommandId::kExec) break;
      TRY(ArgumentJudge(line, argument));
      continue;
    }
    TRY(OptionTake(line, argument));
  }
  if (line.command->id == CommandId::kExec) return RefuseUsage(line, kCommandMissing);
  return OptionsJudge(line);
}

// A command that takes no options, and at most `argument_count_max` arguments.
Status PlainParse(Line& line, CommandId id, uint32_t argument_count_max) {
  Command& command = *line.command;
  command.id = id;
  if (line.argument_count - 2 > argument_count_max) {
    return Refuse(line, "expected nothing after ~", line.arguments[1 + argument_count_max]);
  }
  if (line.argument_count == 2) return kOk;  // only help takes more
  const std::string_view topic = line.arguments[2];
  uint32_t index = 0;
  if (topic == "-h" || topic == "--help" || topic == "help") return kOk;
  if (!ChoiceFind(topic, kHelpTopics, &index)) {
    return Refuse(line, "expected miagent help run|once|get|check|status|wait|exec|call|resources");
  }
  command.topic = topic;
  return kOk;
}

}  // namespace

Status CommandParse(uint32_t argument_count, const char* const* arguments, Command* command,
                    TextWriter& problem) {
  *command = Command{};
  Line line;
  line.argument_count = argument_count;
  line.arguments = arguments;
  line.command = command;
  line.problem = &problem;
  if (argument_count < 2) {
    return Refuse(line,
                  "expected a command: run, once, get, check, status, wait, exec, call or help");
  }
  line.name = arguments[1];
  if (line.name == "-h" || line.name == "--help") return PlainParse(line, CommandId::kHelp, 0);
  if (line.name == "--version") return PlainParse(line, CommandId::kVersion, 0);
  uint32_t index = 0;
  if (!ChoiceFind(line.name, kCommands, &index)) {
    return Refuse(
        line,
        "there is no command ~: expected run, once, get, check, status, wait, exec, call or help",
        line.name);
  }
  command->id = static_cast<CommandId>(index);
  if (command->id == CommandId::kHelp) return PlainParse(line, CommandId::kHelp, 1);
  return OptionsParse(line);
}

}  // namespace miagent
