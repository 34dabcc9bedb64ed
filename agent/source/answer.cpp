#include "agent/source/answer.h"

#include "agent/base/check.h"
#include "agent/base/shown.h"
#include "agent/http/date.h"
#include "agent/json/object.h"

namespace miagent {
namespace {

// ---- a token --------------------------------------------------------------------------------

// The names whose meaning we know; one of them twice is no answer.
enum Name : uint32_t {
  kAccessToken,
  kExpiresOn,
  kExpiresIn,
  kNotBefore,
  kRefreshIn,
  kRefreshToken,
  kResource,
  kTokenType,
  kNameCount,
};
constexpr std::string_view kNames[kNameCount] = {
    "access_token", "expires_on",    "expires_in", "not_before",
    "refresh_in",   "refresh_token", "resource",   "token_type",
};

// A whole number of 1 to kUnixTimeMax, as JSON number or string; 0 for anything else, which is then
// not usable.
int64_t NumberRead(const JsonValue& value) {
  if (value.kind != JsonKind::kNumber && value.kind != JsonKind::kString) return 0;
  uint64_t number = 0;
  if (!ParseUnsigned(value.text, kUnixTimeMax, &number)) return 0;
  return static_cast<int64_t>(number);
}

// expires_on where it is no number: a date.
WallTime DateRead(JsonObject& object, const JsonValue& value) {
  WallTime date;
  std::string_view text;
  if (value.kind != JsonKind::kString || !JsonUnescape(object, value, &text)) return {};
  return DateParse(text, &date) ? date : WallTime{};
}

// Whether the answer names the identity that was asked for. A resource id comes back by either of
// its names.
Status EchoJudge(JsonObject& object, const Identity& identity) {
  constexpr char kEchoNames[][11] = {"client_id", "object_id", "msi_res_id", "mi_res_id"};
  if (identity.kind == IdentityKind::kNone) return kOk;
  const auto first = static_cast<uint32_t>(identity.kind) - 1;
  const uint32_t last = identity.kind == IdentityKind::kResourceId ? first + 1 : first;
  bool is_named = false;
  for (uint32_t index = first; index <= last; ++index) {
    JsonValue value;
    std::string_view text;
    const JsonFound found = JsonFind(object, kEchoNames[index], &value);
    if (found == JsonFound::kAbsent) continue;
    if (found == JsonFound::kTwice) return {Fault::kJsonDuplicateName};
    if (value.kind != JsonKind::kString || !JsonUnescape(object, value, &text) ||
        !EqualIgnoreCase(text, identity.value)) {
      return {Fault::kAnswerOtherIdentity};
    }
    is_named = true;
  }
  return is_named ? kOk : Status{Fault::kAnswerOtherIdentity};
}

Status TokenRead(JsonObject& object, const JsonValue& value, std::string_view* token) {
  if (value.kind != JsonKind::kString || value.text.empty()) return {Fault::kAnswerNoToken};
  *token = value.text;
  if (value.is_plain) return kOk;  // as every token is: nothing to decode, and every byte right
  if (!JsonUnescape(object, value, token)) return {Fault::kAnswerTokenBytes};
  for (size_t index = 0; (index = SkipPlain(*token, index)) < token->size(); ++index) {
    const char c = (*token)[index];
    if (c < 0x21 || c > 0x7E) return {Fault::kAnswerTokenBytes};
  }
  return kOk;
}

// ---- an error -------------------------------------------------------------------------------

// Copies a member's value where it is a string or a number; `outer` is empty for the root's.
// Returns false where there is nothing to copy.
bool ShownRead(JsonObject& object, std::string_view outer, std::string_view name,
               ShownText& shown) {
  JsonValue value;
  const JsonFound found =
      outer.empty() ? JsonFind(object, name, &value) : JsonFindIn(object, outer, name, &value);
  if (found != JsonFound::kOnce) return false;
  std::string_view text = value.text;
  if (value.kind == JsonKind::kString) {
    if (!JsonUnescape(object, value, &text)) return false;
  } else if (value.kind != JsonKind::kNumber) {
    return false;
  }
  ShownFeed(shown, text);
  return !ShownEnd(shown).empty();
}

}  // namespace

Status TokenAnswerRead(Span body, WallTime now, TokenAnswer* answer, const Identity* echo) {
  JsonObject object;
  *answer = TokenAnswer{};
  TRY(JsonParse(body, &object));
  JsonValue values[kNameCount];  // null where the answer doesn't have the name
  if (!JsonFindAll(object, kNames, kNameCount, values)) return {Fault::kJsonDuplicateName};
  WallTime expires_on{NumberRead(values[kExpiresOn])};
  const WallTime not_before{NumberRead(values[kNotBefore])};
  const Duration expires_in = Seconds(NumberRead(values[kExpiresIn]));
  const Duration refresh_in = Seconds(NumberRead(values[kRefreshIn]));
  TRY(TokenRead(object, values[kAccessToken], &answer->access_token));
  if (echo != nullptr) TRY(EchoJudge(object, *echo));
  if (expires_on.unix_s == 0) expires_on = DateRead(object, values[kExpiresOn]);
  const bool has_expires_on = expires_on.unix_s != 0;
  const bool has_expires_in = expires_in.ms != 0;
  answer->has_not_before = not_before.unix_s != 0;
  if (!has_expires_on && !has_expires_in) return {Fault::kAnswerNoExpiry};

  answer->remaining = Milliseconds(kTimeMax);
  if (has_expires_in) answer->remaining = expires_in;
  if (has_expires_on) answer->remaining = Least(answer->remaining, expires_on - now);
  if (has_expires_on && answer->has_not_before) {
    answer->remaining = Least(answer->remaining, expires_on - not_before);
  }
  if (answer->remaining <= Duration{0}) return {Fault::kAnswerExpired};

  const int64_t computed_s = SaturatedAdd(now.unix_s, expires_in.ms / 1000);
  answer->expires_at_wall = has_expires_on               ? expires_on
                            : computed_s <= kUnixTimeMax ? WallTime{computed_s}
                                                         : WallTime{kUnixTimeMax};
  answer->ends_at_wall = answer->expires_at_wall;
  answer->not_before_wall = answer->has_not_before ? not_before : now;
  answer->has_refresh_in = refresh_in > Duration{0} && refresh_in < answer->remaining;
  if (answer->has_refresh_in) answer->refresh_in = refresh_in;
  CHECK(answer->remaining > Duration{0});
  CHECK(!answer->access_token.empty());
  return kOk;
}

void ErrorAnswerRead(Span body, ErrorAnswer* error) {
  JsonObject object;
  error->code_size = 0;
  error->description_size = 0;
  if (!JsonParse(body, &object).ok()) return;
  ShownText code;
  ShownText description;
  ShownBegin(code, {error->code, sizeof(error->code)});
  ShownBegin(description, {error->description, sizeof(error->description)});
  // The nested form, then the flat ones; the first that has something to show.
  constexpr char kCodes[][2][11] = {
      {"error", "code"}, {"", "error"}, {"", "code"}, {"", "statusCode"}};
  constexpr char kDescriptions[][2][18] = {
      {"error", "message"}, {"", "error_description"}, {"", "message"}};
  for (const auto& path : kCodes) {
    if (ShownRead(object, path[0], path[1], code)) break;
  }
  for (const auto& path : kDescriptions) {
    if (ShownRead(object, path[0], path[1], description)) break;
  }
  error->code_size = static_cast<uint32_t>(code.writer.size);
  error->description_size = static_cast<uint32_t>(description.writer.size);
}

Status HttpStatusJudge(int32_t http_status, bool is_404_final) {
  CHECK(http_status >= 200 && http_status <= 599);
  if (http_status == 200) return kOk;
  Fault fault = Fault::kAnswerRefused;
  if (http_status < 300) fault = Fault::kAnswerStatusUnexpected;
  if (http_status / 100 == 3) fault = Fault::kAnswerRedirect;
  if (http_status >= 500 || (http_status == 404 && !is_404_final) || http_status == 408 ||
      http_status == 410 || http_status == 429) {
    fault = Fault::kAnswerUnavailable;
  }
  return {fault, http_status};
}

std::string_view ErrorRemedy(int32_t http_status, std::string_view code) {
  const bool is_400 = http_status == 400;
  const bool is_401 = http_status == 401;
  if (is_400 && code == "invalid_resource") {
    return "check the resource URI; is the application installed, with consent, in this tenant, and"
           " is it the right tenant?";
  }
  if (is_400 && code == "bad_request_102") {
    return "something between the agent and the endpoint strips `Metadata: true`";
  }
  if (is_401 && code == "unknown_source") {
    return "the endpoint's URL is wrong (scheme, host, path)";
  }
  if ((is_400 || is_401) && code == "invalid_request") {
    return "check the identity selector: is that identity assigned to this machine?";
  }
  if ((is_400 || is_401) && code == "unauthorized_client") {
    return "the machine has no (properly configured) managed identity: assign one";
  }
  if (is_401 && code == "access_denied") return "the tenant's policy refuses it";
  if (is_401 && code == "unsupported_response_type") {
    return "wrong endpoint for this kind of identity";
  }
  if (is_401 && code == "invalid_scope") return "check the resource URI";
  // App Service says 500 of a wrong resource too; its code is the status.
  if (http_status == 500 && (code == "unknown" || code == "500")) {
    return "is a managed identity enabled on the machine, and the resource URI right?";
  }
  if (is_400 && code == "AudienceNotSupported") return "check the resource URI";  // Cloud Shell
  if (http_status == 404 && code == "identity_not_found") {  // Azure Arc
    return "check the identity selector: is that identity assigned to this machine?";
  }
  if (code == "ManagedIdentityNotFound") {  // Service Fabric
    return "the application has no managed identity: assign one";
  }
  if (http_status == 403 && code == "Forbidden") {  // Key Vault
    return "grant the identity 'Key Vault Secrets User', or a get policy; is the secret enabled, "
           "and this network let in?";
  }
  if (http_status == 404 && code == "SecretNotFound") {
    return "is the secret's name right, and its version?";
  }
  if (code == "SecretHeaderNotFound") {
    return "something between the agent and the endpoint strips the Secret header";
  }
  return {};
}

}  // namespace miagent
