#include "agent/tls/trust.h"

#include <string>

#include "doctest.h"

namespace miagent {
namespace {

constexpr char kThumbprint[] = "0123456789abcdef0123456789ABCDEF01234567";

TEST_CASE("trust in a bundle: host and path as long as they may be") {
  TlsTrust trust;
  const std::string host(kHostSizeMax, 'h');
  const std::string path = "/" + std::string(kPathSizeMax - 2, 'p');
  REQUIRE(TlsTrustBundle(host, path, &trust));
  CHECK(trust.kind == TlsTrustKind::kBundle);
  CHECK(host == trust.host);
  CHECK(path == trust.ca_path);
  REQUIRE(TlsTrustBundle("h", "", &trust));
  CHECK(std::string(trust.host) == "h");
  CHECK(std::string(trust.ca_path).empty());
  CHECK_FALSE(TlsTrustBundle(host + "h", "", &trust));
  CHECK_FALSE(TlsTrustBundle("h", path + "p", &trust));
  CHECK_FALSE(TlsTrustBundle("", "", &trust));
  CHECK(std::string(trust.host) == "h");
}

TEST_CASE("trust in a thumbprint: 40 digits, of either case, with colons and blanks") {
  TlsTrust trust;
  REQUIRE(TlsTrustThumbprint(kThumbprint, &trust));
  CHECK(trust.kind == TlsTrustKind::kThumbprint);
  const uint8_t bytes[] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF, 0x01, 0x23,
                           0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF, 0x01, 0x23, 0x45, 0x67};
  for (size_t index = 0; index < kThumbprintSize; ++index) {
    CHECK(trust.thumbprint[index] == bytes[index]);
  }
  TlsTrust spaced;
  REQUIRE(TlsTrustThumbprint("01:23:45 67\t89 ab cd ef 0123456789ABCDEF01234567\t", &spaced));
  CHECK(TlsTrustIsSame(trust, spaced));
  for (const char* const bad :
       {"", "0", "0123456789abcdef0123456789ABCDEF0123456",
        "0123456789abcdef0123456789ABCDEF012345678", "g123456789abcdef0123456789ABCDEF01234567",
        "0123456789abcdef0123456789ABCDEF0123456-"}) {
    CAPTURE(bad);
    CHECK_FALSE(TlsTrustThumbprint(bad, &spaced));
    CHECK(TlsTrustIsSame(trust, spaced));
  }
}

TEST_CASE("trust is the same only where all of it is") {
  TlsTrust a;
  REQUIRE(TlsTrustBundle("h", "/c", &a));
  TlsTrust b;
  REQUIRE(TlsTrustBundle("h", "/c", &b));
  CHECK(TlsTrustIsSame(a, b));
  REQUIRE(TlsTrustBundle("g", "/c", &b));
  CHECK_FALSE(TlsTrustIsSame(a, b));
  REQUIRE(TlsTrustBundle("h", "/d", &b));
  CHECK_FALSE(TlsTrustIsSame(a, b));
  REQUIRE(TlsTrustThumbprint(kThumbprint, &b));
  CHECK_FALSE(TlsTrustIsSame(a, b));
  a = b;
  a.kind = TlsTrustKind::kBundle;
  CHECK_FALSE(TlsTrustIsSame(a, b));
  for (const size_t index : {size_t{0}, kThumbprintSize - 1}) {
    a = b;
    CHECK(TlsTrustIsSame(a, b));
    a.thumbprint[index] ^= 1;
    CHECK_FALSE(TlsTrustIsSame(a, b));
  }
}

}  // namespace
}  // namespace miagent
