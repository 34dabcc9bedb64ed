// Which mutant is alive (MUTANT), and where is told which ones a run came by (MUTANT_SEEN).
#include "tests/mutation/mutant.h"

#include <cstdio>
#include <cstdlib>

namespace mutant {
namespace {

constexpr unsigned kCountMax = 65536;
unsigned char g_flags[kCountMax];

void SeenWrite() {
  const char* const path = std::getenv("MUTANT_SEEN");
  std::FILE* const file = path != nullptr ? std::fopen(path, "wb") : nullptr;
  if (file == nullptr) return;
  std::fwrite(g_flags, 1, kCountMax, file);
  std::fclose(file);
}

unsigned AliveRead() {
  std::atexit(SeenWrite);
  const char* const number = std::getenv("MUTANT");
  return number != nullptr ? static_cast<unsigned>(std::atoi(number)) : 0;
}

}  // namespace

unsigned char* g_seen = g_flags;
unsigned g_alive = AliveRead();

}  // namespace mutant
