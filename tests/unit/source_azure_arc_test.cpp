// Golden tests of Azure Arc: both requests, the challenge, the identity in the answer, the key
// file.
#include "agent/secret.h"
#include "platform/sim/world.h"
#include "tests/unit/source_fixture.h"

namespace miagent {
namespace {

constexpr SourceId kArc = SourceId::kAzureArc;
constexpr const char* kOwn = "GET /metadata/identity/oauth2/token?api-version=2020-06-01&resource=";
constexpr const char* kHead = "Host: 127.0.0.1:40342\r\nMetadata: true\r\n";

TEST_CASE("azure-arc: the first request, byte for byte") {
  const std::string tail = kHead + std::string(kTail);
  CHECK(Written(kArc, {}, QueryOf()) ==
        kOwn + std::string("https%3A%2F%2Fvault.azure.net HTTP/1.1\r\n") + tail);
  CHECK(Written(kArc, {}, QueryOf("r", {IdentityKind::kClientId, kClientIdExample})) ==
        kOwn + std::string("r&client_id=") + kClientIdExample + " HTTP/1.1\r\n" + tail);
  CHECK(Written(kArc, {}, QueryOf("r", {IdentityKind::kObjectId, "o"})) ==
        kOwn + std::string("r&object_id=o HTTP/1.1\r\n") + tail);
  CHECK(Written(kArc, {}, QueryOf("r", {IdentityKind::kResourceId, kResourceIdExample})) ==
        kOwn + std::string("r&msi_res_id=") + kResourceIdEncoded + " HTTP/1.1\r\n" + tail);
}

TEST_CASE("azure-arc: the second is the first and the key as it is") {
  TokenQuery query = QueryOf("r", {IdentityKind::kObjectId, "o"});
  query.file_secret = {"a1/+= b", 7};
  CHECK(Written(kArc, {}, query) == kOwn + std::string("r&object_id=o HTTP/1.1\r\n") + kHead +
                                        "Authorization: Basic a1/+= b\r\n" + kTail);
}

TEST_CASE("azure-arc: the setting, the variable, its own") {
  SourceEnvironment environment;
  CHECK(Told(Find(kArc, {})) == "http://127.0.0.1:40342/metadata/identity/oauth2/token");
  environment.identity_endpoint = "http://localhost:40342/metadata/identity/oauth2/token";
  CHECK(Told(Find(kArc, environment)) == "http://localhost:40342/metadata/identity/oauth2/token");
  CHECK(Told(Find(kArc, environment, "http://127.0.0.1:5/x")) == "http://127.0.0.1:5/x");
  environment.identity_endpoint = "localhost:40342";
  CHECK(Told(Find(kArc, environment)) == "IDENTITY_ENDPOINT has no scheme: begin it with http://");
}

std::string Challenged(std::string_view header) {
  KeyFile key_file;
  const Status status = SourceJudgeChallenge(kArc, header, &key_file);
  if (status.fault == Fault::kChallengeForm) return "form";
  if (status.fault == Fault::kChallengePath) return "path";
  REQUIRE(status.ok());
  CHECK(std::string(key_file.directory) == "/var/opt/azcmagent/tokens");
  return std::string(key_file.name);
}

TEST_CASE("azure-arc: challenges that are right") {
  CHECK(Challenged("Basic realm=/var/opt/azcmagent/tokens/1b2c.key") == "1b2c.key");
  CHECK(Challenged("basic REALM=/var/opt/azcmagent/tokens/a.b.key") == "a.b.key");
  CHECK(Challenged("BASIC  Realm=/var/opt/azcmagent/tokens/k.key") == "k.key");
  const std::string longest = std::string(kFileNameSizeMax - 4, 'k') + ".key";
  CHECK(Challenged("Basic realm=/var/opt/azcmagent/tokens/" + longest) == longest);
}

TEST_CASE("azure-arc: challenges of another form") {
  for (const char* header :
       {"", "Basic", "Basic ", "Basicrealm=/var/opt/azcmagent/tokens/k.key",
        "Bearer realm=/var/opt/azcmagent/tokens/k.key",
        "Digest realm=/var/opt/azcmagent/tokens/k.key", "realm=/var/opt/azcmagent/tokens/k.key",
        "Basic /var/opt/azcmagent/tokens/k.key", "Basic path=/var/opt/azcmagent/tokens/k.key",
        "Basic realm=/var/opt/azcmagent/tokens/k=.key",
        "Basic realm=/var/opt/azcmagent/tokens/k.key, charset=UTF-8",
        "Basic realm==/var/opt/azcmagent/tokens/k.key",
        "Basic realm =/var/opt/azcmagent/tokens/k.key"}) {
    CAPTURE(header);
    CHECK(Challenged(header) == "form");
  }
}

TEST_CASE("azure-arc: challenges that name another file") {
  const std::string long_name = "/var/opt/azcmagent/tokens/" + std::string(252, 'k') + ".key";
  for (const std::string& path : {"",
                                  "/etc/shadow",
                                  "/etc/k.key",
                                  "k.key",
                                  "/var/opt/azcmagent/tokens",
                                  "/var/opt/azcmagent/tokens/",
                                  "/var/opt/azcmagent/tokens/k",
                                  "/var/opt/azcmagent/tokens/k.KEY",
                                  "/var/opt/azcmagent/tokens/k.key.txt",
                                  "/var/opt/azcmagent/tokens/k.key/",
                                  "/var/opt/azcmagent/tokens/../k.key",
                                  "/var/opt/azcmagent/tokens/d/k.key",
                                  "/var/opt/azcmagent/tokens//k.key",
                                  "/var/opt/azcmagent/tokens/./k.key",
                                  "/var/opt/azcmagent/tokensx/k.key",
                                  "/var/opt/azcmagent/k.key",
                                  "/VAR/opt/azcmagent/tokens/k.key",
                                  "\"/var/opt/azcmagent/tokens/k.key\"",
                                  " /var/opt/azcmagent/tokens/k.key",
                                  "/var/opt/azcmagent/tokens/a b.key",
                                  "/var/opt/azcmagent/tokens/a\x7F.key",
                                  "/var/opt/azcmagent/tokens/\xC3\xA9.key",
                                  "\\var\\opt\\azcmagent\\tokens\\k.key",
                                  long_name.c_str()}) {
    CAPTURE(path);
    CHECK(Challenged("Basic realm=" + path) == "path");
  }
  CHECK(Challenged(std::string("Basic realm=/var/opt/azcmagent/tokens/k\0.key", 44)) == "path");
}

Fault Echo(IdentityKind kind, std::string_view value, const std::string& members) {
  TokenAnswer answer;
  const Identity identity{kind, value};
  return AnswerStatus("{\"access_token\":\"a\\u002bb\",\"expires_in\":60" + members + "}", 0,
                      &answer, &identity)
      .fault;
}

TEST_CASE("azure-arc: the answer must name the identity that was asked for") {
  CHECK(SourceLookUp(kArc).must_echo);
  CHECK_FALSE(SourceLookUp(SourceId::kImds).must_echo);
  constexpr Fault kOther = Fault::kAnswerOtherIdentity;
  CHECK(Echo(IdentityKind::kNone, "", "") == Fault::kNone);
  CHECK(Echo(IdentityKind::kClientId, "a-B", R"(,"client_id":"A-b")") == Fault::kNone);
  CHECK(Echo(IdentityKind::kClientId, "a", "") == kOther);
  CHECK(Echo(IdentityKind::kClientId, "a", R"(,"client_id":"")") == kOther);
  CHECK(Echo(IdentityKind::kClientId, "a", R"(,"client_id":"b")") == kOther);
  CHECK(Echo(IdentityKind::kClientId, "a", R"(,"client_id":"aa")") == kOther);
  CHECK(Echo(IdentityKind::kClientId, "1", R"(,"client_id":1)") == kOther);
  CHECK(Echo(IdentityKind::kClientId, "a", R"(,"object_id":"a")") == kOther);
  CHECK(Echo(IdentityKind::kClientId, "a", R"(,"x":{"client_id":"a"})") == kOther);
  CHECK(Echo(IdentityKind::kClientId, "a", R"(,"client_id":"a","client_id":"b")") ==
        Fault::kJsonDuplicateName);
  CHECK(Echo(IdentityKind::kObjectId, "a", R"(,"object_id":"A")") == Fault::kNone);
  CHECK(Echo(IdentityKind::kObjectId, "a", R"(,"client_id":"a")") == kOther);
  CHECK(Echo(IdentityKind::kResourceId, "/s/a", R"(,"msi_res_id":"/S/A")") == Fault::kNone);
  CHECK(Echo(IdentityKind::kResourceId, "/s/a", R"(,"mi_res_id":"\/s\/a")") == Fault::kNone);
  CHECK(Echo(IdentityKind::kResourceId, "/s/a", R"(,"mi_res_id":"/s/a","msi_res_id":"/s/b")") ==
        kOther);
  CHECK(Echo(IdentityKind::kResourceId, "/s/a", "") == kOther);
}

TEST_CASE("azure-arc: an identity that isn't there is the service's own error") {
  const Shown shown =
      ErrorShown(R"({"error":"identity_not_found","error_description":"Identity not found"})");
  CHECK(shown.code == "identity_not_found");
  CHECK(ErrorRemedy(404, shown.code).find("assigned") != std::string_view::npos);
}

// ---- the files ------------------------------------------------------------------------------

struct Secrets {
  std::unique_ptr<Platform> world = std::make_unique<Platform>();
  std::vector<char> memory = std::vector<char>(kFileSecretSizeMax + 1, '?');
  SecretBytes secret;

  Secrets() { SimStart(*world, 1); }

  Fault Key() {
    return KeyRead(*world, {"/var/opt/azcmagent/tokens", "k.key"}, {memory.data(), memory.size()},
                   &secret)
        .fault;
  }
  Fault KeyOf(std::string_view content) {
    SimFileAdd(*world, "/var/opt/azcmagent/tokens/k.key", content, 0640);
    return Key();
  }
  Fault AssertionOf(std::string_view content) {
    SimFileAdd(*world, "/run/assertion", content, 0640);
    return AssertionRead(*world, "/run/assertion", {memory.data(), memory.size()}, &secret).fault;
  }
  std::string Text() const { return {secret.data, secret.size}; }
  bool IsWiped() const {
    for (const char c : memory) {
      if (c != '\0') return false;
    }
    return true;
  }
};

TEST_CASE("a key goes as it is, but for one newline") {
  Secrets secrets;
  CHECK(secrets.KeyOf("abc/+== d\n") == Fault::kNone);
  CHECK(secrets.Text() == "abc/+== d");
  CHECK(secrets.KeyOf("abc") == Fault::kNone);
  CHECK(secrets.Text() == "abc");
  const std::string longest(kKeySizeMax, 'k');
  CHECK(secrets.KeyOf(longest) == Fault::kNone);
  CHECK(secrets.Text() == longest);
  CHECK(secrets.world->open_handle_count == 0);
}

TEST_CASE("a key that no header can hold is refused and wiped") {
  for (const std::string& content :
       {std::string(), std::string("\n"), std::string("a\n\n"), std::string("a\r\n"),
        std::string("a\r\nX: y"), std::string("a\nb"), std::string("a\0", 2), std::string("\xC3"),
        std::string("\x7F"), std::string("\t")}) {
    Secrets secrets;
    CHECK(secrets.KeyOf(content) == Fault::kKeyBytes);
    CHECK(secrets.IsWiped());
    CHECK(secrets.world->open_handle_count == 0);
  }
  Secrets secrets;
  CHECK(secrets.KeyOf(std::string(kKeySizeMax + 1, 'k')) == Fault::kKeyTooLarge);
  CHECK(secrets.IsWiped());
}

TEST_CASE("a read of a key that fails") {
  Secrets secrets;
  SimFail(*secrets.world, Verb::kFileRead, 5, 0, 1);
  CHECK(secrets.KeyOf("abc") == Fault::kKeyOpen);
  CHECK(secrets.world->open_handle_count == 0);
}

TEST_CASE("an assertion is read through links, without what is around it") {
  Secrets secrets;
  CHECK(secrets.AssertionOf("a.b.c") == Fault::kNone);
  CHECK(secrets.Text() == "a.b.c");
  CHECK(secrets.AssertionOf(" a.b.c \r\n\n") == Fault::kNone);
  CHECK(secrets.Text() == "a.b.c");
  SimLinkAdd(*secrets.world, "/run/link", "/run/assertion");
  CHECK(AssertionRead(*secrets.world, "/run/link", {secrets.memory.data(), secrets.memory.size()},
                      &secrets.secret)
            .ok());
  const std::string longest(kAssertionSizeMax, 'k');
  CHECK(secrets.AssertionOf(longest) == Fault::kNone);
  CHECK(secrets.Text() == longest);
}

TEST_CASE("what is no assertion is refused and wiped") {
  for (const std::string& content :
       {std::string(), std::string("\n"), std::string("a b"), std::string("a\nb"),
        std::string("a\0b", 3), std::string(kAssertionSizeMax + 1, 'a')}) {
    Secrets secrets;
    CHECK(secrets.AssertionOf(content) == Fault::kAssertionForm);
    CHECK(secrets.IsWiped());
    CHECK(secrets.world->open_handle_count == 0);
  }
  Secrets secrets;
  CHECK(AssertionRead(*secrets.world, "/run/none", {secrets.memory.data(), secrets.memory.size()},
                      &secrets.secret)
            .fault == Fault::kAssertionRead);
}

}  // namespace
}  // namespace miagent
