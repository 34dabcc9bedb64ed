// URLs: what is accepted can be put together again, byte for byte, and into a request line; numeric
// addresses are those that the C library's inet_pton takes.

#include "agent/http/url.h"

#include <arpa/inet.h>

#include "agent/base/address.h"
#include "tests/fuzz/fuzz.h"

namespace miagent {
namespace {

void AddressJudge(std::string_view host) {
  const Bytes bytes(host);
  Address address;
  const bool is_address = AddressParse(bytes.text(), 8080, &address);
  if (EqualIgnoreCase(host, "localhost")) {
    MUST(is_address && !address.is_ipv6 && address.bytes[0] == 127 && address.bytes[3] == 1);
    return;
  }
  const std::string text(host);
  uint8_t expected[16] = {};
  const bool has_nul = text.find('\0') != text.npos;
  const bool is_v4 = !has_nul && inet_pton(AF_INET, text.c_str(), expected) == 1;
  const bool is_v6 = !has_nul && !is_v4 && inet_pton(AF_INET6, text.c_str(), expected) == 1;
  MUST(is_address == (is_v4 || is_v6));
  if (!is_address) return;
  MUST(address.port == 8080 && address.is_ipv6 == is_v6);
  MUST(std::memcmp(address.bytes, expected, is_v6 ? 16 : 4) == 0);
}

}  // namespace
}  // namespace miagent

FUZZ_TARGET(input) {
  AddressJudge(input);
  const Bytes bytes(input);
  const std::string_view text = bytes.text();
  Url url;
  const char* const problem = UrlParse(text, &url);
  if (problem != nullptr) {
    MUST(IsPrintable(problem) && problem[0] != '\0');
    return;
  }
  MUST(bytes.Holds(url.authority) && bytes.Holds(url.host));
  MUST(url.path.empty() || (bytes.Holds(url.path) && url.path[0] == '/'));
  for (const char c : text) MUST(c >= 0x21 && c <= 0x7E && c != '#');
  MUST(url.authority.find('@') == std::string_view::npos);
  const size_t scheme_size = url.is_https ? 8 : 7;
  MUST(EqualIgnoreCase(text.substr(0, scheme_size), url.is_https ? "https://" : "http://"));
  MUST(text.substr(scheme_size, url.authority.size()) == url.authority);
  MUST(text.substr(scheme_size + url.authority.size()) == url.path);
  MUST(!url.host.empty() && url.port != 0);
  const bool is_v6 = url.authority[0] == '[';
  const std::string bare = (is_v6 ? "[" : "") + std::string(url.host) + (is_v6 ? "]" : "");
  const uint16_t own_port = url.is_https ? 443 : 80;
  if (url.authority.size() == bare.size()) {
    MUST(url.authority == bare && url.port == own_port);
  } else {
    const std::string port(url.authority.substr(bare.size() + 1));
    MUST(url.authority.substr(0, bare.size() + 1) == bare + ":");
    MUST(port.find_first_not_of("0123456789") == port.npos);
    MUST(std::strtoull(port.c_str(), nullptr, 10) == url.port);
  }
  AddressJudge(url.host);
}
