#include <cstring>

#include "platform/sim/server.h"
#include "platform/sim/text.h"

namespace miagent {
namespace {

// What is under way to the server: each datagram behind its size, in two bytes.
constexpr uint32_t kSizeSize = 2;

char* RequestBytes(Platform& world, const SimSocket& socket) {
  return world.request_bytes[&socket - world.sockets];
}

int32_t ErrorTake(SimSocket& socket) {
  const int32_t error = socket.error;
  socket.error = 0;
  return error;
}

// Plans that the datagram just sent is answered with "nobody is here".
void RefusalPlan(Platform& world, SimSocket& socket, Duration latency) {
  socket.refuse_at = Earliest(socket.refuse_at, world.now + Milliseconds(2 * latency.ms));
}

void Join(Platform& world, SimSocket& socket, const ConstPart* parts, size_t part_count,
          uint32_t total) {
  // As on any network, what there is no room for is lost.
  if (socket.request_size + kSizeSize + total > kSimRequestSizeMax) return;
  char* to = RequestBytes(world, socket) + socket.request_size;
  to[0] = static_cast<char>(total >> 8);
  to[1] = static_cast<char>(total & 255);
  to += kSizeSize;
  for (size_t index = 0; index < part_count; ++index) {
    if (parts[index].size != 0) memcpy(to, parts[index].data, parts[index].size);
    to += parts[index].size;
  }
  socket.request_size += kSizeSize + total;
}

}  // namespace

IoResult SimDatagramRead(Platform& world, SimSocket& socket, char* bytes, size_t size) {
  if (socket.error != 0) return {ErrorTake(socket), 0};
  if (socket.segment_count == 0) return {EAGAIN, 0};
  const SimSegment segment = socket.segments[socket.segment_first];
  if (segment.at > world.now) return {EAGAIN, 0};
  ++socket.segment_first;
  if (--socket.segment_count == 0) socket.segment_first = 0;
  if (segment.kind == SimSegmentKind::kReset) return {ECONNREFUSED, 0};
  if (segment.kind == SimSegmentKind::kEnd) SimFailed("datagrams have no end");
  const uint32_t count = segment.size < size ? segment.size : static_cast<uint32_t>(size);
  const char* from = world.answer_bytes[&socket - world.sockets] + segment.offset;
  if (count != 0) memcpy(bytes, from, count);
  if (socket.segment_count == 0) socket.answer_size = 0;
  return {0, count};
}

IoResult SimDatagramWrite(Platform& world, SimSocket& socket, const ConstPart* parts,
                          size_t part_count) {
  if (socket.error != 0) return {ErrorTake(socket), 0};
  uint32_t total = 0;
  for (size_t index = 0; index < part_count; ++index) {
    total += static_cast<uint32_t>(parts[index].size);
  }
  if (socket.server_index < 0) {
    if (world.unreachable_error != 0) RefusalPlan(world, socket, Milliseconds(1));
    return {0, total};
  }
  const SimServer& server = world.servers[socket.server_index];
  if (server.greeting == SimGreeting::kRefuse) RefusalPlan(world, socket, server.latency);
  if (server.greeting == SimGreeting::kAccept) {
    Join(world, socket, parts, part_count, total);
    socket.arrive_at = world.now + server.latency;
  }
  return {0, total};
}

void SimDatagramsTake(Platform& world, SimSocket& socket) {
  const Instant at = socket.arrive_at;
  socket.arrive_at = kInstantNever;
  SimServer& server = world.servers[socket.server_index];
  const std::string_view all(RequestBytes(world, socket), socket.request_size);
  for (size_t offset = 0; offset < all.size();) {
    const size_t size = static_cast<size_t>(static_cast<uint8_t>(all[offset])) << 8 |
                        static_cast<uint8_t>(all[offset + 1]);
    SimExchange exchange = SimExchangeMake(world, socket, at);
    exchange.request = SimTextPart(all, offset + kSizeSize, size);
    ++socket.request_index;
    ++server.request_count;
    if (server.on_request != nullptr) server.on_request(server.context, exchange);
    offset += kSizeSize + size;
  }
  socket.request_size = 0;
}

// ---- the verb -------------------------------------------------------------------------------

IoResult DatagramOpen(Platform& world, const Address& server, Socket* socket) {
  IoResult result{SimEnter(world, Verb::kDatagramOpen), 0};
  const int32_t index = SimServerFind(world, server, true);
  if (result.ok() && index < 0 && world.unreachable_error != ECONNREFUSED) {
    result.error = world.unreachable_error;  // 0: silence
  }
  if (result.ok() && index >= 0 && world.servers[index].greeting == SimGreeting::kDeny) {
    result.error = world.servers[index].greeting_error;
  }
  SimSocket* opened = result.ok() ? SimSocketTake(world, index) : nullptr;
  if (result.ok() && opened == nullptr) result.error = EMFILE;
  if (result.ok()) {
    opened->is_datagram = true;
    opened->state = SimSocketState::kConnected;
    opened->in_use = true;
    ++world.open_handle_count;
    *socket = SimSocketHandle(world, *opened);
  }
  return SimLeave(world, Verb::kDatagramOpen, result);
}

}  // namespace miagent
