// Publishing a file: the directory gate, atomic replacement, and what a published file says.
//
// Purpose: a reader sees the old content or the new one, whole, and never another mode or owner
//          than those configured.
// Owns:    the directory that was judged last, in the caller's DirectoryHold: files of one
//          directory share it. The caller lets it go before it waits for long, so that a directory
//          that was replaced or mounted over meanwhile is noticed, and no file system is kept busy.
// Clock:   a published file carries a mark in its times: the access time is the token's expiry,
//          the modification time its publication, and the nanoseconds of both hold a fingerprint
//          of what the file is for. So `once` knows without a request, and with no state beside
//          the file, whether it is still good, whatever the token looks like; `stat -c %x FILE`
//          shows the expiry to anybody. Whoever writes to the file breaks the mark. (Reading
//          doesn't move an access time that lies in the future where the file system is mounted
//          relatime, the default, or noatime. Where it does, the file counts as unknown.)
// Errors:  kDirectory… for the gate; kFileWrite, kFileRead with the errno value. After any of
//          them the published file is as it was, and no temporary file is left.
// Never:   writes in place; follows a link in the last component of either path.
#pragma once

#include <cstdint>

#include "agent/base/status.h"
#include "agent/sink/format.h"
#include "platform/platform.h"

namespace miagent {

// A directory that passed its gate, open for as long as it is held.
struct DirectoryHold {
  const char* path = nullptr;  // null: none is held
  bool require_memory_fs = false;
  bool is_swept = false;  // by FileSweep
  Directory directory;
  DirectoryFacts facts;
};

// Has the hold hold this directory: opened and judged, unless it is the one that is held already.
// Good is: no link as last component; owned by root or by this process's user; not writable by
// group or others, sticky or not; on tmpfs or ramfs if require_memory_fs. `path` is NUL-terminated
// and stays for as long. After an error nothing is held.
Status DirectoryTake(DirectoryHold& hold, Platform& platform, const char* path,
                     bool require_memory_fs);

// Closes the directory that is held, if any.
void DirectoryRelease(DirectoryHold& hold, Platform& platform);

// A file, as it is to be published.
struct FileTarget {
  DirectoryHold* hold;
  const char* directory;  // NUL-terminated path
  const char* name;  // NUL-terminated, within the directory
  uint32_t uid;
  uint32_t gid;
  uint32_t mode;
  bool require_memory_fs;
};

// What the times of a published file say of its token.
struct FileMark {
  WallTime published_at_wall;
  WallTime expires_at_wall;
  uint32_t fingerprint = 0;  // of what the file is for; below kFingerprintMax
};

inline constexpr uint32_t kFingerprintMax = 1000000000;

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
  File file;  // handle -1: standard output
};
Status PartFlush(void* part_target, const FormatPart* parts, size_t part_count);

// Removes the target; that there is none is fine.
Status FileWithdraw(Platform& platform, const FileTarget& target);

// Removes what agents that were killed left in the target's directory, once while it is held. What
// can't be removed is left to the next start.
Status FileSweep(Platform& platform, const FileTarget& target);

// What stands in a target's place.
struct Standing {
  size_t size = 0;  // of the content read; 0: nothing that bears a mark
  FileMark mark;
  bool is_as_configured = false;  // its mode and owner are the target's
  Status failure;  // why none of this is known
};

// Reads what stands in the target's place into `memory`. What bears no mark, isn't a regular file
// or is too large counts as nothing. Where it fails, `size` is of the bytes that came before.
Status FileReadBack(Platform& platform, const FileTarget& target, Span memory, Standing* standing);

}  // namespace miagent
