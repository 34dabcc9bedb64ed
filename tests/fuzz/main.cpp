// Where a failed CHECK ends in a fuzz target: with libFuzzer's report.
#include "agent/base/check.h"
#include "tests/fuzz/fuzz.h"

namespace miagent {

void CheckFailed(const char* file, uint32_t line) {
  FuzzBroken(file, static_cast<int>(line), "a CHECK of the agent");
}

}  // namespace miagent
