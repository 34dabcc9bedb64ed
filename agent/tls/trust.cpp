#include "agent/tls/trust.h"

#include "agent/base/bytes.h"

namespace miagent {

bool TlsTrustBundle(std::string_view host, std::string_view ca_path, TlsTrust* trust) {
  if (host.empty() || host.size() > kHostSizeMax || ca_path.size() >= kPathSizeMax) return false;
  *trust = TlsTrust{};
  TextWriter host_writer{trust->host, kHostSizeMax};
  Append(host_writer, host);
  TextWriter path_writer{trust->ca_path, kPathSizeMax - 1};
  Append(path_writer, ca_path);
  return true;
}

bool TlsTrustThumbprint(std::string_view text, TlsTrust* trust) {
  TlsTrust made;
  made.kind = TlsTrustKind::kThumbprint;
  size_t digit_count = 0;
  for (const char c : text) {
    if (c == ':' || c == ' ' || c == '\t') continue;
    const int32_t value = HexValue(c);
    if (value < 0 || digit_count == 2 * kThumbprintSize) return false;
    uint8_t& byte = made.thumbprint[digit_count / 2];
    byte = static_cast<uint8_t>(byte << 4 | value);
    ++digit_count;
  }
  if (digit_count != 2 * kThumbprintSize) return false;
  *trust = made;
  return true;
}

bool TlsTrustIsSame(const TlsTrust& a, const TlsTrust& b) {
  if (a.kind != b.kind) return false;
  for (size_t index = 0; index < kThumbprintSize; ++index) {
    if (a.thumbprint[index] != b.thumbprint[index]) return false;
  }
  return std::string_view(a.host) == b.host && std::string_view(a.ca_path) == b.ca_path;
}

}  // namespace miagent
