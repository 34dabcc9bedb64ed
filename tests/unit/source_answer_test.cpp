#include "agent/source/answer.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <random>
#include <string>

#include "doctest.h"

namespace miagent {
namespace {

constexpr int64_t kNow = 1'750'000'000;

// A body in memory of exactly its size.
struct World {
  std::unique_ptr<char[]> memory;
  TokenAnswer answer;
  Status status;

  explicit World(std::string_view body, int64_t now = kNow) : memory(new char[body.size()]) {
    if (!body.empty()) memcpy(memory.get(), body.data(), body.size());
    status = TokenAnswerRead({memory.get(), body.size()}, {now}, &answer);
  }
};

Fault FaultOf(std::string_view body, int64_t now = kNow) { return World(body, now).status.fault; }

std::string Body(const std::string& members) {
  return "{\"access_token\":\"t.o-k\"," + members + "}";
}

TEST_CASE("IMDS's own answer: integers in strings") {
  const World world(
      R"({"access_token":"eyJ0eXAi.OiJKV1Q.x-_","client_id":"c","expires_in":"86399",)"
      R"("expires_on":"1750086399","ext_expires_in":"86399","not_before":"1749999700",)"
      R"("refresh_token":"","resource":"https://management.azure.com/","token_type":"Bearer"})"
      "\r\n");
  REQUIRE(world.status.ok());
  CHECK(world.answer.access_token == "eyJ0eXAi.OiJKV1Q.x-_");
  CHECK(world.answer.remaining == Seconds(86399));
  CHECK(world.answer.expires_at_wall.unix_s == 1750086399);
  CHECK(world.answer.has_not_before);
  CHECK(world.answer.not_before_wall.unix_s == 1749999700);
  CHECK_FALSE(world.answer.has_refresh_in);
}

TEST_CASE("a text that stands for no characters is no date and nobody's identity") {
  CHECK(FaultOf(Body(R"("expires_on":"\ud800")")) == Fault::kAnswerNoExpiry);
  CHECK(FaultOf(Body(R"("expires_on":"\u0000","expires_in":1)")) == Fault::kNone);
  const Identity identity{IdentityKind::kClientId, "1"};
  std::string body = Body(R"("expires_in":1,"client_id":"1\ud800")");
  TokenAnswer answer;
  CHECK(TokenAnswerRead({body.data(), body.size()}, {kNow}, &answer, &identity).fault ==
        Fault::kAnswerOtherIdentity);
}

TEST_CASE("numbers are taken too, and a time to refresh") {
  const World world(Body(R"("expires_in":3600,"expires_on":1750003600,"refresh_in":1800)"));
  REQUIRE(world.status.ok());
  CHECK(world.answer.remaining == Seconds(3600));
  CHECK_FALSE(world.answer.has_not_before);
  CHECK(world.answer.not_before_wall.unix_s == kNow);
  CHECK(world.answer.has_refresh_in);
  CHECK(world.answer.refresh_in == Seconds(1800));
  CHECK(World(Body(R"("expires_in":3600,"refresh_in":"1800")")).answer.has_refresh_in);
}

TEST_CASE("refresh_in counts only where it is smaller than what remains") {
  for (const char* value : {"3600", "3601", "0", "-1", "\"x\"", "null", "1.5", "1e2", "[]"}) {
    CAPTURE(value);
    const World world(Body(R"("expires_in":3600,"refresh_in":)" + std::string(value)));
    REQUIRE(world.status.ok());
    CHECK_FALSE(world.answer.has_refresh_in);
  }
  CHECK(World(Body(R"("expires_in":3600,"refresh_in":3599)")).answer.has_refresh_in);
}

TEST_CASE("the token is decoded where it stands") {
  World world(R"({"access_token":"a\/b\u002bc\u003D","expires_in":60})");
  REQUIRE(world.status.ok());
  CHECK(world.answer.access_token == "a/b+c=");
  CHECK(world.answer.access_token.data() == world.memory.get() + 17);
}

TEST_CASE("no token") {
  for (const char* body :
       {R"({"expires_in":60})", R"({"access_token":"","expires_in":60})",
        R"({"access_token":null,"expires_in":60})", R"({"access_token":1,"expires_in":60})",
        R"({"access_token":["x"],"expires_in":60})", R"({"access_token":{},"expires_in":60})",
        R"({"Access_Token":"x","expires_in":60})", R"({"a":{"access_token":"x"},"expires_in":60})",
        R"({"x":"access_token","expires_in":60})", "{}"}) {
    CAPTURE(body);
    CHECK(FaultOf(body) == Fault::kAnswerNoToken);
  }
}

TEST_CASE("a token with bytes that no token has") {
  for (const char* token : {"a b", " a", "a ", R"(a\nb)", R"(a\u0000b)", R"(\u00e9)", "\xC3\xA9",
                            "\x7F", R"(\u007f)", R"(\ud800)", R"(a\tb)", R"(\u0020)"}) {
    CAPTURE(token);
    CHECK(FaultOf("{\"access_token\":\"" + std::string(token) + "\",\"expires_in\":60}") ==
          Fault::kAnswerTokenBytes);
  }
}

TEST_CASE("every byte that a token may have") {
  std::string token;
  for (char c = 0x21; c < 0x7F; ++c) {
    if (c == '"' || c == '\\') token += '\\';
    token += c;
  }
  const World world("{\"access_token\":\"" + token + "\",\"expires_in\":60}");
  REQUIRE(world.status.ok());
  CHECK(world.answer.access_token.size() == 0x7F - 0x21);
}

TEST_CASE("not one JSON object") {
  for (const char* body :
       {"", " ", "token", "<html></html>", "[]", R"({"access_token":"x")",
        R"({"access_token":"x","expires_in":60}{})", R"({"access_token":"x",})"}) {
    CAPTURE(body);
    CHECK(FaultOf(body) == Fault::kJsonSyntax);
  }
}

TEST_CASE("a known name twice") {
  for (const char* name : {"access_token", "expires_on", "expires_in", "not_before", "refresh_in",
                           "refresh_token", "resource", "token_type"}) {
    CAPTURE(name);
    const std::string member = ",\"" + std::string(name) + "\":1";
    CHECK(FaultOf(R"({"access_token":"x","expires_in":60,"expires_on":1750000060)" + member +
                  member + "}") == Fault::kJsonDuplicateName);
  }
  CHECK(FaultOf(R"({"access_token":"x","\u0061ccess_token":"y","expires_in":60})") ==
        Fault::kJsonDuplicateName);
  CHECK(FaultOf(Body(R"("expires_in":60,"other":1,"other":2)")) == Fault::kNone);
}

TEST_CASE("no usable expiry") {
  for (const char* members : {R"("x":1)",
                              R"("expires_in":0)",
                              R"("expires_in":-1)",
                              R"("expires_in":"")",
                              R"("expires_in":" 60")",
                              R"("expires_in":"60s")",
                              R"("expires_in":3600.0)",
                              R"("expires_in":1e3)",
                              R"("expires_in":"+60")",
                              R"("expires_in":"0x60")",
                              R"("expires_in":true)",
                              R"("expires_in":null)",
                              R"("expires_in":[60])",
                              R"("expires_in":253402300800)",
                              R"("expires_in":99999999999999999999999999)",
                              R"("expires_on":0)",
                              R"("expires_on":"-1750000060")",
                              R"("expires_on":253402300800)",
                              R"("expires_on":"18446744073709551676")",
                              R"("expires_on":"soon")",
                              R"("expires_on":"19/06/2025 23:42:01 +00:00")",
                              R"("expires_on":["06/19/2025 23:42:01 +00:00"])",
                              R"("expires_in":"06/19/2025 23:42:01 +00:00")",
                              R"("expires_on":-1,"expires_in":0)",
                              R"("not_before":1750000000)",
                              R"("refresh_in":60)",
                              R"("ext_expires_in":60)"}) {
    CAPTURE(members);
    CHECK(FaultOf(Body(members)) == Fault::kAnswerNoExpiry);
  }
}

int64_t RemainingS(const std::string& members, int64_t now = kNow) {
  const World world(Body(members), now);
  if (!world.status.ok()) return world.status.fault == Fault::kAnswerExpired ? 0 : -1;
  REQUIRE(world.answer.remaining.ms % 1000 == 0);
  return world.answer.remaining.ms / 1000;
}

TEST_CASE("what remains is the least of what the answer says") {
  CHECK(RemainingS(R"("expires_on":1750000060)") == 60);
  CHECK(RemainingS(R"("expires_in":60)") == 60);
  CHECK(RemainingS(R"("expires_on":1750000060,"expires_in":50)") == 50);
  CHECK(RemainingS(R"("expires_on":1750000050,"expires_in":60)") == 50);
  CHECK(RemainingS(R"("expires_on":1750000060,"expires_in":60,"not_before":1750000020)") == 40);
  CHECK(RemainingS(R"("expires_in":60,"not_before":1750000050)") == 60);  // no expires_on
  CHECK(RemainingS(R"("expires_on":1750000060,"not_before":1740000000)") == 60);
}

TEST_CASE("of two fields one may be unusable") {
  CHECK(RemainingS(R"("expires_on":"soon","expires_in":60)") == 60);
  CHECK(RemainingS(R"("expires_on":0,"expires_in":60)") == 60);
  CHECK(RemainingS(R"("expires_on":999999999999999999999,"expires_in":60)") == 60);
  CHECK(RemainingS(R"("expires_on":1750000060,"expires_in":0)") == 60);
  CHECK(RemainingS(R"("expires_on":1750000060,"expires_in":-5)") == 60);
  CHECK(RemainingS(R"("expires_on":1750000060,"expires_in":"x","not_before":"y")") == 60);
  const World world(Body(R"("expires_on":"19/06/2019 23:42:01 +00:00","expires_in":"60")"));
  CHECK(world.answer.expires_at_wall.unix_s == kNow + 60);
}

TEST_CASE("expires_on may be a date") {
  CHECK(RemainingS(R"("expires_on":"06/15/2025 15:07:40 +00:00")") == 60);
  CHECK(RemainingS(R"("expires_on":"6\/15\/2025 3:07:40 PM +00:00")") == 60);
  CHECK(RemainingS(R"("expires_on":"2025-06-15T15:07:40Z")") == 60);
  CHECK(RemainingS(R"("expires_on":"2025-06-15 15:07:40")") == 60);
  CHECK(RemainingS(R"("expires_on":"Sun, 15 Jun 2025 15:07:40 GMT")") == 60);
  CHECK(RemainingS(R"("expires_on":"2025-06-15T15:07:40Z","expires_in":50)") == 50);
  CHECK(RemainingS(R"("expires_on":"2025-06-15T15:07:40Z","not_before":1750000020)") == 40);
  CHECK(RemainingS(R"("expires_on":"2019-06-15T15:07:40Z")") == 0);  // expired
  const World world(Body(R"("expires_on":"2025-06-15T15:07:40Z")"));
  CHECK(world.answer.expires_at_wall.unix_s == kNow + 60);
}

TEST_CASE("an expired token") {
  CHECK(FaultOf(Body(R"("expires_on":1750000000)")) == Fault::kAnswerExpired);
  CHECK(FaultOf(Body(R"("expires_on":1749999999)")) == Fault::kAnswerExpired);
  CHECK(FaultOf(Body(R"("expires_on":1749999999,"expires_in":60)")) == Fault::kAnswerExpired);
  CHECK(FaultOf(Body(R"("expires_on":1750000060,"not_before":1750000060)")) ==
        Fault::kAnswerExpired);
  CHECK(FaultOf(Body(R"("expires_on":1)"), INT64_MAX) == Fault::kAnswerExpired);
}

TEST_CASE("the ends of time") {
  CHECK(RemainingS(R"("expires_on":253402300799)") == 253402300799 - kNow);
  CHECK(RemainingS(R"("expires_in":253402300799)") == 253402300799);
  CHECK(World(Body(R"("expires_in":253402300799)")).answer.expires_at_wall.unix_s == kUnixTimeMax);
  CHECK(RemainingS(R"("expires_on":1)", 0) == 1);
  const World far(Body(R"("expires_on":253402300799)"), INT64_MIN);  // saturates, no overflow
  CHECK(far.status.ok());
  CHECK(far.answer.remaining.ms == kTimeMax);
}

// The formula over its whole range, against one that takes the least of what each field allows.
TEST_CASE("what remains is never more than any field allows") {
  std::mt19937_64 random(3);
  const auto pick = [&](std::initializer_list<int64_t> edges) {
    if (random() % 3 == 0) return static_cast<int64_t>(random() % (kUnixTimeMax + 10));
    const int64_t edge = *(edges.begin() + random() % edges.size());
    return edge + static_cast<int64_t>(random() % 7) - 3;
  };
  const auto usable = [](int64_t value) { return value >= 1 && value <= kUnixTimeMax; };
  size_t good_count = 0;
  for (int round = 0; round < 50000; ++round) {
    const int64_t now = pick({0, kNow, kUnixTimeMax});
    std::string members;
    std::optional<int64_t> remaining;
    const auto least = [&](int64_t value) {
      if (!remaining || value < *remaining) remaining = value;
    };
    const int64_t expires_on = pick({0, now, kNow, kUnixTimeMax});
    const int64_t expires_in = pick({0, 3600, kUnixTimeMax});
    const int64_t not_before = pick({0, now, expires_on, kUnixTimeMax});
    const uint32_t present = random() % 8;
    const auto add = [&](const char* name, int64_t value) {
      const char* quote = random() % 2 == 0 ? "\"" : "";
      members += std::string(members.empty() ? "" : ",") + "\"" + name + "\":" + quote +
                 std::to_string(value) + quote;
    };
    if (present & 1) add("expires_on", expires_on);
    if (present & 2) add("expires_in", expires_in);
    if (present & 4) add("not_before", not_before);
    if (members.empty()) members = "\"x\":0";
    const bool has_expires_on = (present & 1) && usable(expires_on);
    if (has_expires_on) least(expires_on - now);
    if ((present & 2) && usable(expires_in)) least(expires_in);
    if (has_expires_on && (present & 4) && usable(not_before)) {
      least(expires_on - not_before);
    }
    CAPTURE(members);
    CAPTURE(now);
    const World world(Body(members), now);
    const Fault expected = !remaining        ? Fault::kAnswerNoExpiry
                           : *remaining <= 0 ? Fault::kAnswerExpired
                                             : Fault::kNone;
    REQUIRE(world.status.fault == expected);
    if (expected != Fault::kNone) continue;
    ++good_count;
    REQUIRE(world.answer.remaining.ms == *remaining * 1000);
    REQUIRE(world.answer.expires_at_wall.unix_s <= kUnixTimeMax);
    if (has_expires_on) REQUIRE(world.answer.expires_at_wall.unix_s == expires_on);
  }
  CHECK(good_count > 5000);
}

TEST_CASE("random bytes are no token") {
  std::mt19937 random(5);
  const std::string seed =
      R"({"access_token":"abc.def","expires_in":"60","expires_on":1750000060})";
  for (int round = 0; round < 50000; ++round) {
    std::string body = seed;
    for (uint32_t change = random() % 6; change > 0; --change) {
      body[random() % body.size()] = static_cast<char>(random());
    }
    const World world(body);
    if (!world.status.ok()) continue;
    REQUIRE(world.answer.remaining > Duration{0});
    REQUIRE_FALSE(world.answer.access_token.empty());
    for (const char c : world.answer.access_token) REQUIRE((c >= 0x21 && c <= 0x7E));
  }
}

// ---- errors ---------------------------------------------------------------------------------

struct Shown {
  std::string code;
  std::string description;
};

Shown ErrorOf(std::string_view body) {
  std::unique_ptr<char[]> memory(new char[body.size()]);
  if (!body.empty()) memcpy(memory.get(), body.data(), body.size());
  ErrorAnswer error;
  ErrorAnswerRead({memory.get(), body.size()}, &error);
  CHECK(error.code_size <= sizeof(error.code));
  CHECK(error.description_size <= sizeof(error.description));
  return {std::string(error.code_text()), std::string(error.description_text())};
}

TEST_CASE("each form of an error") {
  Shown shown = ErrorOf(R"({"error":"invalid_request","error_description":"Identity not found"})");
  CHECK(shown.code == "invalid_request");
  CHECK(shown.description == "Identity not found");

  shown = ErrorOf(
      R"({"error":"invalid_resource","error_description":"AADSTS50001: no such application.\r\n)"
      R"(Trace ID: 1\r\nTimestamp: 2","error_codes":[50001],"timestamp":"t","trace_id":"1",)"
      R"("correlation_id":"2","error_uri":"https://x/error?code=50001"})");
  CHECK(shown.code == "invalid_resource");
  CHECK(shown.description == "AADSTS50001: no such application. Trace ID: 1 Timestamp: 2");
  CHECK(ErrorOf(R"({"error":"e","error_codes":"[50001]"})").code == "e");

  shown = ErrorOf(R"({"code":"NotFound","message":"not here"})");
  CHECK(shown.code == "NotFound");
  CHECK(shown.description == "not here");

  shown = ErrorOf(R"({"statusCode":500,"message":"went wrong","correlationId":"x"})");
  CHECK(shown.code == "500");
  CHECK(shown.description == "went wrong");

  shown = ErrorOf(R"({"error":{"code":"AudienceNotSupported","message":"Audience is not"}})");
  CHECK(shown.code == "AudienceNotSupported");
  CHECK(shown.description == "Audience is not");

  shown = ErrorOf(R"({"error":{"correlationId":"x","code":"SecretHeaderNotFound"}})");
  CHECK(shown.code == "SecretHeaderNotFound");
  CHECK(shown.description.empty());

  shown = ErrorOf(R"({"error":{"message":"only this"}})");
  CHECK(shown.code.empty());
  CHECK(shown.description == "only this");

  shown = ErrorOf(R"({"error":{"code":"c"},"message":"outside"})");
  CHECK(shown.code == "c");
  CHECK(shown.description == "outside");
}

TEST_CASE("anything else is not shown") {
  for (const char* body :
       {"", "Required metadata header not specified or not correct", "<html>secret</html>", "[]",
        "\"secret\"", "{}", R"({"x":"secret"})", R"({"error":["secret"]})", R"({"error":null})",
        R"({"error":"a","error":"b"})", R"({"error":true,"message":[]})",
        R"({"error":"\ud800","message":"\u0000"})", R"({"error":"x")", R"({"error":"secret"}x)"}) {
    CAPTURE(body);
    const Shown shown = ErrorOf(body);
    CHECK(shown.code.empty());
    CHECK(shown.description.empty());
  }
}

TEST_CASE("what is shown is printable, cut, and no token") {
  const std::string word(64, 'w');
  const std::string token(65, 't');
  CHECK(ErrorOf(R"({"error":"e","message":"a )" + word + R"( b"})").description ==
        "a " + word + " b");
  CHECK(ErrorOf(R"({"error":"e","message":"a )" + token + R"( b"})").description == "a [...] b");
  CHECK(ErrorOf(R"({"error":")" + token + R"("})").code == "[...]");
  CHECK(ErrorOf(R"({"error":"e","message":")" + std::string(3000, 't') + R"("})").description ==
        "[...]");
  CHECK(ErrorOf(R"({"message":"  a \n\n\t b  "})").description == "a b");
  CHECK(ErrorOf("{\"message\":\"\\u001b[31m\\\"\\\\ \xC3\xA9 \\u0007\"}").description ==
        "?[31m?? ?? ?");
  std::string words;
  for (int count = 0; count < 100; ++count) words += "word ";
  const std::string description = ErrorOf(R"({"message":")" + words + R"("})").description;
  CHECK(description.size() == kErrorDescriptionSizeMax);
  CHECK(description == words.substr(0, kErrorDescriptionSizeMax));
  CHECK(ErrorOf(R"({"code":"a )" + word + R"("})").code.size() == kErrorCodeSizeMax);
}

TEST_CASE("no run of a token's length gets through, whatever is around it") {
  std::mt19937 random(6);
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    for (uint32_t count = random() % 12; count > 0; --count) {
      text += std::string(random() % 140, static_cast<char>('a' + random() % 26));
      text += random() % 2 == 0 ? " " : "\\n";
    }
    const Shown shown =
        ErrorOf("{\"error\":\"" + text + "\",\"error_description\":\"" + text + "\"}");
    size_t run = 0;
    for (const char c : shown.description) {
      run = c == ' ' ? 0 : run + 1;
      REQUIRE(run <= 64);
    }
  }
}

TEST_CASE("what a status means") {
  const auto fault = [](int32_t status) { return HttpStatusJudge(status).fault; };
  CHECK(HttpStatusJudge(200).ok());
  for (int32_t status = 201; status <= 599; ++status) {
    CAPTURE(status);
    CHECK(HttpStatusJudge(status).detail == status);
    Fault expected = Fault::kAnswerRefused;
    if (status < 300)
      expected = Fault::kAnswerStatusUnexpected;
    else if (status < 400)
      expected = Fault::kAnswerRedirect;
    else if (status >= 500)
      expected = Fault::kAnswerUnavailable;
    else if (status == 404 || status == 408 || status == 410 || status == 429) {
      expected = Fault::kAnswerUnavailable;
    }
    CHECK(fault(status) == expected);
  }
}

TEST_CASE("the documented errors have a remedy, and only by their status") {
  struct {
    int32_t status;
    const char* code;
    const char* part;
  } const kRows[] = {
      {400, "invalid_resource", "resource URI"},
      {400, "bad_request_102", "Metadata: true"},
      {401, "unknown_source", "URL is wrong"},
      {400, "invalid_request", "identity selector"},
      {401, "invalid_request", "identity selector"},
      {400, "unauthorized_client", "assign one"},
      {401, "unauthorized_client", "assign one"},
      {401, "access_denied", "policy"},
      {401, "unsupported_response_type", "wrong endpoint"},
      {401, "invalid_scope", "resource URI"},
      {500, "unknown", "managed identity enabled"},
  };
  for (const auto& row : kRows) {
    CAPTURE(row.code);
    CHECK(ErrorRemedy(row.status, row.code).find(row.part) != std::string_view::npos);
    CHECK(ErrorRemedy(403, row.code).empty());
  }
  CHECK(ErrorRemedy(404, "SecretNotFound") == "is the secret's name right, and its version?");
  CHECK(ErrorRemedy(403, "SecretNotFound").empty());
  CHECK(ErrorRemedy(404, "other").empty());
  CHECK(ErrorRemedy(400, "").empty());
  CHECK(ErrorRemedy(400, "other").empty());
  CHECK(ErrorRemedy(401, "invalid_resource").empty());
  CHECK(ErrorRemedy(500, "invalid_request").empty());
  CHECK(ErrorRemedy(400, "unknown").empty());
}

}  // namespace
}  // namespace miagent
