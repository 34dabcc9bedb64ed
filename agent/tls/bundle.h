// A CA bundle, read in pieces: PEM text to DER, one certificate at a time.
//
// Purpose: Debian's bundle is 220 KB of text and would be 500 KB of parsed certificates. Here it
//          passes by, and whoever looks for an issuer keeps the one that fits.
// Owns:    nothing; the certificate's memory is its caller's.
// Limits:  a certificate as large as that memory; a larger one is passed over.
// Errors:  what is no base64 or too large is passed over, as is text between the certificates.
// Never:   reads a file: text is a parameter.
#pragma once

#include <cstdint>
#include <string_view>

#include "agent/base/bytes.h"

namespace miagent {

struct BundleReader {
  Span memory;                  // where a certificate is put
  size_t size = 0;              // of the certificate, so far
  bool is_inside = false;       // between BEGIN and END
  bool is_wrong = false;        // the certificate can't be used
  bool is_complete = false;     // memory holds a whole one, until the next call
  uint32_t bit_count = 0;       // of `bits`
  uint32_t bits = 0;            // decoded, not yet stored
  uint32_t line_size = 0;       // characters of the line so far
  char line[32];                // the first of them: a marker fits
};

// Takes text up to the end of a certificate (is_complete then), or all of it. Returns how many
// characters it took.
size_t BundleTake(BundleReader& reader, std::string_view text);

// Finds the name of the subject in a certificate: its DER, tag and length included. False where it
// isn't a certificate.
[[nodiscard]] bool CertificateSubject(std::string_view der, std::string_view* subject);

}  // namespace miagent
