// Azure Arc's challenge: a key file is named if and only if a reference reading of the header names
// one in that very directory; else root's files could be read out to whoever listens there.

#include "agent/limits.h"
#include "agent/source/source.h"
#include "tests/fuzz/fuzz.h"

namespace miagent {
namespace {

constexpr std::string_view kDirectory = "/var/opt/azcmagent/tokens";

bool IsWord(std::string_view text, std::string_view word) {
  for (size_t index = 0; index < word.size(); ++index) {
    if (index >= text.size() || std::tolower(text[index]) != word[index]) return false;
  }
  return true;
}

// "Basic realm=/var/opt/azcmagent/tokens/NAME.key"; the name, or nothing.
std::string NameOf(std::string_view header) {
  if (!IsWord(header, "basic ")) return {};
  header.remove_prefix(6);
  while (!header.empty() && std::strchr(" \t", header.front()) != nullptr) header.remove_prefix(1);
  while (!header.empty() && std::strchr(" \t", header.back()) != nullptr) header.remove_suffix(1);
  if (!IsWord(header, "realm=")) return {};
  header.remove_prefix(6);
  if (header.substr(0, kDirectory.size()) != kDirectory) return {};
  header.remove_prefix(kDirectory.size());
  if (header.size() < 5 || header[0] != '/') return {};
  header.remove_prefix(1);
  if (header.size() > 255 || header.substr(header.size() - 4) != ".key") return {};
  for (const char c : header) {
    if (c <= ' ' || c > '~' || c == '/' || c == '=') return {};
  }
  return std::string(header);
}

}  // namespace
}  // namespace miagent

FUZZ_TARGET(input) {
  const Bytes header(Expand(input, 600));
  KeyFile key_file;
  const Status status = SourceJudgeChallenge(SourceId::kAzureArc, header.text(), &key_file);
  const bool has_nul = header.text().find('\0') != std::string_view::npos;
  const std::string expected = has_nul ? "" : NameOf(header.text());
  MUST(status.ok() == !expected.empty());
  if (status.ok()) {
    MUST(key_file.directory == kDirectory);
    MUST(key_file.name == expected && header.Holds(key_file.name));
  } else {
    MUST(status.fault == Fault::kChallengeForm || status.fault == Fault::kChallengePath);
  }
}
