// A token's files: written when there is a new token, taken away when it expires.
#pragma once

#include "agent/agent.h"
#include "agent/sink/file.h"

namespace miagent {

// The file as sink/file.h wants it.
FileTarget TargetOf(Agent& agent, uint32_t file_index);

// Writes each file that lacks its token and is due. Waits while a request is under way, as it
// needs the ring's free slot to look at what stands there already.
void PublicationOnTick(Agent& agent, Platform& platform);

// Marks every file of a token as lacking it: there is a new one. It takes the place of whatever
// stands there, without a look at it, where it was `forced`: then what stands there is no good.
void PublicationInvalidate(Agent& agent, uint32_t token_index, bool forced);

// Has every file of a token looked at again: the token is the same, but a file may be gone.
void PublicationReview(Agent& agent, uint32_t token_index);

// A token is over: applies each file's on_expiry. False where that failed for one of them.
bool PublicationExpire(Agent& agent, Platform& platform, uint32_t token_index);

// When a file's on_expiry is due although its token lives: it holds an older one, as the new one
// could not be written. kInstantNever where it isn't.
Instant PublicationExpiry(const Agent& agent, uint32_t file_index);

// The agent stops, or a reload dropped the file: applies its on_stop.
void PublicationStop(Agent& agent, Platform& platform, uint32_t file_index);

// At the start of `run`, and after a reload: a token that isn't there yet takes over the expiry of
// what stands in its files, by their marks, so that on_expiry is kept even if no answer ever comes.
void PublicationInherit(Agent& agent, Platform& platform);

// `once`: whether the file holds a good token that isn't due for a refresh, by the mark on it.
bool PublicationIsGood(Agent& agent, Platform& platform, uint32_t file_index);

// `get`: prints the token to standard output.
Status PublicationPrint(Agent& agent, Platform& platform, uint32_t token_index);

}  // namespace miagent
