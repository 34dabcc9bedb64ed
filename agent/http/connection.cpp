#include "agent/http/connection.h"

#include <cerrno>

#include "agent/base/check.h"
#include "agent/limits.h"
#include "agent/tls/tls.h"

namespace miagent {
namespace {

constexpr ExchangeState kUnfinished{};

bool IsUnderWay(const Connection& connection) {
  return connection.phase >= ConnectionPhase::kResolving;
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

// The parts of the request that are not sent yet; returns their count.
uint32_t RestOf(const Connection& connection, ConstPart (&rest)[kRequestPartCountMax]) {
  uint32_t count = 0;
  size_t sent_size = connection.sent_size;
  for (uint32_t index = 0; index < connection.request_part_count; ++index) {
    const ConstPart& part = connection.request[index];
    const size_t skipped = sent_size < part.size ? sent_size : part.size;
    sent_size -= skipped;
    if (skipped < part.size) rest[count++] = {part.data + skipped, part.size - skipped};
  }
  return count;
}

// Sends what is left of the request, as far as it goes now. Returns an errno value.
int32_t Send(Connection& connection, Platform& platform) {
  CHECK(connection.phase == ConnectionPhase::kSending);
  ConstPart rest[kRequestPartCountMax];
  const uint32_t rest_count = RestOf(connection, rest);
  CHECK(rest_count != 0);
  const IoResult sent = SocketWrite(platform, connection.socket, rest, rest_count);
  if (!sent.ok() && sent.error != EAGAIN) return sent.error;
  if (sent.ok()) {
    CHECK(sent.count <= connection.request_size - connection.sent_size);
    connection.sent_size += sent.count;
  }
  const bool is_sent = connection.sent_size == connection.request_size;
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

// After a failure to connect: whether the server's name has another address, which is the
// connection's then. Where it has none left, the name is looked up anew the next time.
bool AddressNext(Connection& connection, Platform& platform) {
  if (!connection.is_named) return false;
  const DnsAddresses& answer = connection.resolver.answer;
  if (++connection.address_index >= answer.count) {
    ResolverForget(connection.resolver);
    return false;
  }
  ConnectionClose(connection, platform);
  connection.address = answer.items[connection.address_index];
  return true;
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
  bool was_connected = connection.is_reused || connection.sent_size != 0;
  while (!was_connected && AddressNext(connection, platform)) {
    error = OpenAndSend(connection, platform);
    if (error == 0) return kUnfinished;
    was_connected = connection.sent_size != 0;
  }
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

// ---- the same through TLS ----------------------------------------------------------------------

// Waits for what the engine wants. An unfinished exchange goes on with the next event.
ExchangeState Await(Connection& connection, Platform& platform, TlsWants wants) {
  const bool for_writing = wants == TlsWants::kWriting;
  const IoResult watched = SocketWatch(platform, connection.socket, !for_writing, for_writing);
  if (watched.ok()) return kUnfinished;
  return Finish(connection, platform, {Fault::kConnectionLost, watched.error});
}

// Opens a connection and begins a session on it.
Status OpenSecure(Connection& connection, Platform& platform) {
  CHECK(connection.phase == ConnectionPhase::kClosed);
  CHECK(connection.reader.received_size == 0);
  connection.is_reused = false;
  connection.sent_size = 0;
  const IoResult begun = SocketConnect(platform, connection.address, &connection.socket);
  if (!begun.ok()) return {Fault::kConnectFailed, begun.error};
  ++connection.opened_count;
  connection.phase = ConnectionPhase::kHandshaking;
  return TlsOpen(platform, connection.socket, connection.trust, ClockWall(platform));
}

Status Shake(Connection& connection, TlsWants* wants) {
  const TlsProgress progress = TlsHandshake();
  *wants = progress.wants;
  if (progress.status.ok() && progress.wants == TlsWants::kNothing) {
    connection.phase = ConnectionPhase::kSending;
  }
  return progress.status;
}

Status SendSecure(Connection& connection, TlsWants* wants) {
  ConstPart rest[kRequestPartCountMax];
  CHECK(RestOf(connection, rest) != 0);
  const TlsProgress progress = TlsWrite(rest[0].data, rest[0].size);
  *wants = progress.wants;
  connection.sent_size += progress.count;
  if (progress.is_end) return {Fault::kConnectionLost, 0};
  if (connection.sent_size == connection.request_size) {
    connection.phase = ConnectionPhase::kReceiving;
  }
  return progress.status;
}

Status ReceiveSecure(Connection& connection, TlsWants* wants) {
  ResponseReader& reader = connection.reader;
  const Span room = ResponseRoom(reader);
  const TlsProgress progress = TlsRead(room.data, room.size);
  *wants = progress.wants;
  if (progress.is_end) {
    reader.keep_alive = false;
    return reader.received_size == 0 ? Status{Fault::kConnectionLost, 0} : ResponseOnEnd(reader);
  }
  if (progress.count != 0) TRY(ResponseOnBytes(reader, progress.count));
  // One record an event: what is left of it is read now, as no event will tell of it.
  if (*wants == TlsWants::kNothing && !TlsHasPending()) *wants = TlsWants::kReading;
  return progress.status;
}

// Goes as far as it goes without waiting.
Status StepSecure(Connection& connection, TlsWants* wants) {
  *wants = TlsWants::kNothing;
  while (*wants == TlsWants::kNothing && !connection.reader.complete) {
    switch (connection.phase) {
      case ConnectionPhase::kHandshaking: TRY(Shake(connection, wants)); break;
      case ConnectionPhase::kSending: TRY(SendSecure(connection, wants)); break;
      case ConnectionPhase::kReceiving: TRY(ReceiveSecure(connection, wants)); break;
      case ConnectionPhase::kClosed:
      case ConnectionPhase::kKept:
      case ConnectionPhase::kResolving: CHECK(false);
    }
  }
  return kOk;
}

// Goes on with an exchange through TLS that stands at `status`.
ExchangeState GoOnSecure(Connection& connection, Platform& platform, Status status) {
  TlsWants wants = TlsWants::kNothing;
  if (status.ok()) status = StepSecure(connection, &wants);
  // As Recover: a kept connection that the server has closed meanwhile is opened anew, once.
  if (status.fault == Fault::kConnectionLost && connection.is_reused &&
      connection.reader.received_size == 0) {
    ConnectionClose(connection, platform);
    status = OpenSecure(connection, platform);
    if (status.ok()) status = StepSecure(connection, &wants);
  }
  while (status.fault == Fault::kConnectFailed && AddressNext(connection, platform)) {
    status = OpenSecure(connection, platform);
    if (status.ok()) status = StepSecure(connection, &wants);
  }
  if (status.ok() && !connection.reader.complete) return Await(connection, platform, wants);
  if (status.ok() && connection.reader.keep_alive) {
    // Kept, it is watched for reading; but not with bytes behind the answer.
    connection.reader.keep_alive =
        !TlsHasPending() && SocketWatch(platform, connection.socket, true, false).ok();
  }
  if (status.fault == Fault::kConnectFailed && IsForbidden(status.detail)) {
    status.fault = Fault::kConnectForbidden;
  }
  return Finish(connection, platform, status);
}

bool IsTrustSame(const Connection& connection, const TlsTrust* trust) {
  if (trust == nullptr) return !connection.is_secure;
  return connection.is_secure && TlsTrustIsSame(connection.trust, *trust);
}

// Begins on a new connection to connection.address.
ExchangeState Open(Connection& connection, Platform& platform) {
  if (connection.is_secure) {
    return GoOnSecure(connection, platform, OpenSecure(connection, platform));
  }
  const int32_t error = OpenAndSend(connection, platform);
  return error == 0 ? kUnfinished : Recover(connection, platform, error);
}

// Goes on with a search for the server's name that stands at `state`.
ExchangeState Resolved(Connection& connection, Platform& platform, ResolveState state) {
  if (!state.finished) return kUnfinished;
  if (!state.status.ok()) return Finish(connection, platform, state.status);
  CHECK(connection.resolver.answer.count != 0);
  connection.phase = ConnectionPhase::kClosed;
  connection.address_index = 0;
  connection.address = connection.resolver.answer.items[0];
  return Open(connection, platform);
}

// Whether a kept connection leads to where the plan wants it.
bool IsServerSame(const Connection& connection, const ExchangePlan& plan) {
  if (!IsTrustSame(connection, plan.trust)) return false;
  if (plan.host.empty()) {
    return !connection.is_named && SameAddress(connection.address, plan.address);
  }
  return connection.is_named && connection.address.port == plan.port &&
         std::string_view(connection.host, connection.host_size) == plan.host;
}

void PlanTake(Connection& connection, const ExchangePlan& plan) {
  connection.request_part_count = plan.request_part_count;
  connection.request_size = 0;
  for (uint32_t index = 0; index < plan.request_part_count; ++index) {
    connection.request[index] = plan.request[index];
    connection.request_size += static_cast<uint32_t>(plan.request[index].size);
  }
  CHECK(connection.request_size != 0);
  connection.deadline = plan.deadline;
  connection.sent_size = 0;
  ResponseBegin(connection.reader, plan.slot);
  connection.reader.sink = plan.sink;
  connection.reader.is_head_only = plan.is_head_only;
}

void ServerTake(Connection& connection, const ExchangePlan& plan) {
  connection.is_named = !plan.host.empty();
  connection.is_secure = plan.trust != nullptr;
  if (plan.trust != nullptr) connection.trust = *plan.trust;
  connection.address = plan.address;
  TextWriter host{connection.host, sizeof(connection.host)};
  Append(host, plan.host);
  CHECK(!host.overflowed);
  connection.host_size = static_cast<uint32_t>(host.size);
}

}  // namespace

ExchangeState ExchangeBegin(Connection& connection, Platform& platform, const ExchangePlan& plan) {
  CHECK(!IsUnderWay(connection));
  CHECK(plan.request_part_count <= kRequestPartCountMax);
  const bool is_kept = connection.phase == ConnectionPhase::kKept;
  connection.is_reused = is_kept && IsServerSame(connection, plan);
  if (is_kept && !connection.is_reused) ConnectionClose(connection, platform);
  PlanTake(connection, plan);
  if (connection.is_reused) {
    connection.phase = ConnectionPhase::kSending;
    if (connection.is_secure) return GoOnSecure(connection, platform, kOk);
    const int32_t error = Send(connection, platform);
    return error == 0 ? kUnfinished : Recover(connection, platform, error);
  }
  ServerTake(connection, plan);
  if (!connection.is_named) return Open(connection, platform);
  connection.phase = ConnectionPhase::kResolving;
  return Resolved(
      connection, platform,
      ResolverBegin(connection.resolver, platform, plan.host, plan.port, plan.deadline));
}

ExchangeState ExchangeOnEvent(Connection& connection, Platform& platform, const Event& event) {
  if (connection.phase == ConnectionPhase::kResolving) {
    return Resolved(connection, platform, ResolverOnEvent(connection.resolver, platform, event));
  }
  if (event.kind != EventKind::kSocket || connection.phase == ConnectionPhase::kClosed ||
      event.socket.handle != connection.socket.handle) {
    return kUnfinished;
  }
  CHECK(event.readable || event.writable);
  if (connection.is_secure && IsUnderWay(connection)) {
    return GoOnSecure(connection, platform, kOk);
  }
  switch (connection.phase) {
    case ConnectionPhase::kSending: {
      const int32_t error = Send(connection, platform);
      return error == 0 ? kUnfinished : Recover(connection, platform, error);
    }
    case ConnectionPhase::kReceiving:
      return event.readable ? Receive(connection, platform) : kUnfinished;
    case ConnectionPhase::kKept: ConnectionClose(connection, platform); return kUnfinished;
    case ConnectionPhase::kResolving:
    case ConnectionPhase::kHandshaking:
    case ConnectionPhase::kClosed: break;
  }
  return kUnfinished;
}

ExchangeState ExchangeOnDeadline(Connection& connection, Platform& platform, Instant now) {
  if (!IsUnderWay(connection)) return kUnfinished;
  if (connection.phase == ConnectionPhase::kResolving) {
    return Resolved(connection, platform, ResolverOnDeadline(connection.resolver, platform, now));
  }
  if (now < connection.deadline) return kUnfinished;
  return Finish(connection, platform, {Fault::kTimeout, 0});
}

Instant ExchangeNextDeadline(const Connection& connection) {
  if (connection.phase != ConnectionPhase::kResolving) return connection.deadline;
  return Earliest(connection.deadline, ResolverNextDeadline(connection.resolver));
}

void ConnectionClose(Connection& connection, Platform& platform) {
  if (connection.phase == ConnectionPhase::kResolving) {
    ResolverClose(connection.resolver, platform);
  } else if (connection.phase != ConnectionPhase::kClosed) {
    if (connection.is_secure) TlsClose();
    SocketClose(platform, connection.socket);
  }
  connection.phase = ConnectionPhase::kClosed;
  connection.socket = Socket{};
}

}  // namespace miagent
