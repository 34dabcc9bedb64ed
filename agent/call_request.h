// The request of `call`, and what of its answer is wanted: pure functions.
//
// Never:   writes the token: it goes between two parts of the head, from where it is.
#pragma once

#include <string_view>

#include "agent/base/bytes.h"
#include "agent/base/status.h"
#include "agent/cli/call_options.h"

namespace miagent {

// Writes the head. *token_at is where the token belongs. `data_size` is of the body; a POST, PUT or
// PATCH without one says so.
void CallRequestWrite(const CallOptions& options, size_t data_size, TextWriter& writer,
                      size_t* token_at);

// What an HTTP status means: kOk (2xx), kAnswerRedirect (3xx), kAnswerUnavailable (408, 429, 5xx),
// kAnswerRefused (any other 4xx), with the status as detail.
Status CallStatusJudge(int32_t http_status);

// Finds a member of the root of a JSON object: a string's text with its escapes decoded, in place;
// any other value as it stands. kCallKeyAbsent (null too), kJsonDuplicateName, kJsonSyntax,
// kJsonTooManyParts.
Status CallExtract(Span body, std::string_view key, std::string_view* text);

// The URL as it is shown: without its query, where secrets may be, and cut.
std::string_view CallUrlShown(std::string_view url);

}  // namespace miagent
