// What a token endpoint answers: a token, or an error.
//
// Purpose: read both, in the slot where they stand; the forms are common to all sources.
// Owns:    nothing; the token is a range of the slot.
// Clock:   the answer's Date, or the wall clock where it has none, as a parameter.
// Errors:  kJson…, kAnswerNoToken, kAnswerTokenBytes, kAnswerNoExpiry, kAnswerExpired,
//          kAnswerOtherIdentity.
// Never:   keeps or shows the body.
#pragma once

#include <cstdint>
#include <string_view>

#include "agent/base/bytes.h"
#include "agent/base/status.h"
#include "agent/limits.h"
#include "platform/time.h"

namespace miagent {

// Which identity a token is for. At most one selector; none means the machine's own.
enum class IdentityKind : uint8_t { kNone, kClientId, kObjectId, kResourceId };

struct Identity {
  IdentityKind kind = IdentityKind::kNone;
  std::string_view value;
};

// A good answer.
struct TokenAnswer {
  std::string_view access_token;    // in the slot, escapes decoded
  Duration remaining;               // of its life, from the moment the request was sent; > 0
  WallTime expires_at_wall;         // expires_on, or Date + expires_in where that is unusable
  WallTime ends_at_wall;  // the same; or when it ends, where the fields contradict that
  WallTime not_before_wall;  // as answered, or Date where unusable
  bool has_not_before = false;
  bool has_refresh_in = false;
  Duration refresh_in;  // > 0 and smaller than remaining
};

// Reads the body of a 200. `now` is the answer's Date header, or the wall clock. What remains is
// the least of expires_on - now, expires_in and expires_on - not_before, over those present and
// usable (protocol.md, "Reading a token answer"). An expires_on may be a date in place of a number,
// as App Service 2017 sends it (http/date.h). Unescapes the token in place. `echo`, where it isn't
// null, is the identity that the answer must name, in either case: kAnswerOtherIdentity where it
// names none or another.
Status TokenAnswerRead(Span body, WallTime now, TokenAnswer* answer,
                       const Identity* echo = nullptr);

// What an error's body says of itself, copied out as it is shown: printable, cut.
struct ErrorAnswer {
  uint32_t code_size = 0;
  uint32_t description_size = 0;
  char code[kErrorCodeSizeMax];
  char description[kErrorDescriptionSizeMax];

  std::string_view code_text() const { return {code, code_size}; }
  std::string_view description_text() const { return {description, description_size}; }
};

// Reads the body of an error: flat {"error","error_description"}, {"code","message"},
// {"statusCode","message"} or nested {"error":{"code","message"}}. Anything else (plain text, HTML,
// nothing) leaves both empty: it could hold anything, so it is not shown. A run of more than 64
// characters without a blank, as a token would be, is shown as `[...]`.
void ErrorAnswerRead(Span body, ErrorAnswer* error);

// What an HTTP status other than 200 means: kAnswerUnavailable (408, 410, 429, 5xx, and a 404
// unless `is_404_final`),
// kAnswerRedirect (3xx), kAnswerStatusUnexpected (2xx), kAnswerRefused (any other 4xx), with the
// status as detail. kOk for 200.
Status HttpStatusJudge(int32_t http_status, bool is_404_final = false);

// What to do about a documented error (protocol.md's table), by status and code, never by
// description; empty where there is nothing particular to say.
std::string_view ErrorRemedy(int32_t http_status, std::string_view code);

}  // namespace miagent
