// What is told about the agent in files: status_file and metrics_file (status/status.h).
//
// Purpose: written at the end of each turn in which a token or file changed, at SIGUSR2 and at the
//          end; never a reason for a request.
// Errors:  logged once per change; tried again with the next news, or after kRetryDelayMax.
#pragma once

#include "agent/agent.h"
#include "agent/sink/file.h"

namespace miagent {

// A failure of a token: there is news, and its error is kept for it, where it is to be told.
void OutputRemember(Agent& agent, uint32_t token_index);

// Whether something is to be written in this turn.
inline bool OutputIsDue(const Agent& agent) {
  return agent.output.has_news || agent.output.retry_at <= agent.now;
}

// Writes what is due, if anything is asked for.
void OutputOnTick(Agent& agent, Platform& platform);

// The configuration is about to be replaced by `next`: takes away what is told in another place
// from now on.
void OutputReload(Agent& agent, Platform& platform, const Config& next);

// The file as sink/file.h wants it: the agent's own, mode 0644, on any file system.
FileTarget OutputTarget(Agent& agent, Platform& platform, const OutputConfig& output);

// The kernel's id of this boot, or nothing where it tells none. `bytes` is at least 36 of them.
std::string_view BootIdRead(Platform& platform, Span bytes);

}  // namespace miagent
