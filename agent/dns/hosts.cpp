#include "agent/dns/hosts.h"

#include "agent/base/bytes.h"

namespace miagent {
namespace {

void FieldEnd(HostsSearch& search) {
  if (search.field_size == 0) return;
  if (search.field_index == 0) {
    search.address_size = search.field_size <= kHostsAddressSizeMax ? search.field_size : 0;
  } else if (search.is_match && search.field_size == search.name.size()) {
    const std::string_view text(search.address, search.address_size);
    Address address;
    if (DnsAddressParse(text, 0, &address)) DnsAddressAdd(search.addresses, address);
  }
  ++search.field_index;
  search.field_size = 0;
  search.is_match = true;
}

void CharacterTake(HostsSearch& search, char c) {
  const uint32_t index = search.field_size;
  if (search.field_index == 0) {
    if (index < kHostsAddressSizeMax) search.address[index] = c;
  } else if (search.is_match) {
    search.is_match = index < search.name.size() && ToLower(search.name[index]) == ToLower(c);
  }
  if (index <= kDnsNameSizeMax) ++search.field_size;
}

}  // namespace

void HostsSearchBegin(HostsSearch& search, std::string_view name) {
  search = HostsSearch{};
  search.name = name;
}

void HostsSearchFeed(HostsSearch& search, std::string_view piece) {
  for (const char c : piece) {
    const bool is_line_end = c == '\n';
    if (is_line_end || c == '#' || c == ' ' || c == '\t' || c == '\r') {
      FieldEnd(search);
      search.is_comment = !is_line_end && (search.is_comment || c == '#');
      if (is_line_end) search.field_index = 0;
    } else if (!search.is_comment) {
      CharacterTake(search, c);
    }
  }
}

}  // namespace miagent
