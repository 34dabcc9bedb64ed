#include "agent/base/bytes.h"

#include <cstring>

#include "agent/base/check.h"

namespace miagent {

std::string_view Slice(std::string_view text, size_t offset, size_t size) {
  CHECK(offset <= text.size());
  CHECK(size <= text.size() - offset);
  return {text.data() + offset, size};
}

std::string_view SliceFrom(std::string_view text, size_t offset) {
  CHECK(offset <= text.size());
  return {text.data() + offset, text.size() - offset};
}

bool IsName(std::string_view text, const char* name) {
  for (const char c : text) {
    if (c != *name || c == '\0') return false;
    ++name;
  }
  return *name == '\0';
}

bool EqualFromEnd(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  size_t rest = a.size();
  for (; rest >= sizeof(uint64_t); rest -= sizeof(uint64_t)) {
    uint64_t of_a = 0;
    uint64_t of_b = 0;
    memcpy(&of_a, a.data() + rest - sizeof(of_a), sizeof(of_a));
    memcpy(&of_b, b.data() + rest - sizeof(of_b), sizeof(of_b));
    if (of_a != of_b) return false;
  }
  while (rest != 0 && a[rest - 1] == b[rest - 1]) --rest;
  return rest == 0;
}

bool EqualIgnoreCase(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t index = 0; index < a.size(); ++index) {
    if (ToLower(a[index]) != ToLower(b[index])) return false;
  }
  return true;
}

bool StartsWith(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() && Slice(text, 0, prefix.size()) == prefix;
}

bool EndsWith(std::string_view text, std::string_view suffix) {
  return text.size() >= suffix.size() && SliceFrom(text, text.size() - suffix.size()) == suffix;
}

size_t Find(std::string_view text, char wanted, size_t from) {
  for (size_t index = from; index < text.size(); ++index) {
    if (text[index] == wanted) return index;
  }
  return text.size();
}

size_t Find(std::string_view text, std::string_view wanted, size_t from) {
  for (size_t index = from; index + wanted.size() <= text.size(); ++index) {
    if (Slice(text, index, wanted.size()) == wanted) return index;
  }
  return text.size();
}

size_t SkipPlain(std::string_view text, size_t from) {
  CHECK(from <= text.size());
  const auto is_odd = [](char c) -> bool {
    return (c < 0x21) | (c > 0x7E) | (c == '"') | (c == '\\');
  };
  size_t index = from;
  // Without branches, the loop over a block becomes a vector's instructions.
  const auto is_plain_block = [&](size_t size) {
    uint8_t odd = 0;
    if (text.size() - index < size) return false;
    for (size_t at = 0; at < size; ++at) odd |= is_odd(text[index + at]) ? 1 : 0;
    return odd == 0;
  };
  while (is_plain_block(16)) index += 16;
  if (is_plain_block(8)) index += 8;
  while (index < text.size() && !is_odd(text[index])) ++index;
  return index;
}

int32_t HexValue(char c) {
  const char lower = ToLower(c);
  if (IsDigit(c)) return c - '0';
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

std::string_view Trim(std::string_view text) {
  size_t begin = 0;
  size_t end = text.size();
  while (begin < end && (text[begin] == ' ' || text[begin] == '\t')) ++begin;
  while (end > begin && (text[end - 1] == ' ' || text[end - 1] == '\t')) --end;
  return Slice(text, begin, end - begin);
}

bool ParseUnsigned(std::string_view text, uint64_t value_max, uint64_t* value) {
  uint64_t parsed = 0;
  if (text.empty()) return false;
  for (const char c : text) {
    if (!IsDigit(c)) return false;
    if (__builtin_mul_overflow(parsed, uint64_t{10}, &parsed)) return false;
    if (__builtin_add_overflow(parsed, static_cast<uint64_t>(c - '0'), &parsed)) return false;
    if (parsed > value_max) return false;
  }
  *value = parsed;
  return true;
}

bool ParseHex(std::string_view text, uint32_t* value) {
  uint32_t parsed = 0;
  if (text.empty() || text.size() > 8) return false;
  for (const char c : text) {
    const int32_t digit = HexValue(c);
    if (digit < 0) return false;
    parsed = parsed * 16 + static_cast<uint32_t>(digit);
  }
  *value = parsed;
  return true;
}

void SecretWipe(void* data, size_t size) {
  memset(data, 0, size);
  // The compiler must take the memory as read here, so the stores above can't be left out.
  __asm__ volatile("" : : "r"(data) : "memory");
}

void Append(TextWriter& writer, std::string_view text) {
  CHECK(writer.size <= writer.capacity);
  const size_t room = writer.capacity - writer.size;
  if (text.size() > room) writer.overflowed = true;
  const size_t count = text.size() < room ? text.size() : room;
  // Not by the library: the pieces are short, and the start of its `rep movs` alone costs 30 ns.
  char* const to = writer.data + writer.size;
  const char* const from = text.data();
  size_t at = 0;
  for (; at + 8 <= count; at += 8) memcpy(to + at, from + at, 8);
  if (count >= 8) {
    memcpy(to + count - 8, from + count - 8, 8);  // the rest, with some of what was before
  } else {
    for (; at < count; ++at) to[at] = from[at];
  }
  writer.size += count;
}

void Append(TextWriter& writer, char c) {
  CHECK(writer.size <= writer.capacity);
  if (writer.size == writer.capacity) {
    writer.overflowed = true;
  } else {
    writer.data[writer.size++] = c;
  }
}

void AppendDecimal(TextWriter& writer, int64_t value) {
  char digits[20];
  size_t first = sizeof(digits);
  uint64_t rest = value < 0 ? ~static_cast<uint64_t>(value) + 1 : static_cast<uint64_t>(value);
  do {
    digits[--first] = static_cast<char>('0' + rest % 10);
    rest /= 10;
  } while (rest != 0);
  if (value < 0) Append(writer, '-');
  Append(writer, std::string_view(digits + first, sizeof(digits) - first));
}

void AppendOctal(TextWriter& writer, uint32_t value) {
  char digits[11];
  size_t first = sizeof(digits);
  do {
    digits[--first] = static_cast<char>('0' + (value & 7));
    value >>= 3;
  } while (value != 0);
  Append(writer, std::string_view(digits + first, sizeof(digits) - first));
}

void AppendHex(TextWriter& writer, uint64_t value, uint32_t digit_count) {
  char digits[16];
  CHECK(digit_count <= sizeof(digits));
  for (uint32_t index = digit_count; index > 0; value >>= 4) {
    digits[--index] = "0123456789abcdef"[value & 15];
  }
  Append(writer, std::string_view(digits, digit_count));
}

void AppendPrintable(TextWriter& writer, std::string_view text) {
  for (const char c : text) {
    const bool plain = c >= 0x20 && c <= 0x7E && c != '"' && c != '\\';
    Append(writer, plain ? c : '?');
  }
}

void AppendPercentEncoded(TextWriter& writer, std::string_view text) {
  size_t begin = 0;  // of the characters that go as they are
  for (size_t index = 0; index < text.size(); ++index) {
    const char c = text[index];
    if (IsUnreserved(c)) continue;
    const auto byte = static_cast<uint8_t>(c);
    const char encoded[] = {'%', "0123456789ABCDEF"[byte >> 4], "0123456789ABCDEF"[byte & 15]};
    Append(writer, Slice(text, begin, index - begin));
    Append(writer, std::string_view(encoded, sizeof(encoded)));
    begin = index + 1;
  }
  Append(writer, SliceFrom(text, begin));
}

}  // namespace miagent
