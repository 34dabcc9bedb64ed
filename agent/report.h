// What the agent tells people: log lines while it runs, one line a failure for commands.
//
// Never: a token, a header, a body. An error's code and description come cut and printable from
//        source/answer.h.
#pragma once

#include <string_view>

#include "agent/agent.h"

namespace miagent {

// Begins a log line of `run` in agent.line, about a token or a file where one is given. ReportSend
// sends it if the configuration's level asks for it.
void ReportToken(Agent& agent, LogLevel level, std::string_view event, uint32_t token_index);
void ReportFile(Agent& agent, LogLevel level, std::string_view event, uint32_t file_index);
void ReportSend(Agent& agent, Platform& platform);

// A failure of a request for a token: a log line for `run`; `miagent: token NAME: …` for commands.
void ReportTokenFailure(Agent& agent, Platform& platform, uint32_t token_index, Status failure,
                        Duration retry_in);

// A failure of a file or its directory.
void ReportFileFailure(Agent& agent, Platform& platform, uint32_t file_index, Status failure);

// A failure of the program as a whole: `miagent: SUBJECT: …`.
void ReportFailure(Agent& agent, Platform& platform, std::string_view subject, Status failure);

// Writes what failed and what to do about it: "refused: HTTP 400 invalid_request: Identity not
// found; check …". `error` may be null.
void FailureDescribe(TextWriter& writer, Status failure, const ErrorAnswer* error);

}  // namespace miagent
