#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "platform/linux/platform_linux.h"
#include "platform/trap.h"

namespace miagent {
namespace {

constexpr unsigned kLockOnFault = 1;  // MLOCK_ONFAULT, linux/mman.h
constexpr size_t kEntropySizeMax = 256;
constexpr int kLogPatienceMs = 100;     // for a reader that is only slow

// A socket or a token's file must never become descriptor 2, where the log goes.
void StandardDescriptorsOpen() {
  pollfd standard[3] = {{0, 0, 0}, {1, 0, 0}, {2, 0, 0}};
  if (poll(standard, 3, 0) < 1) return;
  for (const pollfd& each : standard) {
    if ((each.revents & POLLNVAL) == 0) continue;
    PLATFORM_CHECK(open("/dev/null", O_RDWR) == each.fd);
  }
}

}  // namespace

void PlatformStart(Platform& platform) {
  platform = Platform{};
  StandardDescriptorsOpen();
  // By number: musl's setrlimit stops every thread first, 3 KB of code for threads that aren't
  // here.
  // The hard limit stays, so that a child can have its own back; most often there is none.
  uint64_t no_core[2] = {0, UINT64_MAX};  // the kernel's struct rlimit64
  if (syscall(SYS_prlimit64, 0, RLIMIT_CORE, no_core, platform.core_limit) != 0) {
    syscall(SYS_prlimit64, 0, RLIMIT_CORE, nullptr, platform.core_limit);
    no_core[1] = platform.core_limit[1];
    syscall(SYS_prlimit64, 0, RLIMIT_CORE, no_core, nullptr);
  }
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  platform.pipe_handler = SignalHandle(SIGPIPE, SIG_IGN);
}

SignalHandler SignalHandle(int32_t number, SignalHandler handler) {
  // By number: musl's holds locks around it, and brings 1 KB of them and of abort.
  struct {
    SignalHandler handler;
    uintptr_t rest[4];  // flags, restorer, mask: none, whatever their order on this processor
  } next = {handler, {}}, before = {nullptr, {}};
  syscall(SYS_rt_sigaction, number, &next, &before, kSignalSetSize);
  return before.handler;
}

IoResult EntropyFill(Platform&, char* bytes, size_t size) {
  PLATFORM_CHECK(size <= kEntropySizeMax);
  size_t filled = 0;
  while (filled < size) {
    const IoResult got = Retry([&] { return getrandom(bytes + filled, size - filled, 0); });
    if (!got.ok()) return got;
    filled += got.count;
  }
  return {0, static_cast<uint32_t>(filled)};
}

ProcessFacts ProcessInspect(Platform& platform) {
  if (!platform.has_process) {
    // What the kernel told at the start; and musl has asked for its one thread's id, the process's.
    ProcessFacts& facts = platform.process;
    facts.uid = static_cast<uint32_t>(getauxval(AT_EUID));
    facts.gid = static_cast<uint32_t>(getauxval(AT_EGID));
    facts.pid = static_cast<uint32_t>(gettid());
    // 16 random bytes, of which the C library may have taken the first for its stack guard.
    const char* random = nullptr;
    const unsigned long random_at = getauxval(AT_RANDOM);
    memcpy(static_cast<void*>(&random), &random_at, sizeof(random));
    memcpy(&facts.seed, random + sizeof(facts.seed), sizeof(facts.seed));
    platform.has_process = true;
  }
  return platform.process;
}

bool ProcessIsAlive(Platform&, uint32_t pid) {
  const auto id = static_cast<pid_t>(pid);
  return id > 0 && (kill(id, 0) == 0 || errno == EPERM);  // EPERM: it is another user's
}

std::string_view EnvironmentGet(Platform&, const char* name) {
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    size_t size = 0;  // of what is the same in both
    while (name[size] != '\0' && (*entry)[size] == name[size]) ++size;
    if (name[size] == '\0' && (*entry)[size] == '=') return *entry + size + 1;
  }
  return {};
}

IoResult OutputWrite(Platform&, const ConstPart* parts, size_t part_count) {
  PLATFORM_CHECK(part_count <= kWritePartCountMax);
  uint32_t total = 0;
  ConstPart rest[kWritePartCountMax];
  for (size_t index = 0; index < part_count; ++index) rest[index] = parts[index];
  for (size_t first = 0; first < part_count;) {
    if (rest[first].size == 0) {
      ++first;
      continue;
    }
    const IoResult written = DescriptorWrite(STDOUT_FILENO, rest + first, part_count - first);
    if (written.error == EAGAIN) {
      // Standard output may have been made non-blocking by whoever shares it.
      pollfd output{STDOUT_FILENO, POLLOUT, 0};
      poll(&output, 1, -1);
      continue;
    }
    if (!written.ok()) return {written.error, total};
    total += written.count;
    size_t moved = written.count;
    for (; first < part_count && moved >= rest[first].size; ++first) moved -= rest[first].size;
    if (first < part_count) rest[first] = {rest[first].data + moved, rest[first].size - moved};
  }
  return {0, total};
}

IoResult InputRead(Platform&, char* bytes, size_t size) {
  return Retry([&] { return read(STDIN_FILENO, bytes, size); });
}

void LogWrite(Platform&, std::string_view line) {
  // A pipe that is full and nobody reads must not stop the loop: the line is lost.
  pollfd log{STDERR_FILENO, POLLOUT, 0};
  if (poll(&log, 1, kLogPatienceMs) == 0) return;
  size_t written = 0;
  while (written < line.size()) {
    const ConstPart rest{line.data() + written, line.size() - written};
    const IoResult result = DescriptorWrite(STDERR_FILENO, &rest, 1);
    if (!result.ok() || result.count == 0) return;
    written += result.count;
  }
}

void MemoryLock(Platform&, void* data, size_t size) {
  // By number: glibc's and musl's declarations differ. Refused without the privilege: no matter.
  static_cast<void>(syscall(SYS_mlock2, data, size, kLockOnFault));
}

}  // namespace miagent
