// The memory of the TLS engine: blocks of one fixed array.
//
// Purpose: what malloc is for a library that can't do without. First fit; neighbours that are free
//          become one.
// Owns:    nothing; the memory is its caller's, and nothing of it is touched before PoolReset.
// Limits:  16 bytes a block for its bookkeeping; sizes are rounded up to 16, which everything in it
//          is aligned to.
// Errors:  a request that doesn't fit is null, and counted: who meets a strange error later can
// tell
//          that it came from here. A block that isn't one, or given back twice, is a programmer's
//          error (CHECK).
#pragma once

#include <cstddef>
#include <cstdint>

#include "agent/base/bytes.h"

namespace miagent {

struct Pool {
  Span memory;  // aligned to 16, its size a multiple of 16, below 4 GiB
  uint32_t free_from = 0;  // no block before this position is free
  uint32_t used_size = 0;  // bytes in use now, bookkeeping included
  uint32_t peak_size = 0;  // the most of them at once, over all time
  uint32_t touched_size = 0;  // bytes from the begin that may have been written
  uint32_t failure_count = 0;  // requests refused since PoolReset
  uint32_t request_count = 0;  // since PoolReset
  uint32_t refused_request =
      0;  // for tests: the request of this number, counted from 1, is refused
};

// Wipes what was written, and begins with all of the memory free.
void PoolReset(Pool& pool);

// `count` times `size` zero bytes; null where they don't fit or overflow.
void* PoolAllocate(Pool& pool, size_t count, size_t size);

// Gives a block back; null changes nothing.
void PoolRelease(Pool& pool, void* block);

// The engine's pool, and how many of its sessions ended well but left something in it; for tests.
Pool& TlsPool();
uint32_t TlsLeakCount();

}  // namespace miagent
