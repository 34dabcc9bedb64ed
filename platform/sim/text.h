// Text, for the simulator's own use: it shares no code with the agent.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace miagent {

// `size` bytes of `text` from `offset`; less where it ends before.
std::string_view SimTextPart(std::string_view text, size_t offset, size_t size = SIZE_MAX);

// Where `wanted` begins in `text`, at or after `from`; text.size() where it doesn't.
size_t SimTextFind(std::string_view text, std::string_view wanted, size_t from = 0);

// For texts of a token's size: musl's memcmp goes byte by byte.
bool SimTextEqual(std::string_view a, std::string_view b);
bool SimTextEqualIgnoreCase(std::string_view a, std::string_view b);

// Copies `text` and a NUL to `to`; SimFailed where that has no room.
void SimTextCopy(char* to, size_t capacity, std::string_view text);

}  // namespace miagent
