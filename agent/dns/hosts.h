// /etc/hosts: the addresses of a name (hosts(5)).
//
// Purpose: lines of an address and its names. The text comes in pieces of any size; nothing is
//          kept of it but where in a line it stands, so no line is too long.
// Owns:    nothing; the search refers to the name that is looked for.
// Limits:  as DnsAddresses; all lines with the name count.
// Errors:  a line whose address isn't numeric, or has a zone (fe80::1%eth0), is passed over.
#pragma once

#include <cstdint>
#include <string_view>

#include "agent/dns/message.h"

namespace miagent {

inline constexpr size_t kHostsAddressSizeMax = 45;  // IPv6 with an IPv4 part at its end

struct HostsSearch {
  std::string_view name;    // what is looked for; without a dot at its end
  DnsAddresses addresses;   // what was found
  uint32_t field_index = 0;  // where in a line the search is: 0 is the address
  uint32_t field_size = 0;   // bytes of the field; 0 between two fields
  bool is_comment = false;
  bool is_match = true;  // the field is the name, so far
  char address[kHostsAddressSizeMax];
  uint32_t address_size = 0;
};

// Begins a search. Names are the same in upper and lower case.
void HostsSearchBegin(HostsSearch& search, std::string_view name);

// Takes the next piece of the file; "\n" after the last one.
void HostsSearchFeed(HostsSearch& search, std::string_view piece);

}  // namespace miagent
