#include "agent/config/resource.h"

#include <string>

#include "agent/config/config.h"
#include "doctest.h"

namespace miagent {
namespace {

std::string Resolve(std::string_view text, Cloud cloud) {
  std::string_view uri = "untouched";
  const char* const problem = ResourceResolve(text, cloud, &uri);
  return problem == nullptr ? std::string(uri) : "! " + std::string(problem);
}

TEST_CASE("resource: short names by cloud") {
  CHECK(Resolve("arm", Cloud::kPublic) == "https://management.azure.com/");
  CHECK(Resolve("arm", Cloud::kUsGov) == "https://management.usgovcloudapi.net/");
  CHECK(Resolve("arm", Cloud::kChina) == "https://management.chinacloudapi.cn/");
  CHECK(Resolve("vault", Cloud::kPublic) == "https://vault.azure.net");
  CHECK(Resolve("storage", Cloud::kPublic) == "https://storage.azure.com/");
  CHECK(Resolve("storage", Cloud::kChina) == "https://storage.azure.com/");
  CHECK(Resolve("batch", Cloud::kUsGov) == "https://batch.core.usgovcloudapi.net/");
  CHECK(Resolve("log-analytics", Cloud::kUsGov) == "https://api.loganalytics.us");
  CHECK(Resolve("datalake", Cloud::kPublic) == "https://datalake.azure.net/");
  CHECK(Resolve("sql", Cloud::kChina) == "https://database.chinacloudapi.cn/");
  CHECK(Resolve("oss-rdbms", Cloud::kPublic) == "https://ossrdbms-aad.database.windows.net");
  CHECK(Resolve("graph", Cloud::kPublic) == "https://graph.microsoft.com/");
}

TEST_CASE("resource: a name that the cloud lacks") {
  for (const char* name : {"log-analytics", "datalake", "oss-rdbms", "graph"}) {
    std::string_view uri;
    CHECK(ResourceResolve(name, Cloud::kChina, &uri) == kResourceNotInCloud);
    CHECK(uri.empty());
  }
}

TEST_CASE("resource: URIs and GUIDs are taken as they are") {
  for (const char* text :
       {"https://vault.azure.net/", "api://x", "http://", "11111111-2222-3333-4444-55555555555f",
        "AAAAAAAA-BBBB-CCCC-DDDD-EEEEEEEEEEEE"}) {
    CHECK(Resolve(text, Cloud::kChina) == text);
  }
}

TEST_CASE("resource: anything else is no resource") {
  for (const char* text :
       {"", "ARM", "arm ", "arms", "vault.azure.net", "https:/x",
        "11111111-2222-3333-4444-5555555555555", "11111111-2222-3333-4444-55555555555",
        "11111111x2222-3333-4444-555555555555", "g1111111-2222-3333-4444-555555555555"}) {
    CHECK_MESSAGE(Resolve(text, Cloud::kPublic).find("! expected a URI") == 0, text);
  }
}

TEST_CASE("resource: each row has a name and a URI of the public cloud") {
  for (uint32_t index = 0; index < kResourceNameCount; ++index) {
    const ResourceName& row = ResourceNameAt(index);
    CHECK(Resolve(row.name, Cloud::kPublic) == row.uris[0]);
    for (uint32_t before = 0; before < index; ++before) {
      CHECK(std::string(ResourceNameAt(before).name) != row.name);
    }
  }
}

}  // namespace
}  // namespace miagent
