#include "agent/base/shown.h"

namespace miagent {
namespace {

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

void RunEnd(ShownText& shown) {
  const size_t size = shown.run_size;
  shown.run_size = 0;
  if (size == 0) return;
  if (shown.writer.size != 0) Append(shown.writer, ' ');
  if (size > kShownRunSizeMax) {
    Append(shown.writer, "[...]");
    SecretWipe(shown.run, sizeof(shown.run));
    return;
  }
  AppendPrintable(shown.writer, {shown.run, size});
}

}  // namespace

void ShownBegin(ShownText& shown, Span memory) {
  shown.writer = {memory.data, memory.size};
  shown.run_size = 0;
}

void ShownFeed(ShownText& shown, std::string_view text) {
  for (const char c : text) {
    if (IsBlank(c)) {
      RunEnd(shown);
      continue;
    }
    if (shown.run_size < kShownRunSizeMax) shown.run[shown.run_size] = c;
    ++shown.run_size;
  }
}

std::string_view ShownEnd(ShownText& shown) {
  RunEnd(shown);
  return shown.writer.text();
}

}  // namespace miagent
