// Golden tests of workload identity: the request, the variables, errors.
#include "agent/config/resource.h"
#include "tests/unit/config_fixture.h"
#include "tests/unit/source_fixture.h"

namespace miagent {
namespace {

constexpr SourceId kFederation = SourceId::kWorkloadIdentity;

SourceEnvironment Environment() {
  SourceEnvironment environment;
  environment.federated_token_file = "/var/run/secrets/azure/tokens/azure-identity-token";
  environment.client_id = kClientIdExample;
  environment.tenant_id = "tenant.example";
  environment.authority_host = "https://login.microsoftonline.com/";
  return environment;
}

TokenQuery Query(std::string_view resource = "https://vault.azure.net", Identity identity = {}) {
  TokenQuery query = QueryOf(resource, identity);
  query.file_secret = {"h.p_-.s", 7};
  return query;
}

std::string Body(const std::string& request) {
  return request.substr(request.find("\r\n\r\n") + 4);
}

TEST_CASE("workload-identity: the request, byte for byte") {
  const std::string body =
      "grant_type=client_credentials"
      "&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"
      "&client_id=11111111-2222-3333-4444-555555555555"
      "&scope=https%3A%2F%2Fvault.azure.net%2F.default"
      "&client_assertion=h.p_-.s";
  CHECK(Written(kFederation, Environment(), Query()) ==
        "POST /tenant.example/oauth2/v2.0/token HTTP/1.1\r\n"
        "Host: login.microsoftonline.com\r\n"
        "Accept: application/json\r\n"
        "User-Agent: miagent\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n"
        "Content-Length: " +
            std::to_string(body.size()) + "\r\n\r\n" + body);
}

TEST_CASE("workload-identity: claims that a resource asked for") {
  TokenQuery query = Query();
  query.claims = R"({"a":"b&c"})";
  const std::string request = Written(kFederation, Environment(), query);
  const std::string tail = "&client_assertion=h.p_-.s&claims=%7B%22a%22%3A%22b%26c%22%7D";
  CHECK(request.substr(request.size() - tail.size()) == tail);
  CHECK(request.find("Content-Length: " + std::to_string(Body(request).size()) + "\r\n") !=
        std::string::npos);
}

TEST_CASE("workload-identity: a resource that ends in a slash has two in its scope") {
  CHECK(Body(Written(kFederation, Environment(), Query("https://storage.azure.com/")))
            .find("&scope=https%3A%2F%2Fstorage.azure.com%2F%2F.default&") != std::string::npos);
}

TEST_CASE("workload-identity: a configured client id goes before the variable's") {
  SourceEnvironment environment = Environment();
  CHECK(Body(Written(kFederation, environment, Query("r", {IdentityKind::kClientId, "chosen"})))
            .find("&client_id=chosen&") != std::string::npos);
  environment.client_id = {};
  CHECK(Told(Find(kFederation, environment)) ==
        "AZURE_CLIENT_ID is unset: this source needs it, or client_id as a setting");
  CHECK(Find(kFederation, environment, {}, {IdentityKind::kClientId, "chosen"}).problem.empty());
  CHECK(IdentityRefusal(kFederation, IdentityKind::kClientId) == nullptr);
  CHECK(IdentityRefusal(kFederation, IdentityKind::kObjectId) != nullptr);
  CHECK(IdentityRefusal(kFederation, IdentityKind::kResourceId) != nullptr);
}

std::string Line(const SourceEnvironment& environment, std::string_view configured = {}) {
  const std::string request =
      WrittenAt(kFederation, Find(kFederation, environment, configured).endpoint, Query());
  return request.substr(0, request.find("\r\nAccept"));
}

TEST_CASE("workload-identity: authorities") {
  SourceEnvironment environment = Environment();
  environment.authority_host = "https://login.example";
  CHECK(Line(environment) ==
        "POST /tenant.example/oauth2/v2.0/token HTTP/1.1\r\nHost: login.example");
  environment.authority_host = "https://login.example:8443/prefix";
  CHECK(Line(environment) ==
        "POST /prefix/tenant.example/oauth2/v2.0/token HTTP/1.1\r\nHost: login.example:8443");
  environment.authority_host = "https://login.example/prefix/";
  CHECK(Line(environment) ==
        "POST /prefix/tenant.example/oauth2/v2.0/token HTTP/1.1\r\nHost: login.example");
  CHECK(Line(environment, "https://other.example/") ==
        "POST /tenant.example/oauth2/v2.0/token HTTP/1.1\r\nHost: other.example");
  CHECK(Line(environment, "https://other.example/whole/url?a=b") ==
        "POST /whole/url?a=b HTTP/1.1\r\nHost: other.example");
  environment.authority_host = {};
  CHECK(Find(kFederation, environment).endpoint.authority.empty());  // the cloud's
  CHECK(CloudAuthority(Cloud::kPublic) == "login.microsoftonline.com");
  CHECK(CloudAuthority(Cloud::kUsGov) == "login.microsoftonline.us");
  CHECK(CloudAuthority(Cloud::kChina) == "login.chinacloudapi.cn");
}

TEST_CASE("workload-identity: the authority follows the cloud, wherever that is said") {
  SourceEnvironment environment = Environment();
  environment.authority_host = {};
  const ReadConfig read = ReadText(
      "[token t]\nresource=arm\nsource=workload-identity\n[file /f]\ntoken=t\n"
      "[agent]\ncloud = china\n",
      environment);
  CHECK(read.config->tokens[0].endpoint.authority == "login.chinacloudapi.cn");
}

TEST_CASE("workload-identity: the variables; https alone") {
  SourceEnvironment environment = Environment();
  CHECK(Find(kFederation, environment).problem.empty());
  CHECK(std::string(Find(kFederation, environment).endpoint.assertion_path) ==
        "/var/run/secrets/azure/tokens/azure-identity-token");
  environment.authority_host = "http://login.example/";
  CHECK(Told(Find(kFederation, environment)) ==
        "AZURE_AUTHORITY_HOST is plain http, and this source takes https alone");
  environment.authority_host = "login.example";
  CHECK(Told(Find(kFederation, environment)).find("AZURE_AUTHORITY_HOST has no scheme") == 0);
  environment.authority_host = "https://login.example/?a=b";
  CHECK(Told(Find(kFederation, environment)) == "AZURE_AUTHORITY_HOST has a query");
  CHECK(Told(Find(kFederation, environment, "http://other.example/x")) ==
        "endpoint is plain http, and this source takes https alone");
  environment = Environment();
  environment.federated_token_file = {};
  CHECK(Told(Find(kFederation, environment)) ==
        "AZURE_FEDERATED_TOKEN_FILE is unset: this source needs it");
  environment = Environment();
  environment.tenant_id = {};
  CHECK(Told(Find(kFederation, environment)) == "AZURE_TENANT_ID is unset: this source needs it");
  for (const char* tenant : {"11111111-2222-3333-4444-555555555555", "a-1.b-2.example"}) {
    environment.tenant_id = tenant;
    CHECK(Line(environment).find("POST /" + std::string(tenant) + "/oauth2") == 0);
  }
  environment = Environment();
  const std::string long_client(kIdentitySizeMax + 1, 'c');
  environment.client_id = long_client;
  CHECK(Told(Find(kFederation, environment)) == "AZURE_CLIENT_ID is longer than 512 bytes");
  environment = Environment();
  const std::string long_tenant(kTenantSizeMax + 1, 't');
  for (const std::string_view tenant :
       {std::string_view("a/b"), std::string_view("a b"), std::string_view("../x"),
        std::string_view(".."), std::string_view("a?b"), std::string_view("a\r\nX: y"),
        std::string_view(long_tenant)}) {
    environment.tenant_id = tenant;
    const Found found = Find(kFederation, environment);
    CHECK(found.culprit == "AZURE_TENANT_ID");
    CHECK_FALSE(found.problem.empty());
  }
}

TEST_CASE("workload-identity: the longest of everything fits a request") {
  const std::string resource(kResourceSizeMax, '/');
  const std::string client(kIdentitySizeMax, '/');
  const std::string tenant(kTenantSizeMax, 't');
  const std::string authority = "https://[::1]/" + std::string(kEndpointSizeMax - 14, 'p');
  const std::string assertion(kAssertionSizeMax, 'a');
  SourceEnvironment environment = Environment();
  environment.client_id = client;
  environment.tenant_id = tenant;
  environment.authority_host = authority;
  TokenQuery query = Query(resource);
  query.file_secret = {assertion.data(), assertion.size()};
  CHECK(Written(kFederation, environment, query).size() <= kRequestSizeMax);
}

TEST_CASE("workload-identity: an answer, and AAD's errors") {
  TokenAnswer answer;
  REQUIRE(AnswerStatus(R"({"token_type":"Bearer","expires_in":86399,"ext_expires_in":86399,)"
                       R"("refresh_in":43199,"access_token":"eyJ"})",
                       1000, &answer)
              .ok());
  CHECK(answer.remaining == Seconds(86399));
  CHECK(answer.has_refresh_in);
  CHECK(answer.refresh_in == Seconds(43199));
  const Shown shown = ErrorShown(
      R"({"error":"invalid_client","error_description":"AADSTS700024: Client assertion is not)"
      R"( within its valid time range.","error_codes":[700024],"timestamp":"t","trace_id":"x",)"
      R"("correlation_id":"y","error_uri":"https://login/error?code=700024"})");
  CHECK(shown.code == "invalid_client");
  CHECK(shown.description == "AADSTS700024: Client assertion is not within its valid time range.");
}

TEST_CASE("workload-identity: no assertion in a percent-encoded form that could end it early") {
  TokenQuery query = Query("r");
  query.file_secret = {"a&b=c+d", 7};
  CHECK(Body(Written(kFederation, Environment(), query)).find("&client_assertion=a%26b%3Dc%2Bd") !=
        std::string::npos);
}

}  // namespace
}  // namespace miagent
