#include "agent/source/shape.h"

#include "agent/http/request.h"
#include "agent/http/url.h"
#include "agent/limits.h"

namespace miagent {
namespace {

const char* Parse(std::string_view text, std::string_view path, Endpoint* endpoint) {
  Url url;
  if (text.size() > kEndpointSizeMax) return "is longer than 512 bytes";
  const char* const problem = UrlParse(text, &url);
  if (problem != nullptr) return problem;
  const bool has_path = !url.path.empty() && (url.path != "/" || path.empty());
  endpoint->authority = url.authority;
  endpoint->host = url.host;
  endpoint->port = url.port;
  endpoint->is_https = url.is_https;
  endpoint->path = has_path ? url.path : path.empty() ? "/" : path;
  return nullptr;
}
static_assert(kEndpointSizeMax == 512, "as the message says");

std::string_view SelectorName(const GetShape& shape, IdentityKind kind) {
  if (kind == IdentityKind::kClientId) return shape.client_id;
  return kind == IdentityKind::kObjectId ? "object_id" : shape.resource_id;
}

}  // namespace

const char* EndpointChoose(const SourceSetting& setting, const EndpointOrigin& origin,
                           Endpoint* endpoint, const char** culprit) {
  *culprit = "endpoint";
  if (!setting.endpoint.empty()) return Parse(setting.endpoint, origin.path, endpoint);
  if (origin.variable != nullptr) *culprit = origin.variable;
  if (!origin.value.empty()) return Parse(origin.value, origin.path, endpoint);
  if (origin.own.empty()) return "is unset: this source needs it, or the endpoint as a setting";
  return Parse(origin.own, origin.path, endpoint);
}

const char* EndpointNeedsHttps(const Endpoint& endpoint) {
  return endpoint.is_https ? nullptr : "is plain http, and this source takes https alone";
}

const char* SecretTake(std::string_view value, const char* variable, Endpoint* endpoint,
                       const char** culprit) {
  *culprit = variable;
  if (value.empty()) return "is unset: this source needs it";
  if (value.size() > kSecretHeaderSizeMax) return "is longer than 2048 bytes";
  for (const char c : value) {
    if (c < 0x21 || c > 0x7E) return "has a blank or another byte that no header has";
  }
  endpoint->secret = {value.data(), value.size()};
  return nullptr;
}
static_assert(kSecretHeaderSizeMax == 2048, "as the message says");

void TokenGetBegin(const Endpoint& endpoint, const TokenQuery& query, const GetShape& shape,
                   TextWriter& writer) {
  RequestBegin(writer, "GET", endpoint.path);
  if (!shape.api_version.empty()) RequestQuery(writer, "api-version", shape.api_version);
  RequestQuery(writer, "resource", query.resource);
  if (query.identity.kind != IdentityKind::kNone) {
    RequestQuery(writer, SelectorName(shape, query.identity.kind), query.identity.value);
  } else if (!endpoint.client_id.empty()) {
    RequestQuery(writer, shape.client_id, endpoint.client_id);
  }
  if (query.bypass_cache && shape.can_bypass) RequestQuery(writer, "bypass_cache", "true");
  if (!query.rejected_sha256.empty()) {
    RequestQuery(writer, "token_sha256_to_refresh", query.rejected_sha256);
    RequestQuery(writer, "xms_cc", "cp1");
  }
  RequestHost(writer, endpoint.authority);
  if (shape.secret_header.empty()) {
    RequestHeader(writer, "Metadata", "true");
  } else {
    RequestHeader(writer, shape.secret_header, {endpoint.secret.data, endpoint.secret.size});
  }
}

void CommonHeaders(TextWriter& writer) {
  RequestHeader(writer, "Accept", "application/json");
  RequestHeader(writer, "User-Agent", "miagent");
}

void TokenRequestEnd(TextWriter& writer) {
  CommonHeaders(writer);
  RequestEnd(writer);
}

}  // namespace miagent
