// Short names of Azure's services, for `resource =` and `--resource`.
//
// Source: go-autorest `azure/environments.go`; sql, oss-rdbms and graph from Azure's service
//         documents (protocol.md).
#pragma once

#include <cstdint>
#include <string_view>

namespace miagent {

enum class Cloud : uint8_t;

struct ResourceName {
  const char* name;
  const char* uris[3];  // by Cloud; null: this cloud has none
};

inline constexpr uint32_t kResourceNameCount = 9;

// The table's row; `index` below kResourceNameCount.
const ResourceName& ResourceNameAt(uint32_t index);

// What ResourceResolve returns for a short name that the table has and this cloud lacks.
inline constexpr char kResourceNotInCloud[] =
    "this cloud has no such service by name: expected its URI (see 'miagent help resources')";

// What `text` asks for: itself where it has `://` or is a GUID, else the URI of the short name in
// this cloud. Returns null and stores the URI, or returns what is wrong.
const char* ResourceResolve(std::string_view text, Cloud cloud, std::string_view* uri);

// The host that issues tokens in this cloud: workload identity's authority.
std::string_view CloudAuthority(Cloud cloud);

// What follows a Key Vault's name in its host's.
std::string_view VaultSuffix(Cloud cloud);

// Whether `text` is a GUID, as 11111111-2222-3333-4444-555555555555, in either case.
bool IsGuid(std::string_view text);

}  // namespace miagent
