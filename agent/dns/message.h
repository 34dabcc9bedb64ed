// DNS messages: a query written, an answer judged.
//
// Purpose: RFC 1035's format, as far as a stub resolver needs it: one question for the addresses
//          of a name, and what the answer to it says.
// Owns:    nothing; all is plain data of the caller.
// Limits:  names of kDnsNameSizeMax, labels of kDnsLabelSizeMax, chains of kDnsAliasCountMax
//          aliases, kDnsFamilyCountMax addresses a family. Pointers lead back only, so that every
//          name ends.
// Errors:  a verdict; an answer may hold any bytes.
// Never:   reads the additional section; believes what wasn't asked.
#pragma once

#include <cstdint>
#include <string_view>

#include "agent/base/bytes.h"
#include "agent/limits.h"
#include "platform/address.h"

namespace miagent {

// A name as on the wire: labels, each behind its size, and the root's 0. In lower case, as names
// are the same in either.
struct DnsName {
  uint8_t size = 0;
  char bytes[kDnsNameSizeMax];
};

bool DnsNameEqual(const DnsName& a, const DnsName& b);

// A host name: labels of letters, digits, '-' and '_', none with a '-' at an end, the last not
// of digits alone (that is a mistyped address), perhaps with a dot behind it. False, and nothing
// of use stored, for anything else.
[[nodiscard]] bool DnsNameParse(std::string_view text, DnsName* name);

// Puts `suffix` behind `name`. False where that gets too long.
[[nodiscard]] bool DnsNameExtend(DnsName& name, const DnsName& suffix);

// What is asked for: RFC 1035's numbers, RFC 3596's.
enum class DnsType : uint16_t { kA = 1, kAaaa = 28 };

struct DnsQuestion {
  uint16_t id = 0;
  DnsType type = DnsType::kA;
  DnsName name;
};

// Writes the query, recursion desired. At most kDnsQuerySizeMax bytes.
void DnsQueryWrite(const DnsQuestion& question, TextWriter& writer);

// A numeric address, and nothing that stands for one ("localhost"). False for anything else.
[[nodiscard]] bool DnsAddressParse(std::string_view text, uint16_t port, Address* address);

// Addresses without ports, IPv4 before IPv6, none twice.
struct DnsAddresses {
  Address items[kDnsAddressCountMax];
  uint32_t count = 0;
};

// Adds an address; one beyond its family's limit is dropped.
void DnsAddressAdd(DnsAddresses& addresses, const Address& address);

enum class DnsVerdict : uint8_t {
  kStranger,   // not the answer to this question
  kMalformed,  // it is, but breaks off, contradicts itself, or goes round in a circle
  kTruncated,  // to be asked again over TCP
  kAddresses,  // found, and added
  kAlias,      // the name is another's alias, of which nothing is said: ask for that
  kNoAddress,  // the name exists, without an address of this type (NODATA)
  kNoName,     // no such name (NXDOMAIN)
  kFailed,     // SERVFAIL and others
  kRefused,    // REFUSED, or a server that only knows its own names
};

// What an answer adds to what is known.
struct DnsAnswer {
  DnsAddresses addresses;
  uint32_t alias_count = 0;   // CNAMEs followed so far; the caller begins with 0
  uint32_t ttl_s = UINT32_MAX;  // the least of the records that were used
  DnsName alias;              // with kAlias
};

// Judges a message. Its header, its question and the chain of aliases must fit the question. The
// answer is only changed by kAddresses, kNoAddress and kAlias.
DnsVerdict DnsAnswerRead(std::string_view message, const DnsQuestion& question, DnsAnswer* answer);

}  // namespace miagent
