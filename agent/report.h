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

// Tells a whole line, its newline included, as it is: to syslog where the configuration in force
// says so, and there where it is taken; else to standard error.
void ReportLine(const Agent& agent, Platform& platform, LogLevel level, std::string_view line);

// A token or file is well again: its next problem is news.
void ReportForgetToken(Agent& agent, uint32_t token_index);
void ReportForgetFile(Agent& agent, uint32_t file_index);

// At level debug, the begin and the end of an exchange: a request's method, target and names of
// headers; an answer's status, size and time, or what went wrong.
void ReportRequest(Agent& agent, Platform& platform, std::string_view request);
void ReportAnswer(Agent& agent, Platform& platform, Status status);

// The first 32 bits of the token's SHA-256, by which two places can be compared; 0 unless the level
// is debug: a SHA-256 of a token costs 70,000 instructions, more than all else of a refresh.
uint32_t ReportFingerprint(const Agent& agent, std::string_view token);

// A failure of a request for a token: a log line for `run`; `miagent: token NAME: …` for commands.
void ReportTokenFailure(Agent& agent, Platform& platform, uint32_t token_index, Status failure,
                        Duration retry_in);

// A failure of a file or its directory.
void ReportFileFailure(Agent& agent, Platform& platform, uint32_t file_index, Status failure);

// A failure of a file's notification.
void ReportNotifyFailure(Agent& agent, Platform& platform, uint32_t file_index, Status failure);

// A failure of the program as a whole: `miagent: SUBJECT: …`.
void ReportFailure(Agent& agent, Platform& platform, std::string_view subject, Status failure);

// The same in other words: `miagent: SUBJECT: TEXT`.
void ReportText(Agent& agent, Platform& platform, std::string_view subject, std::string_view text);

// Writes what failed and what to do about it: "refused: HTTP 400 invalid_request: Identity not
// found; check …". `error` may be null.
void FailureDescribe(TextWriter& writer, Status failure, const ErrorAnswer* error);

// Writes an errno value in words: "connection refused", or "errno 5".
void ErrnoDescribe(TextWriter& writer, int32_t error);

}  // namespace miagent
