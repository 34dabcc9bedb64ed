// What tells the process that supervises this one: readiness, a line of state, the watchdog.
//
// Purpose: sd_notify's messages to the socket that NOTIFY_SOCKET names (READY, STATUS, RELOADING,
//          STOPPING, WATCHDOG), and the newline that s6 waits for (--ready-fd). Of `run` alone.
// Clock:   the watchdog's half time and retries are deadlines of the agent's loop.
// Errors:  logged once per change; what couldn't be told is tried again.
// Never:   tells a secret; makes a system call where nobody listens.
//
// Ready is the agent once every file holds a token that hasn't expired, be it one of an agent
// before this one; it stays ready then. WATCHDOG=1 goes out while the loop turns and nothing waits
// for an inner reason: no request and no publication is overdue by more than all requests together
// may take. A source that is down, a refusal and a full disk are outer reasons: a start anew
// wouldn't help.
#pragma once

#include "agent/agent.h"

namespace miagent {

// Reads who listens. kCommandLine, and it has been told, where --ready-fd names a descriptor that
// isn't open.
Status SupervisorStart(Agent& agent, Platform& platform);

// A turn begins at agent.now, while the agent wanted to wake at `expected`. Where the machine slept
// or the process was stopped, what became overdue meanwhile has its time from now on.
inline void SupervisorOnWake(Agent& agent, Instant expected) {
  if (agent.now - expected > Seconds(1)) agent.supervisor.excused_at = agent.now;
}

// SIGHUP: before the configuration is read again, and after, with what came of it.
void SupervisorReloading(Agent& agent, Platform& platform);
void SupervisorReloaded(Agent& agent, Status reloaded);

// Tells what is due, at the end of a turn, before agent.output takes the turn's news.
void SupervisorOnTick(Agent& agent, Platform& platform);

void SupervisorStopping(Agent& agent, Platform& platform);

}  // namespace miagent
