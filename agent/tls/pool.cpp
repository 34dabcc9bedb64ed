#include "agent/tls/pool.h"

#include "agent/base/check.h"

namespace miagent {
namespace {

constexpr uint32_t kFree = 0x46726565;  // unlikely values: a stray pointer is noticed
constexpr uint32_t kUsed = 0x55736564;
constexpr size_t kUnit = 16;

// Stands before each block.
struct Header {
  uint32_t size;         // of the block and this header
  uint32_t before_size;  // of the neighbour before, header included; 0: this is the first
  uint32_t state;
  uint32_t unused;
};
static_assert(sizeof(Header) == kUnit, "blocks stay aligned");

Header* HeaderAt(const Pool& pool, size_t offset) {
  CHECK(offset % kUnit == 0 && offset + sizeof(Header) <= pool.memory.size);
  Header* const header = reinterpret_cast<Header*>(pool.memory.data + offset);
  CHECK(header->state == kFree || header->state == kUsed);
  CHECK(header->size >= sizeof(Header) && header->size <= pool.memory.size - offset);
  return header;
}

void HeaderPut(Pool& pool, size_t offset, uint32_t size, uint32_t before_size, uint32_t state) {
  *reinterpret_cast<Header*>(pool.memory.data + offset) = {size, before_size, state, 0};
  const auto end = static_cast<uint32_t>(offset + sizeof(Header));
  if (end > pool.touched_size) pool.touched_size = end;
}

// Tells the block behind, if there is one, how large the one before it is now.
void Join(Pool& pool, size_t offset, uint32_t size) {
  if (offset + size < pool.memory.size) HeaderAt(pool, offset + size)->before_size = size;
}

// Makes the free block at `offset` one in use, of `size`; what is left of it stays free.
void* Take(Pool& pool, size_t offset, uint32_t size) {
  const Header found = *HeaderAt(pool, offset);
  const uint32_t rest = found.size - size;
  const uint32_t taken = rest > sizeof(Header) ? size : found.size;
  HeaderPut(pool, offset, taken, found.before_size, kUsed);
  if (taken != found.size) {
    HeaderPut(pool, offset + taken, rest, taken, kFree);
    Join(pool, offset + taken, rest);
  }
  if (offset == pool.free_from) pool.free_from += taken;
  pool.used_size += taken;
  if (pool.used_size > pool.peak_size) pool.peak_size = pool.used_size;
  const auto end = static_cast<uint32_t>(offset + taken);
  if (end > pool.touched_size) pool.touched_size = end;
  char* const block = pool.memory.data + offset + sizeof(Header);
  __builtin_memset(block, 0, taken - sizeof(Header));
  return block;
}

}  // namespace

void PoolReset(Pool& pool) {
  CHECK(reinterpret_cast<uintptr_t>(pool.memory.data) % kUnit == 0);
  CHECK(pool.memory.size % kUnit == 0 && pool.memory.size > sizeof(Header));
  CHECK(pool.memory.size <= UINT32_MAX);
  SecretWipe(pool.memory.data, pool.touched_size);
  pool.used_size = 0;
  pool.free_from = 0;
  pool.touched_size = 0;
  pool.failure_count = 0;
  pool.request_count = 0;
  HeaderPut(pool, 0, static_cast<uint32_t>(pool.memory.size), 0, kFree);
}

void* PoolAllocate(Pool& pool, size_t count, size_t size) {
  size_t wanted = 0;
  const bool is_refused = ++pool.request_count == pool.refused_request;
  if (!is_refused && !__builtin_mul_overflow(count, size, &wanted) && wanted <= pool.memory.size) {
    if (wanted == 0) wanted = 1;
    wanted = (wanted + kUnit - 1) / kUnit * kUnit + sizeof(Header);
    for (size_t offset = pool.free_from; offset < pool.memory.size;) {
      const Header* const header = HeaderAt(pool, offset);
      if (header->state == kFree && header->size >= wanted) {
        return Take(pool, offset, static_cast<uint32_t>(wanted));
      }
      offset += header->size;
    }
  }
  ++pool.failure_count;
  return nullptr;
}

void PoolRelease(Pool& pool, void* block) {
  if (block == nullptr) return;
  const auto address = reinterpret_cast<uintptr_t>(block);
  const auto begin = reinterpret_cast<uintptr_t>(pool.memory.data);
  CHECK(address >= begin + sizeof(Header) && address - begin < pool.memory.size);
  size_t offset = address - begin - sizeof(Header);
  Header* const header = HeaderAt(pool, offset);
  CHECK(header->state == kUsed);
  pool.used_size -= header->size;
  uint32_t size = header->size;
  uint32_t before_size = header->before_size;
  header->state = kFree;
  if (offset + size < pool.memory.size) {
    const Header* const behind = HeaderAt(pool, offset + size);
    if (behind->state == kFree) size += behind->size;
  }
  if (before_size != 0) {
    const Header* const before = HeaderAt(pool, offset - before_size);
    if (before->state == kFree) {
      CHECK(before->size == before_size);
      offset -= before_size;
      size += before_size;
      before_size = before->before_size;
    }
  }
  if (offset < pool.free_from) pool.free_from = static_cast<uint32_t>(offset);
  HeaderPut(pool, offset, size, before_size, kFree);
  Join(pool, offset, size);
}

}  // namespace miagent
