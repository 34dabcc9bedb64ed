// One connection to a token endpoint, and one exchange on it at a time.
//
// Purpose: connect, send a request, receive the answer into a slot, through TLS (tls/tls.h) where
//          that is asked for; keep the connection for the next exchange where the server lets us.
// Owns:    at most one socket, and with TLS the engine's one session. `request` and `slot` belong
// to the caller and must stay until the
//          exchange is over.
// Clock:   one absolute deadline for the whole exchange: a peer that dribbles gains nothing.
// Errors:  kConnectFailed, kConnectForbidden, kConnectionLost, kTimeout, response.h's, tls.h's and
//          dns/resolver.h's.
//          After any of them the socket is closed.
// Never:   uses a proxy; follows a redirect; retries, save once at once where a kept connection
//          turns out to have been closed by the server before one byte of answer came.
#pragma once

#include "agent/base/bytes.h"
#include "agent/base/status.h"
#include "agent/dns/resolver.h"
#include "agent/http/response.h"
#include "agent/tls/trust.h"
#include "platform/platform.h"

namespace miagent {

// From kResolving on, an exchange is under way.
enum class ConnectionPhase : uint8_t {
  kClosed,
  kKept,
  kResolving,
  kHandshaking,
  kSending,
  kReceiving,
};

// What is asked, and of whom. Whatever it refers to must stay until the exchange is over.
struct ExchangePlan {
  Address address;                  // where `host` is empty
  std::string_view host;            // a name to be looked up; at most kHostSizeMax bytes
  uint16_t port = 0;                // of `host`
  const TlsTrust* trust = nullptr;  // null: plain HTTP
  ConstPart request[kRequestPartCountMax];
  uint32_t request_part_count = 0;
  Span slot;
  BodySink sink;                    // of a 2xx answer's body; none: it stays in the slot
  bool is_head_only = false;        // a HEAD request: its answer has no body
  Instant deadline;
};

struct Connection {
  ConnectionPhase phase = ConnectionPhase::kClosed;
  Socket socket;
  Address address;
  Instant deadline = kInstantNever;
  ConstPart request[kRequestPartCountMax];
  uint32_t request_part_count = 0;
  uint32_t request_size = 0;
  uint32_t sent_size = 0;
  uint32_t address_index = 0;  // of the resolver's answer, with a named server
  bool is_named = false;       // the server has a name, which was looked up
  bool is_reused = false;      // this exchange began on a kept connection
  bool is_secure = false;      // through TLS, with a server that `trust` allows
  uint32_t opened_count = 0;   // connections opened since start
  ResponseReader reader{};
  TlsTrust trust;
  char host[kHostSizeMax];     // the server's name
  uint32_t host_size = 0;
  Resolver resolver;
};

// How an exchange stands. `finished` with an ok status: reader holds the complete answer.
struct ExchangeState {
  bool finished = false;
  Status status;
};

// Begins an exchange: on the kept connection where there is one to the same server, with the same
// trust, else on a new one. The connection must be closed or kept (CHECK). A server's name is
// looked up first; its addresses are tried one after the other. With `trust`, the request is sent
// through TLS, once the server has shown to be whom it allows.
ExchangeState ExchangeBegin(Connection& connection, Platform& platform, const ExchangePlan& plan);

// Moves bytes after an event of this connection's socket: one write or one read (of one record,
// with TLS), so that a peer that never stops talking can't hold the loop. On a kept connection an
// event means that the server ended it (or spoke unasked): it is closed, and the state is "not
// finished". An event of another socket, or of one that was closed since, changes nothing.
ExchangeState ExchangeOnEvent(Connection& connection, Platform& platform, const Event& event);

// Ends an exchange whose deadline has passed: kTimeout, and the socket is closed; goes on with the
// search for a name whose server has had its time. Before that, or where there is no exchange, it
// changes nothing.
ExchangeState ExchangeOnDeadline(Connection& connection, Platform& platform, Instant now);

// When ExchangeOnDeadline is next wanted, while an exchange is under way.
Instant ExchangeNextDeadline(const Connection& connection);

// Closes the connection, whatever it was doing.
void ConnectionClose(Connection& connection, Platform& platform);

}  // namespace miagent
