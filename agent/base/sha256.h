// SHA-256 (FIPS 180-4).
//
// Purpose: the digest of bytes that come in pieces.
// Owns:    112 bytes of state, which the caller wipes where the bytes were secret.
// Limits:  2^61 bytes. About 12 instructions a byte in a build for size: too dear for each refresh.
// Never:   allocates.
#pragma once

#include <cstdint>
#include <string_view>

namespace miagent {

inline constexpr size_t kSha256Size = 32;

struct Sha256 {
  uint32_t state[8] = {0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A,
                       0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19};
  uint64_t size = 0;  // so far, in bytes
  uint8_t block[64];  // the last size % 64 of them
};

// Takes more bytes.
void Sha256Feed(Sha256& hash, std::string_view bytes);

// The digest of all that was fed. The hash is over then.
void Sha256End(Sha256& hash, uint8_t (&digest)[kSha256Size]);

}  // namespace miagent
