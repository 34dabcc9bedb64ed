// SHA-1's compression function, in place of Mbed TLS's own: in loops, a tenth of its size. Speed
// means nothing here: it sees one certificate, where the source is Service Fabric.
#include <mbedtls/sha1.h>

#include <cstdint>

namespace {

constexpr uint32_t kRoundCount = 80;
constexpr uint32_t kRoundsOfKind = 20;

uint32_t RotateLeft(uint32_t word, uint32_t bits) { return word << bits | word >> (32 - bits); }

// FIPS 180-4, 4.1.1.
uint32_t Mix(uint32_t kind, uint32_t b, uint32_t c, uint32_t d) {
  if (kind == 0) return (b & c) | (~b & d);
  if (kind == 2) return (b & c) | (b & d) | (c & d);
  return b ^ c ^ d;
}

}  // namespace

extern "C" int mbedtls_internal_sha1_process(mbedtls_sha1_context* context,
                                             const unsigned char data[64]) {
  static constexpr uint32_t kConstants[] = {0x5A827999, 0x6ED9EBA1, 0x8F1BBCDC, 0xCA62C1D6};
  uint32_t words[kRoundCount];
  uint32_t(&state)[5] = context->MBEDTLS_PRIVATE(state);
  uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
  for (uint32_t round = 0; round < kRoundCount; ++round) {
    if (round < 16) {
      const unsigned char* const byte = data + 4 * round;
      words[round] = static_cast<uint32_t>(byte[0]) << 24 | static_cast<uint32_t>(byte[1]) << 16 |
                     static_cast<uint32_t>(byte[2]) << 8 | byte[3];
    } else {
      words[round] = RotateLeft(
          words[round - 3] ^ words[round - 8] ^ words[round - 14] ^ words[round - 16], 1);
    }
    const uint32_t kind = round / kRoundsOfKind;
    const uint32_t next =
        RotateLeft(a, 5) + Mix(kind, b, c, d) + e + kConstants[kind] + words[round];
    e = d;
    d = c;
    c = RotateLeft(b, 30);
    b = a;
    a = next;
  }
  state[0] += a;
  state[1] += b;
  state[2] += c;
  state[3] += d;
  state[4] += e;
  return 0;
}
