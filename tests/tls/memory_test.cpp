// The pool, the reader of bundles, and trust as data.
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "agent/limits.h"
#include "agent/tls/bundle.h"
#include "agent/tls/pool.h"
#include "agent/tls/trust.h"
#include "doctest/doctest.h"
#include "tests/tls/fixture.h"
#include "tests/unit/stops.h"

namespace miagent {
namespace {

constexpr size_t kSize = 4096;

struct PoolFixture {
  alignas(16) char memory[kSize];
  Pool pool{{memory, kSize}};
  PoolFixture() {
    memset(memory, 0x5A, kSize);
    pool.touched_size = kSize;
    PoolReset(pool);
  }
};

TEST_CASE("pool: blocks are zero, aligned, apart, and all come back") {
  PoolFixture fixture;
  Pool& pool = fixture.pool;
  std::minstd_rand random(7);
  struct Block {
    unsigned char* bytes;
    size_t size;
    unsigned char mark;
  };
  std::vector<Block> blocks;
  uint32_t refused_count = 0;
  for (uint32_t turn = 0; turn < 20000; ++turn) {
    if (random() % 2 == 0 || blocks.empty()) {
      const size_t size = random() % 300;
      auto* const bytes = static_cast<unsigned char*>(PoolAllocate(pool, 1, size));
      if (bytes == nullptr) {
        ++refused_count;
        continue;
      }
      REQUIRE(reinterpret_cast<uintptr_t>(bytes) % 16 == 0);
      for (size_t index = 0; index < size; ++index) REQUIRE(bytes[index] == 0);
      const auto mark = static_cast<unsigned char>(turn | 1);
      memset(bytes, mark, size);
      blocks.push_back({bytes, size, mark});
    } else {
      const size_t index = random() % blocks.size();
      const Block block = blocks[index];
      for (size_t at = 0; at < block.size; ++at) REQUIRE(block.bytes[at] == block.mark);
      PoolRelease(pool, block.bytes);
      blocks[index] = blocks.back();
      blocks.pop_back();
    }
  }
  CHECK(refused_count > 0);
  CHECK(pool.failure_count == refused_count);
  for (const Block& block : blocks) PoolRelease(pool, block.bytes);
  CHECK(pool.used_size == 0);
  CHECK(pool.peak_size <= kSize);
  // All of it is one block again.
  CHECK(PoolAllocate(pool, 1, kSize - 16) != nullptr);
  CHECK(PoolAllocate(pool, 1, 1) == nullptr);
}

TEST_CASE("pool: what can't be is refused or stops the program") {
  PoolFixture fixture;
  Pool& pool = fixture.pool;
  CHECK(PoolAllocate(pool, 1, kSize) == nullptr);
  CHECK(PoolAllocate(pool, SIZE_MAX, 2) == nullptr);
  CHECK(PoolAllocate(pool, 1, SIZE_MAX) == nullptr);
  CHECK(PoolAllocate(pool, 0, 5) != nullptr);
  CHECK(pool.failure_count == 3);
  PoolRelease(pool, nullptr);
  char* const block = static_cast<char*>(PoolAllocate(pool, 2, 40));
  CHECK_STOPS(PoolRelease(pool, block + 16));
  CHECK_STOPS(PoolRelease(pool, block + 3));
  CHECK_STOPS(PoolRelease(pool, fixture.memory + kSize));
  PoolRelease(pool, block);
  CHECK_STOPS(PoolRelease(pool, block));
}

TEST_CASE("pool: a reset wipes what was written") {
  PoolFixture fixture;
  memset(PoolAllocate(fixture.pool, 1, 64), 'x', 64);
  PoolReset(fixture.pool);
  for (const char byte : fixture.memory) REQUIRE(byte != 'x');
  CHECK(fixture.pool.used_size == 0);
}

std::vector<std::string> Read(const std::string& text, size_t piece, size_t size = 8192) {
  std::vector<char> memory(size);
  BundleReader reader{};
  reader.memory = {memory.data(), memory.size()};
  std::vector<std::string> found;
  for (size_t offset = 0; offset < text.size(); offset += piece) {
    const std::string part = text.substr(offset, piece);
    std::string_view rest = part;
    while (!rest.empty()) {
      rest = rest.substr(BundleTake(reader, rest));
      if (reader.is_complete) found.emplace_back(memory.data(), reader.size);
    }
  }
  return found;
}

TEST_CASE("bundle: the same certificates, however the text is cut") {
  const std::string text = TextOf(Certificates() + "ec.pem") + "words\n\n" +
                           TextOf(Certificates() + "rsa.pem") + TextOf(Certificates() + "ec.pem");
  const std::vector<std::string> whole = Read(text, text.size());
  REQUIRE(whole.size() == 3);
  CHECK(whole[0] == whole[2]);
  CHECK(whole[0] != whole[1]);
  for (size_t piece = 1; piece < 200; ++piece) CHECK(Read(text, piece) == whole);
  std::string with_returns;
  for (const char c : text) with_returns += c == '\n' ? std::string("\r\n") : std::string(1, c);
  CHECK(Read(with_returns, 100) == whole);
  std::string_view subject;
  REQUIRE(CertificateSubject(whole[0], &subject));
  CHECK(subject.find("EC root") != std::string_view::npos);
  for (size_t size = 0; size < whole[0].size(); ++size) {
    CHECK(!CertificateSubject(std::string_view(whole[0]).substr(0, size), &subject));
  }
}

// An element of DER with its length in so many bytes; 0: in the short form.
std::string Der(uint8_t tag, const std::string& content, size_t length_size = 0) {
  std::string head(1, static_cast<char>(tag));
  if (length_size != 0) head += static_cast<char>(0x80 + length_size);
  for (size_t left = length_size; left > 1; --left) head += '\0';
  return head + static_cast<char>(content.size()) + content;
}

TEST_CASE("bundle: a subject is found behind lengths of up to three bytes, and of no other kind") {
  const std::string subject = Der(0x30, "name");
  const std::string before = Der(0x02, "1") + Der(0x30, "a") + Der(0x30, "i") + Der(0x30, "v");
  const auto find = [&](const std::string& der) {
    std::string_view found;
    return CertificateSubject(der, &found) ? std::string(found) : "-";
  };
  for (const size_t size : {0, 1, 2, 3}) {
    CHECK(find(Der(0x30, Der(0x30, before + subject), size)) == subject);
  }
  CHECK(find(Der(0x30, Der(0x30, before + subject), 4)) == "-");
  // BER, of no stated length: it isn't one of no bytes.
  CHECK(find(Der(0x30, Der(0x30, "\x02\x80" + before.substr(3) + subject))) == "-");
  CHECK(find(Der(0x30, Der(0x31, before + subject))) == "-");
  CHECK(find(Der(0x31, Der(0x30, before + subject))) == "-");
}

TEST_CASE("bundle: what is wrong is passed over, the next one is found") {
  const std::string good = TextOf(Certificates() + "ec.pem");
  const std::string begin = "-----BEGIN CERTIFICATE-----\n";
  const std::string end = "-----END CERTIFICATE-----\n";
  CHECK(Read(begin + "MIIB!!!\n" + end + good, 64).size() == 1);
  CHECK(Read(begin + end + good, 64).size() == 1);
  CHECK(Read(begin + "MIIB\n" + begin + good, 64).size() == 1);
  CHECK(Read(begin + std::string(20000, 'A') + "\n" + end + good, 64).size() == 1);
  CHECK(Read("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n" + good, 64).size() ==
        1);
  CHECK(Read(good, 64, 100).empty());
  CHECK(Read(std::string(1000, '-') + "\n" + good, 64).size() == 1);
  std::minstd_rand random(3);
  for (uint32_t turn = 0; turn < 3000; ++turn) {
    std::string spoilt = good;
    for (uint32_t change = 0; change < 3; ++change) {
      spoilt[random() % spoilt.size()] = static_cast<char>(random());
    }
    for (const std::string& der : Read(spoilt, 1 + random() % 100, 700)) {
      std::string_view subject;
      static_cast<void>(CertificateSubject(der, &subject));
    }
  }
}

TEST_CASE("trust: thumbprints as people and programs write them") {
  const std::string hex = "00112233445566778899AABBCCDDEEFF01234567";
  TlsTrust trust;
  REQUIRE(TlsTrustThumbprint(hex, &trust));
  CHECK(trust.kind == TlsTrustKind::kThumbprint);
  CHECK(trust.thumbprint[0] == 0);
  CHECK(trust.thumbprint[19] == 0x67);
  TlsTrust other;
  REQUIRE(
      TlsTrustThumbprint("00:11 22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff:01:23:45:67 ", &other));
  CHECK(TlsTrustIsSame(trust, other));
  for (const char* wrong :
       {"", "00", "00112233445566778899AABBCCDDEEFF0123456",
        "00112233445566778899AABBCCDDEEFF012345678", "00112233445566778899AABBCCDDEEFF0123456G"}) {
    CHECK(!TlsTrustThumbprint(wrong, &other));
  }
}

TEST_CASE("trust: hosts and paths that are too long are refused, and a difference is one") {
  TlsTrust trust;
  TlsTrust other;
  CHECK(!TlsTrustBundle("", "/x", &trust));
  CHECK(!TlsTrustBundle(std::string(256, 'a'), "", &trust));
  CHECK(!TlsTrustBundle("a", std::string(512, 'a'), &trust));
  CHECK(TlsTrustBundle(std::string(255, 'a'), std::string(511, 'a'), &trust));
  CHECK(std::string(trust.host) == std::string(255, 'a'));
  CHECK(std::string(trust.ca_path) == std::string(511, 'a'));
  REQUIRE(TlsTrustBundle("a", "/b", &trust));
  REQUIRE(TlsTrustBundle("a", "/b", &other));
  CHECK(TlsTrustIsSame(trust, other));
  REQUIRE(TlsTrustBundle("a", "", &other));
  CHECK(!TlsTrustIsSame(trust, other));
  REQUIRE(TlsTrustBundle("b", "/b", &other));
  CHECK(!TlsTrustIsSame(trust, other));
}

}  // namespace
}  // namespace miagent
