// The static ring of token slots.
//
// Purpose: hold every token of the program, and the answer being received, in fixed memory; a
//          token is parsed, kept and served from the very bytes that the socket wrote.
// Owns:    kSlotCount contiguous slots of kSlotSize bytes. (A byte ring that wraps could not be
//          parsed in place; a ring of slots can.)
// Limits:  limits.h. With `token_count` tokens only the first token_count + 1 slots go round, so
//          that memory that isn't needed is never touched.
// Errors:  none: there is always a free slot, as at most token_count are live and one reserved.
// Never:   evicts a live token; gives out a slot that was not wiped.
//
// A slot's way: free -> RingReserve -> reserved -> RingCommit -> live -> RingRetire -> free.
#pragma once

#include <cstdint>

#include "agent/base/bytes.h"
#include "agent/limits.h"

namespace miagent {

inline constexpr uint32_t kSlotNone = UINT32_MAX;

enum class SlotState : uint8_t { kFree, kReserved, kLive };

struct Ring {
  SlotState states[kSlotCount];
  Range tokens[kSlotCount];            // where the token is in its slot
  uint32_t touched_sizes[kSlotCount];  // the bytes before this position may hold something
  uint32_t used_count = 0;             // slots that were ever given out: those before this one
  uint32_t cursor = 0;                 // the next reservation begins to look here
  alignas(4096) char slots[kSlotCount][kSlotSize];
};

// Takes the next free slot, going round among the first token_count + 1 (and on from there, where
// a larger configuration left live slots behind). CHECKs that there is one.
uint32_t RingReserve(Ring& ring, uint32_t token_count);

// The memory of a reserved slot.
Span RingSpan(Ring& ring, uint32_t slot);

// Says that the first `size` bytes of a reserved slot have been written; a smaller size than said
// before changes nothing.
void RingTouch(Ring& ring, uint32_t slot, uint32_t size);

// Makes a reserved slot live: `token` is the token's place in it, within the touched bytes.
void RingCommit(Ring& ring, uint32_t slot, Range token);

// The token in a live slot.
SecretBytes RingToken(const Ring& ring, uint32_t slot);

// Wipes a reserved or live slot and gives it back.
void RingRetire(Ring& ring, uint32_t slot);

// Wipes and gives back every slot.
void RingClear(Ring& ring);

}  // namespace miagent
