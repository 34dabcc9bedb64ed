// Numeric addresses, as people write them.
#pragma once

#include <cstdint>
#include <string_view>

#include "platform/address.h"

namespace miagent {

// The address of a numeric host (dotted IPv4, IPv6 without a zone) or of `localhost`. False for
// anything else.
[[nodiscard]] bool AddressParse(std::string_view host, uint16_t port, Address* address);

}  // namespace miagent
