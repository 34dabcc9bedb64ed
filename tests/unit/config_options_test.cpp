#include "agent/config/config.h"
#include "config_fixture.h"
#include "doctest.h"

namespace miagent {
namespace {

constexpr const char* kGuid = "11111111-2222-3333-4444-555555555555";

TEST_CASE("options: one token, and no file") {
  TokenOptions options;
  options.resource = "vault";
  options.cloud = "usgov";
  options.object_id = kGuid;
  options.endpoint = "http://127.0.0.1:80";
  const ReadConfig read = ReadOptions(options);
  REQUIRE_MESSAGE(read.status.ok(), read.All());
  REQUIRE(read.config->token_count == 1);
  CHECK(read.config->file_count == 0);
  const TokenConfig& token = read.config->tokens[0];
  CHECK(token.name == "cli");
  CHECK(token.resource == "https://vault.usgovcloudapi.net");
  CHECK(token.identity.kind == IdentityKind::kObjectId);
  CHECK(token.identity.value == kGuid);
  CHECK(token.endpoint.authority == "127.0.0.1:80");
  CHECK(token.line == 0);
  CHECK(read.config->request_timeout == kRequestTimeoutDefault);
}

TEST_CASE("options: one token and one file") {
  TokenOptions options;
  options.resource = "https://a/";
  options.file = "/run/a token";
  options.timeout = "30";
  options.source = "imds";
  const ReadConfig read = ReadOptions(options);
  REQUIRE_MESSAGE(read.status.ok(), read.All());
  REQUIRE(read.config->file_count == 1);
  CHECK(read.config->files[0].path == "/run/a token");
  CHECK(read.config->files[0].directory == "/run");
  CHECK(read.config->files[0].token_index == 0);
  CHECK(read.config->request_timeout == Seconds(30));
  CHECK(read.config->require_tmpfs);
}

struct Wrong {
  std::string_view TokenOptions::* field;
  const char* value;
  const char* part;
};

TEST_CASE("options: a bad value is the command line's fault, and its option is named") {
  const std::string long_value(600, 'a');
  const Wrong wrongs[] = {
      {&TokenOptions::resource, "nobody", "--resource: expected a URI"},
      {&TokenOptions::resource, "a\nb", "--resource: a value has no control characters"},
      {&TokenOptions::resource, long_value.c_str(), "--resource: longer than '512' bytes"},
      {&TokenOptions::cloud, "mars", "--cloud: expected 'public|usgov|china'"},
      {&TokenOptions::source, "moon", "--source: there is no source 'moon'"},
      {&TokenOptions::client_id, "x", "--client-id: expected a GUID"},
      {&TokenOptions::object_id, "x", "--object-id: expected a GUID"},
      {&TokenOptions::mi_res_id, "x", "--mi-res-id: expected the identity's resource id"},
      {&TokenOptions::endpoint, "ftp://127.0.0.1", "--endpoint: has a scheme"},
      {&TokenOptions::file, "f", "--file: expected an absolute path"},
      {&TokenOptions::file, "/run/", "--file: expected a file"},
      {&TokenOptions::timeout, "301", "--timeout: expected 1 to 300 seconds"},
  };
  for (const Wrong& wrong : wrongs) {
    TokenOptions options;
    options.resource = "arm";
    options.*wrong.field = wrong.value;
    const ReadConfig read = ReadOptions(options);
    INFO(wrong.value, "\n", read.All());
    CHECK(read.status.fault == Fault::kCommandLine);
    REQUIRE(read.problems.size() == 1);
    CHECK(read.problems[0].line == 0);
    CHECK(read.problems[0].text.find(wrong.part) == 0);
  }
}

TEST_CASE("options: no resource") {
  const ReadConfig read = ReadOptions({});
  REQUIRE(read.problems.size() == 1);
  CHECK(read.problems[0].text.find("--resource: missing") == 0);
}

TEST_CASE("options: two identities") {
  TokenOptions options;
  options.resource = "arm";
  options.client_id = kGuid;
  options.mi_res_id = "/subscriptions/x";
  CHECK(ReadOptions(options).All().find("0: --mi-res-id: a token takes one of") == 0);
}

TEST_CASE("options: what isn't the command line's fault is the configuration's") {
  TokenOptions options;
  options.resource = "datalake";
  options.cloud = "china";
  const ReadConfig lacking = ReadOptions(options);
  CHECK(lacking.status.fault == Fault::kConfig);
  CHECK(lacking.All().find("0: --resource: this cloud has no such service") == 0);

  options = {};
  options.resource = "arm";
  SourceEnvironment environment;
  environment.pod_identity_authority_host = "http://a b";
  const ReadConfig variable = ReadOptions(options, environment);
  CHECK(variable.status.fault == Fault::kConfig);
  CHECK(variable.All().find("0: AZURE_POD_IDENTITY_AUTHORITY_HOST: has a blank") == 0);

  environment = {};
  environment.identity_endpoint = "http://127.0.0.1/";
  environment.identity_header = "a secret";
  const ReadConfig source = ReadOptions(options, environment);
  CHECK(source.status.fault == Fault::kConfig);
  CHECK(source.All().find("0: IDENTITY_HEADER: has a blank or another byte") == 0);
  CHECK(source.All().find("secret") == std::string::npos);

  // Two problems are one fault: the first one's.
  options.client_id = "1234";
  const ReadConfig both = ReadOptions(options, environment);
  CHECK(both.status.fault == Fault::kCommandLine);
  CHECK(both.problems.size() == 2);
  options.client_id = {};

  options.source = "app-service-2017";
  const ReadConfig unset = ReadOptions(options, environment);
  CHECK(unset.status.fault == Fault::kConfig);
  CHECK(unset.All().find("0: MSI_SECRET: is unset: this source needs it") == 0);
}

TEST_CASE("options: a selector that the source doesn't take is the command line's fault") {
  TokenOptions options;
  options.resource = "arm";
  options.source = "cloud-shell";
  options.client_id = kGuid;
  const ReadConfig read = ReadOptions(options);
  CHECK(read.status.fault == Fault::kCommandLine);
  CHECK(read.All().find("0: --client-id: the source 'cloud-shell' has one identity") == 0);
}

}  // namespace
}  // namespace miagent
