// Workload identity federation: a pod shows Microsoft Entra the token of its service account.
//
// Facts: POST to {authority}{tenant}/oauth2/v2.0/token, https alone, with the assertion out of
//        $AZURE_FEDERATED_TOKEN_FILE, which rotates and so is read for each request. The scope of a
//        resource that ends in `/` is `//.default`. A configured client_id goes before
//        $AZURE_CLIENT_ID. Errors are flat, with AAD's extras.
#include "agent/base/bytes.h"
#include "agent/http/request.h"
#include "agent/limits.h"
#include "agent/source/shape.h"

namespace miagent {
namespace {

constexpr char kAssertionType[] = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

// The authority is that of AZURE_AUTHORITY_HOST, or stays empty for the cloud's.
const char* AuthorityTake(const SourceSetting& setting, const SourceEnvironment& environment,
                          Endpoint* endpoint, const char** culprit) {
  const bool is_clouds = setting.endpoint.empty() && environment.authority_host.empty();
  const char* const problem = EndpointChoose(
      setting, {"AZURE_AUTHORITY_HOST", environment.authority_host, "https://cloud", {}}, endpoint,
      culprit);
  if (problem != nullptr) return problem;
  if (is_clouds) {
    endpoint->authority = {};
    endpoint->host = {};
  }
  if (Find(endpoint->path, '?') != endpoint->path.size() && setting.endpoint.empty()) {
    return "has a query";
  }
  return EndpointNeedsHttps(*endpoint);
}

const char* TenantCheck(std::string_view tenant) {
  if (tenant.empty()) return "is unset: this source needs it";
  if (tenant.size() > kTenantSizeMax) return "is longer than 128 bytes";
  if (tenant[0] == '.') return "is neither a GUID nor the name of a domain";
  for (const char c : tenant) {
    if (!IsAlpha(c) && !IsDigit(c) && c != '-' && c != '.') {
      return "is neither a GUID nor the name of a domain";
    }
  }
  return nullptr;
}
static_assert(kTenantSizeMax == 128 && kIdentitySizeMax == 512, "as the messages say");

}  // namespace

const char* WorkloadIdentityResolve(const SourceSetting& setting,
                                    const SourceEnvironment& environment, Endpoint* endpoint,
                                    const char** culprit) {
  const char* problem = AuthorityTake(setting, environment, endpoint, culprit);
  if (problem != nullptr) return problem;
  // An endpoint with a path is the whole URL; else the tenant makes the path.
  if (setting.endpoint.empty() || endpoint->path == "/") {
    *culprit = "AZURE_TENANT_ID";
    problem = TenantCheck(environment.tenant_id);
    if (problem != nullptr) return problem;
    endpoint->tenant_id = environment.tenant_id;
  }
  *culprit = "AZURE_CLIENT_ID";
  endpoint->client_id = environment.client_id;
  if (setting.identity.kind == IdentityKind::kNone && endpoint->client_id.empty()) {
    return "is unset: this source needs it, or client_id as a setting";
  }
  if (endpoint->client_id.size() > kIdentitySizeMax) return "is longer than 512 bytes";
  *culprit = "AZURE_FEDERATED_TOKEN_FILE";
  if (environment.federated_token_file.empty()) return "is unset: this source needs it";
  endpoint->assertion_path = environment.federated_token_file;
  *culprit = !setting.endpoint.empty()             ? "endpoint"
             : !environment.authority_host.empty() ? "AZURE_AUTHORITY_HOST"
                                                   : "source";
  return nullptr;
}

void WorkloadIdentityWrite(const Endpoint& endpoint, const TokenQuery& query, TextWriter& writer) {
  const bool is_chosen = query.identity.kind != IdentityKind::kNone;
  const FormField fields[] = {
      {"grant_type", "client_credentials", {}},
      {"client_assertion_type", kAssertionType, {}},
      {"client_id", is_chosen ? query.identity.value : endpoint.client_id, {}},
      {"scope", query.resource, "/.default"},
      {"client_assertion", {query.file_secret.data, query.file_secret.size}, {}},
      {"claims", query.claims, {}},
  };
  const uint32_t field_count = sizeof(fields) / sizeof(fields[0]) - (query.claims.empty() ? 1 : 0);
  RequestBegin(writer, "POST", endpoint.path);
  if (!endpoint.tenant_id.empty()) {
    if (!EndsWith(endpoint.path, "/")) Append(writer, '/');
    Append(writer, endpoint.tenant_id);
    Append(writer, "/oauth2/v2.0/token");
  }
  RequestHost(writer, endpoint.authority);
  CommonHeaders(writer);
  RequestForm(writer, fields, field_count);
}

}  // namespace miagent
