// What the files of the sources share: their functions' names, and the shapes that most have.
//
// Purpose: an endpoint chosen and parsed, a secret variable judged, a GET written, each in one way.
// Owns:    nothing.
// Errors:  static sentences, as a SourceResolver returns them; a value is in none of them.
#pragma once

#include "agent/source/source.h"

namespace miagent {

// The rows of source.cpp; each is defined in the file of its name.
SourceResolver ImdsResolve, CloudShellResolve, VmExtensionResolve, AppServiceResolve,
    AppService2017Resolve, AzureMlResolve, AzureArcResolve, ServiceFabricResolve,
    WorkloadIdentityResolve, KeyVaultResolve;
SourceWriter ImdsWrite, CloudShellWrite, VmExtensionWrite, AppServiceWrite, AppService2017Write,
    AzureArcWrite, ServiceFabricWrite, WorkloadIdentityWrite;
SourceChallenge AzureArcChallenge;

// Where a source may be found, but for the `endpoint` setting.
struct EndpointOrigin {
  const char* variable;  // its name; null: the source has none
  std::string_view value;  // of the variable
  std::string_view own;  // scheme and authority where nothing says it; empty: something must
  std::string_view path;  // where a URL has none; empty: the URL's, as it is
};

// Chooses the endpoint: the setting, the variable, the source's own.
const char* EndpointChoose(const SourceSetting& setting, const EndpointOrigin& origin,
                           Endpoint* endpoint, const char** culprit);

// Refuses plain HTTP, where a secret or a token would be in the clear.
const char* EndpointNeedsHttps(const Endpoint& endpoint);

// Takes a variable's value as a header's: it must be there, of up to kSecretHeaderSizeMax bytes,
// all within 0x21-0x7E, so that nothing in it can begin another header.
const char* SecretTake(std::string_view value, const char* variable, Endpoint* endpoint,
                       const char** culprit);

// What differs between the sources that are asked by GET.
struct GetShape {
  std::string_view api_version;  // empty: none
  std::string_view client_id;  // the names of the selectors' parameters
  std::string_view resource_id;
  std::string_view secret_header;  // has the endpoint's secret; empty: `Metadata: true` instead
  bool can_bypass = false;  // knows bypass_cache
};

// Writes a GET up to its first headers. The caller may add headers, then calls TokenRequestEnd.
void TokenGetBegin(const Endpoint& endpoint, const TokenQuery& query, const GetShape& shape,
                   TextWriter& writer);

// Writes the headers that each request has.
void CommonHeaders(TextWriter& writer);

// Writes the headers that each request has, and the end of a head without a body.
void TokenRequestEnd(TextWriter& writer);

}  // namespace miagent
