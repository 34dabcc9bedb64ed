#include "agent/config/resource.h"

#include "agent/base/bytes.h"
#include "agent/base/check.h"
#include "agent/config/config.h"

namespace miagent {
namespace {

// A short name is added here, and counted in kResourceNameCount.
constexpr ResourceName kNames[] = {
    {"arm",
     {"https://management.azure.com/", "https://management.usgovcloudapi.net/",
      "https://management.chinacloudapi.cn/"}},
    {"vault",
     {"https://vault.azure.net", "https://vault.usgovcloudapi.net", "https://vault.azure.cn"}},
    {"storage",
     {"https://storage.azure.com/", "https://storage.azure.com/", "https://storage.azure.com/"}},
    {"batch",
     {"https://batch.core.windows.net/", "https://batch.core.usgovcloudapi.net/",
      "https://batch.chinacloudapi.cn/"}},
    {"log-analytics", {"https://api.loganalytics.io", "https://api.loganalytics.us", nullptr}},
    {"datalake", {"https://datalake.azure.net/", nullptr, nullptr}},
    {"sql",
     {"https://database.windows.net/", "https://database.usgovcloudapi.net/",
      "https://database.chinacloudapi.cn/"}},
    {"oss-rdbms", {"https://ossrdbms-aad.database.windows.net", nullptr, nullptr}},
    {"graph", {"https://graph.microsoft.com/", nullptr, nullptr}},
};
static_assert(sizeof(kNames) / sizeof(kNames[0]) == kResourceNameCount, "the header's count");

}  // namespace

const ResourceName& ResourceNameAt(uint32_t index) {
  CHECK(index < kResourceNameCount);
  return kNames[index];
}

const char* ResourceResolve(std::string_view text, Cloud cloud, std::string_view* uri) {
  if (Find(text, "://") != text.size() || IsGuid(text)) {
    *uri = text;
    return nullptr;
  }
  for (const ResourceName& row : kNames) {
    if (text != row.name) continue;
    const char* const found = row.uris[static_cast<size_t>(cloud)];
    if (found == nullptr) return kResourceNotInCloud;
    *uri = found;
    return nullptr;
  }
  return "expected a URI, a GUID or a short name (see 'miagent help resources')";
}

std::string_view CloudAuthority(Cloud cloud) {
  if (cloud == Cloud::kUsGov) return "login.microsoftonline.us";
  return cloud == Cloud::kChina ? "login.chinacloudapi.cn" : "login.microsoftonline.com";
}

std::string_view VaultSuffix(Cloud cloud) {
  if (cloud == Cloud::kUsGov) return ".vault.usgovcloudapi.net";
  return cloud == Cloud::kChina ? ".vault.azure.cn" : ".vault.azure.net";
}

bool IsGuid(std::string_view text) {
  constexpr size_t kGuidSize = 36;
  if (text.size() != kGuidSize) return false;
  for (size_t index = 0; index < kGuidSize; ++index) {
    const bool is_dash = index == 8 || index == 13 || index == 18 || index == 23;
    if (is_dash ? text[index] != '-' : HexValue(text[index]) < 0) return false;
  }
  return true;
}

}  // namespace miagent
