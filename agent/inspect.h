// `miagent status` and `miagent wait`: what an agent at work told in its status_file, as of now.
#pragma once

#include "agent/agent.h"

namespace miagent {

// Prints the table, or with --json the file itself. The exit code: 1 where a token or file isn't
// good, 65 where there is no status file of this schema, 75 where it can't be read, 78 where the
// configuration names none.
uint8_t StatusRun(Agent& agent, Platform& platform, const Command& command);

// Returns when each file of the configuration holds a token that is good for command.fresh more.
// The exit code: 1 where that isn't so before command.timeout, 78 as above.
uint8_t WaitRun(Agent& agent, Platform& platform, const Command& command);

}  // namespace miagent
