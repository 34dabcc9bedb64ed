#include "tests/tls/fixture.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <memory>
#include <mutex>
#include <sstream>
#include <thread>

#include "agent/http/connection.h"
#include "agent/limits.h"
#include "agent/tls/tls.h"
#include "doctest/doctest.h"
#include "platform/linux/platform_linux.h"

namespace miagent {
namespace {

constexpr int kPatienceMs = 20000;

Platform& World() {
  static Platform platform;
  static const bool is_started = [] {
    signal(SIGPIPE, SIG_IGN);
    return true;
  }();
  REQUIRE(is_started);
  return platform;
}

struct Folder {
  std::string name = "/tmp/miagent-tls-XXXXXX";
  Folder() { REQUIRE(mkdtemp(name.data()) != nullptr); }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(name, ignored);
  }
};

Address Loopback(uint16_t port) {
  Address address;
  address.bytes[0] = 127;
  address.bytes[3] = 1;
  address.port = port;
  return address;
}

sockaddr_in SocketAddress(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

pid_t Start(std::vector<std::string> arguments, const std::string& output_path) {
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  const pid_t pid = fork();
  REQUIRE(pid >= 0);
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (chdir(Certificates().c_str()) != 0) _exit(127);  // where `-HTTP` finds its files
    const int output = open(output_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    execvp(pointers[0], pointers.data());
    _exit(127);
  }
  return pid;
}

void AwaitSocket(Socket socket, bool for_writing) {
  pollfd waited{socket.handle, static_cast<int16_t>(for_writing ? POLLOUT : POLLIN), 0};
  REQUIRE(poll(&waited, 1, kPatienceMs) == 1);
}

bool WriteAll(int descriptor, const char* bytes, size_t size) {
  for (size_t offset = 0; offset < size;) {
    const ssize_t written = send(descriptor, bytes + offset, size - offset, MSG_NOSIGNAL);
    if (written <= 0) return false;
    offset += static_cast<size_t>(written);
  }
  return true;
}

// What of the server's bytes the client gets, and in which pieces.
class Spoiler {
 public:
  Spoiler(int descriptor, Spoiling how) : to(descriptor), spoiling(how) {}

  bool Pass(const std::string& bytes) {
    if (spoiling.lacks_end) return PassButAlerts(bytes);
    const bool is_plain = spoiling.first_record_size == 0 && !spoiling.has_large_certificate;
    if (is_plain || is_encrypted) return Give(bytes);
    pending += bytes;
    while (pending.size() >= 5 && !is_encrypted) {
      const size_t size =
          static_cast<uint8_t>(pending[3]) * 256U + static_cast<uint8_t>(pending[4]);
      if (pending.size() < 5 + size) return true;
      std::string record = pending.substr(0, 5 + size);
      pending.erase(0, 5 + size);
      is_encrypted = record[0] != 0x16;
      if (is_encrypted) {
        if (!Give(record)) return false;
        continue;
      }
      if (spoiling.has_large_certificate) {
        // The message's type, its size and that of the list go before the certificate's own size.
        if (record[5] == 0x0B) record[5 + 7] = 1;
        if (!Give(record)) return false;
        continue;
      }
      if (!Split(record)) return false;
    }
    const std::string rest = is_encrypted ? pending : "";
    if (is_encrypted) pending.clear();
    return rest.empty() || Give(rest);
  }

 private:
  // Of TLS 1.2 a record tells its type, encrypted or not.
  bool PassButAlerts(const std::string& bytes) {
    pending += bytes;
    while (pending.size() >= 5) {
      const size_t size =
          5 + static_cast<uint8_t>(pending[3]) * 256U + static_cast<uint8_t>(pending[4]);
      if (pending.size() < size) break;
      if (pending[0] != 0x15 && !Give(pending.substr(0, size))) return false;
      pending.erase(0, size);
    }
    return true;
  }

  // Messages lie whole in the records of OpenSSL: type, 3 bytes of size, and so many bytes.
  bool Split(const std::string& record) {
    for (size_t begin = 5; begin < record.size();) {
      const auto byte = [&](size_t index) { return static_cast<uint8_t>(record[begin + index]); };
      const size_t end = begin + 4 + byte(1) * 65536U + byte(2) * 256U + byte(3);
      REQUIRE(end <= record.size());
      size_t size = spoiling.first_record_size;
      for (; begin < end; begin += size, size = 1) {
        const std::string head = record.substr(0, 3) + '\0' + static_cast<char>(size);
        if (!Give(head + record.substr(begin, size))) return false;
      }
    }
    return true;
  }

  bool Give(const std::string& bytes) {
    size_t size = bytes.size();
    const bool is_cut =
        spoiling.cut_at >= 0 && passed + static_cast<int64_t>(size) > spoiling.cut_at;
    if (is_cut) size = static_cast<size_t>(spoiling.cut_at - passed);
    const size_t piece = spoiling.dribbles ? 1 : size;
    for (size_t offset = 0; offset < size; offset += piece) {
      if (!WriteAll(to, bytes.data() + offset, piece)) return false;
    }
    passed += static_cast<int64_t>(size);
    return !is_cut;
  }

  int to;
  Spoiling spoiling;
  int64_t passed = 0;
  std::string pending;
  bool is_encrypted = false;
};

void AwaitEnd(int client) {
  char ignored[4096];
  while (recv(client, ignored, sizeof(ignored), 0) > 0) {
  }
}

// Answers the first that the client says, and waits for its end.
void AnswerWith(int client, const std::string& bytes) {
  char ignored[4096];
  if (recv(client, ignored, sizeof(ignored), 0) <= 0) return;
  if (WriteAll(client, bytes.data(), bytes.size())) AwaitEnd(client);
}

// Moves bytes both ways until one side ends.
void Relay(int client, int server, const Spoiling& spoiling, const std::atomic<bool>& is_holding) {
  if (!spoiling.instead.empty()) return AnswerWith(client, spoiling.instead);
  Spoiler spoiler(client, spoiling);
  char bytes[16384];
  pollfd waited[2] = {{client, POLLIN, 0}, {server, POLLIN, 0}};
  if (spoiling.cut_at == 0) return;
  for (;;) {
    const bool holds = is_holding;
    waited[0].events = holds ? 0 : POLLIN;
    const int count = poll(waited, 2, holds ? 5 : kPatienceMs);
    if (count < 0 || (count == 0 && !holds)) return;
    for (int index = 0; index < 2; ++index) {
      if (waited[index].revents == 0) continue;
      const ssize_t size = recv(waited[index].fd, bytes, sizeof(bytes), 0);
      if (size <= 0 && index == 1 && spoiling.lacks_end) return AwaitEnd(client);
      if (size <= 0) return;
      const bool passed = index == 0 ? WriteAll(server, bytes, static_cast<size_t>(size))
                                     : spoiler.Pass({bytes, static_cast<size_t>(size)});
      if (!passed) return;
    }
  }
}

uint32_t g_random_fails_at = 0;

}  // namespace

const std::string& Certificates() {
  static const Folder folder;
  static const std::string name = [] {
    const std::string maker = "/usr/bin/python3 -W ignore tests/tls/certificates.py " + folder.name;
    REQUIRE(std::system(maker.c_str()) == 0);
    return folder.name + "/";
  }();
  return name;
}

std::string TextOf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  REQUIRE_MESSAGE(file, path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

WallTime Now() { return {std::time(nullptr)}; }

TlsTrust TrustIn(const std::string& root, const std::string& host) {
  TlsTrust trust;
  const std::string path = root[0] == '/' ? root : Certificates() + root + ".pem";
  REQUIRE(TlsTrustBundle(host, path, &trust));
  return trust;
}

TlsTrust TrustInThumbprint(const std::string& name) {
  TlsTrust trust;
  REQUIRE(TlsTrustThumbprint(TextOf(Certificates() + name + ".sha1"), &trust));
  return trust;
}

Server::Server(const std::string& certificate, std::vector<std::string> options) {
  static int count = 0;
  const std::string base = Certificates() + certificate;
  const std::string output = Certificates() + "server" + std::to_string(count++);
  std::vector<std::string> arguments{"openssl",     "s_server", "-accept",        "127.0.0.1:0",
                                     "-www",        "-cert",    base + ".crt",    "-key",
                                     base + ".key", "-cipher",  "ALL:@SECLEVEL=0"};
  if (std::filesystem::exists(base + ".chain")) {
    arguments.insert(arguments.end(), {"-cert_chain", base + ".chain"});
  }
  arguments.insert(arguments.end(), options.begin(), options.end());
  pid = Start(arguments, output);
  for (int turn = 0; turn < kPatienceMs / 5; ++turn) {
    std::ifstream file(output);
    for (std::string line; std::getline(file, line);) {
      if (line.rfind("ACCEPT ", 0) != 0 || file.eof()) continue;
      port = static_cast<uint16_t>(std::stoi(line.substr(line.rfind(':') + 1)));
      return;
    }
    REQUIRE_MESSAGE(waitpid(pid, nullptr, WNOHANG) == 0, TextOf(output));
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  FAIL("s_server does not listen");
}

Server::~Server() {
  if (pid <= 0) return;
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
}

struct Proxy::State {
  int listener = -1;
  uint16_t server_port = 0;
  std::mutex mutex;
  Spoiling spoiling;
  std::atomic<bool> is_over{false};
  std::atomic<bool> is_holding{false};
  std::thread thread;

  void Serve() {
    while (!is_over) {
      const int client = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
      if (client < 0) continue;
      Spoiling how;
      {
        const std::lock_guard<std::mutex> lock(mutex);
        how = spoiling;
      }
      const int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      const sockaddr_in address = SocketAddress(server_port);
      if (connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) {
        Relay(client, server, how, is_holding);
      }
      close(server);
      close(client);
    }
  }
};

Proxy::Proxy(uint16_t server_port) : state(new State) {
  state->server_port = server_port;
  state->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = SocketAddress(0);
  socklen_t size = sizeof(address);
  REQUIRE(bind(state->listener, reinterpret_cast<sockaddr*>(&address), size) == 0);
  REQUIRE(listen(state->listener, 16) == 0);
  REQUIRE(getsockname(state->listener, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  port = ntohs(address.sin_port);
  state->thread = std::thread([this] { state->Serve(); });
}

Proxy::~Proxy() {
  state->is_over = true;
  shutdown(state->listener, SHUT_RDWR);
  state->thread.join();
  close(state->listener);
  delete state;
}

void Proxy::Set(Spoiling spoiling) {
  const std::lock_guard<std::mutex> lock(state->mutex);
  state->spoiling = spoiling;
}

void Proxy::Hold(bool is_holding) { state->is_holding = is_holding; }

Session::Session(uint16_t port, const TlsTrust& trusted, WallTime now_wall) : trust(trusted) {
  REQUIRE(SocketConnect(World(), Loopback(port), &socket).ok());
  status = TlsOpen(World(), socket, trust, now_wall);
}

Session::~Session() {
  TlsClose();
  SocketClose(World(), socket);
}

Status Session::Shake() {
  while (status.ok()) {
    const TlsProgress progress = TlsHandshake();
    status = progress.status;
    if (progress.wants == TlsWants::kNothing) break;
    AwaitSocket(socket, progress.wants == TlsWants::kWriting);
  }
  return status;
}

uint32_t Session::Write(const std::string& text, const std::function<void()>& on_full) {
  uint32_t full_count = 0;
  for (size_t offset = 0; offset < text.size();) {
    const TlsProgress progress = TlsWrite(text.data() + offset, text.size() - offset);
    REQUIRE(progress.status.ok());
    offset += progress.count;
    if (progress.wants == TlsWants::kNothing) continue;
    CHECK(progress.wants == TlsWants::kWriting);
    if (full_count++ == 0) on_full();
    AwaitSocket(socket, true);
  }
  return full_count;
}

char Session::ReadOne() {
  for (;;) {
    char byte = 0;
    const TlsProgress progress = TlsRead(&byte, 1);
    REQUIRE(progress.status.ok());
    if (progress.count != 0 || progress.is_end) return byte;
    AwaitSocket(socket, false);
  }
}

void FailRandomAt(uint32_t number) { g_random_fails_at = number; }

Status Shake(uint16_t port, const TlsTrust& trust, WallTime now_wall) {
  Session session(port, trust, now_wall);
  return session.Shake();
}

Outcome Ask(uint16_t port, const TlsTrust& trust, const std::string& path) {
  static const auto slot = std::make_unique<char[]>(kSlotSize);
  static const auto connection = std::make_unique<Connection>();
  Platform& platform = World();
  const Instant deadline = ClockBoot(platform) + Milliseconds(kPatienceMs);
  const std::string request = "GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n";
  ExchangePlan plan;
  plan.address = Loopback(port);
  plan.trust = &trust;
  plan.request[0] = {request.data(), request.size()};
  plan.request_part_count = 1;
  plan.slot = {slot.get(), kSlotSize};
  plan.deadline = deadline;
  ExchangeState state = ExchangeBegin(*connection, platform, plan);
  while (!state.finished) {
    Event events[4];
    const size_t count = Wait(platform, deadline, events, 4);
    for (size_t index = 0; index < count && !state.finished; ++index) {
      state = ExchangeOnEvent(*connection, platform, events[index]);
    }
    if (!state.finished) state = ExchangeOnDeadline(*connection, platform, ClockBoot(platform));
  }
  const ResponseReader& reader = connection->reader;
  Outcome outcome{
      state.status, reader.http_status, {}, connection->phase == ConnectionPhase::kKept};
  if (state.status.ok()) outcome.body.assign(slot.get() + reader.body.offset, reader.body.size);
  ConnectionClose(*connection, platform);
  return outcome;
}

}  // namespace miagent

// In place of the C library's, which can't be made to fail.
extern "C" ssize_t getrandom(void* bytes, size_t size, unsigned flags) {
  if (miagent::g_random_fails_at != 0 && --miagent::g_random_fails_at == 0) {
    errno = ENOSYS;
    return -1;
  }
  return syscall(SYS_getrandom, bytes, size, flags);
}

// Of Mbed TLS's functions that the product doesn't link.
extern "C" int MiagentTlsHasNoSnprintf(char*, size_t, const char*, ...) { std::abort(); }
