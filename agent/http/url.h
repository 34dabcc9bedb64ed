// URLs of endpoints.
//
// Purpose: split `scheme://host[:port][/path]` into views, strictly: what is accepted here is put
//          into a request line as it is.
// Owns:    nothing; views refer to the text that was parsed.
// Errors:  a static sentence that says what is wrong, for the message that names the setting.
// Never:   judges whether the host can be a name, or resolves it (base/address.h, dns/).
#pragma once

#include <cstdint>
#include <string_view>

namespace miagent {

struct Url {
  bool is_https = false;
  std::string_view authority;  // host[:port] as written, for the Host header
  std::string_view host;       // without brackets
  uint16_t port = 0;           // 80 or 443 where none is written
  std::string_view path;       // with the query, if any; empty where none is written
};

// Parses an absolute URL. Refused: no or another scheme, user information, a fragment, an empty
// host, a port outside 1-65535, and any byte outside 0x21-0x7E (so no blank, no line end).
// Returns null, or what is wrong.
const char* UrlParse(std::string_view text, Url* url);

}  // namespace miagent
