#include <string>

#include "agent/source/source.h"
#include "doctest.h"

namespace miagent {
namespace {

std::string Detected(const SourceEnvironment& environment) {
  return std::string(SourceLookUp(SourceDetect(environment)).name);
}

TEST_CASE("nothing set: IMDS") { CHECK(Detected({}) == "imds"); }

TEST_CASE("each source by its own variables") {
  SourceEnvironment e;
  e.federated_token_file = "/t";
  e.client_id = "c";
  e.tenant_id = "t";
  CHECK(Detected(e) == "workload-identity");
  e = {};
  e.identity_endpoint = "https://e";
  e.identity_header = "h";
  e.identity_server_thumbprint = "p";
  CHECK(Detected(e) == "service-fabric");
  e.identity_server_thumbprint = {};
  CHECK(Detected(e) == "app-service");
  e = {};
  e.msi_endpoint = "http://m";
  CHECK(Detected(e) == "cloud-shell");
  e.msi_secret = "s";
  CHECK(Detected(e) == "azure-ml");
  e = {};
  e.identity_endpoint = "http://i";
  e.imds_endpoint = "http://j";
  CHECK(Detected(e) == "azure-arc");
  e = {};
  e.has_arc_agent = true;
  CHECK(Detected(e) == "azure-arc");
}

TEST_CASE("the order, where several match") {
  SourceEnvironment e;
  e.federated_token_file = "/t";
  e.client_id = "c";
  e.tenant_id = "t";
  e.identity_endpoint = "https://e";
  e.identity_header = "h";
  e.identity_server_thumbprint = "p";
  e.msi_endpoint = "http://m";
  e.msi_secret = "s";
  e.imds_endpoint = "http://j";
  e.has_arc_agent = true;
  CHECK(Detected(e) == "workload-identity");
  e.tenant_id = {};
  CHECK(Detected(e) == "service-fabric");
  e.identity_server_thumbprint = {};
  CHECK(Detected(e) == "app-service");  // an App Service being upgraded sets MSI_… too
  e.identity_header = {};
  CHECK(Detected(e) == "azure-ml");
  e.msi_secret = {};
  CHECK(Detected(e) == "cloud-shell");
  e.msi_endpoint = {};
  CHECK(Detected(e) == "azure-arc");
  e.has_arc_agent = false;
  CHECK(Detected(e) == "azure-arc");
  e.imds_endpoint = {};
  CHECK(Detected(e) == "imds");  // IDENTITY_ENDPOINT alone is nothing
}

TEST_CASE("traps") {
  SourceEnvironment e;
  e.identity_header = "h";
  e.identity_server_thumbprint = "p";
  CHECK(Detected(e) == "imds");  // without IDENTITY_ENDPOINT
  e = {};
  e.identity_endpoint = "https://e";
  e.identity_header = "";
  e.identity_server_thumbprint = "p";
  CHECK(Detected(e) == "imds");  // an empty header is unset: no Service Fabric
  e = {};
  e.msi_secret = "s";
  CHECK(Detected(e) == "imds");
  e = {};
  e.imds_endpoint = "http://j";
  CHECK(Detected(e) == "imds");
  e = {};
  e.federated_token_file = "/t";
  e.client_id = "c";
  e.tenant_id = "";
  CHECK(Detected(e) == "imds");
  e = {};
  e.pod_identity_authority_host = "http://127.0.0.1";
  CHECK(Detected(e) == "imds");
}

TEST_CASE("the vm-extension and app-service-2017 are never detected") {
  for (uint32_t bits = 0; bits < 1024; ++bits) {
    const auto value = [&](uint32_t bit) { return (bits >> bit & 1) != 0 ? "v" : ""; };
    SourceEnvironment e;
    e.identity_endpoint = value(0);
    e.identity_header = value(1);
    e.identity_server_thumbprint = value(2);
    e.imds_endpoint = value(3);
    e.msi_endpoint = value(4);
    e.msi_secret = value(5);
    e.federated_token_file = value(6);
    e.client_id = value(7);
    e.tenant_id = value(8);
    e.has_arc_agent = (bits >> 9 & 1) != 0;
    const bool is_federated = (bits >> 6 & 7) == 7;
    const bool has_identity = (bits & 3) == 3;
    const char* expected = "imds";
    if ((bits & 9) == 9 || e.has_arc_agent) expected = "azure-arc";
    if ((bits & 16) != 0) expected = (bits & 32) != 0 ? "azure-ml" : "cloud-shell";
    if (has_identity) expected = (bits & 4) != 0 ? "service-fabric" : "app-service";
    if (is_federated) expected = "workload-identity";
    CAPTURE(bits);
    REQUIRE(Detected(e) == expected);
  }
}

TEST_CASE("names of sources") {
  SourceId id = SourceId::kCount;
  const char* const names[] = {"imds",        "cloud-shell",      "vm-extension",
                               "app-service", "app-service-2017", "azure-ml",
                               "azure-arc",   "service-fabric",   "workload-identity"};
  static_assert(sizeof(names) / sizeof(names[0]) == static_cast<size_t>(SourceId::kKeyVault));
  for (uint32_t index = 0; index < static_cast<uint32_t>(SourceId::kKeyVault); ++index) {
    CAPTURE(names[index]);
    CHECK(SourceFind(names[index], &id));
    CHECK(id == static_cast<SourceId>(index));
    CHECK(std::string(SourceLookUp(id).name) == names[index]);
  }
  for (const char* name : {"", " ", "auto", "app", "app-service-20", "service", "azure",
                           "azure-ml azure-arc", "IMDS", "cloud-shell ", "identity"}) {
    CAPTURE(name);
    CHECK_FALSE(SourceFind(name, &id));
  }
}

}  // namespace
}  // namespace miagent
