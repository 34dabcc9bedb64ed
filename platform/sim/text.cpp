#include "platform/sim/text.h"

#include <cstring>

#include "platform/sim/world.h"

namespace miagent {
namespace {

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

std::string_view SimTextPart(std::string_view text, size_t offset, size_t size) {
  if (offset > text.size()) return {};
  const size_t rest = text.size() - offset;
  return {text.data() + offset, size < rest ? size : rest};
}

size_t SimTextFind(std::string_view text, std::string_view wanted, size_t from) {
  if (from >= text.size()) return text.size();
  const void* const found =
      memmem(text.data() + from, text.size() - from, wanted.data(), wanted.size());
  return found == nullptr ? text.size()
                          : static_cast<size_t>(static_cast<const char*>(found) - text.data());
}

bool SimTextEqual(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  size_t index = 0;
  uint64_t differences = 0;
  for (; index + sizeof(uint64_t) <= a.size(); index += sizeof(uint64_t)) {
    uint64_t words[2];
    memcpy(&words[0], a.data() + index, sizeof(uint64_t));
    memcpy(&words[1], b.data() + index, sizeof(uint64_t));
    differences |= words[0] ^ words[1];
  }
  for (; index < a.size(); ++index) differences |= a[index] == b[index] ? 0 : 1;
  return differences == 0;
}

bool SimTextEqualIgnoreCase(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t index = 0; index < a.size(); ++index) {
    if (Lower(a[index]) != Lower(b[index])) return false;
  }
  return true;
}

void SimTextCopy(char* to, size_t capacity, std::string_view text) {
  if (text.size() >= capacity) SimFailed("a name or value too long for the simulator");
  memcpy(to, text.data(), text.size());
  to[text.size()] = 0;
}

}  // namespace miagent
