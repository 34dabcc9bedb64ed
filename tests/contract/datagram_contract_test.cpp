// What the socket verbs promise of datagrams.
#include <cerrno>
#include <string>

#include "doctest/doctest.h"
#include "tests/contract/fixture.h"

using namespace miagent;

namespace {

constexpr Duration kShort = Milliseconds(20);
constexpr Duration kLong = Seconds(20);  // longer than any test may take

Socket Open(Platform& platform, const Address& address) {
  Socket socket;
  REQUIRE(DatagramOpen(platform, address, &socket).ok());
  return socket;
}

// The next event, which must come and be of that socket.
Event Await(Platform& platform, Socket socket) {
  const Instant deadline = ClockBoot(platform) + kLong;
  while (ClockBoot(platform) < deadline) {
    Event event;
    if (Wait(platform, deadline, &event, 1) == 0) continue;
    REQUIRE(event.socket.handle == socket.handle);
    return event;
  }
  FAIL("nothing was reported of the socket");
  return {};
}

bool IsQuiet(Platform& platform) {
  Event event;
  return Wait(platform, ClockBoot(platform) + kShort, &event, 1) == 0;
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

// The next datagram, which must come.
std::string Take(Platform& platform, Socket socket, size_t size = 4096) {
  REQUIRE(SocketWatch(platform, socket, true, false).ok());
  std::string text;
  for (;;) {
    const IoResult result = Read(platform, socket, &text, size);
    if (result.ok()) return text;
    REQUIRE(result.error == EAGAIN);
    REQUIRE(Await(platform, socket).readable);
  }
}

}  // namespace

TEST_CASE("a datagram goes out whole, and each answer comes in by itself") {
  Fixture fixture;
  Platform& platform = fixture.platform();
  DatagramPlan plan;
  plan.answers = {"first", "the second"};
  const Socket socket = Open(platform, fixture.DatagramListen(plan));
  const ConstPart parts[] = {{"que", 3}, {nullptr, 0}, {"stion", 5}};
  const IoResult written = SocketWrite(platform, socket, parts, 3);
  CHECK(written.ok());
  CHECK(written.count == 8);
  CHECK(Take(platform, socket) == "first");
  CHECK(Take(platform, socket) == "the second");
  CHECK(fixture.PeerReceived() == "[question]");
  std::string text;
  CHECK(Read(platform, socket, &text).error == EAGAIN);
  CHECK(IsQuiet(platform));
  REQUIRE(Write(platform, socket, "again").ok());
  CHECK(Take(platform, socket) == "first");
  CHECK(fixture.PeerReceived() == "[question][again]");
  SocketClose(platform, socket);
}

TEST_CASE("what of a datagram has no room is lost, and the next is whole") {
  Fixture fixture;
  Platform& platform = fixture.platform();
  DatagramPlan plan;
  plan.answers = {"0123456789", "next"};
  const Socket socket = Open(platform, fixture.DatagramListen(plan));
  REQUIRE(Write(platform, socket, "x").ok());
  CHECK(Take(platform, socket, 4) == "0123");
  CHECK(Take(platform, socket, 4) == "next");
  SocketClose(platform, socket);
}

TEST_CASE("datagrams over IPv6") {
  Fixture fixture;
  Platform& platform = fixture.platform();
  DatagramPlan plan;
  plan.answers = {"hello"};
  plan.is_ipv6 = true;
  const Address address = fixture.DatagramListen(plan);
  if (address.port == 0) return;
  const Socket socket = Open(platform, address);
  REQUIRE(Write(platform, socket, "x").ok());
  CHECK(Take(platform, socket) == "hello");
  SocketClose(platform, socket);
}

TEST_CASE("what another than the peer sends doesn't arrive") {
  Fixture fixture;
  Platform& platform = fixture.platform();
  DatagramPlan plan;
  plan.answers = {"the peer"};
  plan.has_stranger = true;
  const Socket socket = Open(platform, fixture.DatagramListen(plan));
  REQUIRE(Write(platform, socket, "x").ok());
  CHECK(Take(platform, socket) == "the peer");
  CHECK(IsQuiet(platform));
  SocketClose(platform, socket);
}

TEST_CASE("a datagram socket is watched for nothing until it is, and can be written at once") {
  Fixture fixture;
  Platform& platform = fixture.platform();
  DatagramPlan plan;
  plan.answers = {"hello"};
  const Socket socket = Open(platform, fixture.DatagramListen(plan));
  CHECK(IsQuiet(platform));
  REQUIRE(SocketWatch(platform, socket, false, true).ok());
  CHECK(Await(platform, socket).writable);
  REQUIRE(SocketWatch(platform, socket, true, false).ok());
  CHECK(IsQuiet(platform));
  REQUIRE(Write(platform, socket, "x").ok());
  CHECK(Await(platform, socket).readable);
  CHECK(Await(platform, socket).readable);  // level-triggered
  SocketClose(platform, socket);
  CHECK(IsQuiet(platform));
}

TEST_CASE("a peer that isn't there refuses, once a datagram, and the socket stays good") {
  Fixture fixture;
  Platform& platform = fixture.platform();
  const Socket socket = Open(platform, fixture.DatagramAbsent());
  REQUIRE(SocketWatch(platform, socket, true, false).ok());
  std::string text;
  for (int turn = 0; turn < 3; ++turn) {
    REQUIRE(Write(platform, socket, "x").ok());
    const Event event = Await(platform, socket);
    CHECK(event.readable);
    CHECK(event.writable);
    CHECK(Read(platform, socket, &text).error == ECONNREFUSED);
    CHECK(Read(platform, socket, &text).error == EAGAIN);
  }
  REQUIRE(Write(platform, socket, "x").ok());
  Await(platform, socket);
  CHECK(Write(platform, socket, "x").error == ECONNREFUSED);
  SocketClose(platform, socket);
}

TEST_CASE("a datagram socket used after its close is misuse") {
  CHECK(Fixture::Traps([] {
    Fixture fixture;
    const Socket socket = Open(fixture.platform(), fixture.DatagramAbsent());
    SocketClose(fixture.platform(), socket);
    static_cast<void>(Write(fixture.platform(), socket, "x"));
  }));
}
