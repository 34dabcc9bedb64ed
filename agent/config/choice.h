// A word out of a closed list, written as people read it: `raw|json|env`.
//
// Purpose: one text is both the list that a value is looked up in and what a message says was
//          expected.
#pragma once

#include <cstdint>
#include <string_view>

namespace miagent {

// The position of `word` in `choices`, which are separated by `|`. False where it isn't there.
[[nodiscard]] bool ChoiceFind(std::string_view word, std::string_view choices, uint32_t* index);

}  // namespace miagent
