#include "agent/base/sha256.h"

namespace miagent {
namespace {

constexpr size_t kBlockSize = sizeof(Sha256::block);
constexpr size_t kRoundCount = 64;

// Whether root^3 <= prime * 2^96: in halves of 32 bits, as no type holds the cube. Less than 2^35.
constexpr bool IsCubeRootAtMost(uint64_t root, uint64_t prime) {
  const uint64_t high = root >> 32;
  const uint64_t low = root & UINT32_MAX;
  const uint64_t square = low * low;
  const uint64_t cube = (square >> 32) * low + ((square & UINT32_MAX) * low >> 32);  // by 2^32
  const uint64_t cross = 3 * high * (square & UINT32_MAX);
  const uint64_t carry = ((cross & UINT32_MAX) + (cube & UINT32_MAX)) >> 32;
  const uint64_t sum = (high * high * high << 32) + 3 * high * high * low +
                       3 * high * (square >> 32) + (cross >> 32) + (cube >> 32) + carry;
  return sum < prime << 32;  // both by 2^64
}

struct Constants {
  uint32_t words[kRoundCount];
};

// The first 32 bits of the fractions of the cube roots of the first 64 primes.
constexpr Constants ConstantsMake() {
  Constants constants{};
  uint32_t count = 0;
  for (uint64_t prime = 2; count < kRoundCount; ++prime) {
    bool is_prime = true;
    for (uint64_t factor = 2; factor * factor <= prime; ++factor) {
      if (prime % factor == 0) is_prime = false;
    }
    if (!is_prime) continue;
    uint64_t root = 0;
    for (uint64_t bit = uint64_t{1} << 34; bit != 0; bit >>= 1) {
      if (IsCubeRootAtMost(root | bit, prime)) root |= bit;
    }
    constants.words[count++] = static_cast<uint32_t>(root);
  }
  return constants;
}

constexpr Constants kConstants = ConstantsMake();
static_assert(kConstants.words[0] == 0x428A2F98 && kConstants.words[63] == 0xC67178F2,
              "as FIPS 180-4, 4.2.2, has them");

constexpr uint32_t RotateRight(uint32_t word, uint32_t count) {
  return word >> count | word << (32 - count);
}

void BlockTake(Sha256& hash) {
  uint32_t words[kRoundCount];
  for (uint32_t index = 0; index < kRoundCount; ++index) {
    if (index < 16) {
      const uint8_t* const bytes = hash.block + size_t{index} * 4;
      words[index] =
          uint32_t{bytes[0]} << 24 | uint32_t{bytes[1]} << 16 | uint32_t{bytes[2]} << 8 | bytes[3];
      continue;
    }
    const uint32_t a = words[index - 15];
    const uint32_t b = words[index - 2];
    words[index] = words[index - 16] + words[index - 7] +
                   (RotateRight(a, 7) ^ RotateRight(a, 18) ^ a >> 3) +
                   (RotateRight(b, 17) ^ RotateRight(b, 19) ^ b >> 10);
  }
  uint32_t s[8];
  for (uint32_t index = 0; index < 8; ++index) s[index] = hash.state[index];
  for (uint32_t index = 0; index < kRoundCount; ++index) {
    const uint32_t first =
        s[7] + (RotateRight(s[4], 6) ^ RotateRight(s[4], 11) ^ RotateRight(s[4], 25)) +
        ((s[4] & s[5]) ^ (~s[4] & s[6])) + kConstants.words[index] + words[index];
    const uint32_t second = (RotateRight(s[0], 2) ^ RotateRight(s[0], 13) ^ RotateRight(s[0], 22)) +
                            ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
    for (uint32_t place = 7; place > 0; --place) s[place] = s[place - 1];
    s[4] += first;
    s[0] = first + second;
  }
  for (uint32_t index = 0; index < 8; ++index) hash.state[index] += s[index];
}

}  // namespace

void Sha256Feed(Sha256& hash, std::string_view bytes) {
  for (const char byte : bytes) {
    hash.block[hash.size++ % kBlockSize] = static_cast<uint8_t>(byte);
    if (hash.size % kBlockSize == 0) BlockTake(hash);
  }
}

void Sha256End(Sha256& hash, uint8_t (&digest)[kSha256Size]) {
  const uint64_t bit_count = hash.size * 8;
  Sha256Feed(hash, "\x80");
  const char zero = '\0';
  while (hash.size % kBlockSize != kBlockSize - 8) Sha256Feed(hash, {&zero, 1});
  for (uint32_t shift = 64; shift > 0; shift -= 8) {
    const char byte = static_cast<char>(bit_count >> (shift - 8) & 0xFF);
    Sha256Feed(hash, {&byte, 1});
  }
  for (uint32_t index = 0; index < kSha256Size; ++index) {
    digest[index] = static_cast<uint8_t>(hash.state[index / 4] >> (24 - index % 4 * 8));
  }
}

}  // namespace miagent
