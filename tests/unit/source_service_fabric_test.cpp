// Golden tests of Service Fabric: the request, the variables, the thumbprint, errors, retries.
#include "agent/refresh/backoff.h"
#include "agent/tls/trust.h"
#include "tests/unit/source_fixture.h"

namespace miagent {
namespace {

constexpr SourceId kFabric = SourceId::kServiceFabric;
constexpr const char* kThumbprint = "000102030405060708090A0B0C0D0E0F101112ff";

SourceEnvironment Environment() {
  SourceEnvironment environment;
  environment.identity_endpoint = "https://10.0.0.4:2377/metadata/identity/oauth2/token";
  environment.identity_header = "the-header";
  environment.identity_server_thumbprint = kThumbprint;
  return environment;
}

TEST_CASE("service-fabric: the request, byte for byte") {
  SourceEnvironment environment = Environment();
  const std::string tail = std::string("Host: 10.0.0.4:2377\r\nSecret: the-header\r\n") + kTail;
  CHECK(Written(kFabric, environment, QueryOf()) ==
        "GET /metadata/identity/oauth2/token?api-version=2019-07-01-preview"
        "&resource=https%3A%2F%2Fvault.azure.net HTTP/1.1\r\n" +
            tail);
  environment.api_version = "2024-06-11";
  CHECK(Written(kFabric, environment, QueryOf("r")) ==
        "GET /metadata/identity/oauth2/token?api-version=2024-06-11&resource=r HTTP/1.1\r\n" +
            tail);
}

TEST_CASE("service-fabric: a forced refresh names the token that is no good") {
  TokenQuery query = QueryOf("r");
  query.rejected_sha256 = "00ff";
  query.bypass_cache = true;
  const std::string request = Written(kFabric, Environment(), query);
  CHECK(request.substr(0, request.find(" HTTP/1.1")) ==
        "GET /metadata/identity/oauth2/token?api-version=2019-07-01-preview&resource=r"
        "&token_sha256_to_refresh=00ff&xms_cc=cp1");
}

TEST_CASE("service-fabric: the thumbprint, however it is printed") {
  for (const char* text : {kThumbprint, "000102030405060708090a0b0c0d0e0f101112FF",
                           "00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:FF",
                           " 00 01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 0F 10 11 12 FF "}) {
    SourceEnvironment environment = Environment();
    environment.identity_server_thumbprint = text;
    const Found found = Find(kFabric, environment);
    REQUIRE(found.problem.empty());
    TlsTrust trust;
    REQUIRE(TlsTrustThumbprint(found.endpoint.thumbprint, &trust));
    for (uint32_t index = 0; index < kThumbprintSize - 1; ++index) {
      CHECK(trust.thumbprint[index] == index);
    }
    CHECK(trust.thumbprint[kThumbprintSize - 1] == 0xFF);
  }
  for (const char* text :
       {"", ":", "00", "000102030405060708090A0B0C0D0E0F101112f",
        "000102030405060708090A0B0C0D0E0F101112fff", "000102030405060708090A0B0C0D0E0F101112fg",
        "000102030405060708090A0B0C0D0E0F101112ff00",
        "00-01-02-03-04-05-06-07-08-09-0A-0B-0C-0D-0E-0F-10-11-12-FF"}) {
    SourceEnvironment environment = Environment();
    environment.identity_server_thumbprint = text;
    CAPTURE(text);
    CHECK(Told(Find(kFabric, environment)).find("IDENTITY_SERVER_THUMBPRINT is no SHA-1") == 0);
  }
}

TEST_CASE("service-fabric: the variables; https alone") {
  CHECK(Told(Find(kFabric, Environment())) ==
        "https://10.0.0.4:2377/metadata/identity/oauth2/token");
  SourceEnvironment environment = Environment();
  environment.identity_endpoint = "http://10.0.0.4:2377/";
  CHECK(Told(Find(kFabric, environment)) ==
        "IDENTITY_ENDPOINT is plain http, and this source takes https alone");
  CHECK(Told(Find(kFabric, Environment(), "http://10.0.0.4:2377/")) ==
        "endpoint is plain http, and this source takes https alone");
  environment.identity_endpoint = {};
  CHECK(Told(Find(kFabric, environment)).find("IDENTITY_ENDPOINT is unset") == 0);
  for (const std::string& value : BadHeaderValues()) {
    environment = Environment();
    environment.identity_header = value;
    CHECK(Find(kFabric, environment).culprit == "IDENTITY_HEADER");
    CHECK_FALSE(Find(kFabric, environment).problem.empty());
  }
  environment = Environment();
  const std::string long_version(65, '1');
  environment.api_version = long_version;
  CHECK(Told(Find(kFabric, environment)) == "IDENTITY_API_VERSION is longer than 64 bytes");
}

TEST_CASE("service-fabric: TLS is said to be missing where it is") {
  Endpoint endpoint;
  const char* culprit = nullptr;
  const char* problem = SourceResolve(kFabric, {}, Environment(), &endpoint, &culprit);
  REQUIRE(problem != nullptr);
  CHECK(std::string(problem) == "needs TLS, which this build doesn't have");
  CHECK(std::string(culprit) == "IDENTITY_ENDPOINT");
}

TEST_CASE("service-fabric: no selectors") {
  CHECK(IdentityRefusal(kFabric, IdentityKind::kNone) == nullptr);
  for (const IdentityKind kind :
       {IdentityKind::kClientId, IdentityKind::kObjectId, IdentityKind::kResourceId}) {
    CHECK(IdentityRefusal(kFabric, kind) != nullptr);
  }
}

TEST_CASE("service-fabric: answers and errors") {
  TokenAnswer answer;
  const char* const text = R"({"token_type":"Bearer","access_token":"eyJ","expires_on":1565244611,)"
                           R"("resource":"https://vault.azure.net"})";
  REQUIRE(AnswerStatus(text, 1565244611 - 60, &answer).ok());
  CHECK(answer.remaining == Seconds(60));
  const Shown shown = ErrorShown(
      R"({"error":{"correlationId":"7f30f4d3","code":"SecretHeaderNotFound","message":"Secret)"
      R"( is not found in the request headers."}})");
  CHECK(shown.code == "SecretHeaderNotFound");
  CHECK(shown.description == "Secret is not found in the request headers.");
  CHECK_FALSE(ErrorRemedy(400, shown.code).empty());
  CHECK(ErrorRemedy(404, "ManagedIdentityNotFound").find("assign") != std::string_view::npos);
}

TEST_CASE("service-fabric: a 404 is for good, a 429 doubles") {
  const SourceFacts& ops = SourceLookUp(kFabric);
  CHECK(HttpStatusJudge(404, ops.is_404_final).fault == Fault::kAnswerRefused);
  CHECK(HttpStatusJudge(404, SourceLookUp(SourceId::kImds).is_404_final).fault ==
        Fault::kAnswerUnavailable);
  CHECK(ops.throttle == ThrottleRule::kDoubling);
  FailureRun run{{Fault::kAnswerUnavailable, 429}, 1, {}, {}, true};
  for (const int64_t seconds : {1, 2, 4, 8, 16, 60, 60}) {
    CHECK(RetryDelay(run, 0) == Seconds(seconds));
    ++run.count;
  }
  run = {{Fault::kAnswerUnavailable, 503}, 2, {}, {}, true};
  CHECK(RetryDelay(run, 0) == Seconds(6));
  run = {{Fault::kAnswerUnavailable, 429}, 2, {}, {}, false};
  CHECK(RetryDelay(run, 0) == Seconds(6));
}

}  // namespace
}  // namespace miagent
