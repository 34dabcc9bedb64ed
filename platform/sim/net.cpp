#include <cstring>

#include "platform/sim/server.h"
#include "platform/sim/text.h"

namespace miagent {
namespace {

// What of a segment has reached the agent by `now`.
uint32_t SegmentVisible(const SimSegment& segment, Instant now) {
  if (segment.at > now) return 0;
  if (segment.piece_size == 0 || segment.piece_gap.ms <= 0) return segment.size;
  const int64_t gaps = (now - segment.at).ms / segment.piece_gap.ms;
  const uint64_t pieces = static_cast<uint64_t>(gaps) + 1;
  const uint64_t pieces_all = segment.size / segment.piece_size + 1;
  if (pieces >= pieces_all) return segment.size;
  const uint64_t visible = pieces * segment.piece_size;
  return visible < segment.size ? static_cast<uint32_t>(visible) : segment.size;
}

// When more of the segment will have reached the agent than by `now`.
Instant SegmentNext(const SimSegment& segment, Instant now) {
  if (segment.at > now) return segment.at;
  if (segment.kind != SimSegmentKind::kBytes) return kInstantNever;
  const uint32_t visible = SegmentVisible(segment, now);
  if (visible == segment.size) return kInstantNever;
  return segment.at + Milliseconds(segment.piece_gap.ms * (visible / segment.piece_size));
}

SimSegment* SegmentFirst(SimSocket& socket) {
  return socket.segment_count == 0 ? nullptr : &socket.segments[socket.segment_first];
}

void SegmentDrop(SimSocket& socket) {
  ++socket.segment_first;
  if (--socket.segment_count > 0) return;
  socket.segment_first = 0;
  socket.answer_size = 0;
}

bool HasDue(const SimSocket& socket, SimSegmentKind kind, Instant now) {
  for (uint32_t index = 0; index < socket.segment_count; ++index) {
    const SimSegment& segment = socket.segments[socket.segment_first + index];
    if (segment.kind == kind && segment.at <= now) return true;
  }
  return false;
}

// The reset overtakes what else the server had to say later; what had arrived may still be read.
void ResetTake(SimSocket& socket, Instant now) {
  uint32_t kept = 0;
  while (kept < socket.segment_count) {
    const SimSegment& segment = socket.segments[socket.segment_first + kept];
    if (segment.kind == SimSegmentKind::kReset && segment.at <= now) break;
    ++kept;
  }
  socket.segment_count = kept;
  socket.is_broken = true;
}

size_t Room(const Platform& world, const SimSocket& socket) {
  if (socket.is_pipe) return 0;
  const SimServer& server = world.servers[socket.server_index];
  const size_t window =
      server.window_size < kSimRequestSizeMax ? server.window_size : kSimRequestSizeMax;
  return socket.request_size < window ? window - socket.request_size : 0;
}

bool IsEnded(const SimSocket& socket, Instant now) {
  return socket.state == SimSocketState::kFailed || socket.is_broken ||
         (socket.is_datagram && socket.error != 0) || HasDue(socket, SimSegmentKind::kReset, now);
}

bool IsReadable(const SimSocket& socket, Instant now) {
  if (socket.segment_count == 0) return false;
  const SimSegment& first = socket.segments[socket.segment_first];
  if (first.kind != SimSegmentKind::kBytes) return first.at <= now;
  return SegmentVisible(first, now) > first.taken_size;
}

size_t IndexOf(const Platform& world, const SimSocket& socket) {
  return static_cast<size_t>(&socket - world.sockets);
}

void ConnectFinish(Platform& world, SimSocket& socket) {
  const Instant at = socket.change_at;
  socket.change_at = kInstantNever;
  if (socket.change_error != 0) {
    socket.state = SimSocketState::kFailed;
    socket.error = socket.change_error;
    return;
  }
  socket.state = SimSocketState::kConnected;
  SimServer& server = world.servers[socket.server_index];
  ++server.connection_count;
  if (server.on_connect == nullptr) return;
  SimExchange exchange = SimExchangeMake(world, socket, at);
  server.on_connect(server.context, exchange);
}

// The size of the complete request that `bytes` begin with; 0 where it isn't complete.
size_t RequestSize(std::string_view bytes) {
  const size_t head = SimTextFind(bytes, "\r\n\r\n");
  if (head == bytes.size()) return 0;
  SimExchange probe;
  probe.request = SimTextPart(bytes, 0, head + 4);
  size_t body = 0;
  for (const char c : SimRequestHeader(probe, "content-length")) {
    if (c < '0' || c > '9' || body > kSimRequestSizeMax) SimFailed("a bad Content-Length");
    body = body * 10 + static_cast<size_t>(c - '0');
  }
  const size_t size = head + 4 + body;
  return size <= bytes.size() ? size : 0;
}

void RequestsTake(Platform& world, SimSocket& socket) {
  const Instant at = socket.arrive_at;
  socket.arrive_at = kInstantNever;
  SimServer& server = world.servers[socket.server_index];
  char* bytes = world.request_bytes[IndexOf(world, socket)];
  for (uint32_t turn = 0; turn < kSimRequestSizeMax && socket.request_size > 0; ++turn) {
    const std::string_view all(bytes, socket.request_size);
    SimExchange exchange = SimExchangeMake(world, socket, at);
    size_t size = server.is_raw ? all.size() : RequestSize(all);
    if (size == 0) return;
    exchange.request = SimTextPart(all, 0, size);
    if (!server.is_raw) {
      ++socket.request_index;
      ++server.request_count;
    }
    if (server.on_request != nullptr) server.on_request(server.context, exchange);
    if (server.is_raw) size = exchange.consumed_size;
    socket.request_size -= static_cast<uint32_t>(size);
    memmove(bytes, bytes + size, socket.request_size);
    if (server.is_raw) return;
  }
}

Instant ArriveAt(const Platform& world, const SimSocket& socket) {
  if (socket.server_index < 0 || !world.servers[socket.server_index].reads) return kInstantNever;
  return socket.arrive_at;
}

Instant DueNext(const Platform& world, const SimSocket& socket) {
  return Earliest(socket.change_at, Earliest(ArriveAt(world, socket), socket.refuse_at));
}

void DueRun(Platform& world, SimSocket& socket) {
  const Instant due = DueNext(world, socket);
  if (socket.change_at == due) {
    ConnectFinish(world, socket);
  } else if (socket.refuse_at == due) {
    socket.refuse_at = kInstantNever;
    socket.error = socket.is_datagram ? ECONNREFUSED : EPIPE;
    socket.is_broken = !socket.is_datagram;
  } else if (socket.is_datagram) {
    SimDatagramsTake(world, socket);
  } else {
    RequestsTake(world, socket);
  }
}

SimSocket& SocketOf(Platform& world, Socket handle) {
  const size_t index = SimHandleIndex(SimHandleKind::kSocket, handle.handle, kSimSocketCountMax);
  SimSocket& socket = world.sockets[index];
  if (!socket.in_use || socket.generation != SimHandleGeneration(handle.handle)) {
    SimFailed("a socket was used after its close");
  }
  return socket;
}

bool AddressEqual(const Address& a, const Address& b) {
  return a.is_ipv6 == b.is_ipv6 && a.port == b.port &&
         memcmp(a.bytes, b.bytes, a.is_ipv6 ? 16 : 4) == 0;
}

// Plans how the connection comes about. An errno for one that fails at once.
int32_t ConnectPlan(Platform& world, SimSocket& socket) {
  SimGreeting greeting = SimGreeting::kRefuse;
  int32_t error = world.unreachable_error;
  Duration latency = Milliseconds(1);
  if (socket.server_index >= 0) {
    const SimServer& server = world.servers[socket.server_index];
    greeting = server.greeting;
    error = server.greeting_error;
    latency = server.latency;
  } else if (error != ECONNREFUSED) {
    greeting = error == 0 ? SimGreeting::kSilent : SimGreeting::kDeny;
  }
  if (greeting == SimGreeting::kDeny) return error;
  if (greeting == SimGreeting::kSilent) return 0;
  socket.change_at = world.now + Milliseconds(2 * latency.ms);
  socket.change_error = greeting == SimGreeting::kRefuse ? error : 0;
  return 0;
}

IoResult ReadNow(Platform& world, SimSocket& socket, char* bytes, size_t size) {
  if (socket.state == SimSocketState::kConnecting) return {EAGAIN, 0};
  SimSegment* first = SegmentFirst(socket);
  const bool has_end = first != nullptr && first->kind == SimSegmentKind::kEnd;
  if (socket.error != 0 && !has_end && !IsReadable(socket, world.now)) {
    const int32_t error = socket.error;
    socket.error = 0;
    socket.is_broken = true;
    return {error, 0};
  }
  if (first == nullptr || first->at > world.now) {
    return {socket.is_broken ? 0 : EAGAIN, 0};
  }
  if (first->kind == SimSegmentKind::kEnd) return {};
  if (first->kind == SimSegmentKind::kReset) {
    ResetTake(socket, world.now);
    return {ECONNRESET, 0};
  }
  uint32_t wanted = SegmentVisible(*first, world.now) - first->taken_size;
  if (wanted == 0) return {EAGAIN, 0};
  if (first->piece_size != 0) {
    const uint32_t piece_rest = first->piece_size - first->taken_size % first->piece_size;
    if (wanted > piece_rest) wanted = piece_rest;
  }
  if (wanted > size) wanted = static_cast<uint32_t>(size);
  const uint32_t limit = world.socket_read_size_max;
  if (limit != 0 && wanted > limit) wanted = limit;
  const char* from = world.answer_bytes[IndexOf(world, socket)] + first->offset;
  memcpy(bytes, from + first->taken_size, wanted);
  first->taken_size += wanted;
  if (first->taken_size == first->size) SegmentDrop(socket);
  return {0, wanted};
}

IoResult WriteNow(Platform& world, SimSocket& socket, const ConstPart* parts, size_t part_count) {
  if (socket.state == SimSocketState::kConnecting) return {EAGAIN, 0};
  if (socket.error != 0) {
    const int32_t error = socket.error;
    socket.error = 0;
    socket.is_broken = true;
    return {error, 0};
  }
  if (HasDue(socket, SimSegmentKind::kReset, world.now)) {
    ResetTake(socket, world.now);
    return {ECONNRESET, 0};
  }
  if (socket.is_broken) return {EPIPE, 0};
  const SimServer& server = world.servers[socket.server_index];
  const bool ended = HasDue(socket, SimSegmentKind::kEnd, world.now);
  size_t room = ended ? kSimRequestSizeMax : Room(world, socket);
  if (room == 0) return {EAGAIN, 0};
  const uint32_t limit = world.socket_write_size_max;
  if (limit != 0 && room > limit) room = limit;
  char* bytes = world.request_bytes[IndexOf(world, socket)];
  uint32_t total = 0;
  for (size_t index = 0; index < part_count && room > 0; ++index) {
    const size_t size = parts[index].size < room ? parts[index].size : room;
    if (size == 0) continue;
    if (!ended) memcpy(bytes + socket.request_size, parts[index].data, size);
    if (!ended) socket.request_size += static_cast<uint32_t>(size);
    total += static_cast<uint32_t>(size);
    room -= size;
  }
  if (ended) {
    socket.refuse_at = Earliest(socket.refuse_at, world.now + Milliseconds(2 * server.latency.ms));
  } else {
    socket.arrive_at = world.now + server.latency;
  }
  return {0, total};
}

}  // namespace

int32_t SimServerFind(const Platform& world, const Address& address, bool is_datagram) {
  for (size_t index = 0; index < kSimServerCountMax; ++index) {
    const SimServer& server = world.servers[index];
    if (server.in_use && server.is_datagram == is_datagram &&
        AddressEqual(server.address, address)) {
      return static_cast<int32_t>(index);
    }
  }
  return -1;
}

SimSocket* SimSocketTake(Platform& world, int32_t server_index) {
  for (SimSocket& socket : world.sockets) {
    if (socket.in_use) continue;
    const uint16_t generation = socket.generation;
    socket = SimSocket{};
    socket.generation = generation;
    socket.server_index = server_index;
    return &socket;
  }
  return nullptr;
}

Socket SimSocketHandle(const Platform& world, const SimSocket& socket) {
  return {SimHandleMake(SimHandleKind::kSocket, socket.generation, IndexOf(world, socket))};
}

SimExchange SimExchangeMake(Platform& world, SimSocket& socket, Instant at) {
  SimExchange exchange;
  exchange.world = &world;
  exchange.server = &world.servers[socket.server_index];
  exchange.socket_index = static_cast<uint32_t>(IndexOf(world, socket));
  exchange.request_index = socket.request_index;
  exchange.at = at;
  return exchange;
}

void SimNetStep(Platform& world) {
  for (uint32_t turn = 0; turn < world.still_turn_count_max; ++turn) {
    SimSocket* next = nullptr;
    for (SimSocket& socket : world.sockets) {
      if (!socket.in_use || DueNext(world, socket) > world.now) continue;
      if (next == nullptr || DueNext(world, socket) < DueNext(world, *next)) next = &socket;
    }
    if (next == nullptr) return;
    DueRun(world, *next);
  }
  SimFailed("the network goes on for ever at one instant");
}

Instant SimNetNext(const Platform& world) {
  Instant next = kInstantNever;
  for (const SimSocket& socket : world.sockets) {
    if (!socket.in_use) continue;
    next = Earliest(next, DueNext(world, socket));
    if (!socket.for_reading && !socket.for_writing) continue;
    for (uint32_t index = 0; index < socket.segment_count; ++index) {
      next = Earliest(next, SegmentNext(socket.segments[socket.segment_first + index], world.now));
    }
  }
  return next;
}

size_t SimNetCollect(Platform& world, Event* events, size_t event_count_max) {
  size_t count = 0;
  ++world.turn_index;
  for (size_t step = 0; step < kSimSocketCountMax && count < event_count_max; ++step) {
    // From another one each time: an early socket that is always ready starves no later one.
    const size_t index = (world.turn_index + step) % kSimSocketCountMax;
    const SimSocket& socket = world.sockets[index];
    if (!socket.in_use || (!socket.for_reading && !socket.for_writing)) continue;
    const bool ended = IsEnded(socket, world.now);
    const bool has_room = socket.is_datagram ||
                          (socket.state == SimSocketState::kConnected && Room(world, socket) > 0);
    Event event;
    event.readable = ended || (socket.for_reading && IsReadable(socket, world.now));
    event.writable = ended || (socket.for_writing && has_room);
    if (!event.readable && !event.writable) continue;
    event.socket.handle = SimHandleMake(SimHandleKind::kSocket, socket.generation, index);
    events[count] = event;
    ++count;
  }
  return count;
}

void SimNetKill(Platform& world) {
  for (SimSocket& socket : world.sockets) {
    if (!socket.in_use) continue;
    socket.in_use = false;
    ++socket.generation;
  }
}

SimServer& SimServerAdd(Platform& world, const Address& address, SimAnswering on_request,
                        void* context) {
  for (SimServer& server : world.servers) {
    if (server.in_use) continue;
    server = SimServer{};
    server.in_use = true;
    server.address = address;
    server.on_request = on_request;
    server.context = context;
    return server;
  }
  SimFailed("too many servers");
}

bool SimPipeOpen(Platform& world, const SimProgram& program, Socket* output) {
  size_t index = 0;
  while (index < kSimSocketCountMax && world.sockets[index].in_use) ++index;
  if (index == kSimSocketCountMax) return false;
  SimSocket& opened = world.sockets[index];
  const uint16_t generation = opened.generation;
  opened = SimSocket{};
  opened.generation = generation;
  opened.in_use = true;
  opened.is_pipe = true;
  opened.state = SimSocketState::kConnected;
  ++world.open_handle_count;
  output->handle = SimHandleMake(SimHandleKind::kSocket, generation, index);
  SimServer at_once;
  at_once.latency = Duration{0};
  SimExchange exchange;
  exchange.world = &world;
  exchange.server = &at_once;
  exchange.socket_index = static_cast<uint32_t>(index);
  exchange.at = world.now + program.output_after;
  SimCut(exchange, program.output_piece_size, program.output_gap);
  SimSend(exchange, program.output);
  if (program.closes_output) SimEnd(exchange);
  return true;
}

void SimPipeEnd(Platform& world, Socket output, bool has_end) {
  const size_t index = SimHandleIndex(SimHandleKind::kSocket, output.handle, kSimSocketCountMax);
  SimSocket& socket = world.sockets[index];
  if (!socket.in_use || socket.generation != SimHandleGeneration(output.handle)) return;
  uint32_t kept = 0;
  while (kept < socket.segment_count) {
    SimSegment& segment = socket.segments[socket.segment_first + kept];
    if (segment.kind != SimSegmentKind::kBytes) return;  // it has ended already
    const uint32_t printed = SegmentVisible(segment, world.now);
    if (printed == 0) break;
    segment.size = printed;
    ++kept;
  }
  socket.segment_count = kept;
  if (!has_end) return;
  SimServer at_once;
  at_once.latency = Duration{0};
  SimExchange exchange;
  exchange.world = &world;
  exchange.server = &at_once;
  exchange.socket_index = static_cast<uint32_t>(index);
  exchange.at = world.now;
  SimEnd(exchange);
}

Address SimAddress(uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint16_t port) {
  Address address;
  address.bytes[0] = a;
  address.bytes[1] = b;
  address.bytes[2] = c;
  address.bytes[3] = d;
  address.port = port;
  return address;
}

// ---- the verbs ------------------------------------------------------------------------------

IoResult SocketConnect(Platform& world, const Address& address, Socket* socket) {
  IoResult result{SimEnter(world, Verb::kSocketConnect), 0};
  SimSocket* opened = nullptr;
  if (result.ok()) opened = SimSocketTake(world, SimServerFind(world, address, false));
  if (result.ok() && opened == nullptr) result.error = EMFILE;
  if (result.ok()) result.error = ConnectPlan(world, *opened);
  if (result.ok()) {
    opened->in_use = true;
    ++world.open_handle_count;
    *socket = SimSocketHandle(world, *opened);
  }
  return SimLeave(world, Verb::kSocketConnect, result);
}

IoResult SocketWatch(Platform& world, Socket handle, bool for_reading, bool for_writing) {
  SimSocket& socket = SocketOf(world, handle);
  const IoResult result{SimEnter(world, Verb::kSocketWatch), 0};
  if (result.ok()) {
    socket.for_reading = for_reading;
    socket.for_writing = for_writing;
  }
  return SimLeave(world, Verb::kSocketWatch, result);
}

IoResult SocketRead(Platform& world, Socket handle, char* bytes, size_t size) {
  SimSocket& socket = SocketOf(world, handle);
  IoResult result{SimEnter(world, Verb::kSocketRead), 0};
  if (result.ok()) {
    result = socket.is_datagram ? SimDatagramRead(world, socket, bytes, size)
                                : ReadNow(world, socket, bytes, size);
  }
  return SimLeave(world, Verb::kSocketRead, result);
}

IoResult SocketWrite(Platform& world, Socket handle, const ConstPart* parts, size_t part_count) {
  if (part_count > kWritePartCountMax) SimFailed("too many parts");
  SimSocket& socket = SocketOf(world, handle);
  if (socket.is_pipe) SimFailed("a pipe's reading end was written to");
  IoResult result{SimEnter(world, Verb::kSocketWrite), 0};
  if (result.ok()) {
    result = socket.is_datagram ? SimDatagramWrite(world, socket, parts, part_count)
                                : WriteNow(world, socket, parts, part_count);
  }
  return SimLeave(world, Verb::kSocketWrite, result);
}

void SocketClose(Platform& world, Socket handle) {
  SimSocket& socket = SocketOf(world, handle);
  static_cast<void>(SimEnter(world, Verb::kSocketClose));
  socket.in_use = false;
  ++socket.generation;
  --world.open_handle_count;
}

}  // namespace miagent
