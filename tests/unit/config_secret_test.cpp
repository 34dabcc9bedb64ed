// [secret NAME]: what is accepted, and what is said of the rest.

#include "doctest.h"
#include "tests/unit/config_fixture.h"

namespace miagent {
namespace {

std::string Text(const std::string& secret, const std::string& file = "secret = db\n",
                 const std::string& agent = "") {
  return "[agent]\n" + agent + "[token t]\nresource = vault\n[secret db]\n" + secret +
         "[file /run/t]\n" + file;
}

constexpr char kGood[] = "vault = my-vault\nname = Password\ntoken = t\n";

TEST_CASE("a secret, with what isn't said") {
  const ReadConfig read = ReadText(Text(kGood));
  INFO(read.All());
  REQUIRE(read.status.ok());
  const TokenConfig& secret = read.config->tokens[1];
  CHECK(secret.is_secret);
  CHECK(secret.source == SourceId::kKeyVault);
  CHECK(secret.resource == "https://my-vault.vault.azure.net/secrets/Password");
  CHECK(secret.endpoint.host == "my-vault.vault.azure.net");
  CHECK(secret.endpoint.path == "/secrets/Password");
  CHECK(secret.endpoint.port == 443);
  CHECK(secret.endpoint.is_named);
  CHECK(secret.parent_index == 0);
  CHECK(secret.refresh == Seconds(3600));
  CHECK(read.config->files[0].token_index == 1);
  CHECK(read.config->files[0].is_secret);
}

TEST_CASE("vaults, clouds, versions, times") {
  const struct {
    const char* secret;
    const char* agent;
    const char* url;
    int64_t refresh_s;
  } goods[] = {
      {"vault = v\nname = n\ntoken = t\nrefresh = 90s\n", "cloud = usgov\n",
       "https://v.vault.usgovcloudapi.net/secrets/n", 90},
      {"vault = v\nname = n\ntoken = t\nrefresh = 15m\n", "cloud = china\n",
       "https://v.vault.azure.cn/secrets/n", 900},
      {"vault = https://10.0.0.4:8443\nname = n\nversion = 0a\ntoken = t\nrefresh = 24h\n", "",
       "https://10.0.0.4:8443/secrets/n/0a", 86400},
      {"vault = v-1\nname = n-1-A\ntoken = t\nrefresh = 60s\n", "",
       "https://v-1.vault.azure.net/secrets/n-1-A", 60},
      {"vault = https://v.example/\nname = n\ntoken = t\nrefresh = 1m\n", "",
       "https://v.example/secrets/n", 60},
  };
  for (const auto& good : goods) {
    const ReadConfig read = ReadText(Text(good.secret, "secret = db\n", good.agent));
    INFO(good.secret, read.All());
    REQUIRE(read.status.ok());
    CHECK(read.config->tokens[1].resource == good.url);
    CHECK(read.config->tokens[1].refresh == Seconds(good.refresh_s));
  }
}

TEST_CASE("what is wrong with a secret") {
  const struct {
    const char* secret;
    const char* file;
    uint32_t line;
    const char* part;
  } wrongs[] = {
      {"name = n\ntoken = t\n", "secret = db\n", 4, "vault: missing"},
      {"vault = v\ntoken = t\n", "secret = db\n", 4, "name: missing"},
      {"vault = v\nname = n\n", "secret = db\n", 4, "token: missing"},
      {"vault = http://v.example\nname = n\ntoken = t\n", "secret = db\n", 5, "vault: is plain"},
      {"vault = https://v.example/p\nname = n\ntoken = t\n", "secret = db\n", 5, "has a path"},
      {"vault = v\nversion = a\ntoken = t\n", "secret = db\n", 4, "name: missing"},
      {"vault = v\nname = n\ntoken = t\nrefresh = xm\n", "secret = db\n", 8, "refresh: expected"},
      {"vault = v\nname = n\ntoken = t\nrefresh = m\n", "secret = db\n", 8, "refresh: expected"},
      {"vault = -v\nname = n\ntoken = t\n", "secret = db\n", 5, "vault: has a host"},
      {"vault = v\nname = n\ntoken = t\n[secret a b]\nvault = v\nname = n\ntoken = t\n",
       "secret = db\n", 8, "[secret]: a name is made of"},
      {"vault = v.example\nname = n\ntoken = t\n", "secret = db\n", 5, "vault: expected"},
      {"vault = v\nname = n_m\ntoken = t\n", "secret = db\n", 6, "name: a secret's name"},
      {"vault = v\nname = n\nversion = a/b\ntoken = t\n", "secret = db\n", 7, "version: "},
      {"vault = v\nname = n\ntoken = u\n", "secret = db\n", 7, "no section [token 'u']"},
      {"vault = v\nname = n\ntoken = db\n", "secret = db\n", 7, "no section [token 'db']"},
      {"vault = v\nname = n\ntoken = t\nrefresh = 59s\n", "secret = db\n", 8, "refresh: expected"},
      {"vault = v\nname = n\ntoken = t\nrefresh = 25h\n", "secret = db\n", 8, "refresh: expected"},
      {"vault = v\nname = n\ntoken = t\nrefresh = 3600\n", "secret = db\n", 8, "its unit"},
      {"vault = v\nname = n\ntoken = t\nsource = imds\n", "secret = db\n", 8, "no key 'source'"},
      {kGood, "secret = e\n", 9, "no section [secret 'e']"},
      {kGood, "secret = t\n", 9, "no section [secret 't']"},
      {kGood, "token = db\n", 9, "no section [token 'db']"},
      {kGood, "token = t\nsecret = db\n", 10, "not both"},
      {kGood, "secret = db\nformat = json\n", 10, "format: a secret's"},
      {kGood, "secret = db\nformat = header\n", 10, "format: a secret's"},
      {kGood, "secret = db\nformat = template\ntemplate = {access_token}\n", 11, "{value}"},
      {kGood, "token = t\nformat = template\ntemplate = {value}\n", 11, "placeholders"},
      {"vault = v\nname = n\ntoken = t\n[secret t]\nvault = v\nname = n\ntoken = t\n",
       "secret = db\n", 8, "[secret]: there is another 't'"},
  };
  for (const auto& wrong : wrongs) {
    const ReadConfig read = ReadText(Text(wrong.secret, wrong.file));
    INFO(wrong.secret, wrong.file, "told: ", read.All());
    REQUIRE(read.problems.size() == 1);
    CHECK(read.problems[0].line == wrong.line);
    CHECK(read.problems[0].text.find(wrong.part) != std::string::npos);
  }
}

TEST_CASE("secrets beyond the limit are told once, and nothing is said of their keys") {
  std::string text;
  for (size_t index = 0; index < kTokenCountMax; ++index) {
    text += "[token t" + std::to_string(index) + "]\nresource = arm\n";
  }
  const ReadConfig read = ReadText(
      text + "[secret a]\nvault = v\n[secret b]\nrefresh = x\n[file /run/t]\ntoken = t0\n");
  INFO(read.All());
  REQUIRE(read.problems.size() == 1);
  CHECK(read.problems[0].line == 2 * kTokenCountMax + 1);
  CHECK(read.problems[0].text.find("kTokenCountMax") != std::string::npos);
}

TEST_CASE("a bundle of certificates: an absolute path that fits; on the command line any path") {
  const std::string longest = "/" + std::string(510, 'p');
  const ReadConfig good = ReadText(Text(kGood, "secret = db\n", "ca_file = " + longest + "\n"));
  CHECK(good.status.ok());
  CHECK(good.config->ca_file == longest);
  const ReadConfig unset = ReadText(Text(kGood, "secret = db\n", "ca_file =\n"));
  CHECK(unset.status.ok());
  CHECK(unset.config->ca_file.empty());
  for (const std::string& bad : {std::string("ca.pem"), longest + "p"}) {
    const ReadConfig read = ReadText(Text(kGood, "secret = db\n", "ca_file = " + bad + "\n"));
    CHECK_FALSE(read.status.ok());
    CHECK(read.problems.size() == 1);
  }
  TokenOptions options;
  options.resource = "arm";
  options.ca = "ca.pem";
  const ReadConfig relative = ReadOptions(options);
  INFO(relative.All());
  CHECK(relative.status.ok());
  CHECK(relative.config->ca_file == "ca.pem");
  const std::string longer = longest + "p";
  options.ca = longer;
  const ReadConfig too_long = ReadOptions(options);
  CHECK_FALSE(too_long.status.ok());
  CHECK(too_long.All().find("ca") != std::string::npos);
}

}  // namespace
}  // namespace miagent
