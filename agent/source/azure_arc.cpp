// Azure Arc: machines elsewhere, with Azure's agent (himds) on them.
//
// Facts: the first GET is answered by 401 and `WWW-Authenticate: Basic realm=PATH`; the same GET
//        with that file's content as `Authorization: Basic` is answered by the token. That the
//        caller could read the file proves who it is, so only a file that himds itself may have
//        written is read: a .key in its own directory. A peer that could choose the path would have
//        any file of root's read out to it. An older himds ignores a selector and answers with the
//        machine's own token, so the answer must name the identity.
#include "agent/base/bytes.h"
#include "agent/http/request.h"
#include "agent/limits.h"
#include "agent/source/shape.h"

namespace miagent {
namespace {

constexpr char kKeyDirectory[] = "/var/opt/azcmagent/tokens";

// Takes `word` off the front of `text`, in either case.
bool TakeWord(std::string_view& text, std::string_view word) {
  if (text.size() < word.size()) return false;
  if (!EqualIgnoreCase(Slice(text, 0, word.size()), word)) return false;
  text = SliceFrom(text, word.size());
  return true;
}

}  // namespace

const char* AzureArcResolve(const SourceSetting& setting, const SourceEnvironment& environment,
                            Endpoint* endpoint, const char** culprit) {
  return EndpointChoose(setting,
                        {"IDENTITY_ENDPOINT", environment.identity_endpoint,
                         "http://127.0.0.1:40342", "/metadata/identity/oauth2/token"},
                        endpoint, culprit);
}

void AzureArcWrite(const Endpoint& endpoint, const TokenQuery& query, TextWriter& writer) {
  TokenGetBegin(endpoint, query, {"2020-06-01", "client_id", "msi_res_id", {}}, writer);
  if (query.file_secret.size != 0) {
    RequestCredentials(writer, "Basic ", query.file_secret);
  }
  TokenRequestEnd(writer);
}

Status AzureArcChallenge(std::string_view header, KeyFile* key_file) {
  std::string_view path = header;
  if (!TakeWord(path, "Basic ")) return {Fault::kChallengeForm};
  path = Trim(path);
  if (!TakeWord(path, "realm=") || Find(path, '=') != path.size()) return {Fault::kChallengeForm};
  if (!StartsWith(path, kKeyDirectory)) return {Fault::kChallengePath};
  path = SliceFrom(path, sizeof(kKeyDirectory) - 1);
  if (!StartsWith(path, "/") || !EndsWith(path, ".key")) return {Fault::kChallengePath};
  const std::string_view name = SliceFrom(path, 1);
  if (name.size() > kFileNameSizeMax) return {Fault::kChallengePath};
  for (const char c : name) {
    if (c == '/' || c < 0x21 || c > 0x7E) return {Fault::kChallengePath};
  }
  *key_file = {kKeyDirectory, name};
  return kOk;
}

}  // namespace miagent
