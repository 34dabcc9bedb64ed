#include "agent/source/source.h"

#include "agent/base/address.h"
#include "agent/base/check.h"
#include "agent/dns/message.h"
#include "agent/source/shape.h"
#include "agent/tls/trust.h"

namespace miagent {
namespace {

constexpr uint8_t kNobody = IdentityBit(IdentityKind::kNone);
constexpr uint8_t kClientOnly = kNobody | IdentityBit(IdentityKind::kClientId);
constexpr uint8_t kAnybody =
    kClientOnly | IdentityBit(IdentityKind::kObjectId) | IdentityBit(IdentityKind::kResourceId);

constexpr ThrottleRule kCommon = ThrottleRule::kCommon;

constexpr SourceFacts kSources[] = {
    {"imds", kAnybody, false, kCommon, false, false},
    {"cloud-shell", kNobody, false, kCommon, false, false},
    {"vm-extension", kClientOnly, false, kCommon, false, false},
    {"app-service", kAnybody, false, kCommon, false, false},
    {"app-service-2017", kClientOnly, false, kCommon, false, false},
    {"azure-ml", kClientOnly, false, kCommon, false, false},
    {"azure-arc", kAnybody, false, kCommon, true, true},
    {"service-fabric", kNobody, true, ThrottleRule::kDoubling, false, false},
    {"workload-identity", kClientOnly, false, kCommon, false, false},
    {"key-vault", kNobody, true, kCommon, false, false},
};

static_assert(sizeof(kSources) / sizeof(kSources[0]) == static_cast<size_t>(SourceId::kCount),
              "each source has its row, in the order of the enum");

// Null where this build can reach the endpoint; stores a numeric address.
const char* EndpointReach(Endpoint* endpoint) {
  if (endpoint->is_https && TlsEngineName().empty()) {
    return "needs TLS, which this build doesn't have";
  }
  if (AddressParse(endpoint->host, endpoint->port, &endpoint->address)) return nullptr;
  DnsName name;
  endpoint->is_named = true;
  // A host that is left out is that of the cloud, which comes later.
  if (endpoint->host.empty() || DnsNameParse(endpoint->host, &name)) return nullptr;
  return "has a host that is neither a name nor a numeric address";
}

}  // namespace

const SourceFacts& SourceLookUp(SourceId id) {
  CHECK(id < SourceId::kCount);
  return kSources[static_cast<uint32_t>(id)];
}

// The functions stand in switches and not in the table: each pointer of a table would have to be
// relocated at every start.
const char* SourceFindEndpoint(SourceId id, const SourceSetting& setting,
                               const SourceEnvironment& environment, Endpoint* endpoint,
                               const char** culprit) {
  switch (id) {
    case SourceId::kImds: return ImdsResolve(setting, environment, endpoint, culprit);
    case SourceId::kCloudShell: return CloudShellResolve(setting, environment, endpoint, culprit);
    case SourceId::kVmExtension: return VmExtensionResolve(setting, environment, endpoint, culprit);
    case SourceId::kAppService: return AppServiceResolve(setting, environment, endpoint, culprit);
    case SourceId::kAppService2017:
      return AppService2017Resolve(setting, environment, endpoint, culprit);
    case SourceId::kAzureMl: return AzureMlResolve(setting, environment, endpoint, culprit);
    case SourceId::kAzureArc: return AzureArcResolve(setting, environment, endpoint, culprit);
    case SourceId::kServiceFabric:
      return ServiceFabricResolve(setting, environment, endpoint, culprit);
    case SourceId::kWorkloadIdentity:
      return WorkloadIdentityResolve(setting, environment, endpoint, culprit);
    case SourceId::kKeyVault: return KeyVaultResolve(setting, environment, endpoint, culprit);
    case SourceId::kCount: break;
  }
  CHECK(false);
}

void SourceWrite(SourceId id, const Endpoint& endpoint, const TokenQuery& query,
                 TextWriter& writer) {
  switch (id) {
    case SourceId::kImds: return ImdsWrite(endpoint, query, writer);
    case SourceId::kCloudShell: return CloudShellWrite(endpoint, query, writer);
    case SourceId::kVmExtension: return VmExtensionWrite(endpoint, query, writer);
    case SourceId::kAppService: return AppServiceWrite(endpoint, query, writer);
    case SourceId::kAppService2017:
    case SourceId::kAzureMl: return AppService2017Write(endpoint, query, writer);
    case SourceId::kAzureArc: return AzureArcWrite(endpoint, query, writer);
    case SourceId::kServiceFabric: return ServiceFabricWrite(endpoint, query, writer);
    case SourceId::kWorkloadIdentity: return WorkloadIdentityWrite(endpoint, query, writer);
    case SourceId::kKeyVault:  // KeyVaultWrite's
    case SourceId::kCount: break;
  }
  CHECK(false);
}

Status SourceJudgeChallenge(SourceId id, std::string_view header, KeyFile* key_file) {
  CHECK(id == SourceId::kAzureArc);
  return AzureArcChallenge(header, key_file);
}

const char* SourceResolve(SourceId id, const SourceSetting& setting,
                          const SourceEnvironment& environment, Endpoint* endpoint,
                          const char** culprit) {
  const char* const problem = SourceFindEndpoint(id, setting, environment, endpoint, culprit);
  return problem != nullptr ? problem : EndpointReach(endpoint);
}

const char* IdentityRefusal(SourceId id, IdentityKind kind) {
  const uint8_t identities = SourceLookUp(id).identities;
  if ((identities & IdentityBit(kind)) != 0) return nullptr;
  if (identities == kNobody) return "the source ~ has one identity and takes no selector";
  return "the source ~ takes no other selector than client_id";
}

bool SourceFind(std::string_view name, SourceId* id) {
  for (uint32_t index = 0; index < static_cast<uint32_t>(SourceId::kKeyVault); ++index) {
    if (!IsName(name, kSources[index].name)) continue;
    *id = static_cast<SourceId>(index);
    return true;
  }
  return false;
}

SourceId SourceDetect(const SourceEnvironment& environment) {
  const bool has_identity =
      !environment.identity_endpoint.empty() && !environment.identity_header.empty();
  if (!environment.federated_token_file.empty() && !environment.client_id.empty() &&
      !environment.tenant_id.empty()) {
    return SourceId::kWorkloadIdentity;
  }
  if (has_identity) {  // before MSI_...: an App Service that is being upgraded sets those too
    return environment.identity_server_thumbprint.empty() ? SourceId::kAppService
                                                          : SourceId::kServiceFabric;
  }
  if (!environment.msi_endpoint.empty()) {
    return environment.msi_secret.empty() ? SourceId::kCloudShell : SourceId::kAzureMl;
  }
  if (environment.has_arc_agent ||
      (!environment.identity_endpoint.empty() && !environment.imds_endpoint.empty())) {
    return SourceId::kAzureArc;
  }
  return SourceId::kImds;
}

}  // namespace miagent
