// A signal to the process that a pid file names.
//
// Purpose: reaches the process that wrote the file, and no other: not one that has its id by now,
//          and none that only the agent's privileges could reach.
// Limits:  kPidFileSizeMax bytes.
// Errors:  each refusal has its own fault: kPidFile….
// Never:   follows a link; blocks at a FIFO; keeps anything between two calls.
#pragma once

#include <cstdint>

#include "agent/base/status.h"
#include "platform/platform.h"

namespace miagent {

// Reads the pid file `name` in `directory` (both NUL-terminated), and sends `signal_number` to the
// process. The file belongs to root, to this process's user, or to the user that the process runs
// as; nobody else can write to it. `pid` is stored for the log, where it was read.
Status PidFileSignal(Platform& platform, const char* directory, const char* name,
                     int32_t signal_number, uint32_t* pid);

}  // namespace miagent
