// The forms in which a token is written: raw, json, env, header, template.
//
// Purpose: a token and what is known of it, as a sequence of parts that one writev takes. The
//          token's own bytes are a part that points into the ring: they are not copied.
// Limits:  any number of parts: they are flushed in batches of kWritePartCountMax.
// Errors:  the first fault of a flush; nothing is flushed after it.
//
// A new format: its enum value and its word in config/config.h, a function in format.cpp's table.
#pragma once

#include <cstdint>
#include <string_view>

#include "agent/base/bytes.h"
#include "agent/base/status.h"
#include "agent/config/config.h"
#include "platform/time.h"

namespace miagent {

// Of a secret there is its value, as the token, and nothing else.
struct TokenFields {
  SecretBytes access_token;
  std::string_view resource;
  std::string_view client_id;  // as configured; empty where another or no selector is
  WallTime expires_on;
  WallTime not_before;
  Duration remaining;  // at the moment of writing
  bool is_secret = false;
};

// A piece of the output. The same as the platform's ConstPart, which this room doesn't see.
struct FormatPart {
  const char* data;
  size_t size;
};

inline constexpr size_t kFormatPartCountMax = 16;

// Collects parts and hands them on in batches.
struct PartWriter {
  Status (*flush)(void* context, const FormatPart* parts, size_t part_count) = nullptr;
  void* context = nullptr;
  Status status;
  uint32_t part_count = 0;
  uint32_t scratch_size = 0;
  FormatPart parts[kFormatPartCountMax];
  char scratch[80];  // numbers: four of at most 20 digits
};

// Writes the token in `format` and flushes what remains. `template_text` is used by kTemplate
// alone, and was found valid by TemplateCheck.
Status FormatToken(Format format, std::string_view template_text, const TokenFields& fields,
                   PartWriter& writer);

// Null where the template is valid, else what is wrong: an unknown placeholder or a lone brace.
// Placeholders: {access_token} {expires_on} {resource} {client_id}, or of a secret {value};
// {{ and }} are braces.
const char* TemplateCheck(std::string_view template_text, bool is_secret = false);

}  // namespace miagent
