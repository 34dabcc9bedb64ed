// A scenario: a story in time, as a text, and what a user must have seen.
//
// Purpose: README.md here has the form. The product's core lives the story on a simulated machine,
//          and what happened is written down; what is expected is then judged by that.
// Errors:  each is a line "NAME:LINE: …" that says what was expected and what was seen.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace miagent {

struct ScenarioOutcome {
  std::vector<std::string> failures;
  std::string timeline;  // what happened, a line each
};

// Lives the scenario of that text. In each, besides what it expects, every file is at any time
// absent, empty or one whole token that was issued for its resource, and never an older one than
// before; requests of one agent are a second apart, and no token is in the log.
ScenarioOutcome ScenarioRun(std::string_view name, std::string_view text);

}  // namespace miagent
