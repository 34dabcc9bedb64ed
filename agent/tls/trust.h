// Whom a TLS connection may speak with: plain data, made from the configuration and the source.
//
// Purpose: what the engine (tls.h) checks of the server's certificate before a byte of the request
//          is sent.
// Owns:    its text, so that it outlives the configuration it was made from.
// Limits:  host names of 255 bytes, paths of kPathSizeMax.
#pragma once

#include <cstdint>
#include <string_view>

#include "agent/limits.h"

namespace miagent {

enum class TlsTrustKind : uint8_t {
  kBundle,      // a chain of certificates to a root in the CA bundle, for this host, valid now
  kThumbprint,  // this one certificate, by its SHA-1 (Service Fabric); its dates and names are moot
};

struct TlsTrust {
  TlsTrustKind kind = TlsTrustKind::kBundle;
  uint8_t thumbprint[kThumbprintSize] = {};  // kThumbprint
  char host[kHostSizeMax + 1] = {};  // a DNS name, or a numeric address without brackets
  char ca_path[kPathSizeMax] = {};  // PEM; empty: the system's bundle
};

// Trust in the CA bundle at `ca_path` (empty: the system's) for `host`. False, and nothing is
// stored, where one of them is too long, or the host is empty.
[[nodiscard]] bool TlsTrustBundle(std::string_view host, std::string_view ca_path, TlsTrust* trust);

// Trust in the certificate whose SHA-1 is `text`: 40 hexadecimal digits of either case, colons and
// blanks between them ignored. False, and nothing is stored, where it is something else.
[[nodiscard]] bool TlsTrustThumbprint(std::string_view text, TlsTrust* trust);

// Whether what was verified for `a` is as good for `b`.
bool TlsTrustIsSame(const TlsTrust& a, const TlsTrust& b);

// The engine this program is linked with, as `Mbed TLS 3.6.7`; empty where there is none, and
// https can't be spoken.
std::string_view TlsEngineName();

}  // namespace miagent
