// A simulated name server: a zone, and what can be wrong with the answers.
//
// Purpose: answers over UDP and TCP on one address, as a recursive resolver does. Shares no code
//          with the agent.
// Limits:  kSimNameRecordCountMax records; a question of 512 bytes.
#pragma once

#include <cstdint>
#include <string_view>

#include "platform/sim/server.h"

namespace miagent {

inline constexpr size_t kSimNameRecordCountMax = 48;
inline constexpr size_t kSimNameTextSizeMax = 256;
inline constexpr size_t kSimNameQueryCountMax = 64;

enum class SimNameFault : uint8_t {
  kNone,
  kSilence,
  kServerFailure,
  kServerFailureBare,  // the same without the question
  kNotImplemented,
  kRefused,
  kReferral,       // no answer, no recursion
  kTruncated,      // the bit set and no answers
  kWrongId,
  kWrongQuestion,
  kWrongType,
  kNoAnswerBit,    // the query itself comes back
  kStrangersThenRight,  // three wrong ids, then the answer
  kFlood,          // wrong ids without end
  kGarbage,
  kEmpty,          // a datagram of no bytes; over TCP a size of 0
  kCut,            // half of the answer
  kPointerLoop,
  kWrongSize,      // an address of 3 bytes
  kHugeSize,       // TCP: says that 65,535 bytes follow
  kEnd,            // TCP: closes instead
};

struct SimNameRecord {
  char name[kSimNameTextSizeMax] = {};
  uint16_t type = 0;  // 1 A, 5 CNAME, 28 AAAA; 0: the name exists, and nothing is known of it
  uint32_t ttl_s = 60;
  Address address;
  char target[kSimNameTextSizeMax] = {};
};

struct SimNameQuery {
  char name[kSimNameTextSizeMax] = {};  // in lower case
  uint16_t type = 0;
  uint16_t id = 0;
  bool is_stream = false;
  Instant at;
};

struct SimNameServer {
  // Settings.
  SimNameFault fault = SimNameFault::kNone;         // over UDP
  SimNameFault stream_fault = SimNameFault::kNone;  // over TCP
  uint32_t fault_count = UINT32_MAX;  // of so many queries, those of other types not counted
  uint16_t fault_type = 0;            // only for queries of this type; 0: of any
  Duration delay;
  uint32_t datagram_size_max = 512;  // more is truncated
  uint32_t alias_step_max = 16;      // CNAMEs followed in one answer
  bool shouts = false;               // says every name in upper case
  bool is_backward = false;          // the records in the opposite order
  bool has_soa = true;               // with an answer of nothing
  SimNameRecord records[kSimNameRecordCountMax];
  uint32_t record_count = 0;

  // Facts.
  SimNameQuery queries[kSimNameQueryCountMax];
  uint32_t query_count = 0;  // all of them; the first kSimNameQueryCountMax are kept
};

// Puts the server at that address, port 53, UDP and TCP. It must live as long as the world.
void SimNameServerAdd(Platform& world, SimNameServer& server, const Address& address);

void SimNameAddressAdd(SimNameServer& server, std::string_view name, const Address& address,
                       uint32_t ttl_s = 60);
void SimNameAliasAdd(SimNameServer& server, std::string_view name, std::string_view target,
                     uint32_t ttl_s = 60);
void SimNameEmptyAdd(SimNameServer& server, std::string_view name);

}  // namespace miagent
