#include <string>

#include "agent/source/source.h"
#include "doctest.h"

namespace miagent {
namespace {

std::string Detected(const SourceEnvironment& environment) {
  SourceId id = SourceId::kCount;
  const char* missing = SourceDetect(environment, &id);
  if (missing != nullptr) {
    CHECK(id == SourceId::kCount);
    CHECK(SourceIsKnown(missing));
    return missing;
  }
  return std::string(SourceLookUp(id).name);
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

TEST_CASE("names of sources") {
  SourceId id = SourceId::kCount;
  CHECK(SourceFind("imds", &id));
  CHECK(id == SourceId::kImds);
  for (const char* name : {"cloud-shell", "vm-extension", "app-service", "app-service-2017",
                           "azure-ml", "azure-arc", "service-fabric", "workload-identity"}) {
    CAPTURE(name);
    CHECK_FALSE(SourceFind(name, &id));
    CHECK(SourceIsKnown(name));
  }
  for (const char* name : {"", " ", "auto", "imds", "app", "app-service-20", "service", "azure",
                           "azure-ml azure-arc", "IMDS", "cloud-shell ", "identity"}) {
    CAPTURE(name);
    CHECK_FALSE(SourceIsKnown(name));
  }
  CHECK_FALSE(SourceFind("", &id));
  CHECK_FALSE(SourceFind("auto", &id));
  CHECK_FALSE(SourceFind("IMDS", &id));
}

}  // namespace
}  // namespace miagent
