#include "agent/base/bytes.h"

#include <cstring>
#include <string>

#include "agent/base/status.h"
#include "doctest.h"
#include "platform/time.h"

namespace miagent {
namespace {

std::string Written(void (*write)(TextWriter&)) {
  char bytes[200];
  TextWriter writer{bytes, sizeof(bytes)};
  write(writer);
  return std::string(writer.text());
}

TEST_CASE("bytes: unsigned numbers are digits, all of them, within the bound") {
  uint64_t value = 7;
  CHECK(ParseUnsigned("0", 10, &value));
  CHECK(value == 0);
  CHECK(ParseUnsigned("18446744073709551615", UINT64_MAX, &value));
  CHECK(value == UINT64_MAX);
  value = 7;
  for (const char* wrong : {"", "-1", "+1", " 1", "1 ", "1x", "11", "18446744073709551616",
                            "99999999999999999999999"}) {
    CHECK_MESSAGE(!ParseUnsigned(wrong, 10, &value), wrong);
  }
  for (const char* beyond : {"18446744073709551616", "18446744073709551619", "18446744073709551620",
                             "99999999999999999999", "184467440737095516150"}) {
    CHECK_MESSAGE(!ParseUnsigned(beyond, UINT64_MAX, &value), beyond);
  }
  CHECK(value == 7);
}

TEST_CASE("bytes: numbers are written as they read") {
  CHECK(Written([](TextWriter& w) { AppendDecimal(w, INT64_MIN); }) == "-9223372036854775808");
  CHECK(Written([](TextWriter& w) { AppendDecimal(w, INT64_MAX); }) == "9223372036854775807");
  CHECK(Written([](TextWriter& w) { AppendDecimal(w, 0); }) == "0");
  CHECK(Written([](TextWriter& w) { AppendOctal(w, 0640); }) == "640");
  CHECK(Written([](TextWriter& w) { AppendHex(w, 0xAB, 4); }) == "00ab");
}

TEST_CASE("bytes: percent-encoding keeps only unreserved characters") {
  CHECK(Written([](TextWriter& w) { AppendPercentEncoded(w, "https://a.b/c d?e=f&g~h_\xff"); }) ==
        "https%3A%2F%2Fa.b%2Fc%20d%3Fe%3Df%26g~h_%FF");
}

TEST_CASE("bytes: a writer that is full keeps what fits and says so") {
  char bytes[4];
  TextWriter writer{bytes, sizeof(bytes)};
  Append(writer, "ab");
  CHECK_FALSE(writer.overflowed);
  Append(writer, "cdef");
  CHECK(writer.overflowed);
  CHECK(writer.text() == "abcd");
  Append(writer, "x");
  CHECK(writer.text() == "abcd");
}

TEST_CASE("bytes: searching and trimming") {
  CHECK(Find("abcabc", 'c') == 2);
  CHECK(Find("abcabc", 'c', 3) == 5);
  CHECK(Find("abc", 'x') == 3);
  CHECK(Find("abcabc", "ca") == 2);
  CHECK(Find("abc", "abcd") == 3);
  CHECK(Find("", "a") == 0);
  CHECK(Trim(" \ta b\t ") == "a b");
  CHECK(Trim("   ").empty());
  CHECK(EqualIgnoreCase("Retry-After", "retry-aFTER"));
  CHECK_FALSE(EqualIgnoreCase("a", "ab"));
}

TEST_CASE("bytes: hexadecimal numbers are one to eight digits, all of them") {
  uint32_t value = 7;
  for (const char* const text : {"", "g", "12 ", "0x1", "123456789"}) {
    CHECK_FALSE(ParseHex(text, &value));
  }
  CHECK(value == 7);
  CHECK(ParseHex("0", &value));
  CHECK(value == 0);
  CHECK(ParseHex("fFaA09", &value));
  CHECK(value == 0xFFAA09);
  CHECK(ParseHex("ffffffff", &value));
  CHECK(value == UINT32_MAX);
}

TEST_CASE("bytes: a text is a name where both are as long, and the same") {
  CHECK(IsName("timeout", "timeout"));
  CHECK(IsName("", ""));
  CHECK_FALSE(IsName("timeou", "timeout"));
  CHECK_FALSE(IsName("timeouts", "timeout"));
  CHECK_FALSE(IsName("", "a"));
  CHECK_FALSE(IsName("a", ""));
  CHECK_FALSE(IsName({"a\0b", 3}, "a"));
}

TEST_CASE("bytes: two texts are the same in every byte, or they are not") {
  const std::string text = "/run/tokens/storage";
  CHECK(EqualFromEnd(text, std::string(text)));
  CHECK(EqualFromEnd("", ""));
  CHECK_FALSE(EqualFromEnd(text, ""));
  CHECK_FALSE(EqualFromEnd(text.substr(1), text));
  for (size_t index = 0; index < text.size(); ++index) {
    std::string other = text;
    other[index] = '#';
    CHECK_FALSE(EqualFromEnd(text, other));
  }
}

TEST_CASE("bytes: a piece of any size is appended whole, and nothing behind it is touched") {
  const std::string text = "abcdefghijklmnopqrstuvwxyz0123456789";
  for (size_t size = 0; size <= text.size(); ++size) {
    char memory[64];
    for (char& byte : memory) byte = '#';
    TextWriter writer{memory, sizeof(memory)};
    Append(writer, "<");
    Append(writer, std::string_view(text).substr(0, size));
    CHECK(writer.text() == "<" + text.substr(0, size));
    CHECK(std::string_view(memory + writer.size, sizeof(memory) - writer.size) ==
          std::string(sizeof(memory) - writer.size, '#'));
  }
}

TEST_CASE("bytes: a wipe leaves nothing") {
  char secret[] = "secret";
  SecretWipe(secret, sizeof(secret));
  for (const char byte : secret) CHECK(byte == 0);
}

TEST_CASE("time: arithmetic saturates") {
  CHECK(kInstantNever + Seconds(1) == kInstantNever);
  CHECK(Instant{kTimeMin} + Seconds(-1) == Instant{kTimeMin});
  CHECK(WallTime{kTimeMax} - WallTime{-5} == Milliseconds(kTimeMax));
  CHECK(Seconds(kTimeMax) == Milliseconds(kTimeMax));
  CHECK(Seconds(kTimeMin) == Milliseconds(kTimeMin));
}

TEST_CASE("status: each fault has its facts, and a request's fault an exit code to match") {
  for (uint32_t index = 1; index < static_cast<uint32_t>(Fault::kCount); ++index) {
    const FaultFacts& facts = FaultLookUp(static_cast<Fault>(index));
    CHECK(strlen(facts.what) > 0);
    if (facts.remedy == Remedy::kRetry) CHECK(facts.exit_code == 75);
    if (facts.remedy == Remedy::kSlowPoll) {
      CHECK((facts.exit_code == 65 || facts.exit_code == 69 || facts.exit_code == 78));
    }
    if (facts.remedy == Remedy::kNone)
      CHECK((facts.exit_code >= 64 || static_cast<Fault>(index) == Fault::kNotFresh));
  }
  CHECK(FaultLookUp(Fault::kNone).exit_code == 0);
  CHECK(FaultLookUp(Fault::kDirectoryWritable).exit_code == 77);
  CHECK(FaultLookUp(Fault::kConfig).exit_code == 78);
  CHECK(FaultLookUp(Fault::kFileWrite).exit_code == 73);
  CHECK(FaultLookUp(Fault::kCommandLine).exit_code == 64);
}

TEST_CASE("plain bytes are skipped, whatever stands at whatever place") {
  for (int byte = 0; byte < 256; ++byte) {
    const bool plain = byte >= 0x21 && byte <= 0x7E && byte != '"' && byte != '\\';
    for (size_t place = 0; place < 37; ++place) {
      for (const char around : {'!', '~', '#', '[', 'e'}) {
        char text[37];
        memset(text, around, sizeof(text));
        text[place] = static_cast<char>(byte);
        for (const size_t from : {size_t{0}, size_t{1}, place, size_t{37}}) {
          const size_t expected = plain || from > place ? sizeof(text) : place;
          if (SkipPlain({text, sizeof(text)}, from) != expected) FAIL_CHECK(byte << "@" << place);
        }
      }
    }
  }
}

}  // namespace
}  // namespace miagent
