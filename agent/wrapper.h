// `exec`: the program that runs while its tokens are kept fresh.
//
// Purpose: `exec` is `once` until every token is there, and then `run` with a child. This is the
//          child: its start, what it is told, its end.
// Clock:   `kill_at` alone.
// Errors:  what can't be started ends the agent: 126, 127, or 75 where the system has no room.
// Never:   ends the agent while the child lives; signals a child that has been reaped.
#pragma once

#include "agent/agent.h"

namespace miagent {

// A signal came: while tokens are waited for it ends the agent, where it would end a program; then
// it is the child's.
void WrapperOnSignal(Agent& agent, Platform& platform, const Event& event);

// Every token is there: starts the child, and the agent goes on as `run` does. Where the child
// can't be started: false, and wrapper.exit_code says how the agent is to end.
[[nodiscard]] bool WrapperBegin(Agent& agent, Platform& platform);

// A child has ended, perhaps this one: then the agent stops, unless it is to be started again.
void WrapperOnEnd(Agent& agent, Platform& platform, const ChildEnd& end);

// Starts the child again, kills it, or tells it of new tokens, where that is due.
void WrapperOnTick(Agent& agent, Platform& platform);

}  // namespace miagent
