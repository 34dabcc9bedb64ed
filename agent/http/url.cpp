#include "agent/http/url.h"

#include "agent/base/bytes.h"

namespace miagent {
namespace {

constexpr uint64_t kPortMax = 65535;

bool IsHostByte(char c) { return IsAlpha(c) || IsDigit(c) || c == '.' || c == '-' || c == '_'; }

// Splits `authority` into host and, where one is written, port.
const char* AuthorityParse(std::string_view authority, Url* url) {
  std::string_view rest;
  if (StartsWith(authority, "[")) {
    const size_t end = Find(authority, ']');
    if (end == authority.size()) return "has a '[' without its ']'";
    url->host = Slice(authority, 1, end - 1);
    for (const char c : url->host) {
      if (HexValue(c) < 0 && c != ':' && c != '.') return "has no IPv6 address between [ and ]";
    }
    rest = SliceFrom(authority, end + 1);
  } else {
    const size_t end = Find(authority, ':');
    url->host = Slice(authority, 0, end);
    for (const char c : url->host) {
      if (c == '@') return "has a user name, which is not supported";
      if (!IsHostByte(c)) return "has a host that is neither a name nor an address";
    }
    rest = SliceFrom(authority, end);
  }
  if (url->host.empty()) return "has no host";
  if (rest.empty()) return nullptr;
  uint64_t port = 0;
  if (rest[0] != ':' || !ParseUnsigned(SliceFrom(rest, 1), kPortMax, &port) || port == 0) {
    return "has a port that is not a number from 1 to 65535";
  }
  url->port = static_cast<uint16_t>(port);
  return nullptr;
}

}  // namespace

const char* UrlParse(std::string_view text, Url* url) {
  *url = Url{};
  for (const char c : text) {
    if (c < 0x21 || c > 0x7E) return "has a blank or another byte that no URL has";
    if (c == '#') return "has a fragment (#)";
  }
  const size_t scheme_size = Find(text, "://");
  if (scheme_size == text.size()) return "has no scheme: begin it with http://";
  const std::string_view scheme = Slice(text, 0, scheme_size);
  url->is_https = EqualIgnoreCase(scheme, "https");
  if (!url->is_https && !EqualIgnoreCase(scheme, "http")) {
    return "has a scheme that is neither http nor https";
  }
  url->port = url->is_https ? 443 : 80;
  const std::string_view rest = SliceFrom(text, scheme_size + 3);
  const size_t path_offset = Find(rest, '/');
  if (Find(rest, '?') < path_offset) return "has a query without a path";
  url->authority = Slice(rest, 0, path_offset);
  url->path = SliceFrom(rest, path_offset);
  return AuthorityParse(url->authority, url);
}

}  // namespace miagent
