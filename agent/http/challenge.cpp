#include "agent/http/challenge.h"

namespace miagent {
namespace {

// The end of a quoted string's content that begins at `begin`; text.size() where it has no end.
size_t QuoteEnd(std::string_view text, size_t begin) {
  size_t index = begin;
  while (index < text.size() && text[index] != '"') index += text[index] == '\\' ? 2 : 1;
  return index < text.size() ? index : text.size();
}

// Six bits, in base64's usual alphabet or in that for URLs; -1 for another character.
int32_t SextetOf(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (IsDigit(c)) return c - '0' + 52;
  if (c == '+' || c == '-') return 62;
  return c == '/' || c == '_' ? 63 : -1;
}

bool Base64Decode(std::string_view text, Span memory, size_t* size) {
  uint32_t bits = 0;
  uint32_t bit_count = 0;
  *size = 0;
  while (EndsWith(text, "=")) text = Slice(text, 0, text.size() - 1);
  for (const char c : text) {
    const int32_t sextet = SextetOf(c);
    if (sextet < 0) return false;
    bits = (bits << 6 | static_cast<uint32_t>(sextet)) & 0xFFFF;
    bit_count += 6;
    if (bit_count < 8) continue;
    bit_count -= 8;
    if (*size == memory.size) return false;
    memory.data[(*size)++] = static_cast<char>(bits >> bit_count & 0xFF);
  }
  return true;
}

}  // namespace

bool ChallengeFind(std::string_view header, std::string_view name, std::string_view* value) {
  std::string_view rest = header;
  while (!rest.empty()) {
    const size_t equals = Find(rest, '=');
    if (equals == rest.size()) return false;
    // In front of the name: the comma of the one before it, or a scheme.
    size_t begin = equals;
    while (begin > 0 && rest[begin - 1] != ' ' && rest[begin - 1] != ',' && rest[begin - 1] != '\t')
      --begin;
    const std::string_view found = Slice(rest, begin, equals - begin);
    rest = SliceFrom(rest, equals + 1);
    const bool is_quoted = StartsWith(rest, "\"");
    if (is_quoted) rest = SliceFrom(rest, 1);
    const size_t end = is_quoted ? QuoteEnd(rest, 0) : Find(rest, ',');
    if (is_quoted && end == rest.size()) return false;
    if (EqualIgnoreCase(found, name)) {
      *value = is_quoted ? Slice(rest, 0, end) : Trim(Slice(rest, 0, end));
      return true;
    }
    rest = SliceFrom(rest, end + (is_quoted ? 1 : 0));
  }
  return false;
}

bool ChallengeClaims(std::string_view header, Span memory, std::string_view* claims) {
  std::string_view error;
  std::string_view encoded;
  size_t size = 0;
  if (!ChallengeFind(header, "error", &error) || error != "insufficient_claims") return false;
  if (!ChallengeFind(header, "claims", &encoded)) return false;
  if (!Base64Decode(encoded, memory, &size)) return false;
  const std::string_view text{memory.data, size};
  for (const char c : text) {
    if (c < 0x20 || c > 0x7E) return false;
  }
  *claims = text;
  return StartsWith(text, "{");
}

}  // namespace miagent
