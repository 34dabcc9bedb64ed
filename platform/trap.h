// What both platforms do with a misuse of the seam: stop at once.
//
// Purpose: a handle used after its close, a second close or a part count beyond the limit is a
//          programmer's error of the caller, in release too. platform/ may not see agent/'s CHECK.
#pragma once

#define PLATFORM_CHECK(condition) ((condition) ? static_cast<void>(0) : __builtin_trap())
