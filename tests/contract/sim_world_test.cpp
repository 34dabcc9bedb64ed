// The simulated world's own promises: time, faults, servers' scripts, one seed one history.
#include <signal.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "doctest/doctest.h"
#include "platform/sim/server.h"
#include "tests/contract/fixture.h"

using namespace miagent;

namespace {

std::unique_ptr<Platform> WorldMake(uint64_t seed = 7) {
  auto world = std::make_unique<Platform>();
  SimStart(*world, seed);
  return world;
}

const Address kImdsAddress = SimAddress(169, 254, 169, 254, 80);

// A plain client: connects, asks, reads until the answer is `size` bytes or the connection ends.
struct Client {
  Platform& world;
  Socket socket;
  std::string answer;
  int32_t error = 0;
  bool ended = false;
  size_t read_count = 0;
  Instant last_at{};  // when bytes came last
};

const std::string kRequest =
    "GET /metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fvault "
    "HTTP/1.1\r\nHost: 169.254.169.254\r\nMetadata: true\r\n\r\n";

void ClientOpen(Client& client) {
  REQUIRE(SocketConnect(client.world, kImdsAddress, &client.socket).ok());
  REQUIRE(SocketWatch(client.world, client.socket, false, true).ok());
  Event event;
  REQUIRE(Wait(client.world, kInstantNever, &event, 1) == 1);
}

void ClientAsk(Client& client, const std::string& request) {
  const ConstPart part{request.data(), request.size()};
  REQUIRE(SocketWrite(client.world, client.socket, &part, 1).count == request.size());
  REQUIRE(SocketWatch(client.world, client.socket, true, false).ok());
}

// Reads until `deadline`, or an end or error.
void ClientRead(Client& client, Instant deadline) {
  while (client.world.now < deadline && !client.ended && client.error == 0) {
    Event event;
    if (Wait(client.world, deadline, &event, 1) == 0) continue;
    char bytes[4096];
    const IoResult result = SocketRead(client.world, client.socket, bytes, sizeof(bytes));
    if (result.error == EAGAIN) continue;
    client.error = result.error;
    client.ended = result.ok() && result.count == 0;
    client.answer.append(bytes, result.count);
    ++client.read_count;
    if (result.count > 0) client.last_at = client.world.now;
  }
}

std::string Ask(Platform& world, const std::string& request = kRequest) {
  Client client{world, {}, {}};
  ClientOpen(client);
  ClientAsk(client, request);
  ClientRead(client, world.now + Seconds(60));
  SocketClose(world, client.socket);
  return client.answer;
}

bool Contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("one seed is one history, another seed another") {
  const auto run = [](uint64_t seed) {
    const auto world = WorldMake(seed);
    SimImds imds;
    SimServerAdd(*world, kImdsAddress, SimImdsAnswer, &imds);
    char bytes[16];
    REQUIRE(EntropyFill(*world, bytes, sizeof(bytes)).ok());
    Ask(*world, kRequest);
    return world->trace_hash + static_cast<uint8_t>(bytes[0]) + SimRandom(*world);
  };
  CHECK(run(1) == run(1));
  CHECK(run(1) != run(2));
}

TEST_CASE("what is drawn as entropy hangs on the seed alone") {
  const auto draw = [](uint64_t seed, int others) {
    const auto world = WorldMake(seed);
    for (int turn = 0; turn < others; ++turn) SimRandom(*world);
    std::string bytes(32, '\0');
    REQUIRE(EntropyFill(*world, bytes.data(), bytes.size()).ok());
    return bytes;
  };
  CHECK(draw(1, 0) == draw(1, 5));
  CHECK(draw(1, 0) != draw(2, 0));
}

TEST_CASE("a century passes in one Wait, and nothing else moves the clock") {
  const auto world = WorldMake();
  Event event;
  const Instant deadline{int64_t{100} * 365 * 86400 * 1000};
  CHECK(Wait(*world, deadline, &event, 1) == 0);
  CHECK(ClockBoot(*world) == deadline);
  CHECK(ClockWall(*world).unix_s == 1'750'000'000 + int64_t{100} * 365 * 86400);
}

TEST_CASE("the wall clock steps, is set and drifts; the boot clock and the true time don't") {
  const auto world = WorldMake();
  SimWallSet(*world, {0});
  CHECK(ClockWall(*world).unix_s == 0);
  SimWallStep(*world, Seconds(-10));
  CHECK(ClockWall(*world).unix_s == -10);
  SimWallSet(*world, {1000});
  SimWallDrift(*world, 100'000);
  SimPass(*world, Seconds(1000));
  CHECK(ClockWall(*world).unix_s == 2100);
  CHECK(ClockBoot(*world).boot_ms == 1'000'000);
  CHECK(SimTrueTime(*world).unix_s == 1'750'001'000);
  SimWallDrift(*world, 0);
  SimPass(*world, Seconds(10));
  CHECK(ClockWall(*world).unix_s == 2110);
}

TEST_CASE("a suspended machine wakes late, with the boot clock run on") {
  const auto world = WorldMake();
  SimSuspendAt(*world, Instant{1000}, Seconds(3600));
  Event event;
  CHECK(Wait(*world, Instant{2000}, &event, 1) == 0);
  CHECK(world->now == Instant{1000 + 3'600'000});
}

TEST_CASE("happenings come at their instants, in order") {
  const auto world = WorldMake();
  REQUIRE(SignalsWatch(*world, SignalSet::kAgent).ok());
  SimWallStepAt(*world, Instant{20}, Seconds(5));
  SimSignalAt(*world, Instant{30}, Signal::kStop);
  SimSignalAt(*world, Instant{10}, Signal::kReload);
  Event event;
  REQUIRE(Wait(*world, kInstantNever, &event, 1) == 1);
  CHECK(event.signal == Signal::kReload);
  CHECK(world->now == Instant{10});
  CHECK(ClockWall(*world).unix_s == 1'750'000'000);
  REQUIRE(Wait(*world, kInstantNever, &event, 1) == 1);
  CHECK(event.signal == Signal::kStop);
  CHECK(world->now == Instant{30});
  CHECK(ClockWall(*world).unix_s == 1'750'000'005);
}

TEST_CASE("what a test plans wakes the agent for nothing") {
  const auto world = WorldMake();
  bool done = false;
  SimCallAt(
      *world, Instant{10}, [](void* context, Platform&) { *static_cast<bool*>(context) = true; },
      &done);
  Event event;
  CHECK(Wait(*world, Instant{1000}, &event, 1) == 0);
  CHECK(done);
  CHECK(world->now == Instant{10});
  CHECK(Wait(*world, Instant{1000}, &event, 1) == 0);
  CHECK(world->now == Instant{1000});
}

TEST_CASE("an agent that can't go on is stopped: no end to a wait, no time between turns") {
  CHECK(Fixture::Traps([] {
    const auto world = WorldMake();
    Event event;
    Wait(*world, kInstantNever, &event, 1);
  }));
  CHECK(Fixture::Traps([] {
    const auto world = WorldMake();
    Event event;
    for (uint32_t turn = 0; turn <= kSimStillTurnCountMax; ++turn) {
      Wait(*world, Instant{0}, &event, 1);
    }
  }));
  CHECK_FALSE(Fixture::Traps([] {
    const auto world = WorldMake();
    Event event;
    for (uint32_t turn = 1; turn <= 2 * kSimStillTurnCountMax; ++turn) {
      Wait(*world, Instant{turn}, &event, 1);
    }
  }));
}

TEST_CASE("a signal that nobody watches is the agent's end") {
  const auto world = WorldMake();
  SimSignalAt(*world, Instant{10}, Signal::kStop);
  SimPass(*world, Seconds(1));
  CHECK(world->killed_by == Signal::kStop);
}

TEST_CASE("planned faults skip, fire and end; every verb is counted") {
  const auto world = WorldMake();
  SimDirectoryAdd(*world, "/run", 0, 0755, true);
  const SimFault* fault = SimFail(*world, Verb::kDirectoryOpen, EIO, 1, 2);
  const int32_t expected[] = {0, EIO, EIO, 0};
  for (const int32_t error : expected) {
    Directory directory;
    const IoResult result = DirectoryOpen(*world, "/run", &directory);
    CHECK(result.error == error);
    if (result.ok()) DirectoryClose(*world, directory);
  }
  CHECK(fault->fired_count == 2);
  CHECK(SimVerbCount(*world, Verb::kDirectoryOpen) == 4);
  CHECK(SimVerbCount(*world, Verb::kDirectoryClose) == 2);
  CHECK(world->open_handle_count == 0);
}

TEST_CASE("the hook sees every verb before and after, and can make it fail") {
  const auto world = WorldMake();
  SimDirectoryAdd(*world, "/run", 0, 0755, true);
  std::vector<int> told;
  world->hook_context = &told;
  world->before_verb = [](void*, Platform&, Verb verb) -> int32_t {
    return verb == Verb::kFileCreate ? EROFS : 0;
  };
  world->after_verb = [](void* context, Platform&, Verb, IoResult result) {
    static_cast<std::vector<int>*>(context)->push_back(result.error);
  };
  Directory directory;
  File file;
  REQUIRE(DirectoryOpen(*world, "/run", &directory).ok());
  CHECK(FileCreate(*world, directory, "x", &file).error == EROFS);
  CHECK(told == std::vector<int>{0, EROFS});
  DirectoryClose(*world, directory);
}

TEST_CASE("writes and reads are as short as asked") {
  const auto world = WorldMake();
  SimDirectoryAdd(*world, "/run", 0, 0755, true);
  world->file_write_size_max = 3;
  Directory directory;
  File file;
  REQUIRE(DirectoryOpen(*world, "/run", &directory).ok());
  REQUIRE(FileCreate(*world, directory, "x", &file).ok());
  const ConstPart parts[] = {{"ab", 2}, {"cdef", 4}};
  CHECK(FileWrite(*world, file, parts, 2).count == 3);
  FileClose(*world, file);
  DirectoryClose(*world, directory);
  CHECK(SimFileContent(*world, *SimFileFind(*world, "/run/x")) == "abc");
}

TEST_CASE("a user who isn't root is kept to modes and owners") {
  const auto world = WorldMake();
  world->process = {1000, 1000, 4242};
  SimDirectoryAdd(*world, "/run", 0, 0755, true);
  SimDirectoryAdd(*world, "/home", 1000, 0700, true);
  SimFileAdd(*world, "/run/secret", "s", 0600);
  Directory theirs;
  Directory own;
  File file;
  REQUIRE(DirectoryOpen(*world, "/run", &theirs).ok());
  REQUIRE(DirectoryOpen(*world, "/home", &own).ok());
  CHECK(FileCreate(*world, theirs, "x", &file).error == EACCES);
  CHECK(FileRemove(*world, theirs, "secret").error == EACCES);
  CHECK(FileOpenAt(*world, theirs, "secret", &file).error == EACCES);
  REQUIRE(FileCreate(*world, own, "x", &file).ok());
  CHECK(FileSetOwner(*world, file, 0, 0).error == EPERM);
  CHECK(FileSetOwner(*world, file, 1000, 1000).ok());
  FileClose(*world, file);
  DirectoryClose(*world, own);
  DirectoryClose(*world, theirs);
}

TEST_CASE("a directory moved away is reached by its handle; its path is free for another") {
  const auto world = WorldMake();
  SimDirectoryAdd(*world, "/run/t", 0, 0755, true);
  Directory old;
  File file;
  REQUIRE(DirectoryOpen(*world, "/run/t", &old).ok());
  SimDirectoryMove(*world, "/run/t");
  SimDirectoryAdd(*world, "/run/t", 0, 0755, true);
  REQUIRE(FileCreate(*world, old, "x", &file).ok());
  FileClose(*world, file);
  CHECK(SimFileFind(*world, "/run/t/x") == nullptr);
  DirectoryClose(*world, old);
}

TEST_CASE("a killed agent leaves its files and no handle") {
  const auto world = WorldMake();
  SimDirectoryAdd(*world, "/run", 0, 0755, true);
  REQUIRE(SignalsWatch(*world, SignalSet::kAgent).ok());
  Directory directory;
  File file;
  Socket socket;
  REQUIRE(DirectoryOpen(*world, "/run", &directory).ok());
  REQUIRE(FileCreate(*world, directory, ".tmp", &file).ok());
  REQUIRE(SocketConnect(*world, kImdsAddress, &socket).ok());
  CHECK(world->open_handle_count == 3);
  SimKill(*world);
  CHECK(world->open_handle_count == 0);
  CHECK(SimFileFind(*world, "/run/.tmp") != nullptr);
  CHECK(SignalsWatch(*world, SignalSet::kAgent).ok());
}

TEST_CASE("a handle from before a kill is misuse, even where its place is taken again") {
  CHECK(Fixture::Traps([] {
    const auto world = WorldMake();
    Socket before;
    Socket after;
    world->unreachable_error = 0;
    if (!SocketConnect(*world, kImdsAddress, &before).ok()) return;
    SimKill(*world);
    if (!SocketConnect(*world, kImdsAddress, &after).ok()) return;
    SocketClose(*world, before);
  }));
}

TEST_CASE("the simulated IMDS gives a token, with a Date by the true clock") {
  const auto world = WorldMake();
  SimWallSet(*world, {0});
  SimImds imds;
  imds.token_size = 100;
  imds.closes = true;
  SimServerAdd(*world, kImdsAddress, SimImdsAnswer, &imds);
  const std::string answer = Ask(*world);
  CHECK(Contains(answer, "HTTP/1.1 200 OK\r\nDate: Sun, 15 Jun 2025 15:06:40 GMT\r\n"));
  char bytes[kSimTokenSizeMax];
  const std::string token(SimImdsToken(1, "https%3A%2F%2Fvault", 100, bytes));
  CHECK(token.size() == 100);
  CHECK(Contains(answer, "{\"access_token\":\"" + token + "\",\"refresh_token\":\"\""));
  CHECK(Contains(answer, ",\"expires_in\":\"86400\",\"expires_on\":\"1750086400\""));
  CHECK(Contains(answer, ",\"not_before\":\"1750000000\",\"resource\":\"https%3A%2F%2Fvault\""));
  CHECK(imds.request_count == 1);
  CHECK(imds.requested_at[0].boot_ms == 3);
  CHECK_FALSE(Contains(Ask(*world), token));
}

TEST_CASE("the simulated IMDS refuses what IMDS refuses") {
  const auto world = WorldMake();
  SimImds imds;
  imds.closes = true;
  SimServerAdd(*world, kImdsAddress, SimImdsAnswer, &imds);
  const char* bad[] = {
      "GET /metadata/identity/oauth2/token?api-version=2018-02-01&resource=x HTTP/1.1\r\n\r\n",
      "GET /metadata/identity/oauth2/token?api-version=2018-02-01&resource=x HTTP/1.1\r\n"
      "Metadata: True\r\n\r\n",
      "GET /metadata/identity/oauth2/token?api-version=2018-02-01 HTTP/1.1\r\nMetadata: "
      "true\r\n\r\n",
      "GET /metadata/identity/oauth2/token?api-version=2018-02-01&resource=x HTTP/1.1\r\nMetadata: "
      "true\r\nX-Forwarded-For: y\r\n\r\n",
      "GET /?resource=x HTTP/1.1\r\nMetadata: true\r\n\r\n"};
  for (const char* request : bad) CHECK(Contains(Ask(*world, request), "HTTP/1.1 400 "));
  CHECK(imds.refused_count == 5);
  CHECK(imds.issued_number == 0);
}

TEST_CASE("steps come in order, each for as many requests as it says, then tokens") {
  const auto world = WorldMake();
  SimImds imds;
  imds.closes = true;
  SimStep throttled;
  throttled.kind = SimStepKind::kStatus;
  throttled.status = 429;
  throttled.headers = "Retry-After: 5\r\n";
  throttled.count = 2;
  SimStepAdd(imds, throttled);
  SimStep reset;
  reset.kind = SimStepKind::kReset;
  SimStepAdd(imds, reset);
  SimServerAdd(*world, kImdsAddress, SimImdsAnswer, &imds);
  CHECK(Contains(Ask(*world), "429 Other\r\n"));
  CHECK(Contains(Ask(*world), "Retry-After: 5\r\n"));
  CHECK(Ask(*world).empty());
  CHECK(Contains(Ask(*world), "200 OK"));
}

TEST_CASE("the same token again while it is young, but for bypass_cache and another identity") {
  const auto world = WorldMake();
  SimImds imds;
  imds.closes = true;
  imds.keeps_token = Seconds(3600);
  SimServerAdd(*world, kImdsAddress, SimImdsAnswer, &imds);
  Ask(*world);
  Ask(*world);
  CHECK(imds.issued_number == 1);
  std::string other = kRequest;
  other.replace(other.find("vault "), 6, "vault&bypass_cache=true ");
  Ask(*world, other);
  CHECK(imds.issued_number == 2);
  CHECK(imds.bypass_count == 1);
  std::string identity = kRequest;
  identity.replace(identity.find("vault "), 6, "vault&client_id=7 ");
  Ask(*world, identity);
  CHECK(imds.issued_number == 3);
  SimPass(*world, Seconds(3600));
  Ask(*world);
  CHECK(imds.issued_number == 4);
}

TEST_CASE("an answer comes in pieces of the size and at the intervals asked for") {
  const auto world = WorldMake();
  SimImds imds;
  imds.piece_size = 1;
  imds.piece_gap = Milliseconds(7);
  imds.token_size = 50;
  imds.closes = true;
  SimServerAdd(*world, kImdsAddress, SimImdsAnswer, &imds);
  Client client{*world, {}, {}};
  ClientOpen(client);
  ClientAsk(client, kRequest);
  const Instant start = world->now;
  ClientRead(client, start + Seconds(60));
  CHECK(client.ended);
  CHECK(client.read_count == client.answer.size() + 1);
  const auto gaps = static_cast<int64_t>(client.answer.size()) - 1;
  CHECK((world->now - start).ms == 2 + 7 * gaps);
  SocketClose(*world, client.socket);
}

TEST_CASE("the last, shorter piece takes its interval too") {
  const auto world = WorldMake();
  SimServerAdd(
      *world, kImdsAddress,
      [](void*, SimExchange& exchange) {
        SimCut(exchange, 10, Milliseconds(100));
        SimSend(exchange, "0123456789012345678901234");
        SimEnd(exchange);
      },
      nullptr);
  Client client{*world, {}, {}};
  ClientOpen(client);
  ClientAsk(client, kRequest);
  const Instant start = world->now;
  ClientRead(client, start + Seconds(60));
  CHECK(client.answer.size() == 25);
  CHECK(client.read_count == 4);
  CHECK((client.last_at - start).ms == 2 + 200);
  SocketClose(*world, client.socket);
}

TEST_CASE("pieces without gaps are still read one by one") {
  const auto world = WorldMake();
  SimImds imds;
  imds.piece_size = 10;
  imds.closes = true;
  SimServerAdd(*world, kImdsAddress, SimImdsAnswer, &imds);
  Client client{*world, {}, {}};
  ClientOpen(client);
  ClientAsk(client, kRequest);
  ClientRead(client, world->now + Seconds(60));
  CHECK(client.read_count == (client.answer.size() + 9) / 10 + 1);
  SocketClose(*world, client.socket);
}

TEST_CASE("chunks carry the whole body") {
  const auto world = WorldMake();
  SimImds imds;
  imds.chunk_size = 100;
  imds.token_size = 300;
  imds.closes = true;
  SimServerAdd(*world, kImdsAddress, SimImdsAnswer, &imds);
  const std::string answer = Ask(*world);
  CHECK(Contains(answer, "Transfer-Encoding: chunked\r\n"));
  CHECK_FALSE(Contains(answer, "Content-Length"));
  size_t at = answer.find("\r\n\r\n") + 4;
  std::string body;
  for (;;) {
    const size_t size = std::stoul(answer.substr(at), nullptr, 16);
    at = answer.find("\r\n", at) + 2;
    if (size == 0) break;
    CHECK(size <= 100);
    body += answer.substr(at, size);
    at += size + 2;
  }
  CHECK(answer.substr(at) == "\r\n");
  CHECK(body.front() == '{');
  CHECK(Contains(body, "\"token_type\":\"Bearer\"}"));
}

TEST_CASE("requests sent at once are answered one after the other") {
  const auto world = WorldMake();
  SimImds imds;
  SimServerAdd(*world, kImdsAddress, SimImdsAnswer, &imds);
  Client client{*world, {}, {}};
  ClientOpen(client);
  std::string other = kRequest;
  other.replace(other.find("vault "), 6, "other ");
  ClientAsk(client, kRequest + other);
  ClientRead(client, world->now + Seconds(1));
  CHECK(imds.request_count == 2);
  const size_t first = client.answer.find("\"resource\":\"https%3A%2F%2Fvault\"");
  const size_t second = client.answer.find("\"resource\":\"https%3A%2F%2Fother\"");
  CHECK(first < second);
  CHECK(second != std::string::npos);
  SocketClose(*world, client.socket);
}

TEST_CASE("a server's Date header has the right day") {
  const auto world = WorldMake();
  SimImds imds;
  imds.closes = true;
  SimServerAdd(*world, kImdsAddress, SimImdsAnswer, &imds);
  SimTrueTimeSet(*world, {0});
  CHECK(Contains(Ask(*world), "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"));
  SimTrueTimeSet(*world, {951'868'799});
  CHECK(Contains(Ask(*world), "Date: Tue, 29 Feb 2000 23:59:59 GMT\r\n"));
  SimTrueTimeSet(*world, {4'107'542'399});
  CHECK(Contains(Ask(*world), "Date: Sun, 28 Feb 2100 23:59:59 GMT\r\n"));
}

TEST_CASE("two requests on a kept connection, the second in two writes, get two answers") {
  const auto world = WorldMake();
  SimImds imds;
  SimServer& server = SimServerAdd(*world, kImdsAddress, SimImdsAnswer, &imds);
  Client client{*world, {}, {}};
  ClientOpen(client);
  ClientAsk(client, kRequest);
  ClientRead(client, world->now + Seconds(1));
  ClientAsk(client, kRequest.substr(0, 40));
  ClientRead(client, world->now + Seconds(1));
  CHECK(imds.request_count == 1);
  ClientAsk(client, kRequest.substr(40));
  ClientRead(client, world->now + Seconds(1));
  CHECK(imds.request_count == 2);
  CHECK(server.request_count == 2);
  CHECK(server.connection_count == 1);
  CHECK_FALSE(client.ended);
  SocketClose(*world, client.socket);
}

TEST_CASE("greetings: refused, denied, silent") {
  const auto world = WorldMake();
  SimServer& server = SimServerAdd(*world, kImdsAddress, nullptr, nullptr);
  Socket socket;
  server.greeting = SimGreeting::kDeny;
  server.greeting_error = EHOSTUNREACH;
  CHECK(SocketConnect(*world, kImdsAddress, &socket).error == EHOSTUNREACH);
  CHECK(world->open_handle_count == 0);
  world->unreachable_error = ENETUNREACH;
  CHECK(SocketConnect(*world, SimAddress(1, 2, 3, 4, 80), &socket).error == ENETUNREACH);
  server.greeting = SimGreeting::kSilent;
  REQUIRE(SocketConnect(*world, kImdsAddress, &socket).ok());
  REQUIRE(SocketWatch(*world, socket, true, true).ok());
  Event event;
  CHECK(Wait(*world, Instant{3'600'000}, &event, 1) == 0);
  SocketClose(*world, socket);
}

TEST_CASE("log and output are kept, and the log's listener hears each line") {
  const auto world = WorldMake();
  std::string heard;
  world->hook_context = &heard;
  world->on_log = [](void* context, std::string_view line) {
    *static_cast<std::string*>(context) += line;
  };
  LogWrite(*world, "one\n");
  LogWrite(*world, "two\n");
  CHECK(heard == "one\ntwo\n");
  CHECK(world->log.text() == "one\ntwo\n");
  CHECK(SimLogContains(*world, "e\nt"));
  CHECK_FALSE(SimLogContains(*world, "three"));
  for (int turn = 0; turn < 100'000; ++turn) LogWrite(*world, "filler\n");
  LogWrite(*world, "last\n");
  CHECK(SimLogContains(*world, "last\n"));
  CHECK(world->log.total_size == 8 + 7 * 100'000 + 5);
}

// ---- children and other processes -----------------------------------------------------------

namespace {

const char* const kNoEnvironment[] = {nullptr};

// Starts a program that was added; its pid.
uint32_t HookStart(Platform& world, const char* path, Socket* output) {
  const char* const arguments[] = {path, "an argument", nullptr};
  uint32_t pid = 0;
  const ChildPlan plan{ChildRole::kHook, arguments, kNoEnvironment};
  REQUIRE(ChildStart(world, plan, &pid, output).ok());
  return pid;
}

// Waits for the next signal; its number.
int32_t SignalAwait(Platform& world) {
  Event event;
  REQUIRE(Wait(world, kInstantNever, &event, 1) == 1);
  REQUIRE(event.kind == EventKind::kSignal);
  return event.signal_number;
}

}  // namespace

TEST_CASE("a child goes by its program's script, on the virtual clock") {
  const auto world = WorldMake();
  REQUIRE(SignalsWatch(*world, SignalSet::kAgent).ok());
  SimProgram& program = SimProgramAdd(*world, "/bin/hook");
  program.runs = Seconds(3);
  program.exit_code = 7;
  program.output = "one two";
  program.output_after = Seconds(1);
  program.output_piece_size = 4;
  program.output_gap = Milliseconds(500);
  Socket output;
  const uint32_t pid = HookStart(*world, "/bin/hook", &output);
  CHECK(std::string(program.arguments) == "/bin/hook\nan argument\n");
  char bytes[16];
  CHECK(SocketRead(*world, output, bytes, sizeof(bytes)).error == EAGAIN);
  REQUIRE(SocketWatch(*world, output, true, false).ok());
  Event event;
  REQUIRE(Wait(*world, kInstantNever, &event, 1) == 1);
  CHECK(world->now == Instant{1000});
  CHECK(SocketRead(*world, output, bytes, sizeof(bytes)).count == 4);
  REQUIRE(Wait(*world, kInstantNever, &event, 1) == 1);
  CHECK(world->now == Instant{1500});
  CHECK(SocketRead(*world, output, bytes, sizeof(bytes)).count == 3);
  CHECK(SignalAwait(*world) == SIGCHLD);
  CHECK(world->now == Instant{3000});
  CHECK(SocketRead(*world, output, bytes, sizeof(bytes)).count == 0);
  ChildEnd end;
  REQUIRE(ChildReap(*world, &end));
  CHECK(end.pid == pid);
  CHECK(end.exit_code == 7);
  CHECK_FALSE(ChildReap(*world, &end));
  SocketClose(*world, output);
}

TEST_CASE("a signal ends a child before its time, and what it had not printed never comes") {
  const auto world = WorldMake();
  REQUIRE(SignalsWatch(*world, SignalSet::kAgent).ok());
  SimProgram& program = SimProgramAdd(*world, "/bin/hook");
  program.runs = Milliseconds(kTimeMax);
  program.output = "late";
  program.output_after = Seconds(60);
  program.ignored_signals = 1U << SIGTERM;
  Socket output;
  const uint32_t pid = HookStart(*world, "/bin/hook", &output);
  REQUIRE(ChildSignal(*world, pid, SIGTERM, false).ok());
  Event event;
  CHECK(Wait(*world, Instant{10}, &event, 1) == 0);
  REQUIRE(ChildSignal(*world, pid, SIGSTOP, false).ok());
  REQUIRE(ChildSignal(*world, pid, SIGHUP, false).ok());
  CHECK(Wait(*world, Instant{20}, &event, 1) == 0);  // it is stopped: the signal waits
  REQUIRE(ChildSignal(*world, pid, SIGCONT, false).ok());
  CHECK(SignalAwait(*world) == SIGCHLD);
  ChildEnd end;
  REQUIRE(ChildReap(*world, &end));
  CHECK(end.signal_number == SIGHUP);
  char bytes[16];
  const IoResult read = SocketRead(*world, output, bytes, sizeof(bytes));
  CHECK(read.ok());
  CHECK(read.count == 0);
  SocketClose(*world, output);
  CHECK(program.sent.count == 4);
}

TEST_CASE("a child catches SIGTERM, another leaves its output open, another closes it early") {
  const auto world = WorldMake();
  SimProgram& program = SimProgramAdd(*world, "/bin/hook");
  program.runs = Seconds(60);
  program.catches_term = true;
  program.term_takes = Seconds(2);
  program.leaves_output_open = true;
  Socket output;
  const uint32_t pid = HookStart(*world, "/bin/hook", &output);
  REQUIRE(ChildSignal(*world, pid, SIGTERM, true).ok());
  SimPass(*world, Milliseconds(1999));
  ChildEnd end;
  CHECK_FALSE(ChildReap(*world, &end));
  SimPass(*world, Milliseconds(1));
  REQUIRE(ChildReap(*world, &end));
  CHECK(end.signal_number == 0);
  char bytes[16];
  CHECK(SocketRead(*world, output, bytes, sizeof(bytes)).error == EAGAIN);
  SocketClose(*world, output);
  program.closes_output = true;
  HookStart(*world, "/bin/hook", &output);
  CHECK(SocketRead(*world, output, bytes, sizeof(bytes)).ok());
  SocketClose(*world, output);
}

TEST_CASE("faults of a start leave nothing behind, and an agent that is killed has no children") {
  const auto world = WorldMake();
  SimProgram& program = SimProgramAdd(*world, "/bin/hook");
  const char* const arguments[] = {"/bin/hook", nullptr};
  const ChildPlan plan{ChildRole::kHook, arguments, kNoEnvironment};
  uint32_t pid = 0;
  Socket output;
  program.start_error = EACCES;
  CHECK(ChildStart(*world, plan, &pid, &output).error == EACCES);
  program.start_error = 0;
  SimFail(*world, Verb::kChildStart, ENOMEM, 0, 1);
  CHECK(ChildStart(*world, plan, &pid, &output).error == ENOMEM);
  CHECK(world->open_handle_count == 0);
  CHECK(program.start_count == 0);
  REQUIRE(ChildStart(*world, plan, &pid, &output).ok());
  SimKill(*world);
  CHECK(world->open_handle_count == 0);
  ChildEnd end;
  SimPass(*world, Seconds(1));
  CHECK_FALSE(ChildReap(*world, &end));
}

TEST_CASE("an orphan comes to PID 1; a signal for what was reaped is misuse") {
  const auto world = WorldMake();
  SimOrphanAt(*world, Instant{5}, 77, 3);
  SimPass(*world, Milliseconds(5));
  ChildEnd end;
  REQUIRE(ChildReap(*world, &end));
  CHECK(end.pid == 77);
  CHECK(end.exit_code == 3);
  CHECK(Fixture::Traps([&] { static_cast<void>(ChildSignal(*world, 77, SIGTERM, false)); }));
}

TEST_CASE("a process whose id is used again is not reached by the old one's handle") {
  const auto world = WorldMake();
  SimProcess& old = SimProcessAdd(*world, 42, 500);
  CHECK(SimFileContent(*world, *SimFileFind(*world, "/proc/42/status")) ==
        "Name:\tapp\nUmask:\t0022\nUid:\t500\t500\t500\t500\n");
  Process process;
  REQUIRE(ProcessOpen(*world, 42, &process).ok());
  SimProcessEnd(*world, old);
  CHECK_FALSE(ProcessIsAlive(*world, 42));
  const SimProcess& next = SimProcessAdd(*world, 42, 600);
  CHECK(ProcessSignal(*world, process, SIGHUP).error == ESRCH);
  ProcessClose(*world, process);
  world->process.uid = 500;
  REQUIRE(ProcessOpen(*world, 42, &process).ok());
  CHECK(ProcessSignal(*world, process, SIGHUP).error == EPERM);
  world->process.uid = 600;
  CHECK(ProcessSignal(*world, process, SIGHUP).ok());
  ProcessClose(*world, process);
  CHECK(next.sent.count == 1);
  CHECK(old.sent.count == 0);
}

TEST_CASE("a wrapper's signals come by number, and with where they came from") {
  const auto world = WorldMake();
  REQUIRE(SignalsWatch(*world, SignalSet::kWrapper).ok());
  SimSignalNumberAt(*world, Instant{1}, SIGWINCH, true);
  SimSignalNumberAt(*world, Instant{1}, SIGINT, true);
  SimSignalAt(*world, Instant{1}, Signal::kStop);
  Event events[4];
  REQUIRE(Wait(*world, kInstantNever, events, 4) == 3);
  CHECK(events[0].signal_number == SIGINT);
  CHECK(events[0].signal == Signal::kStop);
  CHECK(events[0].is_from_terminal);
  CHECK(events[1].signal_number == SIGTERM);
  CHECK_FALSE(events[1].is_from_terminal);
  CHECK(events[2].signal == Signal::kOther);
  ProcessSuspend(*world);
  CHECK(world->now == Instant{1001});
  CHECK(SignalAwait(*world) == SIGCONT);
}
