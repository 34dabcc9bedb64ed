// The virtual machine extension that was before IMDS (ManagedIdentityExtensionForLinux).
//
// Facts: GET on this machine's port 50342, which its settings may change; no api-version. 401
//        unknown_source is a wrong URL. Nothing announces it, so it is never detected.
#include "agent/source/shape.h"

namespace miagent {

const char* VmExtensionResolve(const SourceSetting& setting, const SourceEnvironment&,
                               Endpoint* endpoint, const char** culprit) {
  return EndpointChoose(setting, {nullptr, {}, "http://localhost:50342", "/oauth2/token"}, endpoint,
                        culprit);
}

void VmExtensionWrite(const Endpoint& endpoint, const TokenQuery& query, TextWriter& writer) {
  TokenGetBegin(endpoint, query, {{}, "client_id", {}, {}}, writer);
  TokenRequestEnd(writer);
}

}  // namespace miagent
