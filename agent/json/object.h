// A view of one JSON object, over jsmn and the checks that jsmn leaves to us.
//
// Purpose: find the values of known names in a document that is proven to be exactly one object
//          by RFC 8259's grammar, followed by nothing but white space.
// Owns:    positions into the document, never copies; the document must stay.
// Limits:  kJsonTokenCountMax parts. Work is linear in the size, but for nesting, which the limit
//          on parts bounds.
// Errors:  kJsonSyntax, kJsonTooManyParts.
// Strings: bytes above 0x7F are left as they came, and not proven to be UTF-8: a token has none,
//          and whatever else is shown has them replaced.
// Never:   accepts what RFC 8259 refuses: NUL bytes, raw control characters, trailing commas, two
//          roots, numbers such as 01, 1. or .5, half literals, broken escapes.
#pragma once

#include <cstdint>
#include <string_view>

#include "agent/base/bytes.h"
#include "agent/base/status.h"
#include "agent/limits.h"

namespace miagent {

enum class JsonKind : uint8_t { kObject, kArray, kString, kNumber, kBoolean, kNull };

inline constexpr size_t kJsonPartSize = 20;  // jsmn's; object.cpp proves it

struct JsonObject {
  Span document;
  Range plain;  // a long string that SkipPlain passed to its end; size 0: none was
  uint32_t part_count = 0;
  // jsmn's parts. Bytes here, so that jsmn.h stays inside object.cpp.
  alignas(4) char parts[kJsonTokenCountMax * kJsonPartSize];
};

// One member's value. For a string, `text` is between the quotes, escapes not yet decoded.
struct JsonValue {
  JsonKind kind = JsonKind::kNull;
  bool is_plain = false;  // a string all of 0x21-0x7E without escapes; a short one is not looked at
  std::string_view text;
};

// Parses and proves `document`. On an error the object holds nothing.
Status JsonParse(Span document, JsonObject* object);

enum class JsonFound : uint8_t { kAbsent, kOnce, kTwice };

// Looks a name, which isn't empty, up among the members of the root. Names are compared byte for
// byte, after decoding escapes in them. kTwice: a duplicate, which callers refuse for the names
// they know; the value is then the first.
JsonFound JsonFind(const JsonObject& object, std::string_view name, JsonValue* value);

// Looks several names up in one pass; `values` are in the order of `names`, and stay as they are
// where the name is absent. False where one of them is there twice. At most kJsonNameCountMax.
inline constexpr uint32_t kJsonNameCountMax = 16;
[[nodiscard]] bool JsonFindAll(const JsonObject& object, const std::string_view* names,
                               uint32_t name_count, JsonValue* values);

// Looks a name up among the members of the root's member `outer`, which must be an object (else
// kAbsent).
JsonFound JsonFindIn(const JsonObject& object, std::string_view outer, std::string_view name,
                     JsonValue* value);

// Decodes the escapes of a string value where it stands, in the document; the result is never
// longer. \u escapes become UTF-8. False, and the value spoilt, for an escape that means no
// character (a lone surrogate) or U+0000. To be called at most once for a value.
[[nodiscard]] bool JsonUnescape(JsonObject& object, JsonValue value, std::string_view* text);

}  // namespace miagent
