// A token endpoint's answers. A token is only taken out of valid JSON, whole, without a byte that
// no token has, and for no longer than each of the answer's own fields allows; an error shows
// nothing that could be a secret.

#include "agent/source/answer.h"

#include "agent/http/date.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/json_reference.h"

namespace miagent {
namespace {

constexpr int64_t kNows[] = {1750000000, 0, 1893456000, kUnixTimeMax};

// The members of that name.
std::vector<const JsonNode*> Look(const JsonNode& root, std::string_view name) {
  std::vector<const JsonNode*> found;
  for (const auto& [raw, node] : root.members) {
    std::string decoded;
    if (JsonReference::Decode(raw, &decoded) && decoded == name) found.push_back(&node);
  }
  return found;
}

// A whole number of digits alone, as number or string; -1 for anything else.
int64_t NumberOf(const JsonNode& root, std::string_view name) {
  const auto found = Look(root, name);
  if (found.empty() || (found[0]->kind != '"' && found[0]->kind != '0')) return -1;
  const std::string& raw = found[0]->raw;
  if (raw.empty() || raw.size() > 30 || raw.find_first_not_of("0123456789") != raw.npos) return -1;
  const long double value = strtold(raw.c_str(), nullptr);
  return value < 1 || value > static_cast<long double>(kUnixTimeMax) ? -1
                                                                     : strtoll(raw.c_str(), 0, 10);
}

void TokenJudge(const JsonNode& root, const TokenAnswer& answer, WallTime now) {
  const auto tokens = Look(root, "access_token");
  std::string token;
  MUST(tokens.size() == 1 && tokens[0]->kind == '"');
  MUST(JsonReference::Decode(tokens[0]->raw, &token));
  MUST(answer.access_token == token && !token.empty());
  for (const char c : token) MUST(c >= 0x21 && c <= 0x7E);
  MUST(answer.remaining.ms > 0);
  const int64_t expires_on = NumberOf(root, "expires_on");
  const int64_t expires_in = NumberOf(root, "expires_in");
  const int64_t not_before = NumberOf(root, "not_before");
  const int64_t refresh_in = NumberOf(root, "refresh_in");
  if (expires_in > 0) MUST(answer.remaining.ms <= expires_in * 1000);
  if (expires_on > 0) {
    MUST(answer.remaining.ms <= (expires_on - now.unix_s) * 1000);
    MUST(answer.expires_at_wall.unix_s == expires_on);
    if (not_before > 0) MUST(answer.remaining.ms <= (expires_on - not_before) * 1000);
  }
  MUST(answer.expires_at_wall.unix_s > 0 && answer.expires_at_wall.unix_s <= kUnixTimeMax);
  MUST(answer.has_not_before == (not_before > 0));
  if (answer.has_refresh_in) {
    MUST(refresh_in > 0 && answer.refresh_in.ms == refresh_in * 1000);
    MUST(answer.refresh_in < answer.remaining);
  }
  for (const char* name : {"expires_on", "expires_in", "not_before", "resource", "token_type"}) {
    MUST(Look(root, name).size() <= 1);
  }
}

void TextJudge(std::string_view shown, size_t size_max, bool is_json) {
  MUST(shown.size() <= size_max && IsPrintable(shown));
  MUST(shown.find_first_of("\"\\") == shown.npos);
  MUST(is_json || shown.empty());
  size_t run = 0;
  for (const char c : shown) MUST((run = c == ' ' ? 0 : run + 1) <= 64);
}

void EchoJudge(std::string_view input, const JsonNode& root) {
  Bytes body(input);
  TokenAnswer answer;
  const Identity identity{IdentityKind::kClientId, "11111111-2222-3333-4444-55555555abcd"};
  if (!TokenAnswerRead(body.span(), {kNows[0]}, &answer, &identity).ok()) return;
  const auto echoes = Look(root, "client_id");
  std::string echo;
  MUST(echoes.size() == 1 && JsonReference::Decode(echoes[0]->raw, &echo));
  MUST(EqualIgnoreCase(echo, identity.value));
}

}  // namespace
}  // namespace miagent

FUZZ_TARGET(input) {
  const std::string text = Expand(input, 8 * 1024);
  JsonNode root;
  const bool is_json = JsonReference().Read(text, &root);
  for (const int64_t now_s : kNows) {
    Bytes body(text);
    TokenAnswer answer;
    const Status status = TokenAnswerRead(body.span(), {now_s}, &answer);
    MUST(is_json || !status.ok());
    if (!status.ok()) continue;
    MUST(body.Holds(answer.access_token));
    TokenJudge(root, answer, {now_s});
  }
  EchoJudge(text, root);
  Bytes body(text);
  ErrorAnswer error;
  ErrorAnswerRead(body.span(), &error);
  TextJudge(error.code_text(), kErrorCodeSizeMax, is_json);
  TextJudge(error.description_text(), kErrorDescriptionSizeMax, is_json);
  for (const int32_t http_status : {400, 401, 404, 500}) {
    MUST(IsPrintable(ErrorRemedy(http_status, error.code_text())));
  }
}
