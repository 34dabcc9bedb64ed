// Writing an HTTP/1.1 request.
//
// Purpose: a request in one fixed buffer, byte for byte predictable (golden tests).
// Limits:  kRequestSizeMax; the writer's `overflowed` tells, and the caller CHECKs it, as the
//          configuration's limits make it impossible.
// Never:   writes a header that says whom the request was forwarded for; takes a value that has
//          a line end in it (CHECK).
#pragma once

#include <cstdint>
#include <string_view>

#include "agent/base/bytes.h"

namespace miagent {

// The request line's begin: method, blank, path. `path` is written as it is; when it already has
// a query, parameters are added with `&`.
void RequestBegin(TextWriter& writer, std::string_view method, std::string_view path);

// One query parameter; the value is percent-encoded. All of them come before the first header.
void RequestQuery(TextWriter& writer, std::string_view name, std::string_view value);

// Ends the request line and writes the Host header.
void RequestHost(TextWriter& writer, std::string_view authority);

void RequestHeader(TextWriter& writer, std::string_view name, std::string_view value);

// `Authorization: SCHEME SECRET`; `scheme` has its blank behind it.
void RequestCredentials(TextWriter& writer, std::string_view scheme, SecretBytes secret);

// The empty line after the headers.
void RequestEnd(TextWriter& writer);

// One field of a form: `value` and then `suffix`, both percent-encoded.
struct FormField {
  std::string_view name;
  std::string_view value;
  std::string_view suffix;
};

// The headers of a body that is a form, the end of the head, and the body.
void RequestForm(TextWriter& writer, const FormField* fields, uint32_t field_count);

}  // namespace miagent
