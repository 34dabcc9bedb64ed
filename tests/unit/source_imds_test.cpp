// Golden tests of what IMDS is asked, and of where it is found.
#include <string>

#include "agent/limits.h"
#include "agent/source/source.h"
#include "doctest.h"
#include "tests/unit/stops.h"

namespace miagent {
namespace {

struct Resolved {
  std::string problem;
  std::string culprit;
  std::string authority;
  std::string path;
  Address address;
};

Resolved Resolve(std::string_view configured, std::string_view pod_identity_host = {}) {
  SourceEnvironment environment;
  environment.pod_identity_authority_host = pod_identity_host;
  Endpoint endpoint;
  const char* culprit = nullptr;
  const char* problem =
      SourceResolve(SourceId::kImds, {configured, {}}, environment, &endpoint, &culprit);
  Resolved resolved;
  if (problem != nullptr) {
    REQUIRE(culprit != nullptr);
    resolved.problem = problem;
    resolved.culprit = culprit;
    return resolved;
  }
  resolved.authority = endpoint.authority;
  resolved.path = endpoint.path;
  resolved.address = endpoint.address;
  return resolved;
}

constexpr const char* kPath = "/metadata/identity/oauth2/token";

TEST_CASE("without a setting it is the well-known address") {
  const Resolved resolved = Resolve({});
  CHECK(resolved.problem.empty());
  CHECK(resolved.authority == "169.254.169.254");
  CHECK(resolved.path == kPath);
  CHECK(resolved.address.port == 80);
  CHECK_FALSE(resolved.address.is_ipv6);
  CHECK(resolved.address.bytes[0] == 169);
  CHECK(resolved.address.bytes[1] == 254);
  CHECK(resolved.address.bytes[2] == 169);
  CHECK(resolved.address.bytes[3] == 254);
}

TEST_CASE("the setting comes first, and keeps a path of its own") {
  CHECK(Resolve("http://127.0.0.1:8080").path == kPath);
  CHECK(Resolve("http://127.0.0.1:8080/").path == kPath);
  CHECK(Resolve("http://127.0.0.1:8080/other").path == "/other");
  CHECK(Resolve("http://127.0.0.1:8080/other?x=y").path == "/other?x=y");
  CHECK(Resolve("http://127.0.0.1:8080/").authority == "127.0.0.1:8080");
  CHECK(Resolve("http://127.0.0.1:8080/").address.port == 8080);
  CHECK(Resolve("http://localhost:50342").address.bytes[0] == 127);
  CHECK(Resolve("http://[::1]:81/p").address.is_ipv6);
  CHECK(Resolve("http://[::1]:81/p").authority == "[::1]:81");
  CHECK(Resolve("http://127.0.0.1:1", "http://127.0.0.2:2").authority == "127.0.0.1:1");
}

TEST_CASE("AZURE_POD_IDENTITY_AUTHORITY_HOST replaces scheme and host, and keeps IMDS's path") {
  CHECK(Resolve({}, "http://127.0.0.1:2579").authority == "127.0.0.1:2579");
  CHECK(Resolve({}, "http://127.0.0.1:2579").path == kPath);
  CHECK(Resolve({}, "http://127.0.0.1:2579/").path == kPath);
  CHECK(Resolve({}, "http://127.0.0.1:2579/x").culprit == "AZURE_POD_IDENTITY_AUTHORITY_HOST");
  CHECK(Resolve({}, "http://127.0.0.1:2579/x").problem ==
        "has a path; only scheme, host and port belong there");
  CHECK(Resolve({}, "127.0.0.1:2579").culprit == "AZURE_POD_IDENTITY_AUTHORITY_HOST");
}

TEST_CASE("what this build can't reach is said") {
  CHECK(Resolve("https://127.0.0.1").problem == "needs TLS, which this build doesn't have");
  CHECK(Resolve("http://imds.internal/").problem.empty());
  CHECK(Resolve("127.0.0.1").problem == "has no scheme: begin it with http://");
  CHECK(Resolve("http://127.0.0.1/a b").culprit == "endpoint");
  CHECK_FALSE(Resolve("http://127.0.0.1/a b").problem.empty());
  CHECK_FALSE(Resolve("http://1.2.3.4.5/").problem.empty());
}

std::string Request(const TokenQuery& query, std::string_view configured = {}) {
  SourceEnvironment environment;
  Endpoint endpoint;
  const char* culprit = nullptr;
  REQUIRE(SourceResolve(SourceId::kImds, {configured, {}}, environment, &endpoint, &culprit) ==
          nullptr);
  static char bytes[kRequestSizeMax];
  TextWriter writer{bytes, sizeof(bytes)};
  SourceWrite(SourceId::kImds, endpoint, query, writer);
  CHECK_FALSE(writer.overflowed);
  return std::string(writer.text());
}

TokenQuery Query() {
  TokenQuery query;
  query.resource = "https://management.azure.com/";
  query.request_id = "01234567-89ab-cdef-0123-456789abcdef";
  return query;
}

constexpr const char* kHeaders =
    "Host: 169.254.169.254\r\n"
    "Metadata: true\r\n"
    "x-ms-client-request-id: 01234567-89ab-cdef-0123-456789abcdef\r\n"
    "Accept: application/json\r\n"
    "User-Agent: miagent\r\n"
    "\r\n";

TEST_CASE("the machine's own identity") {
  CHECK(Request(Query()) ==
        "GET /metadata/identity/oauth2/token?api-version=2018-02-01"
        "&resource=https%3A%2F%2Fmanagement.azure.com%2F HTTP/1.1\r\n" +
            std::string(kHeaders));
}

TEST_CASE("one selector, by the names that the service takes") {
  TokenQuery query = Query();
  query.identity = {IdentityKind::kClientId, "11111111-2222-3333-4444-555555555555"};
  CHECK(Request(query) ==
        "GET /metadata/identity/oauth2/token?api-version=2018-02-01"
        "&resource=https%3A%2F%2Fmanagement.azure.com%2F"
        "&client_id=11111111-2222-3333-4444-555555555555 HTTP/1.1\r\n" +
            std::string(kHeaders));
  query.identity = {IdentityKind::kObjectId, "o"};
  CHECK(Request(query).find("&object_id=o HTTP/1.1\r\n") != std::string::npos);
  query.identity = {IdentityKind::kResourceId, "/subscriptions/s/r g/i&d"};
  CHECK(Request(query).find("&msi_res_id=%2Fsubscriptions%2Fs%2Fr%20g%2Fi%26d HTTP/1.1\r\n") !=
        std::string::npos);
}

TEST_CASE("a forced refresh goes past the endpoint's cache") {
  TokenQuery query = Query();
  query.bypass_cache = true;
  query.identity = {IdentityKind::kClientId, "c"};
  CHECK(Request(query) ==
        "GET /metadata/identity/oauth2/token?api-version=2018-02-01"
        "&resource=https%3A%2F%2Fmanagement.azure.com%2F&client_id=c&bypass_cache=true"
        " HTTP/1.1\r\n" +
            std::string(kHeaders));
}

TEST_CASE("an endpoint of one's own") {
  const std::string request = Request(Query(), "http://[::1]:8080/token?tenant=t");
  CHECK(request.rfind("GET /token?tenant=t&api-version=2018-02-01&resource=", 0) == 0);
  CHECK(request.find("\r\nHost: [::1]:8080\r\n") != std::string::npos);
}

TEST_CASE("the longest values that a configuration may hold fit") {
  const std::string resource(kResourceSizeMax, '/');
  const std::string identity(kIdentitySizeMax, '/');
  const std::string endpoint = "http://[::1]/" + std::string(kEndpointSizeMax - 13, 'p');
  TokenQuery query = Query();
  query.resource = resource;
  query.identity = {IdentityKind::kResourceId, identity};
  query.bypass_cache = true;
  const std::string request = Request(query, endpoint);  // checks that it fits
  CHECK(request.size() <= kRequestSizeMax);
  CHECK(request.find("\r\n\r\n") == request.size() - 4);
}

TEST_CASE("no request says whom it was forwarded for, and none has a second head") {
  TokenQuery query = Query();
  query.resource = "x\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n";
  const std::string request = Request(query);
  CHECK(request.find("\r\nX-Forwarded-For") == std::string::npos);
  CHECK(request.find("\r\n\r\n") == request.size() - 4);
  query.request_id = "x\r\nX-Forwarded-For: 1.2.3.4";
  CHECK_STOPS(Request(query));
}

}  // namespace
}  // namespace miagent
