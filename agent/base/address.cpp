#include "agent/base/address.h"

#include "agent/base/bytes.h"

namespace miagent {
namespace {

constexpr uint32_t kGroupCount = 8;  // of 16 bits, in an IPv6 address

// Four numbers up to 255 without leading zeros (which some read as octal).
bool Ipv4Parse(std::string_view text, uint8_t* bytes) {
  for (uint32_t index = 0; index < 4; ++index) {
    const size_t end = index < 3 ? Find(text, '.') : text.size();
    if (end == text.size() && index < 3) return false;
    const std::string_view digits = Slice(text, 0, end);
    uint64_t value = 0;
    if (digits.size() > 1 && digits[0] == '0') return false;
    if (!ParseUnsigned(digits, 255, &value)) return false;
    bytes[index] = static_cast<uint8_t>(value);
    text = SliceFrom(text, index < 3 ? end + 1 : end);
  }
  return true;
}

// One group of up to four hexadecimal digits.
bool GroupParse(std::string_view text, uint8_t* bytes) {
  uint32_t value = 0;
  if (text.size() > 4 || !ParseHex(text, &value)) return false;
  bytes[0] = static_cast<uint8_t>(value >> 8);
  bytes[1] = static_cast<uint8_t>(value & 255);
  return true;
}

// Groups with ':' between them, at most one "::", the last two perhaps as dotted IPv4 (RFC 4291).
bool Ipv6Parse(std::string_view text, uint8_t* bytes) {
  uint32_t count = 0;             // groups read
  uint32_t gap = kGroupCount + 1; // groups before the "::"
  size_t offset = 0;
  if (StartsWith(text, "::")) {
    gap = 0;
    offset = 2;
  }
  while (offset < text.size()) {
    if (count == kGroupCount) return false;
    const size_t end = Find(text, ':', offset);
    const std::string_view group = Slice(text, offset, end - offset);
    if (end == text.size() && count + 2 <= kGroupCount && Ipv4Parse(group, bytes + 2 * count)) {
      count += 2;
      break;
    }
    if (!GroupParse(group, bytes + 2 * count)) return false;
    ++count;
    if (end == text.size()) break;
    offset = end + 1;
    if (offset == text.size()) return false;
    if (text[offset] != ':') continue;
    if (gap <= kGroupCount) return false;
    gap = count;
    ++offset;
  }
  if (gap > kGroupCount) return count == kGroupCount;
  if (count == kGroupCount) return false;
  const uint32_t moved = 2 * (count - gap);  // bytes behind the gap go to the end
  for (uint32_t index = 1; index <= moved; ++index) {
    bytes[16 - index] = bytes[2 * count - index];
  }
  for (uint32_t index = 2 * gap; index < 16 - moved; ++index) bytes[index] = 0;
  return true;
}

}  // namespace

bool AddressParse(std::string_view host, uint16_t port, Address* address) {
  Address parsed;
  parsed.port = port;
  if (EqualIgnoreCase(host, "localhost")) host = "127.0.0.1";
  if (!Ipv4Parse(host, parsed.bytes)) {
    parsed = Address{};
    parsed.port = port;
    parsed.is_ipv6 = true;
    if (!Ipv6Parse(host, parsed.bytes)) return false;
  }
  *address = parsed;
  return true;
}

}  // namespace miagent
