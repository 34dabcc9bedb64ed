#include "agent/tls/bundle.h"

#include "agent/base/check.h"

namespace miagent {
namespace {

constexpr std::string_view kBegin = "-----BEGIN CERTIFICATE-----";
constexpr std::string_view kEnd = "-----END CERTIFICATE-----";

// The value of a character of base64; -1 for any other.
int32_t Base64Value(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  return c == '/' ? 63 : -1;
}

void TakeBase64(BundleReader& reader, char c) {
  const int32_t value = Base64Value(c);
  if (value < 0) {
    if (c != '=' && c != ' ' && c != '\t') reader.is_wrong = true;
    return;
  }
  reader.bits = reader.bits << 6 | static_cast<uint32_t>(value);
  reader.bit_count += 6;
  if (reader.bit_count < 8) return;
  reader.bit_count -= 8;
  if (reader.size == reader.memory.size) {
    reader.is_wrong = true;
    return;
  }
  reader.memory.data[reader.size++] = static_cast<char>(reader.bits >> reader.bit_count & 0xFF);
}

void EndLine(BundleReader& reader) {
  std::string_view line(
      reader.line, reader.line_size < sizeof(reader.line) ? reader.line_size : sizeof(reader.line));
  line = Trim(line);
  reader.line_size = 0;
  if (line == kBegin) {
    reader.is_inside = true;
    reader.is_wrong = false;
    reader.size = 0;
    reader.bit_count = 0;
  } else if (reader.is_inside && StartsWith(line, "-")) {
    reader.is_inside = false;
    reader.is_complete = line == kEnd && !reader.is_wrong && reader.size != 0;
  }
}

// Takes one element of DER from the front of `rest`: the whole of it, and its content.
bool TakeDer(std::string_view* rest, uint8_t tag, std::string_view* whole,
             std::string_view* content) {
  constexpr size_t kLengthByteCountMax = 3;
  if (rest->size() < 2 || static_cast<uint8_t>((*rest)[0]) != tag) return false;
  size_t size = static_cast<uint8_t>((*rest)[1]);
  size_t head_size = 2;
  if (size >= 0x80) {
    const size_t count = size - 0x80;
    if (count == 0 || count > kLengthByteCountMax || rest->size() < 2 + count) return false;
    size = 0;
    for (size_t index = 0; index < count; ++index) {
      size = size << 8 | static_cast<uint8_t>((*rest)[2 + index]);
    }
    head_size += count;
  }
  if (size > rest->size() - head_size) return false;
  *whole = Slice(*rest, 0, head_size + size);
  *content = SliceFrom(*whole, head_size);
  *rest = SliceFrom(*rest, head_size + size);
  return true;
}

}  // namespace

size_t BundleTake(BundleReader& reader, std::string_view text) {
  reader.is_complete = false;
  for (size_t index = 0; index < text.size(); ++index) {
    const char c = text[index];
    if (c == '\n') {
      EndLine(reader);
      if (reader.is_complete) return index + 1;
      continue;
    }
    if (c == '\r') continue;
    if (reader.line_size < sizeof(reader.line)) reader.line[reader.line_size] = c;
    ++reader.line_size;
    if (reader.is_inside && reader.line[0] != '-') TakeBase64(reader, c);
  }
  return text.size();
}

bool CertificateSubject(std::string_view der, std::string_view* subject) {
  constexpr uint8_t kInteger = 0x02;
  constexpr uint8_t kSequence = 0x30;
  constexpr uint8_t kVersion = 0xA0;
  // Certificate, its signed part; then version, serial number, algorithm, issuer, validity.
  constexpr uint8_t kTags[] = {kInteger, kSequence, kSequence, kSequence};
  std::string_view whole;
  std::string_view content;
  std::string_view rest = der;
  if (!TakeDer(&rest, kSequence, &whole, &content)) return false;
  rest = content;
  if (!TakeDer(&rest, kSequence, &whole, &content)) return false;
  rest = content;
  static_cast<void>(TakeDer(&rest, kVersion, &whole, &content));
  for (const uint8_t tag : kTags) {
    if (!TakeDer(&rest, tag, &whole, &content)) return false;
  }
  return TakeDer(&rest, kSequence, subject, &content);
}

}  // namespace miagent
