// Signals by name.
//
// Purpose: the configuration says `HUP` or `SIGHUP`; the system wants a number.
// Limits:  the names that Linux gives 1 to 31, which are the same on x86, ARM and RISC-V.
#pragma once

#include <cstdint>
#include <string_view>

namespace miagent {

inline constexpr int32_t kSignalInt = 2;
inline constexpr int32_t kSignalQuit = 3;
inline constexpr int32_t kSignalKill = 9;
inline constexpr int32_t kSignalTerm = 15;
inline constexpr int32_t kSignalCont = 18;
inline constexpr int32_t kSignalTstp = 20;
inline constexpr int32_t kSignalUrg = 23;
inline constexpr int32_t kSignalWinch = 28;

// The number of the signal of this name: `HUP` or `SIGHUP`, upper case. False, and nothing stored,
// where there is none.
[[nodiscard]] bool SignalFind(std::string_view name, int32_t* number);

// The name without its `SIG`, of a number that SignalFind gave.
std::string_view SignalNameOf(int32_t number);

}  // namespace miagent
