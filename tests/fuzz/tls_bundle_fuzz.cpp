// A bundle of certificates: what a reader of whole lines takes from it, however the text is cut.

#include "agent/base/bytes.h"
#include "agent/tls/bundle.h"
#include "tests/fuzz/fuzz.h"

namespace miagent {
namespace {

constexpr size_t kMemorySize = 96;
constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

using Certificates = std::vector<std::string>;

// The certificates by BundleTake, which is given pieces of `size_max`; 0: as dice fall.
Certificates ByPieces(std::string_view text, size_t size_max) {
  Certificates found;
  Dice dice(text);
  std::unique_ptr<char[]> memory(new char[kMemorySize]);
  BundleReader reader;
  reader.memory = {memory.get(), kMemorySize};
  while (!text.empty()) {
    const Bytes piece(text.substr(0, size_max != 0 ? size_max : 1 + dice.Draw(20)));
    const size_t taken = BundleTake(reader, piece.text());
    MUST(taken >= 1 && taken <= piece.text().size());
    MUST(reader.is_complete || taken == piece.text().size());
    if (reader.is_complete) {
      MUST(reader.size >= 1 && reader.size <= kMemorySize);
      found.emplace_back(memory.get(), reader.size);
    }
    text.remove_prefix(taken);
  }
  return found;
}

std::string Decoded(const std::string& characters) {
  std::string bytes;
  uint32_t bits = 0;
  for (size_t index = 0; index < characters.size(); ++index) {
    bits = (bits << 6 | static_cast<uint32_t>(kAlphabet.find(characters[index]))) & 0xFFFFFF;
    if (index % 4 != 0) bytes += static_cast<char>(bits >> (6 - index % 4 * 2));
  }
  return bytes;
}

// The same by whole lines.
Certificates ByLines(std::string_view text) {
  Certificates found;
  std::string characters;
  bool is_inside = false;
  bool is_good = true;
  for (size_t end = text.find('\n'); end != text.npos; end = text.find('\n')) {
    std::string line;
    for (const char c : text.substr(0, end)) {
      if (c != '\r') line += c;
    }
    text.remove_prefix(end + 1);
    if (is_inside && !line.empty() && line[0] != '-') {
      for (const char c : line) {
        if (kAlphabet.find(c) != kAlphabet.npos) {
          characters += c;
        } else {
          is_good = is_good && (c == '=' || c == ' ' || c == '\t');
        }
      }
    }
    const std::string head = line.substr(0, sizeof(BundleReader::line));
    const std::string_view marker = Trim(head);
    if (marker == "-----BEGIN CERTIFICATE-----") {
      is_inside = is_good = true;
      characters.clear();
    } else if (is_inside && !marker.empty() && marker[0] == '-') {
      is_inside = false;
      const std::string bytes = Decoded(characters);
      if (marker == "-----END CERTIFICATE-----" && is_good && !bytes.empty() &&
          bytes.size() <= kMemorySize) {
        found.push_back(bytes);
      }
    }
  }
  return found;
}

void SubjectJudge(std::string_view text) {
  const Bytes der(text);
  std::string_view subject;
  if (!CertificateSubject(der.text(), &subject)) return;
  MUST(der.Holds(subject));
  MUST(subject.size() >= 2 && subject[0] == 0x30);
  // What follows the certificate is nothing to it, and what is cut off is missed.
  const std::string longer = std::string(text) + "x";
  std::string_view again;
  MUST(CertificateSubject(longer, &again) && again == subject);
  MUST(!CertificateSubject(text.substr(0, static_cast<size_t>(subject.data() - der.text().data())),
                           &again));
}

}  // namespace
}  // namespace miagent

FUZZ_TARGET(input) {
  const Certificates whole = ByLines(input);
  MUST(ByPieces(input, input.size() + 1) == whole);
  MUST(ByPieces(input, 1) == whole);
  MUST(ByPieces(input, 0) == whole);
  SubjectJudge(input);
  for (const std::string& certificate : whole) SubjectJudge(certificate);
}
