// Azure Cloud Shell: the identity of whoever sits at it.
//
// Facts: POST to $MSI_ENDPOINT, with the resource in a form and no api-version. There is one
//        identity, the user's, so it takes no selector: the endpoint would ignore it and answer
//        with the user's token. Errors are nested: {"error":{"code","message"}}.
#include "agent/http/request.h"
#include "agent/source/shape.h"

namespace miagent {

const char* CloudShellResolve(const SourceSetting& setting, const SourceEnvironment& environment,
                              Endpoint* endpoint, const char** culprit) {
  return EndpointChoose(
      setting,
      {"MSI_ENDPOINT", environment.msi_endpoint, "http://localhost:50342", "/oauth2/token"},
      endpoint, culprit);
}

void CloudShellWrite(const Endpoint& endpoint, const TokenQuery& query, TextWriter& writer) {
  const FormField resource{"resource", query.resource, {}};
  RequestBegin(writer, "POST", endpoint.path);
  RequestHost(writer, endpoint.authority);
  RequestHeader(writer, "Metadata", "true");
  CommonHeaders(writer);
  RequestForm(writer, &resource, 1);
}

}  // namespace miagent
