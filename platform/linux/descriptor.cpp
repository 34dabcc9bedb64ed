#include <fcntl.h>
#include <poll.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>

#include "platform/linux/platform_linux.h"
#include "platform/trap.h"

namespace miagent {

IoResult ResultOf(int64_t returned) {
  if (returned < 0) return {errno, 0};
  return {0, static_cast<uint32_t>(returned)};
}

size_t PartsConvert(const ConstPart* parts, size_t part_count, iovec* vectors) {
  PLATFORM_CHECK(part_count <= kWritePartCountMax);
  for (size_t index = 0; index < part_count; ++index) {
    vectors[index].iov_base = const_cast<char*>(parts[index].data);
    vectors[index].iov_len = parts[index].size;
  }
  return part_count;
}

IoResult DescriptorWrite(int32_t descriptor, const ConstPart* parts, size_t part_count) {
  iovec vectors[kWritePartCountMax];
  const auto count = static_cast<int>(PartsConvert(parts, part_count, vectors));
  return Retry([&] { return writev(descriptor, vectors, count); });
}

void DescriptorClose(int32_t descriptor) {
  // Linux gives the descriptor back whatever close answers (a second try might close another's);
  // only one that wasn't open is an error, the caller's.
  PLATFORM_CHECK(close(descriptor) == 0 || errno != EBADF);
}

bool DescriptorIsOpen(Platform&, int32_t descriptor) {
  return fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0;
}

IoResult DescriptorTell(Platform&, int32_t descriptor, std::string_view text) {
  // It is someone else's and may wait: not while there is no room.
  pollfd room{descriptor, POLLOUT, 0};
  IoResult result{EAGAIN, 0};
  const ConstPart part{text.data(), text.size()};
  if (poll(&room, 1, 0) > 0) result = DescriptorWrite(descriptor, &part, 1);
  DescriptorClose(descriptor);
  return result;
}

}  // namespace miagent
