// What `call` is told on the command line, beside the token's options.
//
// Purpose: judge it before anything is asked: what is accepted here goes into a request as it is.
// Owns:    nothing; views refer to argv.
// Limits:  agent/limits.h, kCall…
// Errors:  static sentences, for exit 64; what the user typed is in none of them, as a URL or a
//          header may hold a secret.
#pragma once

#include <cstdint>
#include <string_view>

#include "agent/http/url.h"
#include "agent/limits.h"

namespace miagent {

struct CallOptions {
  std::string_view method;    // once judged: never empty
  std::string_view url_text;
  Url url;                    // of url_text
  std::string_view data;      // text, @FILE, or @- for standard input; NUL-terminated
  std::string_view key;       // empty: the whole answer
  uint32_t header_count = 0;
  const char* headers[kCallHeaderCountMax] = {};  // `Name: value`
};

// Parses the URL: https alone, with a host that is a name or a numeric address. Null, or what is
// wrong with it.
const char* CallUrlJudge(CallOptions& options);

// Judges the method, which is GET or, with data, POST where none was given, and each header. Null,
// or what is wrong, as a continuation of "call".
const char* CallOptionsJudge(CallOptions& options);

// Splits a header's text, which has been judged, into name and value.
void CallHeaderSplit(std::string_view text, std::string_view* name, std::string_view* value);

}  // namespace miagent
