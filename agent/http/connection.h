// One connection to a token endpoint, and one exchange on it at a time.
//
// Purpose: connect, send a request, receive the answer into a slot; keep the connection for the
//          next exchange where the server lets us.
// Owns:    at most one socket. `request` and `slot` belong to the caller and must stay until the
//          exchange is over.
// Clock:   one absolute deadline for the whole exchange: a peer that dribbles gains nothing.
// Errors:  kConnectFailed, kConnectForbidden, kConnectionLost, kTimeout, and response.h's. After
//          any of them the socket is closed.
// Never:   uses a proxy; follows a redirect; retries, save once at once where a kept connection
//          turns out to have been closed by the server before one byte of answer came.
#pragma once

#include "agent/base/bytes.h"
#include "agent/base/status.h"
#include "agent/http/response.h"
#include "platform/platform.h"

namespace miagent {

enum class ConnectionPhase : uint8_t { kClosed, kSending, kReceiving, kKept };

struct Connection {
  ConnectionPhase phase = ConnectionPhase::kClosed;
  Socket socket;
  Address address;
  Instant deadline = kInstantNever;
  std::string_view request;
  uint32_t sent_size = 0;
  bool is_reused = false;      // this exchange began on a kept connection
  uint32_t opened_count = 0;   // connections opened since start
  ResponseReader reader{};
};

// How an exchange stands. `finished` with an ok status: reader holds the complete answer.
struct ExchangeState {
  bool finished = false;
  Status status;
};

// Begins an exchange: on the kept connection where there is one to the same address, else on a
// new one. The connection must be closed or kept (CHECK).
ExchangeState ExchangeBegin(Connection& connection, Platform& platform, const Address& address,
                            std::string_view request, Span slot, Instant deadline);

// Moves bytes after an event of this connection's socket: one write or one read, so that a peer
// that never stops talking can't hold the loop. On a kept connection an event means that the
// server ended it (or spoke unasked): it is closed, and the state is "not finished". An event of
// another socket, or of one that was closed since, changes nothing.
ExchangeState ExchangeOnEvent(Connection& connection, Platform& platform, const Event& event);

// Ends an exchange whose deadline has passed: kTimeout, and the socket is closed. Before that, or
// where there is no exchange, it changes nothing.
ExchangeState ExchangeOnDeadline(Connection& connection, Platform& platform, Instant now);

// Closes the connection, whatever it was doing.
void ConnectionClose(Connection& connection, Platform& platform);

}  // namespace miagent
