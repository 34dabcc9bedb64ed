#include <cstring>

#include "platform/sim/text.h"
#include "platform/sim/world.h"

namespace miagent {
namespace {

constexpr uint32_t kLinkCountMax = 8;  // links followed before ELOOP
constexpr uint32_t kModeMask = 07777;
constexpr uint32_t kMayRead = 4;
constexpr uint32_t kMayWrite = 2;

// A path, cut at its last slash.
struct PathParts {
  std::string_view directory;
  std::string_view name;
};

PathParts PathSplit(std::string_view path) {
  size_t slash = path.size();
  while (slash > 0 && path[slash - 1] != '/') --slash;
  if (slash == 0) return {".", path};
  const size_t directory_size = slash > 1 ? slash - 1 : 1;
  return {SimTextPart(path, 0, directory_size), SimTextPart(path, slash)};
}

SimDirectory* DirectoryFind(Platform& world, std::string_view path) {
  for (SimDirectory& directory : world.directories) {
    if (directory.in_use && !directory.is_gone && path == directory.path) return &directory;
  }
  return nullptr;
}

uint32_t IndexOf(const Platform& world, const SimDirectory& directory) {
  return static_cast<uint32_t>(&directory - world.directories);
}

uint32_t IndexOf(const Platform& world, const SimFile& file) {
  return static_cast<uint32_t>(&file - world.files);
}

SimFile* FileFind(Platform& world, uint32_t directory_index, std::string_view name) {
  for (SimFile& file : world.files) {
    if (file.is_named && file.directory_index == directory_index && name == file.name) {
      return &file;
    }
  }
  return nullptr;
}

bool IsAllowed(const Platform& world, uint32_t owner_uid, uint32_t group_gid, uint32_t mode,
               uint32_t wanted) {
  if (world.process.uid == 0) return true;
  uint32_t granted = mode & 7;
  if (world.process.gid == group_gid) granted = (mode >> 3) & 7;
  if (world.process.uid == owner_uid) granted = (mode >> 6) & 7;
  return (granted & wanted) == wanted;
}

// Whether names may be made and removed in the directory; an errno where not.
int32_t ChangeRefusal(const Platform& world, const SimDirectory& directory) {
  if (directory.is_removed) return ENOENT;
  if (directory.read_only) return EROFS;
  const bool allowed =
      IsAllowed(world, directory.owner_uid, directory.group_gid, directory.mode, kMayWrite);
  return allowed ? 0 : EACCES;
}

SimFile& FileTake(Platform& world, uint32_t directory_index, std::string_view name) {
  for (SimFile& file : world.files) {
    if (file.in_use) continue;
    file = SimFile{};
    file.in_use = true;
    file.is_named = true;
    file.serial = ++world.serial;
    file.directory_index = directory_index;
    file.modified_at_wall = SimWall(world);
    file.accessed_at_wall = file.modified_at_wall;
    SimTextCopy(file.name, sizeof(file.name), name);
    return file;
  }
  SimFailed("too many files");
}

bool HasFreeFile(const Platform& world) {
  for (const SimFile& file : world.files) {
    if (!file.in_use) return true;
  }
  return false;
}

void FileForget(Platform& world, SimFile& file) {
  if (file.is_named || file.open_count > 0) return;
  if (world.space_left != UINT64_MAX) world.space_left += file.size;
  memset(world.file_bytes[IndexOf(world, file)], 0, file.size);
  file.in_use = false;
}

void FileUnname(Platform& world, SimFile& file) {
  file.is_named = false;
  FileForget(world, file);
}

// A free handle, marked as used; nullptr where there is none.
SimOpen* OpenTake(Platform& world, SimOpen* opens) {
  for (size_t index = 0; index < kSimOpenCountMax; ++index) {
    SimOpen& open = opens[index];
    if (open.in_use) continue;
    const uint16_t generation = open.generation;
    open = SimOpen{};
    open.generation = generation;
    open.in_use = true;
    ++world.open_handle_count;
    return &open;
  }
  return nullptr;
}

SimOpen& OpenOf(SimOpen* opens, SimHandleKind kind, int32_t handle) {
  SimOpen& open = opens[SimHandleIndex(kind, handle, kSimOpenCountMax)];
  if (!open.in_use || open.generation != SimHandleGeneration(handle)) {
    SimFailed("a file or directory was used after its close");
  }
  return open;
}

void OpenRelease(Platform& world, SimOpen& open) {
  open.in_use = false;
  ++open.generation;
  --world.open_handle_count;
}

SimOpen& OpenOf(Platform& world, File file) {
  return OpenOf(world.open_files, SimHandleKind::kFile, file.handle);
}

SimFile& FileOf(Platform& world, File file) {
  const SimOpen& open = OpenOf(world, file);
  if (open.is_directory) SimFailed("a directory was opened as a file, and changed");
  return world.files[open.index];
}

SimDirectory& DirectoryOf(Platform& world, Directory directory) {
  const SimOpen& open = OpenOf(world.open_directories, SimHandleKind::kDirectory, directory.handle);
  return world.directories[open.index];
}

IoResult OpenFile(Platform& world, SimFile& found, bool for_writing, File* file) {
  SimOpen* open = OpenTake(world, world.open_files);
  if (open == nullptr) return {EMFILE, 0};
  open->index = IndexOf(world, found);
  open->for_writing = for_writing;
  ++found.open_count;
  file->handle = SimHandleMake(SimHandleKind::kFile, open->generation,
                               static_cast<size_t>(open - world.open_files));
  return {};
}

IoResult OpenForReading(Platform& world, SimFile* found, File* file) {
  if (found == nullptr) return {ENOENT, 0};
  if (found->kind == SimFileKind::kLink) return {ELOOP, 0};
  if (!IsAllowed(world, found->owner_uid, found->group_gid, found->mode, kMayRead)) {
    return {EACCES, 0};
  }
  return OpenFile(world, *found, false, file);
}

IoResult OpenPath(Platform& world, std::string_view path, File* file) {
  for (uint32_t turn = 0; turn <= kLinkCountMax; ++turn) {
    if (SimDirectory* directory = DirectoryFind(world, path); directory != nullptr) {
      SimOpen* open = OpenTake(world, world.open_files);
      if (open == nullptr) return {EMFILE, 0};
      open->is_directory = true;
      open->index = IndexOf(world, *directory);
      file->handle = SimHandleMake(SimHandleKind::kFile, open->generation,
                                   static_cast<size_t>(open - world.open_files));
      return {};
    }
    const PathParts parts = PathSplit(path);
    const SimDirectory* directory = DirectoryFind(world, parts.directory);
    if (directory == nullptr) return {ENOENT, 0};
    SimFile* found = FileFind(world, IndexOf(world, *directory), parts.name);
    if (found == nullptr || found->kind != SimFileKind::kLink) {
      return OpenForReading(world, found, file);
    }
    path = SimFileContent(world, *found);
  }
  return {ELOOP, 0};
}

IoResult CreateNow(Platform& world, const SimDirectory& directory, const char* name, File* file) {
  const size_t name_size = strlen(name);
  if (name_size >= kSimNameSizeMax) return {ENAMETOOLONG, 0};
  if (name_size == 0 || SimTextFind(name, "/") != name_size) SimFailed("a name with a slash");
  const uint32_t directory_index = IndexOf(world, directory);
  if (FileFind(world, directory_index, name) != nullptr) return {EEXIST, 0};
  if (const int32_t error = ChangeRefusal(world, directory); error != 0) return {error, 0};
  if (!HasFreeFile(world)) return {ENOSPC, 0};
  SimFile& created = FileTake(world, directory_index, name);
  created.owner_uid = world.process.uid;
  created.group_gid = world.process.gid;
  const IoResult opened = OpenFile(world, created, true, file);
  if (!opened.ok()) FileUnname(world, created);
  return opened;
}

IoResult ReadNow(Platform& world, SimOpen& open, char* bytes, size_t size) {
  if (open.is_directory) return {EISDIR, 0};
  if (open.for_writing) return {EBADF, 0};
  const SimFile& file = world.files[open.index];
  if (file.kind == SimFileKind::kFifo || open.offset >= file.size) return {};
  uint32_t wanted = file.size - open.offset;
  if (wanted > size) wanted = static_cast<uint32_t>(size);
  const uint32_t limit = world.file_read_size_max;
  if (limit != 0 && wanted > limit) wanted = limit;
  memcpy(bytes, world.file_bytes[open.index] + open.offset, wanted);
  open.offset += wanted;
  return {0, wanted};
}

IoResult WriteNow(Platform& world, SimOpen& open, const ConstPart* parts, size_t part_count) {
  if (!open.for_writing) return {EBADF, 0};
  SimFile& file = world.files[open.index];
  uint64_t wanted = 0;
  for (size_t index = 0; index < part_count; ++index) wanted += parts[index].size;
  if (wanted == 0) return {};
  if (wanted > kSimFileSizeMax - open.offset) return {EFBIG, 0};
  if (world.space_left == 0) return {ENOSPC, 0};
  uint64_t room = wanted < world.space_left ? wanted : world.space_left;
  const uint32_t limit = world.file_write_size_max;
  if (limit != 0 && room > limit) room = limit;
  const auto total = static_cast<uint32_t>(room);
  for (size_t index = 0; index < part_count && room > 0; ++index) {
    const size_t size = parts[index].size < room ? parts[index].size : static_cast<size_t>(room);
    if (size == 0) continue;
    memcpy(world.file_bytes[open.index] + open.offset, parts[index].data, size);
    open.offset += static_cast<uint32_t>(size);
    room -= size;
  }
  if (world.space_left != UINT64_MAX) world.space_left -= total;
  if (open.offset > file.size) file.size = open.offset;
  file.serial = ++world.serial;
  file.is_synced = false;
  file.modified_at_wall = SimWall(world);
  file.modified_ns = static_cast<uint32_t>(world.now.boot_ms % 1000 * 1'000'000 + 1);
  return {0, total};
}

IoResult RenameNow(Platform& world, const SimDirectory& directory, const char* from,
                   const char* to) {
  if (strlen(to) >= kSimNameSizeMax) return {ENAMETOOLONG, 0};
  if (const int32_t error = ChangeRefusal(world, directory); error != 0) return {error, 0};
  SimFile* source = FileFind(world, IndexOf(world, directory), from);
  if (source == nullptr) return {ENOENT, 0};
  SimFile* target = FileFind(world, IndexOf(world, directory), to);
  if (target == source) return {};
  if (target != nullptr) FileUnname(world, *target);
  SimTextCopy(source->name, sizeof(source->name), to);
  return {};
}

bool IsOpen(const Platform& world, const SimDirectory& directory) {
  for (const SimOpen& open : world.open_directories) {
    if (open.in_use && open.index == IndexOf(world, directory)) return true;
  }
  return false;
}

// Makes room in the table: what was moved away, and nobody has open, is not to be seen again.
void DirectoriesForget(Platform& world) {
  for (SimDirectory& directory : world.directories) {
    if (!directory.in_use) return;
  }
  for (SimDirectory& directory : world.directories) {
    if (!directory.is_gone || IsOpen(world, directory)) continue;
    for (SimFile& file : world.files) {
      if (file.is_named && file.directory_index == IndexOf(world, directory)) {
        FileUnname(world, file);
      }
    }
    directory.in_use = false;
  }
}

SimDirectory& DirectoryTake(Platform& world, const char* path) {
  if (DirectoryFind(world, path) != nullptr) SimFailed("that directory exists");
  DirectoriesForget(world);
  for (SimDirectory& directory : world.directories) {
    if (directory.in_use) continue;
    directory = SimDirectory{};
    directory.in_use = true;
    SimTextCopy(directory.path, sizeof(directory.path), path);
    return directory;
  }
  SimFailed("too many directories");
}

SimFile& FileAdd(Platform& world, const char* path, SimFileKind kind, std::string_view content) {
  const PathParts parts = PathSplit(path);
  SimDirectory* directory = DirectoryFind(world, parts.directory);
  if (directory == nullptr) {
    char name[kSimPathSizeMax];
    SimTextCopy(name, sizeof(name), parts.directory);
    directory = &DirectoryTake(world, name);
  }
  const uint32_t directory_index = IndexOf(world, *directory);
  SimFile* file = FileFind(world, directory_index, parts.name);
  if (file == nullptr) file = &FileTake(world, directory_index, parts.name);
  if (content.size() > kSimFileSizeMax) SimFailed("a file too large for the simulator");
  file->kind = kind;
  file->size = static_cast<uint32_t>(content.size());
  file->serial = ++world.serial;
  if (file->size > 0) memcpy(world.file_bytes[IndexOf(world, *file)], content.data(), file->size);
  return *file;
}

}  // namespace

// ---- set-up ---------------------------------------------------------------------------------

SimDirectory& SimDirectoryAdd(Platform& world, const char* path, uint32_t owner_uid, uint32_t mode,
                              bool on_memory_fs) {
  SimDirectory& directory = DirectoryTake(world, path);
  directory.owner_uid = owner_uid;
  directory.group_gid = owner_uid;
  directory.mode = mode;
  directory.on_memory_fs = on_memory_fs;
  return directory;
}

void SimDirectoryLinkAdd(Platform& world, const char* path) {
  DirectoryTake(world, path).is_link = true;
}

void SimDirectoryMove(Platform& world, const char* path) {
  SimDirectory* directory = DirectoryFind(world, path);
  if (directory == nullptr) SimFailed("there is no such directory");
  directory->is_gone = true;
  directory->gone_order = ++world.gone_count;
}

void SimDirectoryReturn(Platform& world, const char* path) {
  if (DirectoryFind(world, path) != nullptr) SimFailed("another directory is in its place");
  SimDirectory* last = nullptr;
  for (SimDirectory& directory : world.directories) {
    const bool is_moved = directory.in_use && directory.is_gone && !directory.is_removed;
    if (!is_moved || strcmp(directory.path, path) != 0) continue;
    if (last == nullptr || directory.gone_order > last->gone_order) last = &directory;
  }
  if (last == nullptr) SimFailed("no such directory was moved away");
  last->is_gone = false;
}

void SimDirectoryRemove(Platform& world, const char* path) {
  if (SimFileCount(world, path) != 0) SimFailed("the directory to remove isn't empty");
  SimDirectory* directory = DirectoryFind(world, path);
  SimDirectoryMove(world, path);
  directory->is_removed = true;
}

SimFile& SimFileAdd(Platform& world, const char* path, std::string_view content, uint32_t mode) {
  SimFile& file = FileAdd(world, path, SimFileKind::kRegular, content);
  file.mode = mode;
  return file;
}

void SimLinkAdd(Platform& world, const char* path, std::string_view target) {
  FileAdd(world, path, SimFileKind::kLink, target);
}

void SimFifoAdd(Platform& world, const char* path) { FileAdd(world, path, SimFileKind::kFifo, {}); }

SimFile* SimFileFind(Platform& world, const char* path) {
  const PathParts parts = PathSplit(path);
  const SimDirectory* directory = DirectoryFind(world, parts.directory);
  if (directory == nullptr) return nullptr;
  return FileFind(world, IndexOf(world, *directory), parts.name);
}

void SimFileRemove(Platform& world, const char* path) {
  SimFile* file = SimFileFind(world, path);
  if (file == nullptr) SimFailed("no such file to remove");
  FileUnname(world, *file);
}

std::string_view SimFileContent(const Platform& world, const SimFile& file) {
  return {world.file_bytes[IndexOf(world, file)], file.size};
}

uint32_t SimFileCount(const Platform& world, const char* directory_path) {
  uint32_t count = 0;
  for (const SimFile& file : world.files) {
    if (!file.is_named) continue;
    const SimDirectory& directory = world.directories[file.directory_index];
    if (!directory.is_gone && strcmp(directory.path, directory_path) == 0) ++count;
  }
  return count;
}

void SimDiskKill(Platform& world) {
  for (SimOpen& open : world.open_directories) {
    if (open.in_use) OpenRelease(world, open);
  }
  for (SimOpen& open : world.open_files) {
    if (!open.in_use) continue;
    OpenRelease(world, open);
    if (open.is_directory) continue;
    --world.files[open.index].open_count;
    FileForget(world, world.files[open.index]);
  }
}

// ---- the verbs ------------------------------------------------------------------------------

IoResult DirectoryOpen(Platform& world, const char* path, Directory* directory) {
  IoResult result{SimEnter(world, Verb::kDirectoryOpen), 0};
  const std::string_view text(path);
  const std::string_view name = PathSplit(text).name;
  if (result.ok() && text.size() > 1 && (name.empty() || name == ".")) result.error = EINVAL;
  const SimDirectory* found = DirectoryFind(world, text);
  if (result.ok() && found == nullptr) {
    result.error = SimFileFind(world, path) != nullptr ? ENOTDIR : ENOENT;
  }
  if (result.ok() && found->is_link) result.error = ENOTDIR;
  if (result.ok() && !IsAllowed(world, found->owner_uid, found->group_gid, found->mode, kMayRead)) {
    result.error = EACCES;
  }
  if (result.ok()) {
    SimOpen* open = OpenTake(world, world.open_directories);
    if (open == nullptr) {
      result.error = EMFILE;
    } else {
      open->index = IndexOf(world, *found);
      directory->handle = SimHandleMake(SimHandleKind::kDirectory, open->generation,
                                        static_cast<size_t>(open - world.open_directories));
    }
  }
  return SimLeave(world, Verb::kDirectoryOpen, result);
}

IoResult DirectoryInspect(Platform& world, Directory handle, DirectoryFacts* facts) {
  const SimDirectory& directory = DirectoryOf(world, handle);
  const IoResult result{SimEnter(world, Verb::kDirectoryInspect), 0};
  if (result.ok()) *facts = {directory.owner_uid, directory.mode, directory.on_memory_fs};
  return SimLeave(world, Verb::kDirectoryInspect, result);
}

IoResult DirectoryList(Platform& world, Directory handle, DirectoryVisit visit, void* context) {
  const SimDirectory& directory = DirectoryOf(world, handle);
  const uint32_t directory_index = IndexOf(world, directory);
  SimOpen& open = OpenOf(world.open_directories, SimHandleKind::kDirectory, handle.handle);
  if (open.offset != 0) SimFailed("DirectoryList twice for one opening");
  open.offset = 1;
  IoResult result{SimEnter(world, Verb::kDirectoryList), 0};
  if (result.ok() && directory.is_removed) result.error = ENOENT;
  if (!result.ok()) return SimLeave(world, Verb::kDirectoryList, result);
  // Each listing begins elsewhere: there is no particular order.
  const uint64_t first = SimVerbCount(world, Verb::kDirectoryList) * 7;
  for (uint64_t step = 0; step < kSimFileCountMax; ++step) {
    const SimFile& file = world.files[(first + step) % kSimFileCountMax];
    if (!file.is_named || file.directory_index != directory_index) continue;
    char name[kSimNameSizeMax];
    memcpy(name, file.name, sizeof(name));
    visit(context, name);
  }
  return SimLeave(world, Verb::kDirectoryList, result);
}

void DirectoryClose(Platform& world, Directory handle) {
  SimOpen& open = OpenOf(world.open_directories, SimHandleKind::kDirectory, handle.handle);
  static_cast<void>(SimEnter(world, Verb::kDirectoryClose));
  OpenRelease(world, open);
}

IoResult FileOpen(Platform& world, const char* path, File* file) {
  IoResult result{SimEnter(world, Verb::kFileOpen), 0};
  if (result.ok()) result = OpenPath(world, path, file);
  return SimLeave(world, Verb::kFileOpen, result);
}

IoResult FileOpenAt(Platform& world, Directory handle, const char* name, File* file) {
  const SimDirectory& directory = DirectoryOf(world, handle);
  IoResult result{SimEnter(world, Verb::kFileOpenAt), 0};
  if (result.ok()) {
    result = OpenForReading(world, FileFind(world, IndexOf(world, directory), name), file);
  }
  return SimLeave(world, Verb::kFileOpenAt, result);
}

IoResult FileCreate(Platform& world, Directory handle, const char* name, File* file) {
  const SimDirectory& directory = DirectoryOf(world, handle);
  IoResult result{SimEnter(world, Verb::kFileCreate), 0};
  if (result.ok()) result = CreateNow(world, directory, name, file);
  return SimLeave(world, Verb::kFileCreate, result);
}

IoResult FileInspect(Platform& world, File handle, FileFacts* facts) {
  const SimOpen& open = OpenOf(world, handle);
  const IoResult result{SimEnter(world, Verb::kFileInspect), 0};
  if (result.ok() && open.is_directory) {
    const SimDirectory& directory = world.directories[open.index];
    *facts = FileFacts{};
    facts->owner_uid = directory.owner_uid;
    facts->group_gid = directory.group_gid;
    facts->mode = directory.mode;
  } else if (result.ok()) {
    const SimFile& file = world.files[open.index];
    facts->owner_uid = file.owner_uid;
    facts->group_gid = file.group_gid;
    facts->mode = file.mode;
    facts->is_regular = file.kind == SimFileKind::kRegular;
    facts->size = file.size;
    facts->modified_at_wall = file.modified_at_wall;
    facts->accessed_at_wall = file.accessed_at_wall;
    facts->accessed_ns = file.accessed_ns;
    facts->modified_ns = file.modified_ns;
  }
  return SimLeave(world, Verb::kFileInspect, result);
}

IoResult FileRead(Platform& world, File handle, char* bytes, size_t size) {
  SimOpen& open = OpenOf(world, handle);
  IoResult result{SimEnter(world, Verb::kFileRead), 0};
  if (result.ok()) result = ReadNow(world, open, bytes, size);
  return SimLeave(world, Verb::kFileRead, result);
}

IoResult FileWrite(Platform& world, File handle, const ConstPart* parts, size_t part_count) {
  if (part_count > kWritePartCountMax) SimFailed("too many parts");
  SimOpen& open = OpenOf(world, handle);
  IoResult result{SimEnter(world, Verb::kFileWrite), 0};
  if (result.ok()) result = WriteNow(world, open, parts, part_count);
  return SimLeave(world, Verb::kFileWrite, result);
}

IoResult FileSetOwner(Platform& world, File handle, uint32_t uid, uint32_t gid) {
  SimFile& file = FileOf(world, handle);
  IoResult result{SimEnter(world, Verb::kFileSetOwner), 0};
  const bool is_own = world.process.uid == file.owner_uid && uid == file.owner_uid &&
                      (gid == file.group_gid || gid == world.process.gid);
  if (result.ok() && world.process.uid != 0 && !is_own) result.error = EPERM;
  if (result.ok()) {
    file.owner_uid = uid;
    file.group_gid = gid;
  }
  return SimLeave(world, Verb::kFileSetOwner, result);
}

IoResult FileSetMode(Platform& world, File handle, uint32_t mode) {
  SimFile& file = FileOf(world, handle);
  IoResult result{SimEnter(world, Verb::kFileSetMode), 0};
  const uint32_t uid = world.process.uid;
  if (result.ok() && uid != 0 && uid != file.owner_uid) result.error = EPERM;
  if (result.ok()) file.mode = mode & kModeMask;
  return SimLeave(world, Verb::kFileSetMode, result);
}

IoResult FileSetTimes(Platform& world, File handle, const FileTimes& times) {
  SimFile& file = FileOf(world, handle);
  IoResult result{SimEnter(world, Verb::kFileSetTimes), 0};
  if (result.ok() && world.process.uid != 0 && world.process.uid != file.owner_uid) {
    result.error = EPERM;
  }
  if (result.ok()) {
    file.accessed_at_wall = times.accessed_at_wall;
    file.accessed_ns = times.accessed_ns;
    file.modified_at_wall = times.modified_at_wall;
    file.modified_ns = times.modified_ns;
  }
  return SimLeave(world, Verb::kFileSetTimes, result);
}

IoResult FileSync(Platform& world, File handle) {
  const SimOpen& open = OpenOf(world, handle);
  const IoResult result{SimEnter(world, Verb::kFileSync), 0};
  if (result.ok() && !open.is_directory) world.files[open.index].is_synced = true;
  return SimLeave(world, Verb::kFileSync, result);
}

void FileClose(Platform& world, File handle) {
  SimOpen& open = OpenOf(world, handle);
  static_cast<void>(SimEnter(world, Verb::kFileClose));
  OpenRelease(world, open);
  if (open.is_directory) return;
  --world.files[open.index].open_count;
  FileForget(world, world.files[open.index]);
}

IoResult FileRename(Platform& world, Directory handle, const char* from, const char* to) {
  const SimDirectory& directory = DirectoryOf(world, handle);
  IoResult result{SimEnter(world, Verb::kFileRename), 0};
  if (result.ok()) result = RenameNow(world, directory, from, to);
  return SimLeave(world, Verb::kFileRename, result);
}

IoResult FileRemove(Platform& world, Directory handle, const char* name) {
  const SimDirectory& directory = DirectoryOf(world, handle);
  IoResult result{SimEnter(world, Verb::kFileRemove), 0};
  if (result.ok()) result.error = ChangeRefusal(world, directory);
  if (result.ok()) {
    SimFile* file = FileFind(world, IndexOf(world, directory), name);
    if (file == nullptr) {
      result.error = ENOENT;
    } else {
      FileUnname(world, *file);
    }
  }
  return SimLeave(world, Verb::kFileRemove, result);
}

}  // namespace miagent
