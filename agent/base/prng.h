// Random numbers for jitter and request ids.
//
// Purpose: spread requests in time; nothing secret hangs on these numbers. Seeded once from the
//          platform's entropy, so a simulated run with one seed is always the same run.
// Owns:    64 bits of state. Algorithm: SplitMix64 (Steele, Lea, Flood 2014), period 2^64.
#pragma once

#include <cstdint>

namespace miagent {

struct Prng {
  uint64_t state = 0;
};

// The next 64 random bits.
constexpr uint64_t PrngNext(Prng& prng) {
  prng.state += 0x9E3779B97F4A7C15U;
  uint64_t mixed = prng.state;
  mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9U;
  mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBU;
  return mixed ^ (mixed >> 31);
}

}  // namespace miagent
