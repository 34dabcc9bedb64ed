// Token sources: what each endpoint is asked, and how its answer is read.
//
// Purpose: pure functions and a row of facts for each source, one file a source. The protocols'
//          facts are in each file, with where they come from.
// Owns:    nothing.
// Limits:  kEndpointSizeMax of a variable that is a URL, kSecretHeaderSizeMax of a secret.
// Errors:  of a setting or variable: a static sentence, and whose fault it is. A variable's value
//          is never shown.
// Never:   touches the world: environment, endpoint, time and random id are parameters.
//
// A new source: an enum value, a file agent/source/<name>.cpp, its row and lines in source.cpp.
#pragma once

#include <cstdint>
#include <string_view>

#include "agent/base/bytes.h"
#include "agent/base/status.h"
#include "agent/source/answer.h"
#include "platform/address.h"

namespace miagent {

enum class SourceId : uint8_t {
  kImds,
  kCloudShell,
  kVmExtension,
  kAppService,
  kAppService2017,
  kAzureMl,
  kAzureArc,
  kServiceFabric,
  kWorkloadIdentity,
  kKeyVault,  // a secret's, and the last: no `source =` chooses it
  kCount,
};

// The variables that choose and shape a source. An empty one counts as unset. They are read at the
// start and at each reload; what a source takes of them, it takes then. (Nobody can change the
// environment of a running process from outside: where a platform rotates a secret there, as App
// Service may rotate IDENTITY_HEADER, it starts the process anew.)
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
  std::string_view default_client_id;             // DEFAULT_IDENTITY_CLIENT_ID, with MSI_SECRET
  std::string_view api_version;                   // IDENTITY_API_VERSION, with ..._THUMBPRINT
  std::string_view authority_host;                // AZURE_AUTHORITY_HOST, with ..._TOKEN_FILE
  bool has_arc_agent = false;                     // /opt/azcmagent/bin/himds exists
};

// Where a source is reached, and what it wants to see there. Views into the setting or the
// environment, which outlive it.
struct Endpoint {
  Address address;              // of `host`, where that is numeric
  std::string_view authority;   // for the Host header; empty: the authority of the cloud
  std::string_view host;        // https: the name that the server's certificate has to be for
  std::string_view thumbprint;  // https: its SHA-1, which counts in place of name and issuer
  uint16_t port = 0;
  bool is_named = false;        // `host` is a name, to be looked up for each connection
  bool is_https = false;
  std::string_view path;
  SecretBytes secret;  // a header's value
  std::string_view client_id;  // of the environment; a configured identity goes before it
  std::string_view tenant_id;
  std::string_view api_version;  // in place of the source's own
  std::string_view assertion_path;  // NUL-terminated; the file is read for each request
};

// One request for a token.
struct TokenQuery {
  std::string_view resource;
  Identity identity;
  bool bypass_cache = false;  // a forced refresh: the endpoint's own cached token is no good
  std::string_view request_id;  // a fresh UUID, which Azure's support asks for
  std::string_view rejected_sha256;  // of a token that a resource refused; service-fabric alone
  std::string_view claims;  // JSON that a resource asked for; workload-identity alone
  SecretBytes file_secret;  // what the file has that this request must show: a key, an assertion
};

// What is configured of a token, as far as its source wants to know.
struct SourceSetting {
  std::string_view endpoint;  // empty: the environment's, else the source's own
  Identity identity;
};

// Where the source is, by the setting, else by the environment, else by itself. Returns null, or a
// sentence that says what is wrong with the setting or variable, which *culprit names. On success
// *culprit names where the endpoint's URL is from.
using SourceResolver = const char*(const SourceSetting& setting,
                                   const SourceEnvironment& environment, Endpoint* endpoint,
                                   const char** culprit);

// Writes the whole request.
using SourceWriter = void(const Endpoint& endpoint, const TokenQuery& query, TextWriter& writer);

// The file that a challenge names.
struct KeyFile {
  const char* directory = nullptr;  // NUL-terminated
  std::string_view name;
};

// Judges a 401's WWW-Authenticate header: kChallengeForm, kChallengePath.
using SourceChallenge = Status(std::string_view header, KeyFile* key_file);

// When a 429 is asked again; all else goes by the common table (refresh/backoff.h).
enum class ThrottleRule : uint8_t { kCommon, kDoubling };

// A source's row: what is fixed of it.
struct SourceFacts {
  char name[18];        // as in `source =`
  uint8_t identities;   // what it takes: IdentityBit of each kind
  bool is_404_final;    // else a 404 may pass, as while IMDS is being updated
  ThrottleRule throttle;
  bool is_challenging;  // its first answer is a 401 that names a file
  bool must_echo;       // a 200 without the identity asked for is of another identity
};

constexpr uint8_t IdentityBit(IdentityKind kind) {
  return static_cast<uint8_t>(1U << static_cast<uint32_t>(kind));
}

const SourceFacts& SourceLookUp(SourceId id);

// Where the source is (a SourceResolver).
const char* SourceFindEndpoint(SourceId id, const SourceSetting& setting,
                               const SourceEnvironment& environment, Endpoint* endpoint,
                               const char** culprit);

// The same, and whether this build can reach what was found.
const char* SourceResolve(SourceId id, const SourceSetting& setting,
                          const SourceEnvironment& environment, Endpoint* endpoint,
                          const char** culprit);

// Writes the whole request (a SourceWriter).
void SourceWrite(SourceId id, const Endpoint& endpoint, const TokenQuery& query,
                 TextWriter& writer);

// Judges the challenge of a source that is_challenging (a SourceChallenge).
Status SourceJudgeChallenge(SourceId id, std::string_view header, KeyFile* key_file);

// Writes the request for a Key Vault secret, but for the bearer token: its position is returned.
size_t KeyVaultWrite(const Endpoint& endpoint, std::string_view request_id, TextWriter& writer);

// Reads the body of a vault's 200: the secret's value, its escapes decoded where it stands.
// kJson..., kAnswerNoSecret.
Status KeyVaultRead(Span body, std::string_view* value);

// Null where the source takes an identity of this kind, else a sentence, with `~` for the source's
// name, that says which it takes.
const char* IdentityRefusal(SourceId id, IdentityKind kind);

// The source of this name; false where this build has none.
[[nodiscard]] bool SourceFind(std::string_view name, SourceId* id);

// What `source = auto` finds: the order is that of the SDKs, but for workload identity, which is
// first, as DefaultAzureCredential has it: a pod with federation never takes its node's identity.
SourceId SourceDetect(const SourceEnvironment& environment);

}  // namespace miagent
