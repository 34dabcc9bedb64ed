#include "agent/http/connection.h"

#include <cerrno>

#include "agent/base/check.h"
#include "agent/limits.h"

namespace miagent {
namespace {

constexpr ExchangeState kUnfinished{};

bool IsUnderWay(const Connection& connection) {
  return connection.phase == ConnectionPhase::kSending ||
         connection.phase == ConnectionPhase::kReceiving;
}

bool SameAddress(const Address& a, const Address& b) {
  if (a.port != b.port || a.is_ipv6 != b.is_ipv6) return false;
  for (uint32_t index = 0; index < sizeof(a.bytes); ++index) {
    if (a.bytes[index] != b.bytes[index]) return false;
  }
  return true;
}

// A policy on this machine, or a missing route, and not the endpoint, said no (dependencies.md:
// a "prohibit" route, a firewall, Azure's Guest Proxy Agent).
bool IsForbidden(int32_t error) {
  return error == EACCES || error == EPERM || error == ENETUNREACH || error == EHOSTUNREACH;
}

ExchangeState Finish(Connection& connection, Platform& platform, Status status) {
  CHECK(IsUnderWay(connection) || connection.phase == ConnectionPhase::kClosed);
  if (status.ok() && connection.reader.keep_alive) {
    connection.phase = ConnectionPhase::kKept;  // still watched for reading: its end is noticed
  } else {
    ConnectionClose(connection, platform);
  }
  return {true, status};
}

// Sends what is left of the request, as far as it goes now. Returns an errno value.
int32_t Send(Connection& connection, Platform& platform) {
  CHECK(connection.phase == ConnectionPhase::kSending);
  CHECK(connection.sent_size < connection.request.size());
  const std::string_view rest = SliceFrom(connection.request, connection.sent_size);
  const ConstPart part{rest.data(), rest.size()};
  const IoResult sent = SocketWrite(platform, connection.socket, &part, 1);
  if (!sent.ok() && sent.error != EAGAIN) return sent.error;
  if (sent.ok()) {
    CHECK(sent.count <= rest.size());
    connection.sent_size += sent.count;
  }
  const bool is_sent = connection.sent_size == connection.request.size();
  if (is_sent) connection.phase = ConnectionPhase::kReceiving;
  return SocketWatch(platform, connection.socket, is_sent, !is_sent).error;
}

// Opens a connection and sends what goes at once: a server on this machine is connected by now;
// otherwise that is EAGAIN, and Wait tells when. Returns an errno value.
int32_t OpenAndSend(Connection& connection, Platform& platform) {
  CHECK(connection.phase == ConnectionPhase::kClosed);
  CHECK(connection.reader.received_size == 0);
  connection.is_reused = false;
  connection.sent_size = 0;
  const IoResult begun = SocketConnect(platform, connection.address, &connection.socket);
  if (!begun.ok()) return begun.error;
  ++connection.opened_count;
  connection.phase = ConnectionPhase::kSending;
  return Send(connection, platform);
}

// Goes on after a step that ended with `error` (0: the peer ended the connection). A connection
// that was kept, and on which no byte of answer came, was closed by the server meanwhile: a new
// one is opened, once, for the same request and within the same deadline.
ExchangeState Recover(Connection& connection, Platform& platform, int32_t error) {
  if (connection.is_reused && connection.reader.received_size == 0) {
    ConnectionClose(connection, platform);
    error = OpenAndSend(connection, platform);
    if (error == 0) return kUnfinished;
  }
  const bool was_connected = connection.is_reused || connection.sent_size != 0;
  const Fault fault = was_connected        ? Fault::kConnectionLost
                      : IsForbidden(error) ? Fault::kConnectForbidden
                                           : Fault::kConnectFailed;
  return Finish(connection, platform, {fault, error});
}

ExchangeState Receive(Connection& connection, Platform& platform) {
  CHECK(connection.phase == ConnectionPhase::kReceiving);
  const Span room = ResponseRoom(connection.reader);
  const IoResult received = SocketRead(platform, connection.socket, room.data, room.size);
  if (received.error == EAGAIN) return kUnfinished;
  if (!received.ok()) return Recover(connection, platform, received.error);
  CHECK(received.count <= room.size);
  if (received.count == 0) {
    if (connection.reader.received_size == 0) return Recover(connection, platform, 0);
    connection.reader.keep_alive = false;
    return Finish(connection, platform, ResponseOnEnd(connection.reader));
  }
  const Status status = ResponseOnBytes(connection.reader, received.count);
  if (status.ok() && !connection.reader.complete) return kUnfinished;
  return Finish(connection, platform, status);
}

}  // namespace

ExchangeState ExchangeBegin(Connection& connection, Platform& platform, const Address& address,
                            std::string_view request, Span slot, Instant deadline) {
  CHECK(!IsUnderWay(connection));
  CHECK(!request.empty());
  const bool is_kept = connection.phase == ConnectionPhase::kKept;
  const bool is_same = is_kept && SameAddress(connection.address, address);
  if (is_kept && !is_same) ConnectionClose(connection, platform);
  connection.address = address;
  connection.request = request;
  connection.deadline = deadline;
  connection.sent_size = 0;
  ResponseBegin(connection.reader, slot);
  connection.is_reused = is_same;
  if (is_same) connection.phase = ConnectionPhase::kSending;
  const int32_t error = is_same ? Send(connection, platform) : OpenAndSend(connection, platform);
  return error == 0 ? kUnfinished : Recover(connection, platform, error);
}

ExchangeState ExchangeOnEvent(Connection& connection, Platform& platform, const Event& event) {
  if (event.kind != EventKind::kSocket || connection.phase == ConnectionPhase::kClosed ||
      event.socket.handle != connection.socket.handle) {
    return kUnfinished;
  }
  CHECK(event.readable || event.writable);
  switch (connection.phase) {
    case ConnectionPhase::kSending: {
      const int32_t error = Send(connection, platform);
      return error == 0 ? kUnfinished : Recover(connection, platform, error);
    }
    case ConnectionPhase::kReceiving:
      return event.readable ? Receive(connection, platform) : kUnfinished;
    case ConnectionPhase::kKept: ConnectionClose(connection, platform); return kUnfinished;
    case ConnectionPhase::kClosed: break;
  }
  return kUnfinished;
}

ExchangeState ExchangeOnDeadline(Connection& connection, Platform& platform, Instant now) {
  if (!IsUnderWay(connection) || now < connection.deadline) return kUnfinished;
  return Finish(connection, platform, {Fault::kTimeout, 0});
}

void ConnectionClose(Connection& connection, Platform& platform) {
  if (connection.phase != ConnectionPhase::kClosed) SocketClose(platform, connection.socket);
  connection.phase = ConnectionPhase::kClosed;
  connection.socket = Socket{};
}

}  // namespace miagent
