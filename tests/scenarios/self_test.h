// The scenarios' own test.
#pragma once

namespace miagent {

// Runs scenarios whose expectations are wrong, or that are written wrongly: each must fail, with
// the line and the words that it should. 0 when they do.
int ScenarioSelfTest();

}  // namespace miagent
