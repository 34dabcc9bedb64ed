// /etc/hosts and /etc/resolv.conf: the same however the text is cut, and within their limits.

#include "agent/dns/hosts.h"
#include "agent/dns/resolv.h"
#include "tests/fuzz/fuzz.h"

namespace miagent {
namespace {

// Hands `text` on in pieces; `size_max` 0: as dice fall.
template <typename Feed>
void InPieces(std::string_view text, size_t size_max, Feed feed) {
  Dice dice(text);
  while (!text.empty()) {
    const size_t wanted = size_max != 0 ? size_max : 1 + dice.Draw(20);
    const Bytes piece(text.substr(0, wanted));
    feed(piece.text());
    text.remove_prefix(piece.text().size());
  }
}

std::string AddressTell(const Address& address) {
  return std::string(reinterpret_cast<const char*>(address.bytes), address.is_ipv6 ? 16 : 4) + "," +
         std::to_string(address.port) + "\n";
}

std::string HostsTell(std::string_view text, size_t size_max, std::string_view name) {
  HostsSearch search;
  HostsSearchBegin(search, name);
  InPieces(text, size_max, [&](std::string_view piece) { HostsSearchFeed(search, piece); });
  HostsSearchFeed(search, "\n");
  MUST(search.addresses.count <= kDnsAddressCountMax);
  std::string told;
  for (uint32_t index = 0; index < search.addresses.count; ++index) {
    told += AddressTell(search.addresses.items[index]);
  }
  return told;
}

std::string ResolvTell(std::string_view text, size_t size_max) {
  ResolvConfig config;
  ResolvReader reader;
  ResolvBegin(reader, &config);
  InPieces(text, size_max, [&](std::string_view piece) { ResolvFeed(reader, piece); });
  ResolvEnd(reader);
  MUST(config.server_count >= 1 && config.server_count <= kDnsServerCountMax);
  MUST(config.attempt_count >= 1 && config.attempt_count <= kDnsAttemptCountMax);
  MUST(config.dot_count <= kDnsDotCountMax);
  MUST(config.timeout >= Seconds(1) && config.timeout <= kDnsTimeoutMax);
  MUST(config.search_count <= kDnsSearchCountMax && config.search_size <= kDnsSearchSizeMax);
  std::string told = std::to_string(config.attempt_count) + "," + std::to_string(config.dot_count) +
                     "," + std::to_string(config.timeout.ms);
  for (uint32_t index = 0; index < config.server_count; ++index) {
    MUST(config.servers[index].port == 53);
    told += AddressTell(config.servers[index]);
  }
  for (uint32_t index = 0; index < config.search_count; ++index) {
    const std::string_view domain = ResolvSearch(config, index);
    MUST(!domain.empty() && domain.find_first_of(" \t\n") == domain.npos);
    told += std::string(domain) + "\n";
  }
  return told;
}

}  // namespace
}  // namespace miagent

FUZZ_TARGET(input) {
  for (const std::string_view name : {"himds", "login.example"}) {
    const std::string whole = HostsTell(input, input.size() + 1, name);
    MUST(HostsTell(input, 1, name) == whole);
    MUST(HostsTell(input, 0, name) == whole);
    // A comment or a line of others changes nothing.
    const std::string longer = std::string(input) + "\n# 1.2.3.4 himds login.example\n9.9.9.9 x";
    MUST(HostsTell(longer, longer.size(), name) == whole);
  }
  const std::string whole = ResolvTell(input, input.size() + 1);
  MUST(ResolvTell(input, 1) == whole);
  MUST(ResolvTell(input, 0) == whole);
}
