#include "agent/config/choice.h"

#include "agent/base/bytes.h"

namespace miagent {

bool ChoiceFind(std::string_view word, std::string_view choices, uint32_t* index) {
  constexpr size_t kDiffers = SIZE_MAX;
  uint32_t position = 0;
  size_t size = 0;  // of what word and choice have in common
  for (size_t at = 0; at <= choices.size(); ++at) {
    const bool is_end = at == choices.size() || choices[at] == '|';
    if (is_end && size == word.size()) {
      *index = position;
      return true;
    }
    if (is_end) {
      ++position;
      size = 0;
    } else {
      size = size < word.size() && word[size] == choices[at] ? size + 1 : kDiffers;
    }
  }
  return false;
}

std::string_view ChoiceAt(std::string_view choices, uint32_t index) {
  size_t begin = 0;
  for (; index > 0; --index) begin = Find(choices, '|', begin) + 1;
  return Slice(choices, begin, Find(choices, '|', begin) - begin);
}

std::string_view ChoiceTake(std::string_view* choices) {
  const std::string_view word = ChoiceAt(*choices, 0);
  const bool is_last = word.size() == choices->size();
  *choices = SliceFrom(*choices, is_last ? word.size() : word.size() + 1);
  return word;
}

}  // namespace miagent
