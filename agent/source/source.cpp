#include "agent/source/source.h"

#include "agent/base/check.h"

namespace miagent {

// One row a source; each is defined in the file of its name.
extern const SourceOps kSourceImds;

namespace {

constexpr const SourceOps* kSources[] = {
    &kSourceImds,
};

static_assert(sizeof(kSources) / sizeof(kSources[0]) == static_cast<size_t>(SourceId::kCount),
              "each source has its row, in the order of the enum");

// spec.md's names of the sources that this build lacks. Separated by blanks: a table of views would
// be three times as large.
constexpr std::string_view kMissingNames =
    "cloud-shell vm-extension app-service app-service-2017 azure-ml azure-arc service-fabric"
    " workload-identity";

}  // namespace

const SourceOps& SourceLookUp(SourceId id) {
  CHECK(id < SourceId::kCount);
  return *kSources[static_cast<uint32_t>(id)];
}

bool SourceFind(std::string_view name, SourceId* id) {
  for (uint32_t index = 0; index < static_cast<uint32_t>(SourceId::kCount); ++index) {
    if (kSources[index]->name != name) continue;
    *id = static_cast<SourceId>(index);
    return true;
  }
  return false;
}

bool SourceIsKnown(std::string_view name) {
  for (size_t begin = 0; begin < kMissingNames.size();) {
    const size_t end = Find(kMissingNames, ' ', begin);
    if (Slice(kMissingNames, begin, end - begin) == name) return true;
    begin = end + 1;
  }
  return false;
}

const char* SourceDetect(const SourceEnvironment& environment, SourceId* id) {
  const bool has_identity =
      !environment.identity_endpoint.empty() && !environment.identity_header.empty();
  // First, as DefaultAzureCredential has it: a pod with federation never takes its node's identity.
  if (!environment.federated_token_file.empty() && !environment.client_id.empty() &&
      !environment.tenant_id.empty()) {
    return "workload-identity";
  }
  if (has_identity && !environment.identity_server_thumbprint.empty()) return "service-fabric";
  if (has_identity) return "app-service";
  if (!environment.msi_endpoint.empty()) {
    return environment.msi_secret.empty() ? "cloud-shell" : "azure-ml";
  }
  if (environment.has_arc_agent ||
      (!environment.identity_endpoint.empty() && !environment.imds_endpoint.empty())) {
    return "azure-arc";
  }
  *id = SourceId::kImds;
  return nullptr;
}

}  // namespace miagent
