// IMDS, the instance metadata service of Azure's virtual machines and scale sets.
//
// Facts: Microsoft's "How to use managed identities on a VM to acquire an access token", and the
//        swagger of IMDS (imds.json 2018-10-01), for bypass_cache. The selector of a resource id is
//        msi_res_id: the document's mi_res_id is not what the service takes. Metadata's value is
//        lower case. AZURE_POD_IDENTITY_AUTHORITY_HOST takes the place of scheme and host.
#include "agent/base/check.h"
#include "agent/http/request.h"
#include "agent/http/url.h"
#include "agent/source/source.h"

namespace miagent {

extern const SourceOps kSourceImds;

namespace {

constexpr char kBase[] = "http://169.254.169.254";
constexpr char kPath[] = "/metadata/identity/oauth2/token";
constexpr char kApiVersion[] = "2018-02-01";

const char* Resolve(std::string_view configured, const SourceEnvironment& environment,
                    Endpoint* endpoint, const char** culprit) {
  const bool is_configured = !configured.empty();
  const bool is_from_environment =
      !is_configured && !environment.pod_identity_authority_host.empty();
  *culprit = is_from_environment ? "AZURE_POD_IDENTITY_AUTHORITY_HOST" : "endpoint";
  Url url;
  const char* problem = UrlParse(is_configured         ? configured
                                 : is_from_environment ? environment.pod_identity_authority_host
                                                       : kBase,
                                 &url);
  if (problem != nullptr) return problem;
  if (url.is_https) return "needs TLS, which this build doesn't have";
  const bool has_path = !url.path.empty() && url.path != "/";
  if (has_path && is_from_environment) return "has a path; only scheme, host and port belong there";
  if (!AddressParse(url.host, url.port, &endpoint->address)) {
    return "needs DNS, which this build doesn't have; give a numeric address";
  }
  endpoint->authority = url.authority;
  endpoint->path = has_path ? url.path : kPath;
  return nullptr;
}

std::string_view SelectorName(IdentityKind kind) {
  switch (kind) {
    case IdentityKind::kClientId: return "client_id";
    case IdentityKind::kObjectId: return "object_id";
    case IdentityKind::kResourceId: return "msi_res_id";
    case IdentityKind::kNone: break;
  }
  return {};
}

void WriteRequest(const Endpoint& endpoint, const TokenQuery& query, TextWriter& writer) {
  RequestBegin(writer, "GET", endpoint.path);
  RequestQuery(writer, "api-version", kApiVersion);
  RequestQuery(writer, "resource", query.resource);
  if (query.identity.kind != IdentityKind::kNone) {
    RequestQuery(writer, SelectorName(query.identity.kind), query.identity.value);
  }
  if (query.bypass_cache) RequestQuery(writer, "bypass_cache", "true");
  RequestHost(writer, endpoint.authority);
  RequestHeader(writer, "Metadata", "true");
  RequestHeader(writer, "x-ms-client-request-id", query.request_id);
  RequestHeader(writer, "Accept", "application/json");
  RequestHeader(writer, "User-Agent", "miagent");
  RequestEnd(writer);
}

}  // namespace

const SourceOps kSourceImds = {"imds", Resolve, WriteRequest};

}  // namespace miagent
