// IMDS, the instance metadata service of Azure's virtual machines and scale sets.
//
// Facts: Microsoft's "How to use managed identities on a VM to acquire an access token", and the
//        swagger of IMDS (imds.json 2018-10-01), for bypass_cache. The selector of a resource id is
//        msi_res_id: the document's mi_res_id is not what the service takes. Metadata's value is
//        lower case. AZURE_POD_IDENTITY_AUTHORITY_HOST takes the place of scheme and host.
#include "agent/http/request.h"
#include "agent/source/shape.h"

namespace miagent {
namespace {

constexpr char kPath[] = "/metadata/identity/oauth2/token";
constexpr char kVariable[] = "AZURE_POD_IDENTITY_AUTHORITY_HOST";

}  // namespace

const char* ImdsResolve(const SourceSetting& setting, const SourceEnvironment& environment,
                        Endpoint* endpoint, const char** culprit) {
  const char* const problem = EndpointChoose(
      setting,
      {kVariable, environment.pod_identity_authority_host, "http://169.254.169.254", kPath},
      endpoint, culprit);
  if (problem != nullptr) return problem;
  if (setting.endpoint.empty() && endpoint->path != kPath) {
    return "has a path; only scheme, host and port belong there";
  }
  return nullptr;
}

void ImdsWrite(const Endpoint& endpoint, const TokenQuery& query, TextWriter& writer) {
  TokenGetBegin(endpoint, query, {"2018-02-01", "client_id", "msi_res_id", {}, true}, writer);
  RequestHeader(writer, "x-ms-client-request-id", query.request_id);
  TokenRequestEnd(writer);
}

}  // namespace miagent
