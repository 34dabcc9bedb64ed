// A sentence for people, with one part that comes from outside.
//
// Purpose: say what is wrong in one form everywhere: the outside part in quotes, printable, cut.
#pragma once

#include <string_view>

#include "agent/base/bytes.h"

namespace miagent {

// Appends `sentence`, in which `~` stands for `'outside'`. At most 128 bytes of it are shown.
void AppendSentence(TextWriter& writer, const char* sentence, std::string_view outside);

}  // namespace miagent
