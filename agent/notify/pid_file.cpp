#include "agent/notify/pid_file.h"

#include <cerrno>

#include "agent/base/bytes.h"
#include "agent/limits.h"

namespace miagent {
namespace {

constexpr uint32_t kUserRoot = 0;
constexpr uint32_t kModeWritableByOthers = 0022;
constexpr uint64_t kPidMax = INT32_MAX;
// The lines of /proc/PID/status up to its user; a name of 16 bytes takes 64 at most.
constexpr size_t kStatusSizeMax = 1024;

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

// The text up to a blank, taken off the front of `rest`, with the blanks before it.
std::string_view WordTake(std::string_view* rest) {
  size_t begin = 0;
  while (begin < rest->size() && IsBlank((*rest)[begin])) ++begin;
  size_t end = begin;
  while (end < rest->size() && !IsBlank((*rest)[end])) ++end;
  const std::string_view word = Slice(*rest, begin, end - begin);
  *rest = SliceFrom(*rest, end);
  return word;
}

// What a pid file says.
struct PidFile {
  uint32_t pid = 0;
  uint32_t owner_uid = 0;
};

Status ContentRead(Platform& platform, File file, PidFile* read) {
  FileFacts facts;
  const IoResult inspected = FileInspect(platform, file, &facts);
  if (!inspected.ok()) return {Fault::kPidFileOpen, inspected.error};
  if (!facts.is_regular) return {Fault::kPidFileKind};
  if ((facts.mode & kModeWritableByOthers) != 0) return {Fault::kPidFileWritable};
  char bytes[kPidFileSizeMax + 1];
  size_t size = 0;
  IoResult part{0, 1};
  while (size < sizeof(bytes) && part.count != 0) {
    part = FileRead(platform, file, bytes + size, sizeof(bytes) - size);
    if (!part.ok()) return {Fault::kPidFileOpen, part.error};
    size += part.count;
  }
  if (size > kPidFileSizeMax) return {Fault::kPidFileSize};
  std::string_view rest(bytes, size);
  uint64_t pid = 0;
  if (!ParseUnsigned(WordTake(&rest), kPidMax, &pid) || pid < 2 || !WordTake(&rest).empty()) {
    return {Fault::kPidFileForm};
  }
  read->pid = static_cast<uint32_t>(pid);
  read->owner_uid = facts.owner_uid;
  return kOk;
}

// Opens it anew: it may be another by now.
Status PidFileRead(Platform& platform, const char* directory_path, const char* name,
                   PidFile* read) {
  Directory directory;
  const IoResult entered = DirectoryOpen(platform, directory_path, &directory);
  if (!entered.ok()) return {Fault::kPidFileDirectory, entered.error};
  File file;
  const IoResult opened = FileOpenAt(platform, directory, name, &file);
  DirectoryClose(platform, directory);
  if (!opened.ok()) return {Fault::kPidFileOpen, opened.error};
  const Status status = ContentRead(platform, file, read);
  FileClose(platform, file);
  return status;
}

// Whether a process runs as a user, by its real and effective id. The process is held by a handle,
// so that where its id belongs to another by now, the signal reaches neither.
bool RunsAs(Platform& platform, uint32_t pid, uint32_t uid) {
  char path[32];
  TextWriter writer{path, sizeof(path)};
  Append(writer, "/proc/");
  AppendDecimal(writer, pid);
  Append(writer, "/status");
  Append(writer, '\0');
  File file;
  if (!FileOpen(platform, path, &file).ok()) return false;
  char bytes[kStatusSizeMax];
  const IoResult read = FileRead(platform, file, bytes, sizeof(bytes));
  FileClose(platform, file);
  if (!read.ok()) return false;
  constexpr std::string_view kUserLine = "\nUid:";
  const std::string_view text(bytes, read.count);
  const size_t line = Find(text, kUserLine);
  if (line == text.size()) return false;
  std::string_view rest = SliceFrom(text, line + kUserLine.size());
  for (uint32_t index = 0; index < 2; ++index) {
    uint64_t id = 0;
    if (!ParseUnsigned(WordTake(&rest), UINT32_MAX, &id) || id != uid) return false;
    if (rest.empty()) return false;  // it may have been cut
  }
  return true;
}

Status Send(Platform& platform, Process process, const char* directory, const char* name,
            const PidFile& first, int32_t signal_number) {
  const uint32_t own_uid = ProcessInspect(platform).uid;
  if (first.owner_uid != kUserRoot && first.owner_uid != own_uid &&
      !RunsAs(platform, first.pid, first.owner_uid)) {
    return {Fault::kPidFileOwner};
  }
  // Before the handle there was only a number, which another process may have by then. That the
  // file still says the same shows that it was for this one.
  PidFile second;
  TRY(PidFileRead(platform, directory, name, &second));
  if (second.pid != first.pid || second.owner_uid != first.owner_uid) {
    return {Fault::kPidFileChanged};
  }
  const IoResult sent = ProcessSignal(platform, process, signal_number);
  if (sent.error == ESRCH) return {Fault::kPidFileStale};
  return sent.ok() ? kOk : Status{Fault::kPidFileSend, sent.error};
}

}  // namespace

Status PidFileSignal(Platform& platform, const char* directory, const char* name,
                     int32_t signal_number, uint32_t* pid) {
  PidFile first;
  TRY(PidFileRead(platform, directory, name, &first));
  *pid = first.pid;
  if (first.pid == ProcessInspect(platform).pid) return {Fault::kPidFileOwn};
  Process process;
  const IoResult opened = ProcessOpen(platform, first.pid, &process);
  if (opened.error == ESRCH) return {Fault::kPidFileStale};
  if (!opened.ok()) return {Fault::kPidFileSend, opened.error};
  const Status status = Send(platform, process, directory, name, first, signal_number);
  ProcessClose(platform, process);
  return status;
}

}  // namespace miagent
