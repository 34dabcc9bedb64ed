// Publishing a file: the directory gate, atomic replacement, and what a published file says.
//
// Purpose: a reader sees the old content or the new one, whole, and never another mode or owner
//          than those configured.
// Owns:    nothing between calls: the directory is opened, judged by its descriptor, used and
//          closed within each, so that a directory that was replaced or mounted over meanwhile is
//          noticed, and no file system is kept busy.
// Clock:   the access time of a published file is set to the token's expiry, and its nanoseconds
//          to a fingerprint of what the token is for. So `once` knows without a request, and with
//          no state beside the file, whether the file is still good, whatever the token looks
//          like; `stat -c %x FILE` shows it to anybody. (Reading doesn't change an access time
//          that lies in the future where the file system is mounted relatime, the default, or
//          noatime. Where it does, the file counts as unknown and a request is made.)
// Errors:  kDirectory… for the gate; kFileWrite, kFileRead with the errno value. After any of
//          them the published file is as it was, and no temporary file is left.
// Never:   writes in place; follows a link in the last component of either path.
#pragma once

#include <cstdint>

#include "agent/base/status.h"
#include "agent/sink/format.h"
#include "platform/platform.h"

namespace miagent {

// A file, as it is to be published.
struct FileTarget {
  const char* directory;      // NUL-terminated path
  const char* name;           // NUL-terminated, within the directory
  uint32_t uid;
  uint32_t gid;
  uint32_t mode;
  bool require_memory_fs;
};

// What a published file says of its token.
struct FileMark {
  WallTime expires_at_wall;   // access time
  uint32_t fingerprint;       // access time's nanoseconds, below kFingerprintMax
};

inline constexpr uint32_t kFingerprintMax = 1000000000;

// Opens the target's directory and judges it: no link as last component; owned by root or by this
// process's user; not writable by group or others, sticky or not; on tmpfs or ramfs if
// require_memory_fs. On success the caller closes it.
Status DirectoryGate(Platform& platform, const char* path, bool require_memory_fs,
                     Directory* directory, DirectoryFacts* facts);

// Replaces the target by a new file: a temporary name, owner, mode, content, times, sync where the
// file system is a disk's, rename. `write` writes the content to the file it is given.
struct FileContent {
  Status (*write)(void* context, Platform& platform, File file);
  void* context;
};
Status FilePublish(Platform& platform, const FileTarget& target, const FileMark& mark,
                   const FileContent& content);

// A PartWriter's flush, for files and for standard output: writes all of the parts.
struct PartTarget {
  Platform* platform;
  File file;                 // handle -1: standard output
};
Status PartFlush(void* part_target, const FormatPart* parts, size_t part_count);

// Removes the target; that there is none is fine.
Status FileWithdraw(Platform& platform, const FileTarget& target);

// Removes what agents that were killed left in the target's directory.
Status FileSweep(Platform& platform, const FileTarget& target);

// Reads what stands in the target's place into `memory`, for a comparison. *size is 0 where there
// is no such file, or it isn't one that FilePublish wrote for this target (another mode or owner,
// too large, not a regular file).
Status FileReadBack(Platform& platform, const FileTarget& target, Span memory, size_t* size,
                    FileFacts* facts);

}  // namespace miagent
