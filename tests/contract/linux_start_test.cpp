// How the process starts on Linux, and what its descriptors are.
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <string>
#include <thread>

#include "doctest/doctest.h"
#include "platform/linux/platform_linux.h"
#include "tests/contract/fixture.h"

using namespace miagent;

namespace {

// Whether `holds` is true in a process of its own.
bool InChild(const std::function<bool()>& holds) {
  const pid_t child = fork();
  if (child == 0) _exit(holds() ? 0 : 1);
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool LeadsToNull(int descriptor) {
  struct stat facts{};
  struct stat null{};
  return fstat(descriptor, &facts) == 0 && stat("/dev/null", &null) == 0 &&
         facts.st_rdev == null.st_rdev;
}

// A time namespace for the children of this process, in which the boot clock alone is a day ahead:
// as it is after a day of suspend.
bool SuspendImitate() {
  constexpr int kNewTime = 0x80;  // CLONE_NEWTIME, linux/sched.h
  if (unshare(kNewTime) != 0 && unshare(CLONE_NEWUSER | kNewTime) != 0) return false;
  const int offsets = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
  constexpr std::string_view kDayAhead = "boottime 86400 0\n";
  return offsets >= 0 && write(offsets, kDayAhead.data(), kDayAhead.size()) ==
                             static_cast<ssize_t>(kDayAhead.size());
}

}  // namespace

TEST_CASE("the boot clock counts what passed in suspend") {
  if (!InChild(SuspendImitate)) {
    MESSAGE("no time namespace here");
    return;
  }
  static Platform platform;
  const Instant before = ClockBoot(platform);
  CHECK(InChild([before] {
    return SuspendImitate() &&
           InChild([before] { return ClockBoot(platform) >= before + Seconds(86400); });
  }));
}

namespace {

std::atomic<uint32_t> g_interruption_count{0};

// Interrupts the thread that opens the FIFO a thousand times, then opens its other end.
void Interrupt(pthread_t thread, const std::string& fifo, const std::atomic<bool>& is_over) {
  for (uint32_t count = 1; count <= 1000 && !is_over; ++count) {
    pthread_kill(thread, SIGALRM);
    while (g_interruption_count < count) sched_yield();
  }
  while (!is_over) {
    const int writer = open(fifo.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (writer >= 0) close(writer);
  }
}

bool OpensThoughInterrupted() {
  static Platform platform;
  struct sigaction action{};  // no SA_RESTART: the kernel doesn't try again by itself
  action.sa_handler = [](int) { ++g_interruption_count; };
  sigaction(SIGALRM, &action, nullptr);
  char folder[] = "/tmp/miagent-fifo-XXXXXX";
  if (mkdtemp(folder) == nullptr) return false;
  const std::string fifo = std::string(folder) + "/fifo";
  if (mkfifo(fifo.c_str(), 0600) != 0) return false;
  std::atomic<bool> is_over{false};
  std::thread other([&, self = pthread_self()] { Interrupt(self, fifo, is_over); });
  File file;
  const bool is_open = FileOpen(platform, fifo.c_str(), &file).ok();
  is_over = true;
  other.join();
  unlink(fifo.c_str());
  rmdir(folder);
  return is_open;
}

}  // namespace

TEST_CASE("a call that signals interrupt is made again") { CHECK(InChild(OpensThoughInterrupted)); }

TEST_CASE("closed standard descriptors lead to /dev/null, open ones stay") {
  CHECK(InChild([] {
    static Platform platform;
    for (int descriptor = 0; descriptor < 3; ++descriptor) close(descriptor);
    PlatformStart(platform);
    return LeadsToNull(0) && LeadsToNull(1) && LeadsToNull(2);
  }));
  CHECK(InChild([] {
    static Platform platform;
    int ends[2] = {-1, -1};
    if (pipe(ends) != 0 || dup2(ends[1], 1) != 1) return false;
    close(2);
    PlatformStart(platform);
    return !LeadsToNull(1) && LeadsToNull(2);
  }));
}

TEST_CASE("no core, not dumpable, no SIGPIPE") {
  CHECK(InChild([] {
    static Platform platform;
    rlimit core{};
    if (getrlimit(RLIMIT_CORE, &core) != 0) return false;
    core.rlim_cur = core.rlim_max;  // as far as whoever runs this test allows one
    if (setrlimit(RLIMIT_CORE, &core) != 0) return false;
    PlatformStart(platform);
    struct sigaction action{};
    return getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_cur == 0 &&
           prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 && sigaction(SIGPIPE, nullptr, &action) == 0 &&
           action.sa_handler == SIG_IGN;
  }));
}

TEST_CASE("nothing is opened before it is needed, and all of it is close-on-exec") {
  CHECK(InChild([] {
    static Platform platform;
    for (int descriptor = 3; descriptor < 256; ++descriptor) close(descriptor);
    PlatformStart(platform);
    if (fcntl(3, F_GETFD) >= 0 || platform.epoll >= 0 || platform.timer >= 0) return false;
    Socket socket;
    Directory directory;
    File file;
    if (!SignalsWatch(platform, SignalSet::kAgent).ok() ||
        !SocketConnect(platform, {}, &socket).ok() ||
        !DirectoryOpen(platform, "/proc", &directory).ok() ||
        !FileOpen(platform, "/proc/version", &file).ok()) {
      return false;
    }
    Event event;
    platform.timeout_max = Milliseconds(0);  // the next deadline is the timer's
    Wait(platform, ClockBoot(platform) + Milliseconds(50), &event, 1);
    int open_count = 0;
    for (int descriptor = 3; descriptor < 256; ++descriptor) {
      const int flags = fcntl(descriptor, F_GETFD);
      if (flags < 0) continue;
      ++open_count;
      if ((flags & FD_CLOEXEC) == 0) return false;
    }
    return open_count == 6;
  }));
}

TEST_CASE("a socket sends at once what it is given") {
  Fixture fixture;
  Socket socket;
  REQUIRE(SocketConnect(fixture.platform(), fixture.PeerAbsent(), &socket).ok());
  int on = 0;
  socklen_t size = sizeof(on);
  CHECK(getsockopt(socket.handle, IPPROTO_TCP, TCP_NODELAY, &on, &size) == 0);
  CHECK(on == 1);
  SocketClose(fixture.platform(), socket);
}

TEST_CASE("setting the access time leaves the modification time, to the nanosecond") {
  Fixture fixture;
  const std::string path = fixture.DirectoryMake(0755) + "/file";
  fixture.FilePut(path, "x");
  const timespec past[2] = {{1'000, 1}, {2'000, 2}};
  REQUIRE(utimensat(AT_FDCWD, path.c_str(), past, 0) == 0);
  File file;
  REQUIRE(FileOpen(fixture.platform(), path.c_str(), &file).ok());
  REQUIRE(FileSetTimes(fixture.platform(), file, {{3'000}, {2'000}, 3, 2}).ok());
  FileClose(fixture.platform(), file);
  struct stat facts{};
  REQUIRE(stat(path.c_str(), &facts) == 0);
  CHECK(facts.st_mtim.tv_sec == 2'000);
  CHECK(facts.st_mtim.tv_nsec == 2);
  CHECK(facts.st_atim.tv_sec == 3'000);
  CHECK(facts.st_atim.tv_nsec == 3);
}

TEST_CASE("output to a pipe that is full, and doesn't block, still goes out whole") {
  CHECK(InChild([] {
    static Platform platform;
    PlatformStart(platform);
    int ends[2] = {-1, -1};
    if (pipe2(ends, O_NONBLOCK) != 0 || dup2(ends[1], STDOUT_FILENO) < 0) return false;
    close(ends[1]);
    std::string expected;
    for (int number = 0; expected.size() < 300'003; ++number) expected += std::to_string(number);
    expected.resize(300'003);
    std::string taken;
    std::thread reader([&] {
      char bytes[1000];
      while (taken.size() < expected.size()) {
        pollfd waiting{ends[0], POLLIN, 0};
        poll(&waiting, 1, -1);
        const ssize_t count = read(ends[0], bytes, sizeof(bytes));
        if (count > 0) taken.append(bytes, static_cast<size_t>(count));
      }
    });
    const ConstPart parts[] = {{expected.data(), 100'001},
                               {expected.data() + 100'001, 100'001},
                               {expected.data() + 200'002, 100'001}};
    const IoResult result = OutputWrite(platform, parts, 3);
    if (result.count != expected.size()) _exit(1);
    reader.join();
    return result.ok() && taken == expected;
  }));
}

TEST_CASE("far deadlines, which are the timer's, are kept like near ones") {
  Fixture fixture;
  Platform& platform = fixture.platform();
  platform.timeout_max = Milliseconds(0);
  Event event;
  for (int turn = 1; turn < 20; ++turn) {
    const Instant deadline = ClockBoot(platform) + Milliseconds(turn);
    while (ClockBoot(platform) < deadline) CHECK(Wait(platform, deadline, &event, 1) == 0);
    CHECK(Wait(platform, deadline, &event, 1) == 0);
  }
  // The timer that fired is heard once: later waits are not cut short by it.
  platform.timeout_max = Seconds(10);
  const Instant near = ClockBoot(platform) + Milliseconds(30);
  int wait_count = 0;
  for (; ClockBoot(platform) < near; ++wait_count) Wait(platform, near, &event, 1);
  CHECK(wait_count <= 3);
  platform.timeout_max = Milliseconds(0);
  const Instant far = ClockBoot(platform) + Seconds(3600);
  REQUIRE(SignalsWatch(platform, SignalSet::kAgent).ok());
  fixture.SignalSend(Signal::kReload);
  CHECK(Wait(platform, far, &event, 1) == 1);
  CHECK(platform.timer_deadline == far);
  const Instant sooner = ClockBoot(platform) + Milliseconds(20);
  while (ClockBoot(platform) < sooner) CHECK(Wait(platform, sooner, &event, 1) == 0);
  CHECK(ClockBoot(platform) < far);
}

TEST_CASE("without a timer a far deadline is waited for in pieces") {
  CHECK(InChild([] {
    static Platform platform;
    PlatformStart(platform);
    platform.timeout_max = Milliseconds(5);
    const rlimit one{4, 4};
    for (int descriptor = 3; descriptor < 256; ++descriptor) close(descriptor);
    if (setrlimit(RLIMIT_NOFILE, &one) != 0) return false;
    Event event;
    const Instant deadline = ClockBoot(platform) + Milliseconds(30);
    int wait_count = 0;
    for (; ClockBoot(platform) < deadline; ++wait_count) {
      if (Wait(platform, deadline, &event, 1) != 0) return false;
    }
    return platform.epoll == 3 && platform.timer < 0 && wait_count > 1;
  }));
}

TEST_CASE("without a free descriptor a connect fails, and Wait goes on by the clock") {
  CHECK(InChild([] {
    static Platform platform;
    PlatformStart(platform);
    const rlimit none{3, 3};
    for (int descriptor = 3; descriptor < 256; ++descriptor) close(descriptor);
    if (setrlimit(RLIMIT_NOFILE, &none) != 0) return false;
    Socket socket;
    Event event;
    const Instant deadline = ClockBoot(platform) + Milliseconds(30);
    for (int turn = 0; turn < 100 && ClockBoot(platform) < deadline; ++turn) {
      if (Wait(platform, deadline, &event, 1) != 0) return false;
    }
    return ClockBoot(platform) >= deadline &&
           SocketConnect(platform, {}, &socket).error == EMFILE &&
           SignalsWatch(platform, SignalSet::kAgent).error == EMFILE;
  }));
}
