// The challenge of a 401: what its WWW-Authenticate header asks for (RFC 9110, 11.6.1).
//
// Purpose: find a claims challenge, by which Azure's resources ask for a token that is newer or
//          has more in it: `Bearer …, error="insufficient_claims", claims="BASE64"`.
// Owns:    nothing.
// Errors:  false; what is malformed holds no claims.
#pragma once

#include <cstddef>
#include <string_view>

#include "agent/base/bytes.h"

namespace miagent {

// Finds a parameter's value, without its quotes, escapes in it not decoded. The first of its name.
[[nodiscard]] bool ChallengeFind(std::string_view header, std::string_view name,
                                 std::string_view* value);

// The claims that the header asks for, decoded into `memory`: printable text that begins with `{`.
// False where it asks for none, or they have no room or another form.
[[nodiscard]] bool ChallengeClaims(std::string_view header, Span memory, std::string_view* claims);

}  // namespace miagent
