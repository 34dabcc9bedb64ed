// A network address, as a type: plain data that pure code may hold without seeing the verbs.
#pragma once

#include <cstdint>

namespace miagent {

// A numeric address and port. IPv4 uses the first 4 bytes.
struct Address {
  uint8_t bytes[16] = {};
  uint16_t port = 0;
  bool is_ipv6 = false;
};

}  // namespace miagent
