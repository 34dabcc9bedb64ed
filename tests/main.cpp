// What every test program links beside its tests: doctest's main, and where a failed CHECK ends.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include "doctest/doctest.h"

#include <cstdio>
#include <cstdlib>

#include "agent/base/array.h"  // declares CheckFailed; check.h would redefine doctest's CHECK

namespace miagent {

void CheckFailed(const char* file, uint32_t line) {
  std::fprintf(stderr, "CHECK failed: %s:%u\n", file, line);
  std::abort();
}

}  // namespace miagent
