#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>  // renameat stands there, by POSIX; nothing else of it is used
#include <cstring>

#include "platform/linux/platform_linux.h"

namespace miagent {
namespace {

constexpr uint32_t kTmpfsMagic = 0x01021994;  // linux/magic.h
constexpr uint32_t kRamfsMagic = 0x858458f6;
constexpr uint32_t kModeMask = 07777;

// The kernel's struct linux_dirent64, up to its name.
struct DirectoryEntry {
  uint64_t inode;
  int64_t offset;
  uint16_t size;
  uint8_t type;
};
constexpr size_t kEntryNameOffset = 19;
constexpr size_t kListBufferSize = 1024;

IoResult Open(int32_t directory, const char* path, int flags, int32_t* handle) {
  const IoResult opened =
      Retry([&] { return openat(directory, path, flags | O_CLOEXEC | O_NOCTTY, 0600); });
  if (!opened.ok()) return opened;
  *handle = static_cast<int32_t>(opened.count);
  return {};
}

// "link/" and "link/." name what the link leads to, and O_NOFOLLOW doesn't help.
bool EndsInLink(const char* path) {
  const size_t size = strlen(path);
  if (size >= 2 && path[size - 1] == '/') return true;
  return size >= 2 && path[size - 1] == '.' && path[size - 2] == '/';
}

}  // namespace

IoResult DirectoryOpen(Platform&, const char* path, Directory* directory) {
  if (EndsInLink(path)) return {EINVAL, 0};
  return Open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, &directory->handle);
}

IoResult DirectoryInspect(Platform&, Directory directory, DirectoryFacts* facts) {
  struct stat status{};
  struct statfs system{};
  IoResult result = Retry([&] { return fstat(directory.handle, &status); });
  if (result.ok()) result = Retry([&] { return fstatfs(directory.handle, &system); });
  if (!result.ok()) return result;
  const auto magic = static_cast<uint32_t>(system.f_type);
  facts->owner_uid = status.st_uid;
  facts->mode = status.st_mode & kModeMask;
  facts->on_memory_fs = magic == kTmpfsMagic || magic == kRamfsMagic;
  return {};
}

IoResult DirectoryList(Platform&, Directory directory, DirectoryVisit visit, void* context) {
  alignas(uint64_t) char buffer[kListBufferSize];
  for (;;) {
    const auto filled = syscall(SYS_getdents64, directory.handle, buffer, sizeof(buffer));
    if (filled <= 0) return ResultOf(filled);
    long offset = 0;
    while (offset < filled) {
      DirectoryEntry entry;
      memcpy(&entry, buffer + offset, kEntryNameOffset);
      const char* name = buffer + offset + kEntryNameOffset;
      if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0) visit(context, name);
      offset += entry.size;
    }
  }
}

void DirectoryClose(Platform&, Directory directory) { DescriptorClose(directory.handle); }

IoResult FileOpen(Platform&, const char* path, File* file) {
  return Open(AT_FDCWD, path, O_RDONLY, &file->handle);
}

IoResult FileOpenAt(Platform&, Directory directory, const char* name, File* file) {
  return Open(directory.handle, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, &file->handle);
}

IoResult FileCreate(Platform&, Directory directory, const char* name, File* file) {
  return Open(directory.handle, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, &file->handle);
}

IoResult FileInspect(Platform&, File file, FileFacts* facts) {
  struct stat status{};
  const IoResult result = Retry([&] { return fstat(file.handle, &status); });
  if (!result.ok()) return result;
  facts->owner_uid = status.st_uid;
  facts->group_gid = status.st_gid;
  facts->mode = status.st_mode & kModeMask;
  facts->is_regular = S_ISREG(status.st_mode);
  facts->size = static_cast<uint64_t>(status.st_size);
  facts->modified_at_wall = {status.st_mtim.tv_sec};
  facts->accessed_at_wall = {status.st_atim.tv_sec};
  facts->accessed_ns = static_cast<uint32_t>(status.st_atim.tv_nsec);
  facts->modified_ns = static_cast<uint32_t>(status.st_mtim.tv_nsec);
  return {};
}

IoResult FileRead(Platform&, File file, char* bytes, size_t size) {
  return Retry([&] { return read(file.handle, bytes, size); });
}

IoResult FileWrite(Platform&, File file, const ConstPart* parts, size_t part_count) {
  return DescriptorWrite(file.handle, parts, part_count);
}

IoResult FileSetOwner(Platform&, File file, uint32_t uid, uint32_t gid) {
  return Retry([&] { return fchown(file.handle, uid, gid); });
}

IoResult FileSetMode(Platform&, File file, uint32_t mode) {
  return Retry([&] { return fchmod(file.handle, mode & kModeMask); });
}

IoResult FileSetTimes(Platform&, File file, const FileTimes& times) {
  timespec pair[2] = {};
  pair[0].tv_sec = static_cast<time_t>(times.accessed_at_wall.unix_s);
  pair[0].tv_nsec = static_cast<int32_t>(times.accessed_ns);
  pair[1].tv_sec = static_cast<time_t>(times.modified_at_wall.unix_s);
  pair[1].tv_nsec = static_cast<int32_t>(times.modified_ns);
  return Retry([&] { return futimens(file.handle, pair); });
}

IoResult FileSync(Platform&, File file) {
  return Retry([&] { return fsync(file.handle); });
}

void FileClose(Platform&, File file) { DescriptorClose(file.handle); }

IoResult FileRename(Platform&, Directory directory, const char* from, const char* to) {
  return Retry([&] { return renameat(directory.handle, from, directory.handle, to); });
}

IoResult FileRemove(Platform&, Directory directory, const char* name) {
  return Retry([&] { return unlinkat(directory.handle, name, 0); });
}

}  // namespace miagent
