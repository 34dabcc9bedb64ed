// Azure Machine Learning's compute.
//
// Facts: the wire is App Service's of 2017-09-01. Without a selector, the identity is that of
//        $DEFAULT_IDENTITY_CLIENT_ID where that is set.
#include "agent/limits.h"
#include "agent/source/shape.h"

namespace miagent {

const char* AzureMlResolve(const SourceSetting& setting, const SourceEnvironment& environment,
                           Endpoint* endpoint, const char** culprit) {
  *culprit = "DEFAULT_IDENTITY_CLIENT_ID";
  if (environment.default_client_id.size() > kIdentitySizeMax) return "is longer than 512 bytes";
  endpoint->client_id = environment.default_client_id;
  return AppService2017Resolve(setting, environment, endpoint, culprit);
}
static_assert(kIdentitySizeMax == 512, "as the message says");

}  // namespace miagent
