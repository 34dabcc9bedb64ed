// The sections of a configuration: how each begins, what its keys need of each other, and what
// sections need of each other.

#include "agent/base/bytes.h"
#include "agent/base/check.h"
#include "agent/config/reading.h"
#include "agent/config/resource.h"
#include "agent/sink/format.h"
#include "agent/tls/trust.h"

namespace miagent {
namespace {

// The prefix of the temporary files that stand beside a published one until they replace it.
constexpr std::string_view kTemporaryPrefix = ".miagent-";

// A problem of the line that begins the section.
void Wrong(Reading& reading, const char* subject, const char* sentence,
           std::string_view outside = {}) {
  Problem(reading, reading.line_number, subject, sentence, outside);
}

// The same, once: where a limit is passed.
void WrongOnce(Reading& reading, bool* is_told, const char* subject, const char* sentence) {
  reading.section = SectionKind::kRefused;
  if (!*is_told) Wrong(reading, subject, sentence);
  *is_told = true;
}

void AgentBegin(Reading& reading, std::string_view name) {
  reading.section = SectionKind::kAgent;
  if (!name.empty()) Wrong(reading, "[agent]", "expected no name after it");
  if (reading.agent_line != 0) Wrong(reading, "[agent]", "given twice");
  reading.agent_line = reading.line_number;
}

// Null where `name` can be a token's.
const char* TokenNameCheck(std::string_view name) {
  if (name.empty()) return "a name is missing: expected it after the section's word";
  if (name.size() > kNameSizeMax) return "its name is longer than 64 characters";
  for (const char c : name) {
    if (!IsAlpha(c) && !IsDigit(c) && c != '.' && c != '_' && c != '-') {
      return "a name is made of the characters A-Z a-z 0-9 . _ -";
    }
  }
  return nullptr;
}
static_assert(kNameSizeMax == 64, "as the message says");

// The position of the token of this name; token_count where there is none.
uint32_t TokenFind(const Config& config, std::string_view name) {
  uint32_t index = 0;
  while (index < config.token_count && !EqualFromEnd(config.tokens[index].name, name)) ++index;
  return index;
}

// A token or a secret: they share their names, and the limit of their number.
void TokenBegin(Reading& reading, const char* subject, std::string_view name) {
  Config& config = *reading.config;
  if (config.token_count == kTokenCountMax) {
    return WrongOnce(reading, &reading.is_token_limit_told, subject,
                     "more than " MIAGENT_TEXT(MIAGENT_TOKENS_MAX)
                     " tokens, the limit of this build (kTokenCountMax; -DMIAGENT_TOKENS_MAX=...)");
  }
  const char* const problem = TokenNameCheck(name);
  if (problem != nullptr) {
    Wrong(reading, subject, problem);
  } else if (TokenFind(config, name) != config.token_count) {
    Wrong(reading, subject, "there is another ~", name);
  }
  TokenConfig& token = config.tokens[config.token_count++];
  token = TokenConfig{};
  token.name = Keep(reading, name);
  token.line = reading.line_number;
  reading.section = SectionKind::kToken;
  reading.is_source_chosen = false;
}

void SecretBegin(Reading& reading, std::string_view name) {
  if (TlsEngineName().empty()) {
    reading.section = SectionKind::kRefused;
    return Wrong(reading, "[secret]", "needs TLS, which this build doesn't have");
  }
  TokenBegin(reading, "[secret]", name);
  if (reading.section == SectionKind::kRefused) return;
  TokenConfig& secret = reading.config->tokens[reading.config->token_count - 1];
  secret.is_secret = true;
  secret.source = SourceId::kKeyVault;
  // Of twice the time between two requests: so long it counts as fresh.
  secret.refresh_at_percent = 50;
  reading.section = SectionKind::kSecret;
  reading.secret_version = {};
}

bool PathIsTaken(const Config& config, std::string_view path) {
  for (uint32_t index = 0; index < config.file_count; ++index) {
    if (EqualFromEnd(config.files[index].path, path)) return true;
  }
  return false;
}

void FileBegin(Reading& reading, std::string_view path) {
  Config& config = *reading.config;
  if (config.file_count == kFileCountMax) {
    return WrongOnce(reading, &reading.is_file_limit_told, "[file]",
                     "more than " MIAGENT_TEXT(MIAGENT_FILES_MAX)
                     " files, the limit of this build (kFileCountMax; -DMIAGENT_FILES_MAX=...)");
  }
  FileConfig& file = config.files[config.file_count];
  file = FileConfig{};
  file.line = reading.line_number;
  const char* const problem = PathCheck(path);
  if (problem != nullptr) {
    Wrong(reading, "[file]", problem);
  } else {
    if (PathIsTaken(config, path)) Wrong(reading, "[file]", "there is another ~", path);
    PathKeep(reading, path, &file.path, &file.directory, &file.name);
  }
  ++config.file_count;
  reading.section = SectionKind::kFile;
}

// A problem of the environment: told once, though every token may meet it.
void WrongEnvironment(Reading& reading, uint32_t line, const char* subject, const char* sentence,
                      std::string_view outside) {
  if (!reading.is_environment_told) ProblemOfConfig(reading, line, subject, sentence, outside);
  reading.is_environment_told = true;
}

// An identity that the source doesn't take is refused here: the endpoint might ignore it, and
// answer with a token of another one.
void IdentityJudge(Reading& reading, const TokenConfig& token) {
  const char* const problem = IdentityRefusal(token.source, token.identity.kind);
  if (problem == nullptr) return;
  const char* const key = token.identity.kind == IdentityKind::kClientId   ? "client_id"
                          : token.identity.kind == IdentityKind::kObjectId ? "object_id"
                                                                           : "mi_res_id";
  Problem(reading, KeyLine(reading, key), key, problem, SourceLookUp(token.source).name);
}

// Chooses the token's source where that is left to the environment, and finds its endpoint.
void SourceChoose(Reading& reading, TokenConfig& token) {
  if (KeyIsFailed(reading, "source") || KeyIsFailed(reading, "endpoint")) return;
  if (!reading.is_source_chosen) token.source = SourceDetect(*reading.environment);
  IdentityJudge(reading, token);
  const SourceSetting setting{token.endpoint_text, token.identity};
  const char* culprit = nullptr;
  const char* const problem =
      SourceResolve(token.source, setting, *reading.environment, &token.endpoint, &culprit);
  if (problem == nullptr) return;
  const auto tell = token.endpoint_text.empty() ? WrongEnvironment : Problem;
  tell(reading, KeyLine(reading, "endpoint"), culprit, problem, {});
}

void TokenEnd(Reading& reading) {
  TokenConfig& token = reading.config->tokens[reading.config->token_count - 1];
  if (!KeyIsGiven(reading, "resource")) {
    Problem(reading, reading.section_line, "resource",
            "missing: expected a URI or a short name, as arm");
  }
  SourceChoose(reading, token);
}

void SecretEnd(Reading& reading) {
  if (!KeyIsGiven(reading, "vault")) {
    Problem(reading, reading.section_line, "vault",
            "missing: expected a vault's name or https URL");
  }
  if (!KeyIsGiven(reading, "name")) {
    Problem(reading, reading.section_line, "name", "missing: expected the secret's name there");
  }
  if (!KeyIsGiven(reading, "token")) {
    Problem(reading, reading.section_line, "token",
            "missing: expected the name of the token for the vault");
  }
  if (reading.secret_version.empty()) return;
  TokenConfig& secret = reading.config->tokens[reading.config->token_count - 1];
  char bytes[kSecretNameSizeMax + 1 + kSecretVersionSizeMax];
  TextWriter writer{bytes, sizeof(bytes)};
  Append(writer, secret.resource);
  Append(writer, '/');
  Append(writer, reading.secret_version);
  CHECK(!writer.overflowed);
  if (!secret.resource.empty()) secret.resource = Keep(reading, writer.text());
}

void FileEnd(Reading& reading) {
  const FileConfig& file = reading.config->files[reading.config->file_count - 1];
  const bool is_token_given = KeyIsGiven(reading, "token");
  if (!is_token_given && !KeyIsGiven(reading, "secret")) {
    Problem(reading, reading.section_line, "token", "missing: expected a token's name");
  } else if (is_token_given && file.is_secret) {
    Problem(reading, KeyLine(reading, "secret"), "secret", "expected it, or token, not both");
  }
  const bool has_template = !file.template_text.empty();
  const char* const problem = TemplateCheck(file.template_text, file.is_secret);
  if (problem != nullptr) {
    return Problem(reading, KeyLine(reading, "template"), "template", problem);
  }
  if (KeyIsFailed(reading, "format") || KeyIsFailed(reading, "template")) return;
  if (file.format == Format::kTemplate && !has_template) {
    Problem(reading, KeyLine(reading, "format"), "format", "expected template = TEXT beside it");
  } else if (file.format != Format::kTemplate && has_template) {
    Problem(reading, KeyLine(reading, "template"), "template",
            "expected format = template beside it");
  }
  if (file.is_secret && (file.format == Format::kJson || file.format == Format::kHeader)) {
    Problem(reading, KeyLine(reading, "format"), "format", "a secret's is raw, env or template");
  }
}

const char* VaultFind(const Reading& reading, TokenConfig& secret, std::string_view url) {
  const char* culprit = nullptr;
  return SourceResolve(secret.source, {url, {}}, *reading.environment, &secret.endpoint, &culprit);
}

// The vault's URL without a path: as configured, or of its name in this cloud.
const char* VaultWrite(const Reading& reading, TokenConfig& secret, TextWriter& writer) {
  if (Find(secret.endpoint_text, ':') != secret.endpoint_text.size()) {
    const char* const problem = VaultFind(reading, secret, secret.endpoint_text);
    if (problem != nullptr) return problem;
    if (secret.endpoint.path != "/") return "has a path: expected https://HOST alone";
    Append(writer, "https://");
    Append(writer, secret.endpoint.authority);
    return nullptr;
  }
  for (const char c : secret.endpoint_text) {
    if (!IsAlpha(c) && !IsDigit(c) && c != '-') return "expected a vault's name or https URL";
  }
  Append(writer, "https://");
  Append(writer, secret.endpoint_text);
  Append(writer, VaultSuffix(reading.config->cloud));
  return nullptr;
}

// Makes a secret's URL of its vault, name and version, and finds its endpoint by that.
void SecretResolve(Reading& reading, TokenConfig& secret) {
  if (secret.endpoint_text.empty() || secret.resource.empty()) return;
  char bytes[kEndpointSizeMax + kSecretNameSizeMax + kSecretVersionSizeMax + 64];
  TextWriter writer{bytes, sizeof(bytes)};
  const char* const problem = VaultWrite(reading, secret, writer);
  if (problem != nullptr) return Problem(reading, secret.resource_line, "vault", problem);
  Append(writer, "/secrets/");
  Append(writer, secret.resource);
  CHECK(!writer.overflowed);
  secret.resource = Keep(reading, writer.text());
  const char* const refusal = VaultFind(reading, secret, secret.resource);
  if (refusal != nullptr) Problem(reading, secret.resource_line, "vault", refusal);
}

void SecretRelate(Reading& reading, TokenConfig& secret) {
  SecretResolve(reading, secret);
  if (secret.parent_name.empty()) return;
  const Config& config = *reading.config;
  secret.parent_index = TokenFind(config, secret.parent_name);
  if (secret.parent_index < config.token_count && !config.tokens[secret.parent_index].is_secret) {
    return;
  }
  Problem(reading, secret.parent_line, "token", "there is no section [token ~]",
          secret.parent_name);
}

void TokenRelate(Reading& reading, TokenConfig& token) {
  if (token.is_secret) return SecretRelate(reading, token);
  if (token.endpoint.authority.empty()) {
    token.endpoint.authority = CloudAuthority(reading.config->cloud);
    token.endpoint.host = token.endpoint.authority;
  }
  if (token.resource.empty()) return;
  const char* const problem =
      ResourceResolve(token.resource, reading.config->cloud, &token.resource);
  if (problem == nullptr) return;
  const auto tell = problem == kResourceNotInCloud ? ProblemOfConfig : Problem;
  tell(reading, token.resource_line, "resource", problem, {});
}

void FileRelate(Reading& reading, FileConfig& file) {
  if (file.token_name.empty()) return;
  const Config& config = *reading.config;
  file.token_index = TokenFind(config, file.token_name);
  if (file.token_index < config.token_count &&
      config.tokens[file.token_index].is_secret == file.is_secret) {
    return;
  }
  Problem(reading, file.token_line, file.is_secret ? "secret" : "token",
          file.is_secret ? "there is no section [secret ~]" : "there is no section [token ~]",
          file.token_name);
}

void OutputsRelate(Reading& reading) {
  const Config& config = *reading.config;
  for (uint32_t index = 0; index < kOutputCount; ++index) {
    const OutputConfig& output = config.outputs[index];
    if (output.path.empty()) continue;
    const OutputConfig& other = config.outputs[kOutputCount - 1];
    const bool is_twice = index == 0 && output.path == other.path;
    if (is_twice || PathIsTaken(config, output.path)) {
      Problem(reading, output.line, index == 0 ? "status_file" : "metrics_file",
              "another file has this path: ~", output.path);
    }
  }
}

}  // namespace

const char* PathCheck(std::string_view path) {
  if (path.empty()) return "a path is missing: expected [file PATH]";
  if (path[0] != '/') return "expected an absolute path";
  if (path.size() >= kPathSizeMax) return "its path is longer than 511 bytes";
  for (const char c : path) {
    if (static_cast<uint8_t>(c) < 0x20 || c == 0x7F) return "a path has no control characters";
  }
  for (size_t begin = 1; begin <= path.size();) {
    const size_t end = Find(path, '/', begin);
    const std::string_view part = Slice(path, begin, end - begin);
    if (part.empty() && end == path.size()) return "expected a file: the path ends in '/'";
    if (part.empty() || part == "." || part == "..") return "expected a path without // . and ..";
    if (part.size() > kFileNameSizeMax) return "a name in the path is longer than 255 bytes";
    if (end == path.size() && StartsWith(part, kTemporaryPrefix)) {
      return "names that begin with .miagent- are those of temporary files";
    }
    begin = end + 1;
  }
  return nullptr;
}
static_assert(kPathSizeMax == 512 && kFileNameSizeMax == 255, "as the messages say");

void PathKeep(Reading& reading, std::string_view path, std::string_view* whole,
              std::string_view* directory, std::string_view* name) {
  size_t name_begin = path.size();
  while (path[name_begin - 1] != '/') --name_begin;
  *whole = Keep(reading, path);
  *directory = Keep(reading, Slice(path, 0, name_begin > 1 ? name_begin - 1 : 1));
  if (!whole->empty()) *name = SliceFrom(*whole, name_begin);
}

void SectionBegin(Reading& reading, std::string_view word, std::string_view name) {
  SectionEnd(reading);
  reading.section_line = reading.line_number;
  reading.keys_given = 0;
  reading.keys_failed = 0;
  if (word == "agent") return AgentBegin(reading, name);
  if (word == "token") return TokenBegin(reading, "[token]", name);
  if (word == "secret") return SecretBegin(reading, name);
  if (word == "file") return FileBegin(reading, name);
  reading.section = SectionKind::kRefused;
  Wrong(reading, nullptr, "there is no section ~: expected [agent], [token NAME] or [file PATH]",
        word);
}

void SectionEnd(Reading& reading) {
  if (reading.section == SectionKind::kToken) TokenEnd(reading);
  if (reading.section == SectionKind::kSecret) SecretEnd(reading);
  if (reading.section == SectionKind::kFile) FileEnd(reading);
  reading.section = SectionKind::kNone;
}

void SectionsRelate(Reading& reading) {
  Config& config = *reading.config;
  for (uint32_t index = 0; index < config.token_count; ++index) {
    TokenRelate(reading, config.tokens[index]);
  }
  for (uint32_t index = 0; index < config.file_count; ++index) {
    FileRelate(reading, config.files[index]);
  }
  if (!reading.is_command_line) OutputsRelate(reading);
}

}  // namespace miagent
