// /etc/resolv.conf: whom to ask, how often, and what to put behind a short name (resolv.conf(5)).
//
// Purpose: `nameserver`, `search`, `domain` and, of the options, ndots, timeout and attempts. The
//          text comes in pieces of any size, so no line is too long.
// Owns:    the search list's text.
// Limits:  the manual's own: agent/limits.h. What is beyond them is dropped, as a number is cut to
//          its limit.
// Errors:  what isn't understood is passed over, as every resolver does. A link-local server
//          needs the zone that an Address doesn't have: it is passed over; zones of others are cut
//          off. No server at all: 127.0.0.1.
#pragma once

#include <cstdint>
#include <string_view>

#include "agent/limits.h"
#include "platform/address.h"
#include "platform/time.h"

namespace miagent {

struct ResolvConfig {
  Address servers[kDnsServerCountMax];  // port 53
  uint32_t server_count = 0;            // at least 1 after ResolvEnd
  uint32_t attempt_count = kDnsAttemptCountDefault;  // of each server
  uint32_t dot_count = 1;  // a name with fewer dots is first tried with the search list
  Duration timeout = kDnsTimeoutDefault;  // of one try
  uint32_t search_count = 0;
  uint32_t search_size = 0;
  char search[kDnsSearchSizeMax];  // domains, a blank behind each
};

enum class ResolvKeyword : uint8_t { kOther, kServer, kDomain, kSearch, kOptions };

struct ResolvReader {
  ResolvConfig* config = nullptr;
  ResolvKeyword keyword = ResolvKeyword::kOther;
  uint32_t word_index = 0;  // where in a line the reader is
  uint32_t word_size = 0;   // one more than the room: too long
  bool is_comment = false;
  char word[kDnsNameSizeMax];
};

// Begins to read into `config`.
void ResolvBegin(ResolvReader& reader, ResolvConfig* config);

// Takes the next piece of the file.
void ResolvFeed(ResolvReader& reader, std::string_view piece);

// Ends the file (or tells that there is none).
void ResolvEnd(ResolvReader& reader);

// The domain of that index, below search_count.
std::string_view ResolvSearch(const ResolvConfig& config, uint32_t index);

}  // namespace miagent
