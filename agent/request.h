// A token's requests: when one begins, what its end means.
#pragma once

#include "agent/agent.h"

namespace miagent {

// Begins the request that is due longest, if one is due and none is under way.
void RequestBeginDue(Agent& agent, Platform& platform);

// Takes an event of the connection's socket.
void RequestOnEvent(Agent& agent, Platform& platform, const Event& event);

// Ends the request under way where its deadline has passed.
void RequestOnTick(Agent& agent, Platform& platform);

// Gives the request under way up, without counting it as a failure (reload, stop).
void RequestAbandon(Agent& agent, Platform& platform);

// Whether a secret has to wait for its token: there is none yet, or one that is about to be
// replaced.
bool SecretIsWaiting(const Agent& agent, uint32_t token_index);

// A token is over: no request shows it any longer.
void RequestForgetToken(Agent& agent, Platform& platform, uint32_t token_index);

// SIGUSR1: every token is asked for anew, past the endpoint's own cache.
void RequestForceAll(Agent& agent);

}  // namespace miagent
