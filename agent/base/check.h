// CHECK: what must hold, holds; in release too.
//
// Purpose: a broken invariant stops the program before it can publish something wrong; the file
//          that is published stays valid. For programmer's errors only: whatever the world can
//          cause is a Status.
// Errors:  CheckFailed is chosen at link time (main.cpp: one line and abort; tests: a failure).
#pragma once

#include <cstdint>

namespace miagent {

[[noreturn]] void CheckFailed(const char* file, uint32_t line);

}  // namespace miagent

#define CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::miagent::CheckFailed(__FILE_NAME__, __LINE__))
