// Service Fabric: an application's identity, from the cluster's node.
//
// Facts: https alone, and the server's certificate is signed by nobody known: its SHA-1 must be
//        $IDENTITY_SERVER_THUMBPRINT, which is compared before the header `Secret` is sent. The
//        identity is the application's: no selectors. A 404 is permanent; a 429 is asked again
//        after 1, 2, 4, 8, 16 s. Answers have no expires_in; errors are
//        {"error":{"correlationId","code","message"}}. A forced refresh names the token that is no
//        good by its SHA-256, as token_sha256_to_refresh, with xms_cc=cp1 (MSAL's).
#include "agent/base/bytes.h"
#include "agent/limits.h"
#include "agent/source/shape.h"
#include "agent/tls/trust.h"

namespace miagent {
namespace {

constexpr char kApiVersion[] = "2019-07-01-preview";
constexpr size_t kApiVersionSizeMax = 64;

}  // namespace

const char* ServiceFabricResolve(const SourceSetting& setting, const SourceEnvironment& environment,
                                 Endpoint* endpoint, const char** culprit) {
  const char* problem =
      SecretTake(environment.identity_header, "IDENTITY_HEADER", endpoint, culprit);
  if (problem != nullptr) return problem;
  *culprit = "IDENTITY_SERVER_THUMBPRINT";
  TlsTrust trust;
  endpoint->thumbprint = environment.identity_server_thumbprint;
  if (!TlsTrustThumbprint(endpoint->thumbprint, &trust)) {
    return "is no SHA-1 thumbprint: expected 40 hexadecimal digits";
  }
  *culprit = "IDENTITY_API_VERSION";
  if (environment.api_version.size() > kApiVersionSizeMax) return "is longer than 64 bytes";
  endpoint->api_version = environment.api_version.empty() ? kApiVersion : environment.api_version;
  problem = EndpointChoose(setting, {"IDENTITY_ENDPOINT", environment.identity_endpoint, {}, {}},
                           endpoint, culprit);
  return problem != nullptr ? problem : EndpointNeedsHttps(*endpoint);
}

void ServiceFabricWrite(const Endpoint& endpoint, const TokenQuery& query, TextWriter& writer) {
  TokenGetBegin(endpoint, query, {endpoint.api_version, {}, {}, "Secret"}, writer);
  TokenRequestEnd(writer);
}

}  // namespace miagent
