// The configuration: either problems, each a sentence with its line, or a Config that is sound in
// itself; the same text is the same Config, whatever comment stands behind it.

#include "tests/fuzz/fuzz.h"
#include "tests/unit/config_fixture.h"

namespace miagent {
namespace {

SourceEnvironment EnvironmentOf(uint32_t which) {
  SourceEnvironment environment;
  if (which == 1) {
    environment.identity_endpoint = "http://127.0.0.1:4141/msi/token";
    environment.identity_header = "secret-of-the-app";
  }
  if (which == 2) environment.has_arc_agent = true;
  return environment;
}

// What a Config says, as text.
std::string Tell(const Config& config) {
  std::string told = std::to_string(static_cast<int>(config.log_level)) + "," +
                     std::to_string(static_cast<int>(config.cloud)) + "," +
                     std::to_string(config.request_timeout.ms) + "," +
                     std::to_string(config.require_tmpfs) + "\n";
  const auto add = [&told](std::string_view text) { (told += text) += '|'; };
  const auto number = [&add](uint32_t value) { add(std::to_string(value)); };
  for (uint32_t index = 0; index < config.token_count; ++index) {
    const TokenConfig& token = config.tokens[index];
    add(token.name), add(token.resource), add(token.endpoint_text), add(token.identity.value);
    add(token.endpoint.authority), add(token.endpoint.path);
    number(static_cast<uint32_t>(token.source)), number(token.refresh_at_percent);
    number(static_cast<uint32_t>(token.identity.kind)), number(token.line);
  }
  for (uint32_t index = 0; index < config.file_count; ++index) {
    const FileConfig& file = config.files[index];
    add(file.path), add(file.directory), add(file.name), add(file.template_text);
    add(file.owner), add(file.group), number(file.token_index), number(file.mode);
    number(static_cast<uint32_t>(file.format)), number(static_cast<uint32_t>(file.on_expiry));
    number(static_cast<uint32_t>(file.on_stop)), number(file.line);
  }
  for (uint32_t index = 0; index < kOutputCount; ++index) add(config.outputs[index].path);
  return told;
}

void PathJudge(std::string_view path, std::string_view directory, std::string_view name) {
  MUST(!path.empty() && path[0] == '/' && path.size() < kPathSizeMax);
  MUST(path.data()[path.size()] == '\0' && directory.data()[directory.size()] == '\0');
  MUST(name.data()[name.size()] == '\0');
  MUST(!name.empty() && name.find('/') == name.npos && name != "." && name != "..");
  const std::string joined = std::string(directory == "/" ? "" : directory) + "/";
  MUST(joined + std::string(name) == path);
}

void ConfigJudge(const Config& config) {
  MUST(config.token_count >= 1 && config.token_count <= kTokenCountMax);
  MUST(config.file_count <= kFileCountMax && config.arena_size <= kConfigSizeMax);
  MUST(config.request_timeout >= Seconds(1) && config.request_timeout <= kRequestTimeoutMax);
  for (uint32_t index = 0; index < config.token_count; ++index) {
    const TokenConfig& token = config.tokens[index];
    MUST(!token.name.empty() && token.name.size() <= kNameSizeMax);
    MUST(!token.resource.empty() && token.resource.size() <= kResourceSizeMax);
    MUST(token.resource.find_first_of(" \"\\") == token.resource.npos);
    MUST(IsPrintable(token.resource) && IsPrintable(token.endpoint.path));
    MUST(token.refresh_at_percent >= 10 && token.refresh_at_percent <= 90);
    MUST((token.identity.kind == IdentityKind::kNone) == token.identity.value.empty());
    for (uint32_t other = 0; other < index; ++other) {
      MUST(config.tokens[other].name != token.name);
    }
  }
  for (uint32_t index = 0; index < config.file_count; ++index) {
    const FileConfig& file = config.files[index];
    MUST(file.token_index < config.token_count);
    MUST(config.tokens[file.token_index].name == file.token_name);
    MUST((file.mode & ~0777U) == 0 && (file.mode & 0002) == 0);
    MUST((file.format == Format::kTemplate) == !file.template_text.empty());
    PathJudge(file.path, file.directory, file.name);
    for (uint32_t other = 0; other < index; ++other) {
      MUST(config.files[other].path != file.path);
    }
  }
}

}  // namespace
}  // namespace miagent

FUZZ_TARGET(input) {
  const std::string text = Expand(input, 66 * 1024);
  const SourceEnvironment environment = EnvironmentOf(Dice(text).Draw(3));
  const ReadConfig read = ReadText(text, environment);
  MUST(read.status.ok() == read.problems.empty());
  const auto line_max = static_cast<uint32_t>(std::count(text.begin(), text.end(), '\n') + 1);
  for (const ToldProblem& problem : read.problems) {
    MUST(!problem.text.empty() && IsPrintable(problem.text) && problem.line <= line_max);
    MUST(problem.line != 0 || read.problems.size() == 1);  // 0: of the file as a whole
  }
  const ReadConfig again = ReadText(text, environment);
  MUST(again.All() == read.All());
  if (!read.status.ok()) return;
  ConfigJudge(*read.config);
  MUST(Tell(*again.config) == Tell(*read.config));
  if (text.size() + 20 > kConfigSizeMax) return;
  const ReadConfig commented = ReadText(text + "\n# a comment\n;\n", environment);
  MUST(commented.status.ok() && Tell(*commented.config) == Tell(*read.config));
}
