#include "agent/sink/file.h"

#include <cerrno>

#include "agent/base/check.h"

namespace miagent {
namespace {

constexpr uint32_t kModeWritableByOthers = 0022;
constexpr uint32_t kRootUid = 0;
constexpr uint32_t kWriteCallCountMax = 64 * 1024;  // a write of one byte each for the largest file
constexpr std::string_view kTemporaryPrefix = ".miagent-";
constexpr std::string_view kTemporarySuffix = ".tmp";
constexpr size_t kTemporaryNameSizeMax = 32;

// The temporary name carries the process id, so that FileSweep can tell whose it is. One process
// writes one file at a time, so it needs no more.
void TemporaryName(uint32_t pid, char (&name)[kTemporaryNameSizeMax]) {
  TextWriter writer{name, sizeof(name)};
  Append(writer, kTemporaryPrefix);
  AppendHex(writer, pid, 8);
  Append(writer, kTemporarySuffix);
  Append(writer, '\0');
  CHECK(!writer.overflowed);
}

// The process id in a temporary name; false for any other name.
bool TemporaryNameRead(std::string_view name, uint32_t* pid) {
  const size_t affix_size = kTemporaryPrefix.size() + kTemporarySuffix.size();
  if (name.size() != affix_size + 8) return false;
  if (!StartsWith(name, kTemporaryPrefix) || !EndsWith(name, kTemporarySuffix)) return false;
  return ParseHex(Slice(name, kTemporaryPrefix.size(), 8), pid);
}

// The modification time's nanoseconds for an access time's: that both fit is no accident.
uint32_t MarkComplement(uint32_t fingerprint) { return kFingerprintMax - 1 - fingerprint; }

Status FileFault(IoResult result) {
  return result.ok() ? kOk : Status{Fault::kFileWrite, result.error};
}

// Everything between the creation of the temporary file and its rename.
Status FileFill(Platform& platform, File file, const FileTarget& target, const FileMark& mark,
                const FileContent& content, bool on_memory_fs) {
  TRY(FileFault(FileSetOwner(platform, file, target.uid, target.gid)));
  TRY(FileFault(FileSetMode(platform, file, target.mode)));
  TRY(content.write(content.context, platform, file));
  const FileTimes times{mark.expires_at_wall, mark.published_at_wall, mark.fingerprint,
                        MarkComplement(mark.fingerprint)};
  TRY(FileFault(FileSetTimes(platform, file, times)));
  if (!on_memory_fs) TRY(FileFault(FileSync(platform, file)));
  return kOk;
}

// Creates the temporary file. A name that is there already is this process's own or that of a dead
// process with the same id: removed, once.
Status TemporaryCreate(Platform& platform, Directory directory, const char* name, File* file) {
  IoResult created = FileCreate(platform, directory, name, file);
  if (created.error == EEXIST) {
    TRY(FileFault(FileRemove(platform, directory, name)));
    created = FileCreate(platform, directory, name, file);
  }
  return FileFault(created);
}

struct Sweep {
  Platform* platform;
  Directory directory;
};

void SweepVisit(void* context, const char* name) {
  const Sweep& sweep = *static_cast<Sweep*>(context);
  uint32_t pid = 0;
  if (!TemporaryNameRead(name, &pid)) return;
  const bool is_own = pid == ProcessInspect(*sweep.platform).pid;
  if (!is_own && ProcessIsAlive(*sweep.platform, pid)) return;
  // What can't be removed now is tried at the next start.
  static_cast<void>(FileRemove(*sweep.platform, sweep.directory, name));
}

Status ReadAll(Platform& platform, File file, Span memory, size_t* size) {
  for (*size = 0; *size < memory.size;) {
    const IoResult read = FileRead(platform, file, memory.data + *size, memory.size - *size);
    if (!read.ok()) return {Fault::kFileRead, read.error};
    if (read.count == 0) break;
    *size += read.count;
  }
  return kOk;
}

// Judges the directory that is held, by its descriptor.
Status DirectoryJudge(Platform& platform, DirectoryHold& hold) {
  DirectoryFacts& facts = hold.facts;
  const IoResult inspected = DirectoryInspect(platform, hold.directory, &facts);
  if (!inspected.ok()) return {Fault::kDirectoryOpen, inspected.error};
  const bool is_own = facts.owner_uid == ProcessInspect(platform).uid;
  if (facts.owner_uid != kRootUid && !is_own) return {Fault::kDirectoryOwner, 0};
  if ((facts.mode & kModeWritableByOthers) != 0) return {Fault::kDirectoryWritable, 0};
  if (hold.require_memory_fs && !facts.on_memory_fs) return {Fault::kDirectoryNotMemory, 0};
  return kOk;
}

Status TargetTake(Platform& platform, const FileTarget& target) {
  return DirectoryTake(*target.hold, platform, target.directory, target.require_memory_fs);
}

}  // namespace

Status DirectoryTake(DirectoryHold& hold, Platform& platform, const char* path,
                     bool require_memory_fs) {
  const bool is_held = hold.path != nullptr && IsName(path, hold.path);
  if (is_held && hold.require_memory_fs == require_memory_fs) return kOk;
  DirectoryRelease(hold, platform);
  const IoResult opened = DirectoryOpen(platform, path, &hold.directory);
  if (opened.error == ELOOP || opened.error == ENOTDIR) return {Fault::kDirectoryLink, 0};
  if (!opened.ok()) return {Fault::kDirectoryOpen, opened.error};
  hold.path = path;
  hold.is_swept = false;
  hold.require_memory_fs = require_memory_fs;
  const Status status = DirectoryJudge(platform, hold);
  if (!status.ok()) DirectoryRelease(hold, platform);
  return status;
}

void DirectoryRelease(DirectoryHold& hold, Platform& platform) {
  if (hold.path != nullptr) DirectoryClose(platform, hold.directory);
  hold.path = nullptr;
}

Status FilePublish(Platform& platform, const FileTarget& target, const FileMark& mark,
                   const FileContent& content) {
  CHECK(mark.fingerprint < kFingerprintMax);
  TRY(TargetTake(platform, target));
  const Directory directory = target.hold->directory;
  char temporary[kTemporaryNameSizeMax];
  TemporaryName(ProcessInspect(platform).pid, temporary);
  File file;
  Status status = TemporaryCreate(platform, directory, temporary, &file);
  if (status.ok()) {
    status = FileFill(platform, file, target, mark, content, target.hold->facts.on_memory_fs);
    FileClose(platform, file);
    if (status.ok()) {
      status = FileFault(FileRename(platform, directory, temporary, target.name));
    }
    // The first fault is the one to tell; a name that can't be removed now is swept at the start.
    if (!status.ok()) static_cast<void>(FileRemove(platform, directory, temporary));
  }
  return status;
}

Status PartFlush(void* part_target, const FormatPart* parts, size_t part_count) {
  static_assert(kFormatPartCountMax <= kWritePartCountMax, "a batch fits one call");
  CHECK(part_count <= kFormatPartCountMax);
  const PartTarget& target = *static_cast<PartTarget*>(part_target);
  ConstPart rest[kFormatPartCountMax];
  for (size_t index = 0; index < part_count; ++index) {
    rest[index] = {parts[index].data, parts[index].size};
  }
  if (target.file.handle < 0) {
    const IoResult written = OutputWrite(*target.platform, rest, part_count);
    return written.ok() ? kOk : Status{Fault::kOutputWrite, written.error};
  }
  size_t first = 0;
  for (uint32_t call = 0; first < part_count; ++call) {
    CHECK(call < kWriteCallCountMax);
    const IoResult written =
        FileWrite(*target.platform, target.file, rest + first, part_count - first);
    if (!written.ok()) return {Fault::kFileWrite, written.error};
    if (written.count == 0) return {Fault::kFileWrite, ENOSPC};
    size_t count = written.count;
    while (first < part_count && count >= rest[first].size) count -= rest[first++].size;
    if (first < part_count) rest[first] = {rest[first].data + count, rest[first].size - count};
  }
  return kOk;
}

Status FileWithdraw(Platform& platform, const FileTarget& target) {
  TRY(TargetTake(platform, target));
  const IoResult removed = FileRemove(platform, target.hold->directory, target.name);
  return removed.error == ENOENT ? kOk : FileFault(removed);
}

Status FileSweep(Platform& platform, const FileTarget& target) {
  TRY(TargetTake(platform, target));
  if (target.hold->is_swept) return kOk;
  Sweep sweep{&platform, target.hold->directory};
  const IoResult listed = DirectoryList(platform, sweep.directory, SweepVisit, &sweep);
  if (!listed.ok()) {
    DirectoryRelease(*target.hold, platform);  // to be listed again, it has to be opened again
    return {Fault::kDirectoryOpen, listed.error};
  }
  target.hold->is_swept = true;
  return kOk;
}

Status FileReadBack(Platform& platform, const FileTarget& target, Span memory, Standing* standing) {
  *standing = Standing{};
  TRY(TargetTake(platform, target));
  File file;
  const IoResult opened = FileOpenAt(platform, target.hold->directory, target.name, &file);
  if (opened.error == ENOENT || opened.error == ELOOP) return kOk;
  if (!opened.ok()) return {Fault::kFileRead, opened.error};
  Status status;
  FileFacts facts;
  const IoResult inspected = FileInspect(platform, file, &facts);
  if (!inspected.ok()) {
    status = {Fault::kFileRead, inspected.error};
  } else if (facts.is_regular && facts.size <= memory.size && facts.accessed_ns < kFingerprintMax &&
             facts.modified_ns == MarkComplement(facts.accessed_ns)) {
    standing->mark = {facts.modified_at_wall, facts.accessed_at_wall, facts.accessed_ns};
    standing->is_as_configured =
        facts.mode == target.mode && facts.owner_uid == target.uid && facts.group_gid == target.gid;
    status =
        ReadAll(platform, file, {memory.data, static_cast<size_t>(facts.size)}, &standing->size);
  }
  FileClose(platform, file);
  return status;
}

}  // namespace miagent
