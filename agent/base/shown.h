// Text from outside, as it is shown.
//
// Purpose: what a server or a program said is put into lines for people: one blank for each gap,
//          what isn't printable replaced, and what could be a secret left out.
// Limits:  a run of more than kShownRunSizeMax characters without a blank, as a token would be, is
//          shown as `[...]`, in whatever pieces it comes. The rest is the writer's.
#pragma once

#include <cstddef>
#include <string_view>

#include "agent/base/bytes.h"

namespace miagent {

inline constexpr size_t kShownRunSizeMax = 64;  // no word has more; a token has

struct ShownText {
  TextWriter writer;
  size_t run_size;  // of the run that hasn't ended; what is beyond the limit is counted only
  char run[kShownRunSizeMax];
};

// Begins a text, in `memory`.
void ShownBegin(ShownText& shown, Span memory);

// Takes the next piece.
void ShownFeed(ShownText& shown, std::string_view text);

// Ends the text, and returns it.
std::string_view ShownEnd(ShownText& shown);

}  // namespace miagent
