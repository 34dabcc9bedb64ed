// App Service, Functions and Container Apps: the API of 2019-08-01.
//
// Facts: $IDENTITY_ENDPOINT with its path as given, a `/` at its end too; X-IDENTITY-HEADER proves
//        that the caller runs inside. A resource id's selector is mi_res_id here, not IMDS's
//        msi_res_id. Answers have expires_on and no expires_in; errors are
//        {"statusCode","message"}, and a wrong resource is a 500.
#include "agent/source/shape.h"

namespace miagent {

const char* AppServiceResolve(const SourceSetting& setting, const SourceEnvironment& environment,
                              Endpoint* endpoint, const char** culprit) {
  const char* const problem =
      SecretTake(environment.identity_header, "IDENTITY_HEADER", endpoint, culprit);
  if (problem != nullptr) return problem;
  return EndpointChoose(setting, {"IDENTITY_ENDPOINT", environment.identity_endpoint, {}, {}},
                        endpoint, culprit);
}

void AppServiceWrite(const Endpoint& endpoint, const TokenQuery& query, TextWriter& writer) {
  TokenGetBegin(endpoint, query, {"2019-08-01", "client_id", "mi_res_id", "X-IDENTITY-HEADER"},
                writer);
  TokenRequestEnd(writer);
}

}  // namespace miagent
