// Token sources: what each endpoint is asked, and how its answer is read.
//
// Purpose: a constexpr table of pure functions, one row a source, one file a row. The protocols'
//          facts are in each file, with where they come from.
// Owns:    nothing.
// Never:   touches the world: environment, endpoint, time and random id are parameters.
//
// A new source: an enum value, a file agent/source/<name>.cpp, its row in source.cpp.
#pragma once

#include <cstdint>
#include <string_view>

#include "agent/base/bytes.h"
#include "agent/base/status.h"
#include "platform/address.h"

namespace miagent {

enum class SourceId : uint8_t { kImds, kCount };

// Which identity the token is for. At most one selector; none means the machine's own.
enum class IdentityKind : uint8_t { kNone, kClientId, kObjectId, kResourceId };

struct Identity {
  IdentityKind kind = IdentityKind::kNone;
  std::string_view value;
};

// The variables that choose and shape a source. An empty one counts as unset.
struct SourceEnvironment {
  std::string_view identity_endpoint;             // IDENTITY_ENDPOINT
  std::string_view identity_header;               // IDENTITY_HEADER
  std::string_view identity_server_thumbprint;    // IDENTITY_SERVER_THUMBPRINT
  std::string_view imds_endpoint;                 // IMDS_ENDPOINT
  std::string_view msi_endpoint;                  // MSI_ENDPOINT
  std::string_view msi_secret;                    // MSI_SECRET
  std::string_view federated_token_file;          // AZURE_FEDERATED_TOKEN_FILE
  std::string_view client_id;                     // AZURE_CLIENT_ID
  std::string_view tenant_id;                     // AZURE_TENANT_ID
  std::string_view pod_identity_authority_host;   // AZURE_POD_IDENTITY_AUTHORITY_HOST
  bool has_arc_agent = false;                     // /opt/azcmagent/bin/himds exists
};

// Where a source is reached.
struct Endpoint {
  Address address;
  std::string_view authority;  // for the Host header
  std::string_view path;
};

// One request for a token.
struct TokenQuery {
  std::string_view resource;
  Identity identity;
  bool bypass_cache = false;  // a forced refresh: the endpoint's own cached token is no good
  std::string_view request_id;  // a fresh UUID, which Azure's support asks for
};

struct SourceOps {
  std::string_view name;  // as in `source =`

  // Where the source is: `configured` (the `endpoint` setting) where it isn't empty, else the
  // environment's, else the source's own. Returns null, or a sentence that says what is wrong with
  // the setting or variable, which *culprit names.
  const char* (*resolve)(std::string_view configured, const SourceEnvironment& environment,
                         Endpoint* endpoint, const char** culprit);

  // Writes the whole request.
  void (*write_request)(const Endpoint& endpoint, const TokenQuery& query, TextWriter& writer);
};

const SourceOps& SourceLookUp(SourceId id);

// The source of this name; false where this build has none.
[[nodiscard]] bool SourceFind(std::string_view name, SourceId* id);

// True for a source that the specification names and this build lacks: the message can say so.
bool SourceIsKnown(std::string_view name);

// What `source = auto` finds, in protocol.md's order of detection. Returns null and stores the
// source, or returns the name of the source that the environment asks for and this build lacks.
const char* SourceDetect(const SourceEnvironment& environment, SourceId* id);

}  // namespace miagent
