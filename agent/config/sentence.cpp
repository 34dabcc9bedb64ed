#include "agent/config/sentence.h"

namespace miagent {

void AppendSentence(TextWriter& writer, const char* sentence, std::string_view outside) {
  constexpr size_t kOutsideSizeMax = 128;
  const bool is_cut = outside.size() > kOutsideSizeMax;
  for (; *sentence != '\0'; ++sentence) {
    if (*sentence != '~') {
      Append(writer, *sentence);
      continue;
    }
    Append(writer, '\'');
    AppendPrintable(writer, is_cut ? Slice(outside, 0, kOutsideSizeMax) : outside);
    Append(writer, is_cut ? "...'" : "'");
  }
}

}  // namespace miagent
