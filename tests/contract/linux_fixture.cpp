#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <sstream>
#include <thread>
#include <vector>

#include "doctest/doctest.h"
#include "platform/linux/platform_linux.h"
#include "tests/contract/fixture.h"

namespace miagent {

struct Fixture::State {
  Platform world;
  sigset_t mask_before{};
  uint32_t handle_count_before = 0;
  uint32_t handle_count_own = 0;  // of the fixture's own descriptors since
  std::string root;
  std::vector<std::string> mounts;
  uint32_t directory_count = 0;
  std::vector<int> descriptors;  // the fixture's own, closed at its end
  int stop[2] = {-1, -1};
  int output_before = -1;
  int output_pipe = -1;
  std::thread peer;
  std::mutex mutex;
  std::condition_variable changed;
  bool peer_reads = true;
  bool stopped = false;
  std::string received;
  std::string programs;  // a folder of them; /dev/shm may forbid to run any
  uint32_t program_count = 0;
  int receiver = -1;
  std::string receiver_name;
  int descriptor_pipe = -1;

  void Own(int descriptor) {
    REQUIRE(descriptor >= 0);
    descriptors.push_back(descriptor);
  }
};

namespace {

// Where fixtures put their folders. One that ends in a trap leaves them behind, to Traps.
std::string root_parent = "/dev/shm";

std::string RootMake() {
  std::string name = root_parent + "/miagent-contract-XXXXXX";
  REQUIRE(mkdtemp(name.data()) != nullptr);
  return name;
}

void RootRemove(const std::string& root) {
  std::error_code ignored;
  std::filesystem::remove_all(root, ignored);
}

uint32_t DescriptorCount() {
  uint32_t count = 0;
  for (int descriptor = 0; descriptor < 1024; ++descriptor) {
    if (fcntl(descriptor, F_GETFD) >= 0) ++count;
  }
  return count;
}

Address LoopbackListen(int descriptor, int backlog) {
  sockaddr_in own{};
  own.sin_family = AF_INET;
  own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(own);
  REQUIRE(bind(descriptor, reinterpret_cast<sockaddr*>(&own), size) == 0);
  if (backlog >= 0) REQUIRE(listen(descriptor, backlog) == 0);
  REQUIRE(getsockname(descriptor, reinterpret_cast<sockaddr*>(&own), &size) == 0);
  Address address;
  address.bytes[0] = 127;
  address.bytes[3] = 1;
  address.port = ntohs(own.sin_port);
  return address;
}

Address LoopbackListenV6(int descriptor, int backlog) {
  sockaddr_in6 own{};
  own.sin6_family = AF_INET6;
  own.sin6_addr = IN6ADDR_LOOPBACK_INIT;
  socklen_t size = sizeof(own);
  Address address;
  address.is_ipv6 = true;
  if (bind(descriptor, reinterpret_cast<sockaddr*>(&own), size) != 0) return address;
  if (backlog >= 0) REQUIRE(listen(descriptor, backlog) == 0);
  REQUIRE(getsockname(descriptor, reinterpret_cast<sockaddr*>(&own), &size) == 0);
  memcpy(address.bytes, &own.sin6_addr, sizeof(address.bytes));
  address.port = ntohs(own.sin6_port);
  return address;
}

// True when `descriptor` can be read, false when the fixture ends.
bool AwaitReadable(int descriptor, int stop) {
  pollfd watched[2] = {{descriptor, POLLIN, 0}, {stop, POLLIN, 0}};
  while (poll(watched, 2, -1) < 0) {
  }
  return watched[1].revents == 0;
}

void SendAll(int descriptor, const std::string& text) {
  size_t sent = 0;
  while (sent < text.size()) {
    const ssize_t count = send(descriptor, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
    if (count <= 0) return;
    sent += static_cast<size_t>(count);
  }
}

// Reads until `size` bytes came, or for good where `size` is 0. False when the peer should stop.
template <typename Keep>
bool Receive(int descriptor, int stop, size_t size, Keep keep) {
  std::vector<char> bytes(64 * 1024);
  size_t total = 0;
  while (size == 0 || total < size) {
    if (!AwaitReadable(descriptor, stop)) return false;
    const ssize_t count = recv(descriptor, bytes.data(), bytes.size(), 0);
    if (count <= 0) return true;
    total += static_cast<size_t>(count);
    keep(std::string_view(bytes.data(), static_cast<size_t>(count)));
  }
  return true;
}

}  // namespace

Fixture::Fixture() : state_(std::make_unique<State>()) {
  REQUIRE(pipe2(state_->stop, O_CLOEXEC) == 0);
  state_->Own(state_->stop[0]);
  state_->Own(state_->stop[1]);
  pthread_sigmask(SIG_BLOCK, nullptr, &state_->mask_before);
  state_->root = RootMake();
  PlatformStart(state_->world);
  state_->handle_count_before = DescriptorCount();
}

Fixture::~Fixture() {
  CHECK(HandleCount() == 0);
  {
    const std::lock_guard<std::mutex> lock(state_->mutex);
    state_->stopped = true;
  }
  state_->changed.notify_all();
  CHECK(write(state_->stop[1], "x", 1) == 1);
  if (state_->peer.joinable()) state_->peer.join();
  if (state_->output_before >= 0) dup2(state_->output_before, STDOUT_FILENO);
  for (const int descriptor : state_->descriptors) close(descriptor);
  for (const int descriptor :
       {state_->world.epoll, state_->world.timer, state_->world.signals, state_->world.local}) {
    if (descriptor >= 0) close(descriptor);
  }
  pthread_sigmask(SIG_SETMASK, &state_->mask_before, nullptr);
  for (const std::string& mounted : state_->mounts) umount(mounted.c_str());
  RootRemove(state_->root);
  if (!state_->programs.empty()) RootRemove(state_->programs);
}

Platform& Fixture::platform() { return state_->world; }

uint32_t Fixture::HandleCount() {
  uint32_t own = static_cast<uint32_t>(state_->descriptors.size()) - 2;
  for (const int descriptor :
       {state_->world.epoll, state_->world.timer, state_->world.signals, state_->world.local}) {
    if (descriptor >= 0) ++own;
  }
  // The peer's connection comes and goes by itself: it is counted out by its own thread.
  const std::lock_guard<std::mutex> lock(state_->mutex);
  return DescriptorCount() - state_->handle_count_before - own - state_->handle_count_own;
}

Address Fixture::PeerListen(const PeerPlan& plan) {
  const int listener = socket(plan.is_ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  state_->Own(listener);
  if (!plan.reads) {
    const int small = 4096;
    setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
  }
  const Address address =
      plan.is_ipv6 ? LoopbackListenV6(listener, 16) : LoopbackListen(listener, 16);
  if (address.port == 0) return address;
  state_->peer_reads = plan.reads;
  State& state = *state_;
  const auto serve = [&state, plan, listener] {
    while (AwaitReadable(listener, state.stop[0])) {
      int peer = -1;
      {
        const std::lock_guard<std::mutex> lock(state.mutex);
        peer = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
        ++state.handle_count_own;
      }
      const auto keep = [&state](std::string_view bytes) {
        const std::lock_guard<std::mutex> lock(state.mutex);
        state.received += bytes;
      };
      SendAll(peer, plan.greeting);
      {
        std::unique_lock<std::mutex> lock(state.mutex);
        state.changed.wait(lock, [&state] { return state.peer_reads || state.stopped; });
      }
      if (plan.request_size == 0 || Receive(peer, state.stop[0], plan.request_size, keep)) {
        SendAll(peer, plan.answer);
      }
      if (plan.end == PeerEnd::kStay) Receive(peer, state.stop[0], 0, keep);
      const std::lock_guard<std::mutex> lock(state.mutex);
      const linger at_once{1, 0};
      if (plan.end == PeerEnd::kReset) {
        setsockopt(peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
      }
      close(peer);
      --state.handle_count_own;
    }
  };
  // The signals under test are for the thread that watches them.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  REQUIRE(!state_->peer.joinable());
  state_->peer = std::thread(serve);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return address;
}

Address Fixture::PeerAbsent() {
  // Bound, and not listening: nobody else can take the port meanwhile.
  state_->Own(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return LoopbackListen(state_->descriptors.back(), -1);
}

Address Fixture::PeerSilent() {
  // A listener whose queue is full drops whoever comes next.
  state_->Own(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const Address address = LoopbackListen(state_->descriptors.back(), 0);
  for (int index = 0; index < 4; ++index) {
    state_->Own(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons(address.port);
    static_cast<void>(
        connect(state_->descriptors.back(), reinterpret_cast<sockaddr*>(&to), sizeof(to)));
  }
  return address;
}

Address Fixture::DatagramListen(const DatagramPlan& plan) {
  const int family = plan.is_ipv6 ? AF_INET6 : AF_INET;
  const int peer = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  state_->Own(peer);
  const int stranger = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  state_->Own(stranger);
  const Address address = plan.is_ipv6 ? LoopbackListenV6(peer, -1) : LoopbackListen(peer, -1);
  if (address.port == 0) return address;
  State& state = *state_;
  const auto serve = [&state, plan, peer, stranger] {
    while (AwaitReadable(peer, state.stop[0])) {
      char bytes[4096];
      sockaddr_storage from{};
      socklen_t from_size = sizeof(from);
      auto* const whom = reinterpret_cast<sockaddr*>(&from);
      const ssize_t count = recvfrom(peer, bytes, sizeof(bytes), 0, whom, &from_size);
      if (count < 0) continue;
      {
        const std::lock_guard<std::mutex> lock(state.mutex);
        state.received += "[" + std::string(bytes, static_cast<size_t>(count)) + "]";
      }
      if (plan.has_stranger) sendto(stranger, "stranger", 8, 0, whom, from_size);
      for (const std::string& answer : plan.answers) {
        sendto(peer, answer.data(), answer.size(), 0, whom, from_size);
      }
    }
  };
  REQUIRE(!state_->peer.joinable());
  state_->peer = std::thread(serve);
  return address;
}

Address Fixture::DatagramAbsent() {
  // A socket that talks to itself alone: it keeps the port, and the kernel refuses all others.
  state_->Own(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const Address address = LoopbackListen(state_->descriptors.back(), -1);
  sockaddr_in own{};
  own.sin_family = AF_INET;
  own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  own.sin_port = htons(address.port);
  REQUIRE(connect(state_->descriptors.back(), reinterpret_cast<sockaddr*>(&own), sizeof(own)) == 0);
  return address;
}

void Fixture::PeerRead() {
  {
    const std::lock_guard<std::mutex> lock(state_->mutex);
    state_->peer_reads = true;
  }
  state_->changed.notify_all();
}

std::string Fixture::PeerReceived() {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  return state_->received;
}

std::string Fixture::DirectoryMake(uint32_t mode) {
  const std::string path = state_->root + "/d" + std::to_string(++state_->directory_count);
  REQUIRE(mkdir(path.c_str(), 0700) == 0);
  REQUIRE(chmod(path.c_str(), mode) == 0);
  return path;
}

std::optional<std::string> Fixture::DiskDirectoryMake() {
  constexpr uint32_t kTmpfs = 0x01021994;
  struct statfs facts{};
  if (statfs("/proc", &facts) != 0 || static_cast<uint32_t>(facts.f_type) == kTmpfs) return {};
  return "/proc";
}

std::optional<std::string> Fixture::FullDirectoryMake(size_t room) {
  static const bool is_apart =
      unshare(CLONE_NEWNS) == 0 && mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
  if (!is_apart) return {};
  const std::string path = DirectoryMake(0755);
  const std::string options = "size=" + std::to_string(room);
  if (mount("none", path.c_str(), "tmpfs", 0, options.c_str()) != 0) return {};
  state_->mounts.push_back(path);
  return path;
}

void Fixture::DirectoryRemove(const std::string& path) { REQUIRE(rmdir(path.c_str()) == 0); }

void Fixture::FilePut(const std::string& path, std::string_view content) {
  std::ofstream(path, std::ios::binary) << content;
}

std::string Fixture::FileGet(const std::string& path) {
  std::ostringstream content;
  content << std::ifstream(path, std::ios::binary).rdbuf();
  return content.str();
}

void Fixture::LinkPut(const std::string& path, const std::string& target) {
  REQUIRE(symlink(target.c_str(), path.c_str()) == 0);
}

void Fixture::DirectoryLinkPut(const std::string& path, const std::string& target) {
  LinkPut(path, target);
}

void Fixture::FifoPut(const std::string& path) { REQUIRE(mkfifo(path.c_str(), 0600) == 0); }

void Fixture::SignalSend(Signal signal) {
  const int numbers[] = {0, SIGHUP, SIGUSR1, SIGUSR2, SIGTERM};
  REQUIRE(kill(getpid(), numbers[static_cast<size_t>(signal)]) == 0);
}

void Fixture::SignalNumberSend(int number) { REQUIRE(kill(getpid(), number) == 0); }

std::string Fixture::ProgramPut(const ProgramPlan& plan) {
  if (state_->programs.empty()) {
    state_->programs = "/tmp/miagent-contract-XXXXXX";
    REQUIRE(mkdtemp(state_->programs.data()) != nullptr);
  }
  const std::string path = state_->programs + "/p" + std::to_string(++state_->program_count);
  std::ofstream script(path, std::ios::binary);
  script << "#!/bin/sh\n";
  if (plan.ignores_term) script << "trap '' TERM\n";
  if (!plan.output.empty()) script << "printf '%s' '" << plan.output << "'\n";
  if (plan.stays) script << "sleep 600 & echo >&2; wait; wait\n";
  script << "exit " << int{plan.exit_code} << "\n";
  script.close();
  REQUIRE(chmod(path.c_str(), plan.may_execute ? 0755 : 0644) == 0);
  return path;
}

uint32_t Fixture::ProcessPut() {
  const pid_t process = fork();
  if (process == 0) {
    for (const int number : {SIGTERM, SIGHUP}) signal(number, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    for (;;) pause();
  }
  REQUIRE(process > 0);
  return static_cast<uint32_t>(process);
}

std::optional<uint32_t> Fixture::ProcessPutAgain(uint32_t pid) {
  // Others take ids too: several tries.
  for (int attempt = 0; attempt < 20; ++attempt) {
    std::ofstream last("/proc/sys/kernel/ns_last_pid");
    last << pid - 1;
    last.close();
    if (last.fail()) return {};
    const uint32_t process = ProcessPut();
    if (process == pid) return process;
    ProcessEnd(process);
  }
  return {};
}

int Fixture::ProcessEnd(uint32_t pid) {
  const auto process = static_cast<pid_t>(pid);
  int status = 0;
  REQUIRE(kill(process, SIGKILL) == 0);
  REQUIRE(waitpid(process, &status, 0) == process);
  return WTERMSIG(status);
}

void Fixture::EnvironmentPut(const char* name, const char* value) {
  REQUIRE(setenv(name, value, 1) == 0);
}

void Fixture::OutputCapture() {
  int ends[2] = {-1, -1};
  REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
  state_->Own(ends[0]);
  state_->output_pipe = ends[0];
  state_->output_before = dup(STDOUT_FILENO);
  state_->Own(state_->output_before);
  REQUIRE(dup2(ends[1], STDOUT_FILENO) == STDOUT_FILENO);
  close(ends[1]);
}

std::string Fixture::OutputTaken() {
  REQUIRE(dup2(state_->output_before, STDOUT_FILENO) == STDOUT_FILENO);
  std::string taken;
  char bytes[4096];
  for (;;) {
    const ssize_t count = read(state_->output_pipe, bytes, sizeof(bytes));
    if (count <= 0) return taken;
    taken.append(bytes, static_cast<size_t>(count));
  }
}

void Fixture::OutputBreak() {
  OutputCapture();
  for (int& descriptor : state_->descriptors) {
    if (descriptor != state_->output_pipe) continue;
    close(descriptor);
    descriptor = state_->descriptors.back();
    state_->descriptors.pop_back();
    return;
  }
}

void Fixture::InputPut(const std::string& text) {
  const std::string path = state_->root + "/input";
  FILE* const file = fopen(path.c_str(), "we");
  REQUIRE(file != nullptr);
  REQUIRE(fwrite(text.data(), 1, text.size(), file) == text.size());
  REQUIRE(fclose(file) == 0);
  const int input = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  REQUIRE(input >= 0);
  REQUIRE(dup2(input, STDIN_FILENO) == STDIN_FILENO);
  close(input);
}

std::string Fixture::ReceiverPut(bool is_abstract) {
  state_->receiver_name =
      is_abstract ? "@miagent-contract-" + std::to_string(getpid()) : state_->root + "/socket";
  ReceiverAgain();
  return state_->receiver_name;
}

void Fixture::ReceiverAgain() {
  const std::string& name = state_->receiver_name;
  sockaddr_un own{};
  own.sun_family = AF_UNIX;
  memcpy(own.sun_path, name.data(), name.size());
  const bool is_abstract = name[0] == '@';
  if (is_abstract) own.sun_path[0] = '\0';
  if (!is_abstract) unlink(name.c_str());
  state_->receiver = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  state_->Own(state_->receiver);
  const auto size =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size() + (is_abstract ? 0 : 1));
  REQUIRE(bind(state_->receiver, reinterpret_cast<sockaddr*>(&own), size) == 0);
}

std::string Fixture::ReceiverTaken() {
  char bytes[4096];
  const ssize_t count = recv(state_->receiver, bytes, sizeof(bytes), 0);
  return count < 0 ? std::string() : std::string(bytes, static_cast<size_t>(count));
}

void Fixture::ReceiverFill() {
  for (int index = 0; index < 100'000; ++index) {
    if (!LocalSend(state_->world, state_->receiver_name, "x").ok()) return;
  }
  FAIL("there is always room");
}

void Fixture::ReceiverEnd() {
  for (int& descriptor : state_->descriptors) {
    if (descriptor != state_->receiver) continue;
    close(descriptor);
    descriptor = state_->descriptors.back();
    state_->descriptors.pop_back();
    return;
  }
}

int32_t Fixture::DescriptorPut() {
  int ends[2] = {-1, -1};
  REQUIRE(pipe(ends) == 0);
  fcntl(ends[0], F_SETFD, FD_CLOEXEC);
  state_->Own(ends[0]);
  state_->descriptor_pipe = ends[0];
  return ends[1];
}

std::string Fixture::DescriptorTaken() {
  std::string taken;
  char bytes[64];
  for (;;) {
    const ssize_t count = read(state_->descriptor_pipe, bytes, sizeof(bytes));
    if (count <= 0) return taken;
    taken.append(bytes, static_cast<size_t>(count));
  }
}

uint32_t Fixture::OwnUid() { return geteuid(); }

bool Fixture::Traps(const std::function<void()>& misuse) {
  const std::string root = RootMake();
  const pid_t child = fork();
  if (child == 0) {
    root_parent = root;
    for (const int number : {SIGILL, SIGTRAP, SIGABRT, SIGSEGV}) signal(number, SIG_DFL);
    const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    dup2(nowhere, STDOUT_FILENO);
    dup2(nowhere, STDERR_FILENO);
    misuse();
    _exit(0);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  RootRemove(root);
  return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

}  // namespace miagent
