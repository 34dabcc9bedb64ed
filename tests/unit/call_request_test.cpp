#include "agent/call_request.h"

#include <string>

#include "agent/http/challenge.h"
#include "doctest.h"

namespace miagent {
namespace {

struct Written {
  std::string head;
  size_t token_at;
};

Written Write(CallOptions options, size_t data_size) {
  REQUIRE(CallUrlJudge(options) == nullptr);
  REQUIRE(CallOptionsJudge(options) == nullptr);
  char bytes[kRequestSizeMax];
  TextWriter writer{bytes, sizeof(bytes)};
  Written written;
  CallRequestWrite(options, data_size, writer, &written.token_at);
  REQUIRE_FALSE(writer.overflowed);
  written.head = writer.text();
  return written;
}

TEST_CASE("call: the head, with the token's place") {
  CallOptions options;
  options.url_text = "https://h.example:8443/a?b=c";
  const Written written = Write(options, 0);
  CHECK(written.head ==
        "GET /a?b=c HTTP/1.1\r\nHost: h.example:8443\r\nAuthorization: Bearer \r\n"
        "User-Agent: miagent\r\nAccept: */*\r\n\r\n");
  CHECK(written.head.substr(0, written.token_at) ==
        "GET /a?b=c HTTP/1.1\r\nHost: h.example:8443\r\nAuthorization: Bearer ");
}

TEST_CASE("call: data, and headers in place of the usual ones") {
  CallOptions options;
  options.url_text = "https://h";
  options.data = "@x";
  CHECK(Write(options, 7).head ==
        "POST / HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer \r\nUser-Agent: miagent\r\n"
        "Accept: */*\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n");
  options.headers[0] = "content-type:text/plain ";
  options.headers[1] = "ACCEPT: a";
  options.headers[2] = "user-agent:  b c";
  options.headers[3] = "x-empty:";
  options.header_count = 4;
  options.method = "PUT";
  CHECK(Write(options, 0).head ==
        "PUT / HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer \r\ncontent-type: text/plain\r\n"
        "ACCEPT: a\r\nuser-agent: b c\r\nx-empty: \r\nContent-Length: 0\r\n\r\n");
}

TEST_CASE("call: which methods tell that there is no body, and a Content-Type of one's own") {
  CallOptions options;
  options.url_text = "https://h";
  for (const char* const method : {"POST", "PUT", "PATCH"}) {
    options.method = method;
    CHECK(Write(options, 0).head.find("\r\nContent-Length: 0\r\n\r\n") != std::string::npos);
  }
  for (const char* const method : {"GET", "DELETE", "HEAD"}) {
    options.method = method;
    CHECK(Write(options, 0).head.find("Content-Length") == std::string::npos);
  }
  options.method = "POST";
  options.headers[0] = "Content-Type: text/plain";
  options.header_count = 1;
  CHECK(Write(options, 3).head.find("application/json") == std::string::npos);
  for (const char* const bad : {"get", "G1", "G@", "G["}) {
    options.method = bad;
    CHECK(CallOptionsJudge(options) != nullptr);
  }
  options.method = "AZ";
  options.headers[0] = "x9-A_z: v";
  CHECK(CallOptionsJudge(options) == nullptr);
  const std::string long_url = "https://" + std::string(kHostSizeMax + 1, 'h');
  options.url_text = long_url;
  CHECK(CallUrlJudge(options) != nullptr);
}

TEST_CASE("call: the largest head fits") {
  const std::string url = "https://h/" + std::string(kCallUrlSizeMax - 10, 'u');
  const std::string header = "a:" + std::string(kCallHeaderSizeMax - 2, 'v');
  CallOptions options;
  options.url_text = url;
  options.method = "ABCDEFGHIJKLMNOP";
  options.data = "x";
  for (const char*& text : options.headers) text = header.c_str();
  options.header_count = kCallHeaderCountMax;
  Write(options, kCallDataSizeMax);
  const std::string long_url = url + "u";
  options.url_text = long_url;
  CHECK(CallUrlJudge(options) != nullptr);
  const std::string long_header = header + "v";
  options.headers[7] = long_header.c_str();
  CHECK(CallOptionsJudge(options) != nullptr);
}

TEST_CASE("call: what a status means") {
  for (const int32_t good : {200, 201, 202, 204, 206, 299}) CHECK(CallStatusJudge(good).ok());
  for (const int32_t other : {301, 302, 304, 307}) {
    CHECK(CallStatusJudge(other).fault == Fault::kAnswerRedirect);
  }
  for (const int32_t passing : {408, 429, 500, 503, 599}) {
    CHECK(CallStatusJudge(passing).fault == Fault::kAnswerUnavailable);
    CHECK(FaultLookUp(CallStatusJudge(passing).fault).exit_code == 75);
  }
  for (const int32_t final : {400, 401, 403, 404, 409, 410}) {
    CHECK(CallStatusJudge(final).fault == Fault::kAnswerRefused);
    CHECK(CallStatusJudge(final).detail == final);
  }
}

std::string Extract(std::string body, std::string_view key, Fault fault = Fault::kNone) {
  std::string_view text;
  const Status status = CallExtract({body.data(), body.size()}, key, &text);
  CHECK(status.fault == fault);
  return status.ok() ? std::string(text) : "";
}

TEST_CASE("call: --key") {
  const std::string body =
      R"({"value":"a\"b\\c\u00e9\n","n":-1.5e3,"t":true,"z":null,"e":"","o":{"x": [1]},)"
      R"("a":[1, 2]})";
  CHECK(Extract(body, "value") == "a\"b\\c\xC3\xA9\n");
  CHECK(Extract(body, "n") == "-1.5e3");
  CHECK(Extract(body, "t") == "true");
  CHECK(Extract(body, "e").empty());
  CHECK(Extract(body, "o") == R"({"x": [1]})");
  CHECK(Extract(body, "a") == "[1, 2]");
  Extract(body, "z", Fault::kCallKeyAbsent);
  Extract(body, "x", Fault::kCallKeyAbsent);
  Extract(R"({"a":1,"a":2})", "a", Fault::kJsonDuplicateName);
  Extract(R"({"a":"\ud800"})", "a", Fault::kJsonSyntax);
  Extract(R"({"a":1)", "a", Fault::kJsonSyntax);
  Extract("[1]", "a", Fault::kJsonSyntax);
  Extract("", "a", Fault::kJsonSyntax);
}

TEST_CASE("call: a URL is shown without its query, and cut") {
  CHECK(CallUrlShown("https://h/a?sig=secret") == "https://h/a");
  CHECK(CallUrlShown("https://h/a") == "https://h/a");
  CHECK(CallUrlShown(std::string(1000, 'x')).size() == 256);
  CHECK(CallUrlShown({}).empty());
}

std::string Claims(std::string_view header, size_t room = 64) {
  char memory[64];
  std::string_view claims;
  return ChallengeClaims(header, {memory, room}, &claims) ? std::string(claims) : "none";
}

TEST_CASE("challenge: parameters") {
  std::string_view value;
  const std::string_view header =
      R"(Bearer realm="", authorization_uri="https://a/b=c,d" ,error=one,  CLAIMS="e\"f")";
  REQUIRE(ChallengeFind(header, "authorization_uri", &value));
  CHECK(value == "https://a/b=c,d");
  REQUIRE(ChallengeFind(header, "error", &value));
  CHECK(value == "one");
  REQUIRE(ChallengeFind(header, "claims", &value));
  CHECK(value == R"(e\"f)");
  REQUIRE(ChallengeFind(header, "realm", &value));
  CHECK(value.empty());
  for (const char* wrong : {"", "Bearer", "claims", "x=\"claims=1\"", "x=\"unclosed, claims=1"}) {
    CHECK_FALSE(ChallengeFind(wrong, "claims", &value));
  }
}

TEST_CASE("challenge: claims") {
  const std::string ask = R"(Bearer error="insufficient_claims", claims=)";
  CHECK(Claims(ask + "\"eyJhIjoxfQ==\"") == R"({"a":1})");
  CHECK(Claims(ask + "eyJhIjoxfQ") == R"({"a":1})");
  CHECK(Claims(ask + "\"eyJhIjoxfQ==\"", 7) == R"({"a":1})");
  CHECK(Claims(ask + "\"eyJhIjoxfQ==\"", 6) == "none");
  CHECK(Claims(ask + "\"eyJhIjoiPz8_Pj4-In0\"") == R"({"a":"???>>>"})");
  CHECK(Claims(ask + "\"eyJhIjoiPz8/Pj4+In0=\"") == R"({"a":"???>>>"})");
  for (const char* const other : {"*", "@", "[", "`", "{", "~", ",", "^"}) {
    CHECK(Claims(ask + "\"eyJh" + other + "joxfQ==\"") == "none");
  }
  CHECK(Claims(ask + "\"eyJ_IjoxfQ==\"") == "none");  // a byte beyond ASCII's end
  CHECK(Claims("Bearer\terror=\"insufficient_claims\",\tclaims=\"eyJhIjoxfQ==\"") == R"({"a":1})");
  CHECK(Claims(ask + "\"eyIKIjoxfQ==\"") == "none");  // a line end
  CHECK(Claims(ask + "\"W10=\"") == "none");          // no object
  CHECK(Claims(ask + "\"\"") == "none");
  CHECK(Claims(R"(Bearer error="invalid_token", claims="eyJhIjoxfQ==")") == "none");
  CHECK(Claims(R"(Bearer claims="eyJhIjoxfQ==")") == "none");
  CHECK(Claims(R"(Bearer error="insufficient_claims")") == "none");
  CHECK(Claims({}) == "none");
}

}  // namespace
}  // namespace miagent
