#include "agent/base/sha256.h"

#include <string>

#include "doctest.h"

namespace miagent {
namespace {

std::string Hex(const uint8_t (&digest)[kSha256Size]) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const uint8_t byte : digest) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

std::string Digest(const std::string& text, size_t piece_size = 1 << 20) {
  Sha256 hash;
  for (size_t at = 0; at < text.size(); at += piece_size) {
    Sha256Feed(hash, std::string_view(text).substr(at, piece_size));
  }
  uint8_t digest[kSha256Size];
  Sha256End(hash, digest);
  return Hex(digest);
}

TEST_CASE("sha256: the examples of FIPS 180-4 and of NIST") {
  CHECK(Digest("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(Digest("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(Digest("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(Digest("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopq"
               "klmnopqrlmnopqrsmnopqrstnopqrstu") ==
        "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
  CHECK(Digest(std::string(1'000'000, 'a')) ==
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("sha256: lengths around the edges of blocks, as another implementation has them") {
  CHECK(Digest(std::string(1, 'e')) ==
        "3f79bb7b435b05321651daefd374cdc681dc06faa65e374e38337b88ca046dea");
  CHECK(Digest(std::string(55, 'e')) ==
        "456c130a867ebec6819e547a8c3d26aa3c678aa17f4b9a167fcb6616275e030c");
  CHECK(Digest(std::string(56, 'e')) ==
        "49ee978ce09d959323fe1f4dc290cf278953db1d85a37d4fd36939bebd804ac0");
  CHECK(Digest(std::string(57, 'e')) ==
        "afe089cec064113168194da6e805cee2e67fb970c7bdd3ae900c8b8903094c87");
  CHECK(Digest(std::string(63, 'e')) ==
        "974a798a404056da1967c1abd411ecb04a683b74e8ab80b5cf69a6066dd21a7a");
  CHECK(Digest(std::string(64, 'e')) ==
        "add5b41fc5a881fc87ef4640581ed5ff7fe5eab39640b3a3e6e8b90f0aa71730");
  CHECK(Digest(std::string(65, 'e')) ==
        "4b0e2b2fdafc493130f0127810aa9247ea86a90c619146202db454d273b695a9");
  CHECK(Digest(std::string(119, 'e')) ==
        "e796fe2d525740d5cb0cee3f2504faa2c586a71f530f1e14bfd356e350be2449");
  CHECK(Digest(std::string(120, 'e')) ==
        "6e18f27b6e91c5b16cdc9da280d12cf60edc4d9b30136c6a935727cfed616b52");
  CHECK(Digest(std::string(127, 'e')) ==
        "1a4ef5e6f0f598c46efc5140844ddfa19d7772dd872dc2a7d6ace9e0d8811f95");
  CHECK(Digest(std::string(128, 'e')) ==
        "ab32c0d4c4dcf0419a011c9f076ba4dc4b9b4714cca0eec57adfe97b244cb5a5");
  CHECK(Digest(std::string(129, 'e')) ==
        "1b37f21da67b4af2eadf5786f25ab1e4a3e0c68ac748f1a1de2c097ee0858629");
}

TEST_CASE("sha256: pieces of any size come to the same") {
  const std::string text(200, 'x');
  for (const size_t piece_size : {1, 3, 55, 63, 64, 65, 199}) {
    CHECK(Digest(text, piece_size) == Digest(text));
  }
}

}  // namespace
}  // namespace miagent
