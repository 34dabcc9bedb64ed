// A Key Vault's secret: the request byte for byte, and its answers.

#include "tests/unit/source_fixture.h"

namespace miagent {
namespace {

TEST_CASE("key vault: the request, with the place of its token") {
  const Found found = Find(SourceId::kKeyVault, {}, "https://v.vault.azure.net/secrets/Db/0a");
  REQUIRE(found.problem.empty());
  char bytes[kRequestSizeMax];
  TextWriter writer{bytes, sizeof(bytes)};
  const size_t token_at = KeyVaultWrite(found.endpoint, "the-id", writer);
  std::string text(writer.text());
  text.insert(token_at, "TOKEN");
  CHECK(text ==
        "GET /secrets/Db/0a?api-version=7.4 HTTP/1.1\r\nHost: v.vault.azure.net\r\n"
        "Authorization: Bearer TOKEN\r\nx-ms-client-request-id: the-id\r\n"
        "Accept: application/json\r\nUser-Agent: miagent\r\n\r\n");
}

TEST_CASE("key vault: by https alone, and by no name") {
  CHECK(Told(Find(SourceId::kKeyVault, {}, "http://v.example")).find("plain http") !=
        std::string::npos);
  CHECK(Told(Find(SourceId::kKeyVault, {}, "v.example")).find("has no scheme") !=
        std::string::npos);
  SourceId id = SourceId::kCount;
  CHECK_FALSE(SourceFind("key-vault", &id));
}

struct Answered {
  std::vector<char> body;
  std::string_view value;
  Status status;
};

Answered Read(const std::string& body) {
  Answered answered;
  answered.body.assign(body.begin(), body.end());
  answered.status = KeyVaultRead({answered.body.data(), answered.body.size()}, &answered.value);
  return answered;
}

TEST_CASE("key vault: values") {
  CHECK(Read(R"({"value":"p4ss","id":"https://v/secrets/n/1","attributes":{"exp":1}})").value ==
        "p4ss");
  CHECK(Read(R"({"value":"a\n\"\\\u00fc\ud83d\ude00\u0001 b"})").value ==
        "a\n\"\\\xC3\xBC\xF0\x9F\x98\x80\x01 b");
  const Answered whole = Read("{\"value\":\"" + std::string(25600, 'x') + "\"}");
  CHECK(whole.status.ok());
  CHECK(whole.value.size() == 25600);
  CHECK(whole.value.data() == whole.body.data() + 10);  // where it stands
}

TEST_CASE("key vault: what is no value") {
  const struct {
    std::string body;
    Fault fault;
  } wrongs[] = {
      {R"({"value":""})", Fault::kAnswerNoSecret},
      {R"({"value":1})", Fault::kAnswerNoSecret},
      {R"({"value":null})", Fault::kAnswerNoSecret},
      {R"({"id":"x"})", Fault::kAnswerNoSecret},
      {R"({"value":"a\u0000b"})", Fault::kAnswerNoSecret},
      {R"({"value":"a\ud800"})", Fault::kAnswerNoSecret},
      {R"({"value":"a","value":"b"})", Fault::kJsonDuplicateName},
      {R"(["value"])", Fault::kJsonSyntax},
      {"", Fault::kJsonSyntax},
      {"{\"value\":\"" + std::string(25601, 'x') + "\"}", Fault::kAnswerNoSecret},
  };
  for (const auto& wrong : wrongs) {
    CAPTURE(wrong.body.substr(0, 40));
    CHECK(Read(wrong.body).status.fault == wrong.fault);
  }
}

}  // namespace
}  // namespace miagent
