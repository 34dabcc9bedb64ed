// Text on its way out through a small buffer.

#include "agent/base/bytes.h"
#include "agent/base/check.h"
#include "agent/status/status.h"

namespace miagent {
namespace {

bool IsContinuation(std::string_view text, size_t index) {
  return index < text.size() && (static_cast<uint8_t>(text[index]) & 0xC0) == 0x80;
}

// The bytes of the character at `at`, where it is well-formed UTF-8 (RFC 3629) and no control
// character; else 0.
size_t CharacterSize(std::string_view text, size_t at) {
  const auto first = static_cast<uint8_t>(text[at]);
  if (first < 0x80) return first >= 0x20 && first != 0x7F ? 1 : 0;
  if (!IsContinuation(text, at + 1)) return 0;
  const auto second = static_cast<uint8_t>(text[at + 1]);
  if (first >= 0xC2 && first <= 0xDF) return 2;
  if (first == 0xE0 ? second < 0xA0 : first == 0xED && second > 0x9F) return 0;
  if (!IsContinuation(text, at + 2)) return 0;
  if (first >= 0xE0 && first <= 0xEF) return 3;
  if (first == 0xF0 ? second < 0x90 : first == 0xF4 && second > 0x8F) return 0;
  return first >= 0xF0 && first <= 0xF4 && IsContinuation(text, at + 3) ? 4 : 0;
}

}  // namespace

Status StatusFlush(StatusWriter& writer) {
  if (writer.size != 0 && writer.status.ok()) {
    writer.status = writer.flush(writer.context, {writer.bytes, writer.size});
  }
  writer.size = 0;
  return writer.status;
}

// Byte by byte: the texts are so short that a call of memcpy takes longer.
void Put(StatusWriter& writer, std::string_view text) {
  const char* from = text.data();
  const char* const end = from + text.size();
  const char* const to_end = writer.bytes + sizeof(writer.bytes);
  while (from != end) {
    if (writer.size == sizeof(writer.bytes)) static_cast<void>(StatusFlush(writer));
    char* to = writer.bytes + writer.size;
    while (from != end && to != to_end) *to++ = *from++;
    writer.size = static_cast<uint32_t>(to - writer.bytes);
  }
}

void PutDecimal(StatusWriter& writer, int64_t value) {
  char digits[20];
  TextWriter text{digits, sizeof(digits)};
  AppendDecimal(text, value);
  CHECK(!text.overflowed);
  Put(writer, text.text());
}

void PutEscaped(StatusWriter& writer, std::string_view text) {
  size_t begin = 0;  // of what can go out as it is
  for (size_t at = SkipPlain(text, 0); at < text.size(); at = SkipPlain(text, at)) {
    const size_t size = CharacterSize(text, at);
    const bool is_quoted = text[at] == '"' || text[at] == '\\';
    if (is_quoted || size == 0) {
      Put(writer, Slice(text, begin, at - begin));
      Put(writer, is_quoted ? "\\" : "?");
      begin = is_quoted ? at : at + 1;
    }
    at += size == 0 ? 1 : size;
  }
  Put(writer, SliceFrom(text, begin));
}

}  // namespace miagent
