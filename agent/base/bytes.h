// Bytes and text: views, comparison, bounded writing, checked numbers.
//
// Purpose: the few operations on bytes that the rooms share, none of which can run past an end.
// Owns:    nothing; views and writers refer to memory of their caller.
// Errors:  a writer that runs out of room keeps what fits and says so; a number that doesn't
//          parse is false. A slice outside of its view is a programmer's error (CHECK).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace miagent {

// Memory that may be written.
struct Span {
  char* data = nullptr;
  size_t size = 0;
};

// A part of an enclosing buffer, by position: it survives a move of the buffer.
struct Range {
  uint32_t offset = 0;
  uint32_t size = 0;
};

// The token, or another secret. No writer of lines takes this type.
struct SecretBytes {
  const char* data = nullptr;
  size_t size = 0;
};

// `text` from `offset`, `size` bytes of it. CHECKs that it lies inside.
std::string_view Slice(std::string_view text, size_t offset, size_t size);

// `text` from `offset` to its end. CHECKs that offset is inside or at the end.
std::string_view SliceFrom(std::string_view text, size_t offset);

// Whether `text` is the NUL-terminated `name`: for tables of names, most of which differ early.
bool IsName(std::string_view text, const char* name);
// Whether two texts are the same, found out from their ends: paths of one directory, names with a
// number and tokens of one source begin alike.
bool EqualFromEnd(std::string_view a, std::string_view b);
bool EqualIgnoreCase(std::string_view a, std::string_view b);  // ASCII letters only
bool StartsWith(std::string_view text, std::string_view prefix);
bool EndsWith(std::string_view text, std::string_view suffix);

// The position of `wanted` in `text` at or after `from`; text.size() where there is none.
size_t Find(std::string_view text, char wanted, size_t from = 0);
size_t Find(std::string_view text, std::string_view wanted, size_t from = 0);

// The position, at or after `from`, of the first byte that is outside 0x21-0x7E or one of `"` and
// `\`; text.size() where there is none. Fast over long tokens: the bytes that need no look.
size_t SkipPlain(std::string_view text, size_t from);

// `text` without blanks and tabs at both ends.
std::string_view Trim(std::string_view text);

constexpr bool IsDigit(char c) { return c >= '0' && c <= '9'; }
constexpr bool IsAlpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
// What percent-encoding leaves as it is: RFC 3986's unreserved characters.
[[gnu::always_inline]] constexpr bool IsUnreserved(char c) {
  return IsAlpha(c) || IsDigit(c) || c == '-' || c == '.' || c == '_' || c == '~';
}
constexpr char ToLower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

// The value of a hexadecimal digit, either case; -1 for any other character.
int32_t HexValue(char c);

// Decimal digits only, the whole of `text`, at most `value_max`. False, and nothing stored,
// otherwise: empty text, a sign, a blank, too large.
[[nodiscard]] bool ParseUnsigned(std::string_view text, uint64_t value_max, uint64_t* value);

// One to eight hexadecimal digits, the whole of `text`. False, and nothing stored, otherwise.
[[nodiscard]] bool ParseHex(std::string_view text, uint32_t* value);

// Overwrites memory in a way that the compiler may not leave out.
void SecretWipe(void* data, size_t size);

// Writes text into fixed memory. What doesn't fit is dropped and `overflowed` set; the bytes
// before stay. Never NUL-terminates unless asked.
struct TextWriter {
  char* data = nullptr;
  size_t capacity = 0;
  size_t size = 0;
  bool overflowed = false;

  std::string_view text() const { return {data, size}; }
};

void Append(TextWriter& writer, std::string_view text);
void Append(TextWriter& writer, char c);
void AppendDecimal(TextWriter& writer, int64_t value);
void AppendOctal(TextWriter& writer, uint32_t value);
void AppendHex(TextWriter& writer, uint64_t value, uint32_t digit_count);  // lower case, padded

// `text` with every byte outside 0x20-0x7E, and each of `"` and `\`, shown as `?`: what came from
// outside can't forge a line or steer a terminal.
void AppendPrintable(TextWriter& writer, std::string_view text);

// `text` percent-encoded: all but RFC 3986's unreserved characters become %XX.
void AppendPercentEncoded(TextWriter& writer, std::string_view text);

}  // namespace miagent
