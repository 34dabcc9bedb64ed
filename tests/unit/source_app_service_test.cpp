// Golden tests of App Service (both APIs) and Azure ML: requests, variables, answers, errors.
#include "tests/unit/source_fixture.h"

namespace miagent {
namespace {

constexpr SourceId kNew = SourceId::kAppService;
constexpr SourceId kOld = SourceId::kAppService2017;
constexpr SourceId kMl = SourceId::kAzureMl;

// As an App Service has them, with both APIs.
SourceEnvironment Environment() {
  SourceEnvironment environment;
  environment.identity_endpoint = "http://127.0.0.1:41/MSI/token/";
  environment.identity_header = "853b9a84-5bfa-4b22-a3f3-0b9a43d9ad8a";
  environment.msi_endpoint = "http://127.0.0.1:42/MSI/token";
  environment.msi_secret = "the-secret";
  return environment;
}

constexpr const char* kNewTail =
    "Host: 127.0.0.1:41\r\n"
    "X-IDENTITY-HEADER: 853b9a84-5bfa-4b22-a3f3-0b9a43d9ad8a\r\n"
    "Accept: application/json\r\nUser-Agent: miagent\r\n\r\n";
constexpr const char* kOldTail =
    "Host: 127.0.0.1:42\r\n"
    "secret: the-secret\r\n"
    "Accept: application/json\r\nUser-Agent: miagent\r\n\r\n";

std::string New(const Identity& identity = {}) {
  return Written(kNew, Environment(), QueryOf("r", identity));
}

TEST_CASE("app-service: the requests, byte for byte; the path's last slash stays") {
  const std::string begin = "GET /MSI/token/?api-version=2019-08-01&resource=";
  CHECK(Written(kNew, Environment(), QueryOf()) ==
        begin + "https%3A%2F%2Fvault.azure.net HTTP/1.1\r\n" + kNewTail);
  CHECK(New({IdentityKind::kClientId, kClientIdExample}) ==
        begin + "r&client_id=" + kClientIdExample + " HTTP/1.1\r\n" + kNewTail);
  CHECK(New({IdentityKind::kObjectId, kClientIdExample}) ==
        begin + "r&object_id=" + kClientIdExample + " HTTP/1.1\r\n" + kNewTail);
  CHECK(New({IdentityKind::kResourceId, kResourceIdExample}) ==
        begin + "r&mi_res_id=" + kResourceIdEncoded + " HTTP/1.1\r\n" + kNewTail);
}

TEST_CASE("app-service: paths are kept as they are given") {
  SourceEnvironment environment = Environment();
  const auto line = [&](const char* url) {
    environment.identity_endpoint = url;
    const std::string request = Written(kNew, environment, QueryOf("r"));
    return request.substr(0, request.find(" HTTP/1.1"));
  };
  CHECK(line("http://127.0.0.1:41/msi/token") ==
        "GET /msi/token?api-version=2019-08-01&resource=r");
  CHECK(line("http://127.0.0.1:41/msi/token?a=b") ==
        "GET /msi/token?a=b&api-version=2019-08-01&resource=r");
  CHECK(line("http://127.0.0.1:41") == "GET /?api-version=2019-08-01&resource=r");
  CHECK(line("http://127.0.0.1:41/") == "GET /?api-version=2019-08-01&resource=r");
}

TEST_CASE("app-service: the variables") {
  CHECK(Told(Find(kNew, Environment())) == "http://127.0.0.1:41/MSI/token/");
  CHECK(Told(Find(kNew, Environment(), "http://127.0.0.1:9/x")) == "http://127.0.0.1:9/x");
  SourceEnvironment environment = Environment();
  environment.identity_header = {};
  CHECK(Told(Find(kNew, environment)) == "IDENTITY_HEADER is unset: this source needs it");
  environment = Environment();
  environment.identity_endpoint = {};
  CHECK(Told(Find(kNew, environment)) ==
        "IDENTITY_ENDPOINT is unset: this source needs it, or the endpoint as a setting");
  for (const char* url : {"127.0.0.1:41", "http://127.0.0.1:41/a b", "gopher://127.0.0.1/",
                          "http:", "http://", "http://u@127.0.0.1/", "http://127.0.0.1/\r\nX: y"}) {
    environment.identity_endpoint = url;
    CAPTURE(url);
    CHECK(Told(Find(kNew, environment)).find("IDENTITY_ENDPOINT has ") == 0);
  }
}

TEST_CASE("a secret that could forge a header is refused, and not shown") {
  for (const std::string& value : BadHeaderValues()) {
    SourceEnvironment environment = Environment();
    environment.identity_header = value;
    const Found found = Find(kNew, environment);
    CHECK(found.culprit == "IDENTITY_HEADER");
    CHECK_FALSE(found.problem.empty());
    CHECK((value.size() < 5 || found.problem.find(value) == std::string::npos));
    environment = Environment();
    environment.msi_secret = value;
    CHECK(Find(kOld, environment).culprit == "MSI_SECRET");
    CHECK_FALSE(Find(kOld, environment).problem.empty());
    CHECK_FALSE(Find(kMl, environment).problem.empty());
  }
  const std::string longest(kSecretHeaderSizeMax, '~');
  SourceEnvironment environment = Environment();
  environment.identity_header = longest;
  CHECK(Find(kNew, environment).problem.empty());
}

TEST_CASE("the longest of everything fits a request") {
  const std::string resource(kResourceSizeMax, '/');
  const std::string identity(kIdentitySizeMax, '/');
  const std::string secret(kSecretHeaderSizeMax, 's');
  const std::string url = "http://[::1]/" + std::string(kEndpointSizeMax - 13, 'p');
  SourceEnvironment environment = Environment();
  environment.identity_header = secret;
  environment.identity_endpoint = url;
  environment.msi_secret = secret;
  environment.msi_endpoint = url;
  environment.default_client_id = identity;
  const std::string request =
      Written(kNew, environment, QueryOf(resource, {IdentityKind::kResourceId, identity}));
  CHECK(request.size() <= kRequestSizeMax - kFileSecretSizeMax + kSecretHeaderSizeMax);
  CHECK(Written(kMl, environment, QueryOf(resource)).size() <= kRequestSizeMax);
}

TEST_CASE("app-service: an answer has no expires_in") {
  TokenAnswer answer;
  REQUIRE(AnswerStatus(R"({"access_token":"eyJ0.x.y","expires_on":"1586984735","resource":)"
                       R"("https://vault.azure.net","token_type":"Bearer","client_id":"5E29463D"})",
                       1586981135, &answer)
              .ok());
  CHECK(answer.access_token == "eyJ0.x.y");
  CHECK(answer.remaining == Seconds(3600));
  CHECK(answer.expires_at_wall.unix_s == 1586984735);
}

TEST_CASE("app-service: errors") {
  const Shown shown = ErrorShown(
      R"({"statusCode":500,"message":"An unexpected error occured","correlationId":"c-1"})");
  CHECK(shown.code == "500");
  CHECK(shown.description == "An unexpected error occured");
  // A wrong resource gives it too.
  CHECK(ErrorRemedy(500, shown.code).find("resource URI") != std::string_view::npos);
  CHECK(HttpStatusJudge(500).fault == Fault::kAnswerUnavailable);
}

TEST_CASE("app-service-2017: the requests, byte for byte") {
  const std::string begin = "GET /MSI/token?api-version=2017-09-01&resource=";
  CHECK(Written(kOld, Environment(), QueryOf()) ==
        begin + "https%3A%2F%2Fvault.azure.net HTTP/1.1\r\n" + kOldTail);
  CHECK(Written(kOld, Environment(), QueryOf("r", {IdentityKind::kClientId, kClientIdExample})) ==
        begin + "r&clientid=" + kClientIdExample + " HTTP/1.1\r\n" + kOldTail);
}

TEST_CASE("azure-ml: the default identity, and none") {
  const std::string begin = "GET /MSI/token?api-version=2017-09-01&resource=r";
  SourceEnvironment environment = Environment();
  CHECK(Written(kMl, environment, QueryOf("r")) == begin + " HTTP/1.1\r\n" + kOldTail);
  environment.default_client_id = "d-e&f";
  CHECK(Written(kMl, environment, QueryOf("r")) ==
        begin + "&clientid=d-e%26f HTTP/1.1\r\n" + kOldTail);
  CHECK(Written(kMl, environment, QueryOf("r", {IdentityKind::kClientId, "chosen"})) ==
        begin + "&clientid=chosen HTTP/1.1\r\n" + kOldTail);
  // App Service has no such variable.
  CHECK(Written(kOld, environment, QueryOf("r")) == begin + " HTTP/1.1\r\n" + kOldTail);
  const std::string long_id(kIdentitySizeMax + 1, 'i');
  environment.default_client_id = long_id;
  CHECK(Told(Find(kMl, environment)) == "DEFAULT_IDENTITY_CLIENT_ID is longer than 512 bytes");
}

TEST_CASE("app-service-2017, azure-ml: the variables") {
  for (const SourceId id : {kOld, kMl}) {
    SourceEnvironment environment = Environment();
    CHECK(Told(Find(id, environment)) == "http://127.0.0.1:42/MSI/token");
    environment.msi_secret = {};
    CHECK(Told(Find(id, environment)) == "MSI_SECRET is unset: this source needs it");
    environment = Environment();
    environment.msi_endpoint = {};
    CHECK(Told(Find(id, environment)).find("MSI_ENDPOINT is unset") == 0);
    environment.msi_endpoint = "//x";
    CHECK(Told(Find(id, environment)).find("MSI_ENDPOINT has no scheme") == 0);
  }
}

TEST_CASE("selectors of App Service and Azure ML") {
  for (const IdentityKind kind : {IdentityKind::kNone, IdentityKind::kClientId,
                                  IdentityKind::kObjectId, IdentityKind::kResourceId}) {
    CHECK(IdentityRefusal(kNew, kind) == nullptr);
    const bool is_taken = kind == IdentityKind::kNone || kind == IdentityKind::kClientId;
    CHECK((IdentityRefusal(kOld, kind) == nullptr) == is_taken);
    CHECK((IdentityRefusal(kMl, kind) == nullptr) == is_taken);
  }
}

TEST_CASE("app-service-2017: dates in the answer, of Linux and of Windows") {
  const std::string begin = R"({"access_token":"x","token_type":"Bearer","expires_on":)";
  TokenAnswer answer;
  REQUIRE(AnswerStatus(begin + R"("06/19/2019 23:42:01 +00:00"})", 1560987721 - 60, &answer).ok());
  CHECK(answer.expires_at_wall.unix_s == 1560987721);
  CHECK(answer.remaining == Seconds(60));
  REQUIRE(
      AnswerStatus(begin + R"("1\/16\/2020 5:24:12 AM +00:00"})", 1579152252 - 60, &answer).ok());
  CHECK(answer.expires_at_wall.unix_s == 1579152252);
  REQUIRE(AnswerStatus(begin + R"("1560987721"})", 1560987721 - 60, &answer).ok());
  CHECK(answer.remaining == Seconds(60));
  CHECK(AnswerStatus(begin + R"("06/19/2019 23:42:01 +00:00"})", 1560987721, &answer).fault ==
        Fault::kAnswerExpired);
  CHECK(AnswerStatus(begin + R"("19/06/2019 23:42:01 +00:00"})", 0, &answer).fault ==
        Fault::kAnswerNoExpiry);
}

TEST_CASE("app-service-2017, azure-ml: errors") {
  const Shown flat = ErrorShown(R"({"ExceptionMessage":"x","StatusCode":"BadRequest"})");
  CHECK(flat.code.empty());
  const Shown shown = ErrorShown(R"({"statusCode":400,"message":"No identity"})");
  CHECK(shown.code == "400");
  CHECK(shown.description == "No identity");
}

}  // namespace
}  // namespace miagent
