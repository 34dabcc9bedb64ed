// A file's notification: due when the file was published, then run, counted and told.
//
// Purpose: one at a time, in the configuration's order. What becomes due while it runs or waits is
//          remembered once. Files with the very same notify line that are due together are served
//          by one run, for the first of them.
// Errors:  a failure is told once per change, counted, and leads to nothing else: no request, no
//          other publication. The next publication runs it again.
// Never:   costs a thing where no file has a notify line.
#pragma once

#include "agent/agent.h"

namespace miagent {

// The file has just been published.
void NotificationAdd(Agent& agent, uint32_t file_index);

// Ends the run whose time is over, and begins those that are due.
void NotificationOnTick(Agent& agent, Platform& platform);

// Whether OnTick has something to do.
inline bool NotificationIsDue(const Agent& agent) {
  return agent.has_notification || (agent.hook.pid != 0 && agent.hook.deadline <= agent.now);
}

// The running program has printed something.
void NotificationOnOutput(Agent& agent, Platform& platform);

// A child ended; false where it isn't this room's.
bool NotificationOnEnd(Agent& agent, Platform& platform, const ChildEnd& end);

}  // namespace miagent
