#include "agent/base/address.h"
#include "agent/http/url.h"

#include <string>

#include "doctest.h"

namespace miagent {
namespace {

std::string Problem(std::string_view text) {
  Url url;
  const char* problem = UrlParse(text, &url);
  return problem == nullptr ? "" : problem;
}

TEST_CASE("a URL is split as it is written") {
  Url url;
  REQUIRE(UrlParse("http://169.254.169.254/metadata/token?a=b", &url) == nullptr);
  CHECK_FALSE(url.is_https);
  CHECK(url.authority == "169.254.169.254");
  CHECK(url.host == "169.254.169.254");
  CHECK(url.port == 80);
  CHECK(url.path == "/metadata/token?a=b");

  REQUIRE(UrlParse("HTTPS://Login.example:8443/", &url) == nullptr);
  CHECK(url.is_https);
  CHECK(url.authority == "Login.example:8443");
  CHECK(url.host == "Login.example");
  CHECK(url.port == 8443);
  CHECK(url.path == "/");

  REQUIRE(UrlParse("https://x", &url) == nullptr);
  CHECK(url.port == 443);
  CHECK(url.path.empty());

  REQUIRE(UrlParse("http://[fe80::1]:65535/p", &url) == nullptr);
  CHECK(url.authority == "[fe80::1]:65535");
  CHECK(url.host == "fe80::1");
  CHECK(url.port == 65535);

  REQUIRE(UrlParse("http://[::1]", &url) == nullptr);
  CHECK(url.host == "::1");
  CHECK(url.port == 80);
}

TEST_CASE("what could be misread is refused, with a reason") {
  CHECK(Problem("169.254.169.254/token") == "has no scheme: begin it with http://");
  CHECK(Problem("") == "has no scheme: begin it with http://");
  CHECK(Problem("ftp://1.2.3.4/") == "has a scheme that is neither http nor https");
  CHECK(Problem("://1.2.3.4/") == "has a scheme that is neither http nor https");
  for (const char* text :
       {"http://1.2.3.4/a b", "http://1.2.3.4/\r\nX: y", "http://1.2.3.4/\t", "http://\x7F/",
        "http://1.2.3.4/\xC3\xA9", " http://1.2.3.4/", "http://1.2.3.4/ "}) {
    CAPTURE(text);
    CHECK(Problem(text) == "has a blank or another byte that no URL has");
  }
  CHECK(Problem(std::string_view("http://1.2.3.4/\0", 16)) ==
        "has a blank or another byte that no URL has");
  CHECK(Problem("http://1.2.3.4/#x") == "has a fragment (#)");
  CHECK(Problem("http://user@1.2.3.4/") == "has a user name, which is not supported");
  CHECK_FALSE(Problem("http://user:secret@1.2.3.4/").empty());
  CHECK(Problem("http:///token") == "has no host");
  CHECK(Problem("http://:80/token") == "has no host");
  CHECK(Problem("http://[]/") == "has no host");
  CHECK(Problem("http://[::1/") == "has a '[' without its ']'");
  CHECK(Problem("http://[::g]/") == "has no IPv6 address between [ and ]");
  CHECK(Problem("http://[::1.2.3.4]/").empty());
  CHECK(Problem("http://[::1%25lo]/") == "has no IPv6 address between [ and ]");
  CHECK(Problem("http://a,b/") == "has a host that is neither a name nor an address");
  CHECK(Problem("http://1.2.3.4?x=y") == "has a query without a path");
  for (const char* text :
       {"http://h:0/", "http://h:65536/", "http://h:/", "http://h:+80/", "http://h:80x/",
        "http://[::1]80/", "http://h:99999999999999999999/", "http://h:80:80/"}) {
    CAPTURE(text);
    CHECK(Problem(text) == "has a port that is not a number from 1 to 65535");
  }
}

std::string Shown(std::string_view host) {
  Address address;
  if (!AddressParse(host, 80, &address)) return "no";
  CHECK(address.port == 80);
  std::string shown = address.is_ipv6 ? "6" : "4";
  for (uint32_t index = 0; index < (address.is_ipv6 ? 16 : 4); ++index) {
    shown += "0123456789abcdef"[address.bytes[index] >> 4];
    shown += "0123456789abcdef"[address.bytes[index] & 15];
  }
  for (uint32_t index = address.is_ipv6 ? 16 : 4; index < 16; ++index) {
    CHECK(address.bytes[index] == 0);
  }
  return shown;
}

TEST_CASE("IPv4 addresses are four decimal numbers") {
  CHECK(Shown("169.254.169.254") == "4a9fea9fe");
  CHECK(Shown("0.0.0.0") == "400000000");
  CHECK(Shown("255.255.255.255") == "4ffffffff");
  CHECK(Shown("localhost") == "47f000001");
  CHECK(Shown("LocalHost") == "47f000001");
  for (const char* host : {"", "1.2.3", "1.2.3.4.5", "256.1.1.1", "1.2.3.04", "01.2.3.4", "1..3.4",
                           "1.2.3.", ".1.2.3", "1.2.3.4 ", "0x7f.0.0.1", "2130706433", "1.2.3.-4",
                           "localhost.", "example", "metadata.internal"}) {
    CAPTURE(host);
    CHECK(Shown(host) == "no");
  }
}

TEST_CASE("IPv6 addresses are eight groups, one run of zeros left out") {
  CHECK(Shown("::") == "600000000000000000000000000000000");
  CHECK(Shown("::1") == "600000000000000000000000000000001");
  CHECK(Shown("1::") == "600010000000000000000000000000000");
  CHECK(Shown("fe80::A9fe:a9FE") == "6fe8000000000000000000000a9fea9fe");
  CHECK(Shown("1:2:3:4:5:6:7:8") == "600010002000300040005000600070008");
  CHECK(Shown("1:2:3:4:5:6:7::") == "600010002000300040005000600070000");
  CHECK(Shown("::2:3:4:5:6:7:8") == "600000002000300040005000600070008");
  CHECK(Shown("1::8") == "600010000000000000000000000000008");
  CHECK(Shown("::ffff:169.254.169.254") == "600000000000000000000ffffa9fea9fe");
  CHECK(Shown("1:2:3:4:5:6:1.2.3.4") == "600010002000300040005000601020304");
  CHECK(Shown("1::1.2.3.4") == "600010000000000000000000001020304");
  for (const char* host :
       {":", ":::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::", "::1:2:3:4:5:6:7:8",
        "1::2::3", "1:", ":1", "::1:", "12345::", "g::", "1:2:3:4:5:6:7:1.2.3.4", "::1.2.3",
        "1.2.3.4::", "::1.2.3.4:5", "fe80::1%lo", "::01.2.3.4", "1:2:3:4::5:6:7:8:9"}) {
    CAPTURE(host);
    CHECK(Shown(host) == "no");
  }
}

}  // namespace
}  // namespace miagent
