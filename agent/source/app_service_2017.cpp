// App Service's older API, 2017-09-01.
//
// Facts: $MSI_ENDPOINT, the header `secret`, and one selector, spelt clientid. expires_on may be a
//        date: `06/19/2019 23:42:01 +00:00` from Linux, `1/16/2020 5:24:12 AM +00:00` from Windows.
#include "agent/source/shape.h"

namespace miagent {

const char* AppService2017Resolve(const SourceSetting& setting,
                                  const SourceEnvironment& environment, Endpoint* endpoint,
                                  const char** culprit) {
  const char* const problem = SecretTake(environment.msi_secret, "MSI_SECRET", endpoint, culprit);
  if (problem != nullptr) return problem;
  return EndpointChoose(setting, {"MSI_ENDPOINT", environment.msi_endpoint, {}, {}}, endpoint,
                        culprit);
}

void AppService2017Write(const Endpoint& endpoint, const TokenQuery& query, TextWriter& writer) {
  TokenGetBegin(endpoint, query, {"2017-09-01", "clientid", {}, "secret"}, writer);
  TokenRequestEnd(writer);
}

}  // namespace miagent
