// The addresses of an endpoint's name, without blocking.
//
// Purpose: what getaddrinfo does, and it can't be used: it allocates and it waits. "localhost",
//          /etc/hosts, and the servers of /etc/resolv.conf, over UDP and, where an answer doesn't
//          fit, over TCP. Both files are read anew for every search.
// Owns:    at most one socket, while a search is under way; the answer to the last one, kept as
//          long as its records permit.
// Limits:  one name at a time; all others in agent/limits.h (kDns…).
// Clock:   the caller's absolute deadline bounds a search; within it, resolv.conf's timeout and
//          attempts are kept to.
// Errors:  kNameSyntax and kNameUnknown … kNameMalformed. Of several servers' failures the last
//          one is told. Failures aren't kept: when to try again is the caller's schedule.
// Never:   asks two questions with one id or from one port (both random); believes what another
//          than the asked server says, or what wasn't asked; asks for what no host's name can be.
//
// How a caller uses it (a numeric host needs none of this: AddressParse knows):
//
//   ResolveState state = ResolverBegin(resolver, platform, url.host, url.port, deadline);
//   … for each Event: state = ResolverOnEvent(resolver, platform, event);
//   … on each tick:   state = ResolverOnDeadline(resolver, platform, now);
//   … NextDeadline:   Earliest(…, ResolverNextDeadline(resolver))
//   once state.finished and state.status.ok(): connect to resolver.answer.items[0]; where that
//   fails with kConnectFailed or kConnectForbidden, to the next, of answer.count. Where none
//   connects: ResolverForget, so that the next search asks anew.
//
// A URL is judged where it is read: a host that neither AddressParse nor DnsNameParse takes is an
// error of the configuration or of the command line there, before any search.
#pragma once

#include <cstdint>
#include <string_view>

#include "agent/base/status.h"
#include "agent/dns/message.h"
#include "agent/dns/resolv.h"
#include "platform/platform.h"

namespace miagent {

enum class ResolverPhase : uint8_t {
  kIdle,       // no socket
  kDatagram,   // asked over UDP
  kSending,    // asking over TCP
  kReceiving,  // asked over TCP
};

struct Resolver {
  ResolverPhase phase = ResolverPhase::kIdle;
  Socket socket;
  uint16_t port = 0;              // of the addresses that are looked for
  Instant deadline;               // of the whole search
  Instant try_deadline;           // of the question under way
  ResolvConfig config;
  DnsName name;                   // what is looked for; what `answer` belongs to
  bool is_absolute = false;       // it has a dot at its end: no search list
  uint32_t candidate_index = 0;   // the next form of the name: itself, or with a search domain
  DnsName candidate;              // the present one
  DnsQuestion question;           // what is asked: the candidate, or what it is an alias of
  uint32_t server_index = 0;      // whom
  uint32_t try_count = 0;         // tries of this question
  uint32_t stranger_count = 0;    // wrong answers to this try
  uint32_t moved_size = 0;        // over TCP: bytes sent, then received
  bool has_no_address = false;    // a form of the name exists, without an address
  Status failure;                 // of the last try
  DnsAnswer found;                // so far
  DnsAddresses answer;            // with the port, the best first; complete when finished
  Instant answer_until;           // how long it may be used without asking
  uint64_t query_count = 0;       // sent since start
  char message[kDnsMessageSizeMax];
};
static_assert(sizeof(Resolver) <= 8 * 1024, "one at a time, in static memory");

// How a search stands. `finished` with an ok status: resolver.answer has at least one address.
struct ResolveState {
  bool finished = false;
  Status status;
};

// Begins to search for a name, which may be a numeric address too. An answer that is still good,
// "localhost" and a name of /etc/hosts are finished at once. The last search must have finished
// (CHECK). The name is only read during the call.
ResolveState ResolverBegin(Resolver& resolver, Platform& platform, std::string_view name,
                           uint16_t port, Instant deadline);

// Moves bytes after an event of this resolver's socket; one of another changes nothing, nor does
// one when no search is under way.
ResolveState ResolverOnEvent(Resolver& resolver, Platform& platform, const Event& event);

// Goes on where a try or the whole search has run out of time; before that it changes nothing.
ResolveState ResolverOnDeadline(Resolver& resolver, Platform& platform, Instant now);

// When ResolverOnDeadline is next wanted; kInstantNever where no search is under way.
Instant ResolverNextDeadline(const Resolver& resolver);

// Gives up the search under way, if there is one.
void ResolverClose(Resolver& resolver, Platform& platform);

// Forgets the answer: it was no use, or the network is another now.
void ResolverForget(Resolver& resolver);

}  // namespace miagent
