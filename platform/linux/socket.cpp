#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "platform/linux/platform_linux.h"
#include "platform/trap.h"

namespace miagent {
namespace {

uint8_t& StateOf(Platform& platform, Socket socket) {
  PLATFORM_CHECK(socket.handle >= 0 && socket.handle < kDescriptorMax);
  uint8_t& state = platform.socket_states[socket.handle];
  PLATFORM_CHECK((state & kSocketOpen) != 0);
  return state;
}

int ConnectBegin(int descriptor, const Address& address) {
  union {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
  } to = {};
  socklen_t size = 0;
  if (address.is_ipv6) {
    to.v6 = {};
    to.v6.sin6_family = AF_INET6;
    to.v6.sin6_port = htons(address.port);
    memcpy(&to.v6.sin6_addr, address.bytes, 16);
    size = sizeof(to.v6);
  } else {
    to.v4 = {};
    to.v4.sin_family = AF_INET;
    to.v4.sin_port = htons(address.port);
    memcpy(&to.v4.sin_addr, address.bytes, 4);
    size = sizeof(to.v4);
  }
  return connect(descriptor, &to.any, size);
}

IoResult Open(Platform& platform, const Address& address, int type, Socket* socket) {
  const int family = address.is_ipv6 ? AF_INET6 : AF_INET;
  const int descriptor = ::socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return ResultOf(-1);
  const int on = 1;
  if (type == SOCK_STREAM) setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  IoResult result{};
  if (descriptor >= kDescriptorMax) {
    result.error = EMFILE;
  } else if (ConnectBegin(descriptor, address) != 0 && errno != EINPROGRESS && errno != EINTR) {
    result.error = errno;  // an interrupted connect goes on by itself
  }
  if (!result.ok()) {
    close(descriptor);
    return result;
  }
  platform.socket_states[descriptor] = kSocketOpen;
  socket->handle = descriptor;
  return {};
}

}  // namespace

IoResult SocketConnect(Platform& platform, const Address& address, Socket* socket) {
  return Open(platform, address, SOCK_STREAM, socket);
}

IoResult DatagramOpen(Platform& platform, const Address& server, Socket* socket) {
  return Open(platform, server, SOCK_DGRAM, socket);
}

IoResult SocketWatch(Platform& platform, Socket socket, bool for_reading, bool for_writing) {
  uint8_t& state = StateOf(platform, socket);
  const auto wanted = static_cast<uint8_t>(kSocketOpen | (for_reading ? kSocketReads : 0) |
                                           (for_writing ? kSocketWrites : 0));
  if (wanted == state) return {};
  if (const IoResult opened = WaitOpen(platform); !opened.ok()) return opened;
  epoll_event event{};
  event.data.fd = socket.handle;
  if (for_reading) event.events |= EPOLLIN;
  if (for_writing) event.events |= EPOLLOUT;
  int operation = EPOLL_CTL_MOD;
  if (state == kSocketOpen) operation = EPOLL_CTL_ADD;
  if (wanted == kSocketOpen) operation = EPOLL_CTL_DEL;
  if (epoll_ctl(platform.epoll, operation, socket.handle, &event) != 0) return ResultOf(-1);
  state = wanted;
  return {};
}

IoResult SocketRead(Platform& platform, Socket socket, char* bytes, size_t size) {
  StateOf(platform, socket);
  return Retry([&] { return read(socket.handle, bytes, size); });  // a hook's pipe, too
}

IoResult SocketWrite(Platform& platform, Socket socket, const ConstPart* parts, size_t part_count) {
  StateOf(platform, socket);
  iovec vectors[kWritePartCountMax];
  msghdr message{};
  message.msg_iov = vectors;
  message.msg_iovlen =
      static_cast<decltype(message.msg_iovlen)>(PartsConvert(parts, part_count, vectors));
  // By number: musl's copies control messages first, which there are none of.
  return Retry([&] { return syscall(SYS_sendmsg, socket.handle, &message, MSG_NOSIGNAL); });
}

void SocketClose(Platform& platform, Socket socket) {
  StateOf(platform, socket) = 0;
  DescriptorClose(socket.handle);  // leaves the epoll set by itself: nobody else holds it
}

IoResult LocalSend(Platform& platform, std::string_view name, std::string_view text) {
  sockaddr_un to{};
  if (name.empty()) return {EINVAL, 0};
  if (name.size() >= sizeof(to.sun_path)) return {ENAMETOOLONG, 0};
  const bool is_abstract = name[0] == '@';
  to.sun_family = AF_UNIX;
  for (size_t index = 0; index < name.size(); ++index) to.sun_path[index] = name[index];
  if (is_abstract) to.sun_path[0] = '\0';
  // A path counts with its NUL, an abstract name without one.
  const auto size =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size() + (is_abstract ? 0 : 1));
  if (platform.local < 0) {
    platform.local = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  }
  if (platform.local < 0) return ResultOf(-1);
  return Retry([&] {
    return sendto(platform.local, text.data(), text.size(), MSG_NOSIGNAL,
                  reinterpret_cast<const sockaddr*>(&to), size);
  });
}

}  // namespace miagent
