// What the socket verbs promise.
#include <cerrno>
#include <string>

#include "doctest/doctest.h"
#include "tests/contract/fixture.h"

using namespace miagent;

namespace {

constexpr size_t kEventsSize = 8;
constexpr Duration kShort = Milliseconds(20);
constexpr Duration kLong = Seconds(20);  // longer than any test may take
constexpr size_t kTurnCountMax = 100000;

// The next event of that socket, which must come.
Event Await(Platform& platform, Socket socket) {
  const Instant deadline = ClockBoot(platform) + kLong;
  while (ClockBoot(platform) < deadline) {
    Event events[kEventsSize];
    const size_t count = Wait(platform, deadline, events, kEventsSize);
    for (size_t index = 0; index < count; ++index) {
      if (events[index].socket.handle == socket.handle) return events[index];
    }
  }
  FAIL("nothing was reported of the socket");
  return {};
}

bool IsQuiet(Platform& platform) {
  Event events[kEventsSize];
  return Wait(platform, ClockBoot(platform) + kShort, events, kEventsSize) == 0;
}

Socket Connect(Platform& platform, const Address& address) {
  Socket socket;
  REQUIRE(SocketConnect(platform, address, &socket).ok());
  return socket;
}

// A socket whose connection has come about.
Socket Connected(Platform& platform, const Address& address) {
  const Socket socket = Connect(platform, address);
  REQUIRE(SocketWatch(platform, socket, false, true).ok());
  REQUIRE(Await(platform, socket).writable);
  return socket;
}

void Watch(Platform& platform, Socket socket, bool for_reading, bool for_writing) {
  REQUIRE(SocketWatch(platform, socket, for_reading, for_writing).ok());
}

IoResult Write(Platform& platform, Socket socket, const std::string& text) {
  const ConstPart part{text.data(), text.size()};
  return SocketWrite(platform, socket, &part, 1);
}

IoResult Read(Platform& platform, Socket socket, std::string* text, size_t size = 4096) {
  std::string bytes(size, '\0');
  const IoResult result = SocketRead(platform, socket, bytes.data(), size);
  *text = bytes.substr(0, result.count);
  return result;
}

// All that comes until the end; the error that ended it, 0 for an orderly end.
int32_t ReadToEnd(Platform& platform, Socket socket, std::string* text) {
  Watch(platform, socket, true, false);
  for (size_t turn = 0; turn < kTurnCountMax; ++turn) {
    std::string piece;
    const IoResult result = Read(platform, socket, &piece);
    if (result.error == EAGAIN) {
      REQUIRE(Await(platform, socket).readable);
      continue;
    }
    if (!result.ok() || result.count == 0) return result.error;
    *text += piece;
  }
  FAIL("the stream doesn't end");
  return -1;
}

}  // namespace

TEST_CASE("a request goes out and its answer comes in") {
  Fixture fixture;
  Platform& platform = fixture.platform();
  PeerPlan plan;
  plan.request_size = 7;
  plan.answer = "an answer";
  plan.end = PeerEnd::kClose;
  const Socket socket = Connected(platform, fixture.PeerListen(plan));
  const ConstPart parts[] = {{"re", 2}, {nullptr, 0}, {"quest", 5}};
  const IoResult written = SocketWrite(platform, socket, parts, 3);
  CHECK(written.ok());
  CHECK(written.count == 7);
  std::string answer;
  CHECK(ReadToEnd(platform, socket, &answer) == 0);
  CHECK(answer == "an answer");
  CHECK(fixture.PeerReceived() == "request");
  SocketClose(platform, socket);
}

TEST_CASE("IPv6 is reached like IPv4") {
  Fixture fixture;
  Platform& platform = fixture.platform();
  PeerPlan plan;
  plan.is_ipv6 = true;
  plan.greeting = "hello";
  plan.end = PeerEnd::kClose;
  const Address address = fixture.PeerListen(plan);
  if (address.port == 0) return;
  const Socket socket = Connected(platform, address);
  std::string text;
  CHECK(ReadToEnd(platform, socket, &text) == 0);
  CHECK(text == "hello");
  SocketClose(platform, socket);
}

TEST_CASE("a new socket is watched for nothing") {
  Fixture fixture;
  Platform& platform = fixture.platform();
  const Socket socket = Connect(platform, fixture.PeerListen({}));
  CHECK(IsQuiet(platform));
  SocketClose(platform, socket);
}

TEST_CASE("readiness is level-triggered: what isn't used up is reported again") {
  Fixture fixture;
  Platform& platform = fixture.platform();
  PeerPlan plan;
  plan.greeting = "hello";
  const Socket socket = Connected(platform, fixture.PeerListen(plan));
  CHECK(Await(platform, socket).writable);
  CHECK(Await(platform, socket).writable);
  Watch(platform, socket, true, false);
  const Event event = Await(platform, socket);
  CHECK(event.readable);
  CHECK_FALSE(event.writable);
  std::string text;
  std::string all;
  while (all.size() < 5) {
    REQUIRE(Await(platform, socket).readable);
    REQUIRE(Read(platform, socket, &text, 2).ok());
    REQUIRE(text.size() >= 1);
    REQUIRE(text.size() <= 2);
    all += text;
  }
  CHECK(all == "hello");
  CHECK(IsQuiet(platform));
  CHECK(Read(platform, socket, &text).error == EAGAIN);
  SocketClose(platform, socket);
}

TEST_CASE("both kinds of readiness come in one event") {
  Fixture fixture;
  Platform& platform = fixture.platform();
  PeerPlan plan;
  plan.greeting = "x";
  const Socket socket = Connected(platform, fixture.PeerListen(plan));
  Watch(platform, socket, true, false);
  Await(platform, socket);
  Watch(platform, socket, true, true);
  const Event event = Await(platform, socket);
  CHECK(event.kind == EventKind::kSocket);
  CHECK(event.readable);
  CHECK(event.writable);
  SocketClose(platform, socket);
}

TEST_CASE("a socket watched for nothing is silent, be there data or the end") {
  for (const PeerEnd end : {PeerEnd::kStay, PeerEnd::kClose, PeerEnd::kReset}) {
    Fixture fixture;
    Platform& platform = fixture.platform();
    PeerPlan plan;
    plan.greeting = "data";
    plan.end = end;
    const Socket socket = Connected(platform, fixture.PeerListen(plan));
    Watch(platform, socket, true, false);
    Await(platform, socket);
    Watch(platform, socket, false, false);
    Watch(platform, socket, false, false);
    CHECK(IsQuiet(platform));
    Watch(platform, socket, true, false);
    CHECK(Await(platform, socket).readable);
    SocketClose(platform, socket);
  }
}

TEST_CASE("a refused connection is reported both ways, and the first write says why") {
  Fixture fixture;
  Platform& platform = fixture.platform();
  const Socket socket = Connect(platform, fixture.PeerAbsent());
  Watch(platform, socket, false, true);
  const Event event = Await(platform, socket);
  CHECK(event.readable);
  CHECK(event.writable);
  CHECK(Write(platform, socket, "x").error == ECONNREFUSED);
  CHECK(Write(platform, socket, "x").error == EPIPE);
  SocketClose(platform, socket);
}

TEST_CASE("the first read of a refused connection says why too") {
  Fixture fixture;
  Platform& platform = fixture.platform();
  const Socket socket = Connect(platform, fixture.PeerAbsent());
  Watch(platform, socket, true, false);
  Await(platform, socket);
  std::string text;
  CHECK(Read(platform, socket, &text).error == ECONNREFUSED);
  const IoResult after = Read(platform, socket, &text);
  CHECK(after.ok());
  CHECK(after.count == 0);
  SocketClose(platform, socket);
}

TEST_CASE("a connection that doesn't come about: neither events nor errors") {
  Fixture fixture;
  Platform& platform = fixture.platform();
  const Socket socket = Connect(platform, fixture.PeerSilent());
  Watch(platform, socket, true, true);
  CHECK(IsQuiet(platform));
  std::string text;
  CHECK(Write(platform, socket, "x").error == EAGAIN);
  CHECK(Read(platform, socket, &text).error == EAGAIN);
  SocketClose(platform, socket);
}

TEST_CASE("the peer's end is a read of nothing, again and again") {
  Fixture fixture;
  Platform& platform = fixture.platform();
  PeerPlan plan;
  plan.greeting = "last words";
  plan.end = PeerEnd::kClose;
  const Socket socket = Connected(platform, fixture.PeerListen(plan));
  std::string text;
  CHECK(ReadToEnd(platform, socket, &text) == 0);
  CHECK(text == "last words");
  for (int turn = 0; turn < 3; ++turn) {
    CHECK(Await(platform, socket).readable);
    const IoResult again = Read(platform, socket, &text);
    CHECK(again.ok());
    CHECK(again.count == 0);
  }
  SocketClose(platform, socket);
}

TEST_CASE("a write after the peer's end is taken once, then fails with EPIPE and no signal") {
  Fixture fixture;
  Platform& platform = fixture.platform();
  PeerPlan plan;
  plan.end = PeerEnd::kClose;
  const Socket socket = Connected(platform, fixture.PeerListen(plan));
  std::string text;
  REQUIRE(ReadToEnd(platform, socket, &text) == 0);
  CHECK(Write(platform, socket, "too late").count == 8);
  Watch(platform, socket, false, false);
  int32_t error = 0;
  for (size_t turn = 0; turn < kTurnCountMax && error == 0; ++turn) {
    Event events[kEventsSize];
    Wait(platform, ClockBoot(platform) + Milliseconds(1), events, kEventsSize);
    error = Write(platform, socket, "x").error;
  }
  CHECK(error == EPIPE);
  CHECK(Write(platform, socket, "x").error == EPIPE);
  const IoResult read = Read(platform, socket, &text);
  CHECK(read.ok());
  CHECK(read.count == 0);
  SocketClose(platform, socket);
}

TEST_CASE("a reset is reported both ways and read once, after what had arrived") {
  Fixture fixture;
  Platform& platform = fixture.platform();
  PeerPlan plan;
  plan.request_size = 3;
  plan.answer = "half an ans";
  plan.end = PeerEnd::kReset;
  const Socket socket = Connected(platform, fixture.PeerListen(plan));
  REQUIRE(Write(platform, socket, "ask").ok());
  std::string text;
  CHECK(ReadToEnd(platform, socket, &text) == ECONNRESET);
  CHECK(text == "half an ans");
  const Event event = Await(platform, socket);
  CHECK(event.readable);
  CHECK(event.writable);
  const IoResult read = Read(platform, socket, &text);
  CHECK(read.ok());
  CHECK(read.count == 0);
  CHECK(Write(platform, socket, "x").error == EPIPE);
  SocketClose(platform, socket);
}

TEST_CASE("a write after a reset says so once") {
  Fixture fixture;
  Platform& platform = fixture.platform();
  PeerPlan plan;
  plan.end = PeerEnd::kReset;
  const Socket socket = Connect(platform, fixture.PeerListen(plan));
  Watch(platform, socket, true, false);
  Await(platform, socket);
  CHECK(Write(platform, socket, "x").error == ECONNRESET);
  CHECK(Write(platform, socket, "x").error == EPIPE);
  SocketClose(platform, socket);
}

TEST_CASE("room runs out with EAGAIN, and comes back with the peer's reading") {
  Fixture fixture;
  Platform& platform = fixture.platform();
  PeerPlan plan;
  plan.reads = false;
  const Socket socket = Connected(platform, fixture.PeerListen(plan));
  const std::string block(32 * 1024, 'b');
  IoResult result{};
  uint64_t total = 0;
  bool was_short = false;
  for (size_t turn = 0; turn < kTurnCountMax; ++turn) {
    result = Write(platform, socket, block);
    if (!result.ok()) break;
    REQUIRE(result.count > 0);
    was_short = was_short || result.count < block.size();
    total += result.count;
  }
  CHECK(result.error == EAGAIN);
  CHECK(total > 0);
  CHECK(was_short);
  Watch(platform, socket, false, true);
  CHECK(IsQuiet(platform));
  fixture.PeerRead();
  CHECK(Await(platform, socket).writable);
  CHECK(Write(platform, socket, block).count > 0);
  SocketClose(platform, socket);
}

TEST_CASE("what was said of a closed socket is dropped, and others go on") {
  Fixture fixture;
  Platform& platform = fixture.platform();
  PeerPlan plan;
  plan.greeting = "x";
  const Address address = fixture.PeerListen(plan);
  const Socket first = Connected(platform, address);
  Watch(platform, first, true, true);
  REQUIRE(Await(platform, first).writable);
  SocketClose(platform, first);
  CHECK(IsQuiet(platform));
  const Socket second = Connected(platform, address);
  Event events[kEventsSize];
  REQUIRE(Wait(platform, ClockBoot(platform) + kLong, events, kEventsSize) == 1);
  CHECK(events[0].socket.handle == second.handle);
  SocketClose(platform, second);
}

TEST_CASE("with room for one event only no socket starves") {
  Fixture fixture;
  Platform& platform = fixture.platform();
  const Address refusing = fixture.PeerAbsent();
  const Socket sockets[] = {Connect(platform, refusing), Connect(platform, refusing)};
  bool seen[] = {false, false};
  for (const Socket socket : sockets) Watch(platform, socket, true, true);
  for (size_t turn = 0; turn < 64; ++turn) {
    Event event;
    if (Wait(platform, ClockBoot(platform) + kLong, &event, 1) == 0) continue;
    for (size_t index = 0; index < 2; ++index) {
      seen[index] = seen[index] || event.socket.handle == sockets[index].handle;
    }
  }
  CHECK(seen[0]);
  CHECK(seen[1]);
  for (const Socket socket : sockets) SocketClose(platform, socket);
}

TEST_CASE("an event comes before the deadline, and the deadline in spite of events") {
  Fixture fixture;
  Platform& platform = fixture.platform();
  const Socket socket = Connected(platform, fixture.PeerListen({}));
  const Instant start = ClockBoot(platform);
  Event events[kEventsSize];
  CHECK(Wait(platform, start + kLong, events, kEventsSize) == 1);
  CHECK(ClockBoot(platform) < start + kLong);
  CHECK(Wait(platform, start, events, kEventsSize) == 1);
  SocketClose(platform, socket);
}

TEST_CASE("a socket used after its close, a second close and too many parts are misuse") {
  const auto use = [](void (*misuse)(Platform&, Socket)) {
    return Fixture::Traps([misuse] {
      Fixture fixture;
      const Socket socket = Connect(fixture.platform(), fixture.PeerSilent());
      misuse(fixture.platform(), socket);
    });
  };
  CHECK(use([](Platform& platform, Socket socket) {
    SocketClose(platform, socket);
    SocketClose(platform, socket);
  }));
  CHECK(use([](Platform& platform, Socket socket) {
    SocketClose(platform, socket);
    static_cast<void>(SocketWatch(platform, socket, true, true));
  }));
  CHECK(use([](Platform& platform, Socket socket) {
    SocketClose(platform, socket);
    static_cast<void>(Write(platform, socket, "x"));
  }));
  CHECK(use([](Platform& platform, Socket socket) {
    const ConstPart parts[kWritePartCountMax + 1] = {};
    static_cast<void>(SocketWrite(platform, socket, parts, kWritePartCountMax + 1));
  }));
  CHECK(use([](Platform& platform, Socket) { SocketClose(platform, Socket{}); }));
  CHECK_FALSE(use([](Platform& platform, Socket socket) { SocketClose(platform, socket); }));
}
