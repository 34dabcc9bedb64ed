// Golden tests of what Cloud Shell and the VM extension are asked, and of where they are found.
#include "tests/unit/source_fixture.h"

namespace miagent {
namespace {

constexpr SourceId kShell = SourceId::kCloudShell;
constexpr SourceId kExtension = SourceId::kVmExtension;

SourceEnvironment Environment(std::string_view msi_endpoint) {
  SourceEnvironment environment;
  environment.msi_endpoint = msi_endpoint;
  return environment;
}

TEST_CASE("cloud-shell: the request, byte for byte") {
  CHECK(Written(kShell, Environment("http://localhost:50342/oauth2/token"),
                QueryOf("https://management.azure.com/")) ==
        "POST /oauth2/token HTTP/1.1\r\n"
        "Host: localhost:50342\r\n"
        "Metadata: true\r\n"
        "Accept: application/json\r\n"
        "User-Agent: miagent\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n"
        "Content-Length: 46\r\n"
        "\r\n"
        "resource=https%3A%2F%2Fmanagement.azure.com%2F");
}

TEST_CASE("cloud-shell: the body is as long as its head says") {
  for (const char* resource : {"a", "https://a/b c&d=e%", "api://\xC3\xA9/~._-"}) {
    const std::string request = Written(kShell, {}, QueryOf(resource));
    const size_t body = request.find("\r\n\r\n") + 4;
    CHECK(request.find("Content-Length: " + std::to_string(request.size() - body) + "\r\n") !=
          std::string::npos);
  }
}

TEST_CASE("cloud-shell: a forced refresh has no way to say so") {
  TokenQuery query = QueryOf();
  const std::string request = Written(kShell, {}, query);
  query.bypass_cache = true;
  CHECK(Written(kShell, {}, query) == request);
}

TEST_CASE("cloud-shell: the setting, the variable, its own") {
  CHECK(Told(Find(kShell, {})) == "http://localhost:50342/oauth2/token");
  CHECK(Told(Find(kShell, Environment("http://127.0.0.1:8/x/"))) == "http://127.0.0.1:8/x/");
  CHECK(Told(Find(kShell, Environment("http://127.0.0.1:8"))) == "http://127.0.0.1:8/oauth2/token");
  CHECK(Told(Find(kShell, Environment("http://127.0.0.1:8/x"), "http://[::1]:9/y?z=1")) ==
        "http://[::1]:9/y?z=1");
  CHECK(Told(Find(kShell, Environment("127.0.0.1:8"))) ==
        "MSI_ENDPOINT has no scheme: begin it with http://");
  CHECK(
      Told(Find(kShell, Environment("http://127.0.0.1:8/a b"))).find("MSI_ENDPOINT has a blank") ==
      0);
  CHECK(Told(Find(kShell, Environment("ftp://127.0.0.1:8/"))) ==
        "MSI_ENDPOINT has a scheme that is neither http nor https");
  const std::string long_url = "http://127.0.0.1/" + std::string(kEndpointSizeMax, 'p');
  CHECK(Told(Find(kShell, Environment(long_url))) == "MSI_ENDPOINT is longer than 512 bytes");
}

TEST_CASE("localhost needs no DNS") {
  Endpoint endpoint;
  const char* culprit = nullptr;
  CHECK(SourceResolve(kShell, {}, {}, &endpoint, &culprit) == nullptr);
  CHECK_FALSE(endpoint.address.is_ipv6);
  CHECK(endpoint.address.port == 50342);
  CHECK(endpoint.address.bytes[0] == 127);
  CHECK(endpoint.address.bytes[3] == 1);
}

TEST_CASE("cloud-shell: it has one identity") {
  CHECK(IdentityRefusal(kShell, IdentityKind::kNone) == nullptr);
  for (const IdentityKind kind :
       {IdentityKind::kClientId, IdentityKind::kObjectId, IdentityKind::kResourceId}) {
    CHECK(std::string(IdentityRefusal(kShell, kind)).find("takes no selector") !=
          std::string::npos);
  }
}

TEST_CASE("cloud-shell: errors are nested") {
  const Shown shown = ErrorShown(
      R"({"error":{"code":"AudienceNotSupported","message":"Audience x is not a supported MSI)"
      R"( token audience."}})");
  CHECK(shown.code == "AudienceNotSupported");
  CHECK(shown.description == "Audience x is not a supported MSI token audience.");
  CHECK(ErrorRemedy(400, shown.code) == "check the resource URI");
}

TEST_CASE("vm-extension: the requests, byte for byte") {
  const std::string tail = "Host: localhost:50342\r\nMetadata: true\r\n" + std::string(kTail);
  CHECK(Written(kExtension, {}, QueryOf()) ==
        "GET /oauth2/token?resource=https%3A%2F%2Fvault.azure.net HTTP/1.1\r\n" + tail);
  CHECK(Written(kExtension, {}, QueryOf("r", {IdentityKind::kClientId, kClientIdExample})) ==
        "GET /oauth2/token?resource=r&client_id=11111111-2222-3333-4444-555555555555"
        " HTTP/1.1\r\n" +
            tail);
}

TEST_CASE("vm-extension: nothing but the setting moves it") {
  CHECK(Told(Find(kExtension, Environment("http://127.0.0.1:1/x"))) ==
        "http://localhost:50342/oauth2/token");
  CHECK(Told(Find(kExtension, {}, "http://localhost:50343")) ==
        "http://localhost:50343/oauth2/token");
  CHECK(Told(Find(kExtension, {}, "localhost:50343")) ==
        "endpoint has no scheme: begin it with http://");
}

TEST_CASE("vm-extension: client_id alone") {
  CHECK(IdentityRefusal(kExtension, IdentityKind::kNone) == nullptr);
  CHECK(IdentityRefusal(kExtension, IdentityKind::kClientId) == nullptr);
  CHECK(std::string(IdentityRefusal(kExtension, IdentityKind::kObjectId)).find("client_id") !=
        std::string::npos);
  CHECK(IdentityRefusal(kExtension, IdentityKind::kResourceId) != nullptr);
}

TEST_CASE("vm-extension: a wrong URL is said to be one") {
  CHECK(ErrorRemedy(401, "unknown_source") == "the endpoint's URL is wrong (scheme, host, path)");
}

}  // namespace
}  // namespace miagent
