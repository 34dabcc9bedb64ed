// A word out of a closed list, written as people read it: `raw|json|env`.
//
// Purpose: one text is the list that a value is looked up in, what a message says was expected, and
//          the names of the values.
#pragma once

#include <cstdint>
#include <string_view>

namespace miagent {

// The position of `word` in `choices`, which are separated by `|`. False where it isn't there.
[[nodiscard]] bool ChoiceFind(std::string_view word, std::string_view choices, uint32_t* index);

// The word at a position, which CHECKs that there is one.
std::string_view ChoiceAt(std::string_view choices, uint32_t index);

// The first word, which it takes from the choices, with the `|` behind it.
std::string_view ChoiceTake(std::string_view* choices);

}  // namespace miagent
