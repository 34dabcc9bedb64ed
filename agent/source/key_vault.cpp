// Key Vault: a secret's value, for whoever shows a token of an identity that may read it.
//
// Facts: GET {vault}/secrets/{name}[/{version}]?api-version=7.4 with `Authorization: Bearer`; a 200
//        has "value", a string of up to 25 KB, beside "id" and "attributes". Errors are nested:
//        {"error":{"code","message","innererror"}}; 401 with a WWW-Authenticate of Bearer for a
//        token that is no good, 403 Forbidden for an identity without a grant (and for a secret
//        that is disabled), 404 SecretNotFound, 429 with Retry-After.
#include "agent/http/request.h"
#include "agent/json/object.h"
#include "agent/limits.h"
#include "agent/source/shape.h"

namespace miagent {

const char* KeyVaultResolve(const SourceSetting& setting, const SourceEnvironment&,
                            Endpoint* endpoint, const char** culprit) {
  const char* const problem = EndpointChoose(setting, {}, endpoint, culprit);
  return problem != nullptr ? problem : EndpointNeedsHttps(*endpoint);
}

size_t KeyVaultWrite(const Endpoint& endpoint, std::string_view request_id, TextWriter& writer) {
  RequestBegin(writer, "GET", endpoint.path);
  RequestQuery(writer, "api-version", "7.4");
  RequestHost(writer, endpoint.authority);
  Append(writer, "Authorization: Bearer ");
  const size_t token_at = writer.size;
  Append(writer, "\r\n");
  RequestHeader(writer, "x-ms-client-request-id", request_id);
  CommonHeaders(writer);
  RequestEnd(writer);
  return token_at;
}

Status KeyVaultRead(Span body, std::string_view* value) {
  JsonObject object;
  TRY(JsonParse(body, &object));
  JsonValue found;
  const JsonFound count = JsonFind(object, "value", &found);
  if (count == JsonFound::kTwice) return {Fault::kJsonDuplicateName};
  if (count == JsonFound::kAbsent || found.kind != JsonKind::kString ||
      !JsonUnescape(object, found, value) || value->empty() || value->size() > kSecretSizeMax) {
    return {Fault::kAnswerNoSecret};
  }
  return kOk;
}

static_assert(kSecretSizeMax == 25600, "as the fault's text says");

}  // namespace miagent
