// The publication of a file, verb by verb: what each may say, and what is left afterwards.
#include "agent/sink/file.h"

#include <memory>
#include <string>
#include <vector>

#include "doctest.h"
#include "platform/sim/world.h"

namespace miagent {
namespace {

constexpr const char* kPath = "/run/tokens/t";
constexpr FileMark kMark{{1750000000}, {1750086400}, 4711};

struct Disk {
  std::unique_ptr<Platform> world = std::make_unique<Platform>();
  DirectoryHold hold;
  FileTarget target{&hold, "/run/tokens", "t", 0, 0, 0640, true};

  Disk() {
    SimStart(*world, 1);
    SimDirectoryAdd(*world, "/run/tokens", 0, 0755, true);
  }

  Status Publish(const char* text) {
    const FileContent content{[](void* context, Platform& platform, File file) {
                                const FormatPart parts[] = {{"to", 2}, {"", 0}, {nullptr, 0}};
                                PartTarget part_target{&platform, file};
                                const std::string_view rest = static_cast<const char*>(context);
                                FormatPart all[] = {parts[0], parts[1], {rest.data(), rest.size()}};
                                return PartFlush(&part_target, all, 3);
                              },
                              const_cast<char*>(text)};
    return Done(FilePublish(*world, target, kMark, content));
  }

  Status Withdraw() { return Done(FileWithdraw(*world, target)); }
  Status Sweep() { return Done(FileSweep(*world, target)); }
  Status ReadBack(Span memory, Standing* standing) {
    return Done(FileReadBack(*world, target, memory, standing));
  }

  // Lets the directory go, as the agent does before it waits.
  Status Done(Status status) {
    DirectoryRelease(hold, *world);
    return status;
  }

  std::string Content(const char* path = kPath) const {
    const SimFile* const file = SimFileFind(*world, path);
    return file == nullptr ? "-" : std::string(SimFileContent(*world, *file));
  }

  // Files of the directory, whatever their names.
  int FileCount() const {
    int count = 0;
    for (const SimFile& file : world->files) count += file.in_use && file.is_named ? 1 : 0;
    return count;
  }
};

TEST_CASE("publish: the new file has the mode, the owner and the mark") {
  Disk disk;
  disk.target.uid = 7;
  disk.target.gid = 8;
  REQUIRE(disk.Publish("ken").ok());
  const SimFile* const file = SimFileFind(*disk.world, kPath);
  REQUIRE(file != nullptr);
  CHECK(disk.Content() == "token");
  CHECK(file->mode == 0640);
  CHECK(file->owner_uid == 7);
  CHECK(file->group_gid == 8);
  CHECK(file->accessed_ns == 4711);
  CHECK(file->modified_ns == 999'995'288);  // what is missing to 999,999,999, in every version
  CHECK(SimVerbCount(*disk.world, Verb::kFileSync) == 0);
  CHECK(disk.world->open_handle_count == 0);
  char bytes[64];
  Standing standing;
  REQUIRE(disk.ReadBack({bytes, sizeof(bytes)}, &standing).ok());
  CHECK(standing.size == 5);
  CHECK(std::string(bytes, 5) == "token");
  CHECK(standing.is_as_configured);
  CHECK(standing.mark.published_at_wall.unix_s == kMark.published_at_wall.unix_s);
  CHECK(standing.mark.expires_at_wall.unix_s == kMark.expires_at_wall.unix_s);
  CHECK(standing.mark.fingerprint == 4711);
}

TEST_CASE("directory: held, it serves its files; let go, it is judged anew") {
  Disk disk;
  FileTarget other = disk.target;
  other.name = "u";
  Standing standing;
  char bytes[8];
  CHECK(FileReadBack(*disk.world, disk.target, {bytes, sizeof(bytes)}, &standing).ok());
  CHECK(FileSweep(*disk.world, other).ok());
  CHECK(FileSweep(*disk.world, disk.target).ok());
  CHECK(FileWithdraw(*disk.world, other).ok());
  CHECK(SimVerbCount(*disk.world, Verb::kDirectoryOpen) == 1);
  CHECK(SimVerbCount(*disk.world, Verb::kDirectoryInspect) == 1);
  CHECK(SimVerbCount(*disk.world, Verb::kDirectoryList) == 1);
  CHECK(disk.world->open_handle_count == 1);
  // What isn't asked of the one that is held, is judged.
  other.require_memory_fs = false;
  CHECK(FileWithdraw(*disk.world, other).ok());
  CHECK(SimVerbCount(*disk.world, Verb::kDirectoryInspect) == 2);
  SimDirectoryAdd(*disk.world, "/run/open", 0, 0777, true);
  other.directory = "/run/open";
  CHECK(FileWithdraw(*disk.world, other).fault == Fault::kDirectoryWritable);
  CHECK(disk.world->open_handle_count == 0);
  CHECK(disk.Withdraw().ok());
  CHECK(disk.Withdraw().ok());
  CHECK(SimVerbCount(*disk.world, Verb::kDirectoryInspect) == 5);
  CHECK(disk.world->open_handle_count == 0);
}

TEST_CASE("publish: on a disk it is synced before it is renamed") {
  Disk disk;
  SimDirectoryAdd(*disk.world, "/var/t", 0, 0755, false);
  disk.target.directory = "/var/t";
  CHECK(disk.Publish("ken").fault == Fault::kDirectoryNotMemory);
  disk.target.require_memory_fs = false;
  REQUIRE(disk.Publish("ken").ok());
  CHECK(SimVerbCount(*disk.world, Verb::kFileSync) == 1);
  SimFail(*disk.world, Verb::kFileSync, EIO, 0, 1);
  const Status status = disk.Publish("pid");
  CHECK(status.fault == Fault::kFileWrite);
  CHECK(status.detail == EIO);
  CHECK(disk.Content("/var/t/t") == "token");
}

TEST_CASE(
    "publish: each verb fails: it is told, the old file stays, nothing is left open or over") {
  const struct {
    Verb verb;
    int32_t error;
    Fault fault;
  } rows[] = {
      {Verb::kDirectoryOpen, EACCES, Fault::kDirectoryOpen},
      {Verb::kDirectoryOpen, ELOOP, Fault::kDirectoryLink},
      {Verb::kDirectoryOpen, ENOTDIR, Fault::kDirectoryLink},
      {Verb::kDirectoryInspect, EIO, Fault::kDirectoryOpen},
      {Verb::kFileCreate, EMFILE, Fault::kFileWrite},
      {Verb::kFileSetOwner, EPERM, Fault::kFileWrite},
      {Verb::kFileSetMode, EPERM, Fault::kFileWrite},
      {Verb::kFileWrite, ENOSPC, Fault::kFileWrite},
      {Verb::kFileWrite, EIO, Fault::kFileWrite},
      {Verb::kFileSetTimes, EPERM, Fault::kFileWrite},
      {Verb::kFileRename, EBUSY, Fault::kFileWrite},
  };
  for (const auto& row : rows) {
    CAPTURE(static_cast<int>(row.verb));
    Disk disk;
    REQUIRE(disk.Publish("ken").ok());
    SimFail(*disk.world, row.verb, row.error, 0, 1);
    const Status status = disk.Publish("pid");
    CHECK(status.fault == row.fault);
    CHECK(status.detail == (row.fault == Fault::kDirectoryLink ? 0 : row.error));
    CHECK(disk.Content() == "token");
    CHECK(disk.FileCount() == 1);
    CHECK(disk.world->open_handle_count == 0);
  }
}

TEST_CASE("publish: a temporary file that is there already is replaced, once") {
  Disk disk;
  SimFileAdd(*disk.world, "/run/tokens/.miagent-000003e8.tmp", "old", 0600);
  REQUIRE(disk.FileCount() == 1);
  SUBCASE("it can be removed") {
    REQUIRE(disk.Publish("ken").ok());
    CHECK(disk.Content() == "token");
    CHECK(disk.FileCount() == 1);
  }
  SUBCASE("it can't") {
    SimFail(*disk.world, Verb::kFileCreate, EEXIST, 0, 1);
    SimFail(*disk.world, Verb::kFileRemove, EPERM, 0, 1);
    const Status status = disk.Publish("ken");
    CHECK(status.fault == Fault::kFileWrite);
    CHECK(status.detail == EPERM);
    CHECK(disk.Content() == "-");
    CHECK(disk.world->open_handle_count == 0);
  }
  SUBCASE("and is there again") {
    SimFail(*disk.world, Verb::kFileCreate, EEXIST, 0, 2);
    CHECK(disk.Publish("ken").detail == EEXIST);
    CHECK(SimVerbCount(*disk.world, Verb::kFileCreate) == 2);
  }
}

TEST_CASE("publish: short writes, down to a byte at a time") {
  Disk disk;
  for (uint32_t size_max = 1; size_max <= 6; ++size_max) {
    disk.world->file_write_size_max = size_max;
    REQUIRE(disk.Publish("ken").ok());
    CHECK(disk.Content() == "token");
  }
}

TEST_CASE("publish: a whole batch of parts, in writes of any size") {
  Disk disk;
  const FileContent content{[](void*, Platform& platform, File file) {
                              std::vector<FormatPart> parts(kFormatPartCountMax, {"ab", 2});
                              PartTarget part_target{&platform, file};
                              return PartFlush(&part_target, parts.data(), parts.size());
                            },
                            nullptr};
  for (uint32_t size_max = 1; size_max <= 33; ++size_max) {
    disk.world->file_write_size_max = size_max;
    REQUIRE(disk.Done(FilePublish(*disk.world, disk.target, kMark, content)).ok());
    CHECK(disk.Content() == "abababababababababababababababab");
  }
}

TEST_CASE("withdraw: the file goes; that there is none is fine") {
  Disk disk;
  REQUIRE(disk.Publish("ken").ok());
  CHECK(disk.Withdraw().ok());
  CHECK(disk.Content() == "-");
  CHECK(disk.Withdraw().ok());
  REQUIRE(disk.Publish("ken").ok());
  SimFail(*disk.world, Verb::kFileRemove, EROFS, 0, 1);
  const Status status = disk.Withdraw();
  CHECK(status.fault == Fault::kFileWrite);
  CHECK(status.detail == EROFS);
  SimFail(*disk.world, Verb::kDirectoryOpen, EACCES, 0, 1);
  CHECK(disk.Withdraw().fault == Fault::kDirectoryOpen);
  CHECK(disk.world->open_handle_count == 0);
}

TEST_CASE("sweep: only what dead agents left") {
  Disk disk;
  disk.world->alive_pid = 77;
  const char* const kept[] = {
      "/run/tokens/.miagent-0000004d.tmp",   // 77 is alive
      "/run/tokens/.miagent-0000004.tmp",    // shorter
      "/run/tokens/.miagent-00000044.tmpx",  // longer
      "/run/tokens/.miagenT-00000044.tmp",  "/run/tokens/.miagent-00000044.tmP",
      "/run/tokens/.miagent-0000004g.tmp",  "/run/tokens/t"};
  for (const char* const path : kept) SimFileAdd(*disk.world, path, "x", 0600);
  const char* const swept[] = {"/run/tokens/.miagent-0000004e.tmp",   // 78 is not
                               "/run/tokens/.miagent-000003e8.tmp"};  // this process's own
  for (const char* const path : swept) SimFileAdd(*disk.world, path, "x", 0600);
  CHECK(disk.Sweep().ok());
  for (const char* const path : kept) {
    CAPTURE(path);
    CHECK(disk.Content(path) == "x");
  }
  for (const char* const path : swept) CHECK(disk.Content(path) == "-");
  SimFail(*disk.world, Verb::kDirectoryList, EIO, 0, 1);
  const Status status = disk.Sweep();
  CHECK(status.fault == Fault::kDirectoryOpen);
  CHECK(status.detail == EIO);
  SimFail(*disk.world, Verb::kDirectoryOpen, EACCES, 0, 1);
  CHECK(disk.Sweep().fault == Fault::kDirectoryOpen);
  CHECK(disk.world->open_handle_count == 0);
}

TEST_CASE("read back: what bears no mark counts as nothing") {
  char bytes[5];
  const Span memory{bytes, sizeof(bytes)};
  Standing standing;
  Disk disk;
  CHECK(disk.ReadBack(memory, &standing).ok());
  CHECK(standing.size == 0);
  SUBCASE("a file of somebody else") { SimFileAdd(*disk.world, kPath, "token", 0640); }
  SUBCASE("a link") { SimLinkAdd(*disk.world, kPath, "/run/tokens/other"); }
  SUBCASE("a file that is too large") { REQUIRE(disk.Publish("kens").ok()); }
  SUBCASE("a FIFO with the mark's times") {
    SimFifoAdd(*disk.world, kPath);
    SimFile& fifo = *SimFileFind(*disk.world, kPath);
    fifo.accessed_ns = 1;
    fifo.modified_ns = kFingerprintMax - 2;
  }
  SUBCASE("times that don't fit") {
    REQUIRE(disk.Publish("ken").ok());
    ++SimFileFind(*disk.world, kPath)->modified_ns;
  }
  SUBCASE("no time at all") {
    REQUIRE(disk.Publish("ken").ok());
    SimFileFind(*disk.world, kPath)->accessed_ns = kFingerprintMax;
    SimFileFind(*disk.world, kPath)->modified_ns = UINT32_MAX;
  }
  CHECK(disk.ReadBack(memory, &standing).ok());
  CHECK(standing.size == 0);
  CHECK(disk.world->open_handle_count == 0);
}

TEST_CASE("read back: another mode, user or group is told") {
  char bytes[8];
  const Span memory{bytes, sizeof(bytes)};
  for (int changed = 0; changed < 4; ++changed) {
    Disk disk;
    REQUIRE(disk.Publish("ken").ok());
    if (changed == 1) disk.target.mode = 0600;
    if (changed == 2) disk.target.uid = 1;
    if (changed == 3) disk.target.gid = 1;
    Standing standing;
    CHECK(disk.ReadBack(memory, &standing).ok());
    CHECK(standing.size == 5);
    CHECK(standing.is_as_configured == (changed == 0));
  }
}

TEST_CASE("read back: each verb fails: it is told, and nothing is left open") {
  char bytes[8];
  const struct {
    Verb verb;
    int32_t error;
    Fault fault;
  } rows[] = {{Verb::kDirectoryOpen, EACCES, Fault::kDirectoryOpen},
              {Verb::kFileOpenAt, EACCES, Fault::kFileRead},
              {Verb::kFileInspect, EIO, Fault::kFileRead},
              {Verb::kFileRead, EIO, Fault::kFileRead}};
  for (const auto& row : rows) {
    CAPTURE(static_cast<int>(row.verb));
    Disk disk;
    REQUIRE(disk.Publish("ken").ok());
    SimFail(*disk.world, row.verb, row.error, 0, 1);
    Standing standing;
    const Status status = disk.ReadBack({bytes, sizeof(bytes)}, &standing);
    CHECK(status.fault == row.fault);
    CHECK(status.detail == row.error);
    CHECK(standing.size == 0);
    CHECK(disk.world->open_handle_count == 0);
  }
}

TEST_CASE("read back: a file cut short while it is read is what was read; short reads are joined") {
  char bytes[8];
  Disk disk;
  REQUIRE(disk.Publish("ken").ok());
  disk.world->file_read_size_max = 2;
  Standing standing;
  CHECK(disk.ReadBack({bytes, sizeof(bytes)}, &standing).ok());
  CHECK(standing.size == 5);
  CHECK(std::string(bytes, 5) == "token");
  char exact[5];  // no room for more: no read beyond it
  CHECK(disk.ReadBack({exact, sizeof(exact)}, &standing).ok());
  CHECK(standing.size == 5);
  // It grows after the look at its size.
  disk.world->before_verb = [](void*, Platform& world, Verb verb) -> int32_t {
    if (verb == Verb::kFileRead) SimFileFind(world, kPath)->size = 16;
    return 0;
  };
  CHECK(disk.ReadBack({bytes, sizeof(bytes)}, &standing).ok());
  CHECK(standing.size == 5);
}

TEST_CASE("standard output: parts as they are, and its fault") {
  Disk disk;
  PartTarget target{disk.world.get(), File{}};
  const FormatPart parts[] = {{"a", 1}, {"bc", 2}};
  CHECK(PartFlush(&target, parts, 2).ok());
  CHECK(disk.world->output.text() == "abc");
  SimFail(*disk.world, Verb::kOutputWrite, EPIPE, 0, 1);
  const Status status = PartFlush(&target, parts, 2);
  CHECK(status.fault == Fault::kOutputWrite);
  CHECK(status.detail == EPIPE);
}

}  // namespace
}  // namespace miagent
