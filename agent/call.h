// `call`: one request to the resource that the token is for.
//
// Purpose: the machine of `get` gets the token; then this sends the request, and streams the
//          answer's body to standard output.
// Owns:    agent.call. The token is sent from its slot of the ring, the answer comes into another.
// Limits:  agent/limits.h, kCall…; an answer that isn't streamed (of an error, or with --key) has
//          kAnswerBodySizeMax.
// Clock:   --timeout bounds the whole. Without it, the configuration's timeout is for the time
//          between two moves of the peer, so that a long answer lives and a silent peer doesn't.
// Errors:  told in one line; the exit code is the agent's.
// Never:   follows a redirect; sends a request twice, but after a 401, once, with a new token;
//          shows the token, the data or the answer anywhere but on standard output.
#pragma once

#include "agent/agent.h"

namespace miagent {

// Reads the data of the request, before anything is asked. A failure has been told.
Status CallPrepare(Agent& agent, Platform& platform);

// The token is there: sends the request.
void CallBegin(Agent& agent, Platform& platform);

// Takes an event of the connection's socket, while the request is under way.
void CallOnEvent(Agent& agent, Platform& platform, const Event& event);

// Ends the request under way where its deadline has passed.
void CallOnTick(Agent& agent, Platform& platform);

}  // namespace miagent
