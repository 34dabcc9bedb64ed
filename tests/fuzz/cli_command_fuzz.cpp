// The command line: either one sentence or a command; `--x=V` means what `--x V` means; and the
// token options then are a Config or problems.

#include "agent/cli/command.h"

#include "tests/fuzz/fuzz.h"
#include "tests/unit/config_fixture.h"

namespace miagent {
namespace {

struct Line {
  std::vector<std::unique_ptr<char[]>> words;
  Command command;
  Status status;
  std::string problem;
};

Line Parse(const std::vector<std::string>& words) {
  Line line;
  std::vector<const char*> arguments;
  for (const std::string& word : words) {
    line.words.emplace_back(new char[word.size() + 1]);
    std::memcpy(line.words.back().get(), word.c_str(), word.size() + 1);
    arguments.push_back(line.words.back().get());
  }
  char problem[1000];
  TextWriter writer{problem, sizeof(problem)};
  line.status = CommandParse(static_cast<uint32_t>(arguments.size()), arguments.data(),
                             &line.command, writer);
  line.problem = writer.text();
  MUST(line.status.ok() == line.problem.empty());
  MUST(line.status.ok() || line.status.fault == Fault::kCommandLine);
  MUST(IsPrintable(line.problem) && line.problem.size() < sizeof(problem));
  return line;
}

std::string Tell(const Command& command) {
  const TokenOptions& options = command.options;
  std::string told = std::to_string(static_cast<int>(command.id));
  for (const std::string_view text :
       {options.resource, options.cloud, options.source, options.client_id, options.object_id,
        options.mi_res_id, options.endpoint, options.file, options.timeout, command.topic}) {
    (told += '|') += text;
  }
  told += command.config_path == nullptr ? "-" : command.config_path;
  return told + std::to_string(command.timeout.ms) + "," + std::to_string(command.fresh.ms) +
         std::to_string(command.is_json) + std::to_string(static_cast<int>(command.format));
}

// The same words with `--x=V` in two.
std::vector<std::string> Split(const std::vector<std::string>& words) {
  std::vector<std::string> split;
  for (const std::string& word : words) {
    const size_t end = word.find('=');
    const bool is_pair = word.compare(0, 2, "--") == 0 && end != word.npos &&
                         end + 1 < word.size() && word[end + 1] != '-';
    split.push_back(is_pair ? word.substr(0, end) : word);
    if (is_pair) split.push_back(word.substr(end + 1));
  }
  return split;
}

void CommandJudge(const Command& command) {
  MUST(command.timeout.ms >= 0 && command.timeout <= kTimeoutMax);
  MUST(command.fresh.ms >= 0 && command.fresh <= kTimeoutMax);
  const TokenOptions& options = command.options;
  const int selector_count =
      !options.client_id.empty() + !options.object_id.empty() + !options.mi_res_id.empty();
  MUST(selector_count <= 1);
  char help[8192];
  TextWriter writer{help, sizeof(help)};
  HelpWrite(command.topic, writer);
  MUST(!writer.overflowed && writer.size != 0);
  if (!command.has_token_options) return;
  MUST(!options.resource.empty() && command.config_path == nullptr);
  const ReadConfig read = ReadOptions(options);
  MUST(read.status.ok() == read.problems.empty());
  for (const ToldProblem& problem : read.problems) {
    MUST(problem.line == 0 && IsPrintable(problem.text) && !problem.text.empty());
  }
  if (read.status.ok()) {
    MUST(read.config->token_count == 1 && read.config->file_count == !options.file.empty());
  }
}

}  // namespace
}  // namespace miagent

FUZZ_TARGET(input) {
  std::vector<std::string> words = {"miagent"};
  const std::string text(input.substr(0, input.find('\0')));
  for (size_t begin = 0; begin < text.size() && words.size() < 40;) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    words.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  const Line line = Parse(words);
  if (!line.status.ok()) return;
  CommandJudge(line.command);
  const Line split = Parse(Split(words));
  MUST(split.status.ok() && Tell(split.command) == Tell(line.command));
}
