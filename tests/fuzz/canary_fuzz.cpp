// The canary: a function that is wrong on purpose. If the fuzzer doesn't find that within seconds,
// it isn't fuzzing (no instrumentation, no mutations, no crash seen), and its silence about the
// other targets means nothing.

#include "tests/fuzz/fuzz.h"

namespace miagent {
namespace {

// Reads "size=HEX;" into 32 bits, and is wrong: nine digits overflow.
bool SizeRead(std::string_view text, uint32_t* size) {
  if (text.substr(0, 5) != "size=") return false;
  *size = 0;
  for (size_t at = 5; at < text.size(); ++at) {
    if (text[at] == ';') return at > 5;
    const int32_t digit = HexValue(text[at]);
    if (digit < 0) return false;
    *size = (*size << 4) + static_cast<uint32_t>(digit);
  }
  return false;
}

}  // namespace
}  // namespace miagent

FUZZ_TARGET(input) {
  uint32_t size = 0;
  if (!SizeRead(input, &size)) return;
  const std::string digits(input.substr(5, input.find(';') - 5));
  MUST(digits.size() > 15 || std::stoull(digits, nullptr, 16) == size);
}
