// The version that `miagent --version` shows; packages carry the same.
#pragma once

#include <string_view>

namespace miagent {

inline constexpr std::string_view kVersion = "0.1.0";

}  // namespace miagent
