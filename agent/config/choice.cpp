#include "agent/config/choice.h"

#include "agent/base/bytes.h"

namespace miagent {

bool ChoiceFind(std::string_view word, std::string_view choices, uint32_t* index) {
  uint32_t position = 0;
  for (size_t begin = 0; begin < choices.size(); ++position) {
    const size_t end = Find(choices, '|', begin);
    if (Slice(choices, begin, end - begin) == word) {
      *index = position;
      return true;
    }
    begin = end + 1;
  }
  return false;
}

}  // namespace miagent
