// The connection on the simulated platform: what it does in time, and how few verbs it needs.
#include "agent/http/connection.h"

#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "agent/limits.h"
#include "doctest.h"
#include "platform/sim/name_server.h"
#include "platform/sim/server.h"
#include "platform/sim/world.h"
#include "tests/unit/stops.h"

namespace miagent {
namespace {

constexpr const char* kRequest = "GET /token HTTP/1.1\r\nHost: x\r\n\r\n";
constexpr const char* kGoodAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n{\"a\":12}";
constexpr const char* kClosingAnswer =
    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 8\r\n\r\n{\"a\":12}";

// What the server does to each request, one after the other; the last one stays.
struct Play {
  std::vector<SimAnswering> scenes;
  size_t index = 0;
};

void PlayNext(void* context, SimExchange& exchange) {
  Play& play = *static_cast<Play*>(context);
  const SimAnswering scene = play.scenes[play.index];
  if (play.index + 1 < play.scenes.size()) ++play.index;
  scene(nullptr, exchange);
}

void Good(void*, SimExchange& exchange) { SimSend(exchange, kGoodAnswer); }
void GoodThenEnd(void*, SimExchange& exchange) {
  SimSend(exchange, kGoodAnswer);
  SimEnd(exchange);
}
void GoodThenEndLater(void*, SimExchange& exchange) {
  SimSend(exchange, kGoodAnswer);
  SimDelay(exchange, Seconds(60));
  SimEnd(exchange);
}
void Closing(void*, SimExchange& exchange) {
  SimSend(exchange, kClosingAnswer);
  SimEnd(exchange);
}
void UntilEnd(void*, SimExchange& exchange) {
  SimSend(exchange, "HTTP/1.1 200 OK\r\n\r\n{\"a\":12}");
  SimEnd(exchange);
}
void Dribble(void*, SimExchange& exchange) {
  SimCut(exchange, 1, Milliseconds(900));
  SimSend(exchange, kGoodAnswer);
}
void Slow(void*, SimExchange& exchange) {
  SimCut(exchange, 1, Milliseconds(10));
  SimSend(exchange, kGoodAnswer);
}
void Silent(void*, SimExchange&) {}
void End(void*, SimExchange& exchange) { SimEnd(exchange); }
void Reset(void*, SimExchange& exchange) { SimReset(exchange); }
void Half(void*, SimExchange& exchange) {
  SimSend(exchange, "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n{\"a");
  SimEnd(exchange);
}
void HalfReset(void*, SimExchange& exchange) {
  SimSend(exchange, "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n{\"a");
  SimDelay(exchange, Milliseconds(10));
  SimReset(exchange);
}
void OneByteThenReset(void*, SimExchange& exchange) {
  SimSend(exchange, "H");
  SimDelay(exchange, Milliseconds(10));
  SimReset(exchange);
}
void Garbage(void*, SimExchange& exchange) { SimSend(exchange, "SSH-2.0-x\r\n"); }
void Trailing(void*, SimExchange& exchange) { SimSend(exchange, std::string(kGoodAnswer) + "x"); }
void Large(void*, SimExchange& exchange) {
  SimCut(exchange, 1448, Milliseconds(1));
  SimSend(exchange, "HTTP/1.1 200 OK\r\nContent-Length: 32768\r\n\r\n" + std::string(32768, 'x'));
}
void UnaskedLater(void*, SimExchange& exchange) {
  SimSend(exchange, kGoodAnswer);
  SimDelay(exchange, Seconds(60));
  SimSend(exchange, "HTTP/1.1 408 Request Timeout\r\n\r\n");
  SimEnd(exchange);
}

struct World {
  std::unique_ptr<Platform> platform{new Platform};
  std::unique_ptr<char[]> slot{new char[kSlotSize]};
  Connection connection;
  Address address = SimAddress(169, 254, 169, 254, 80);
  Play play;
  SimServer* server = nullptr;
  std::string request = kRequest;

  explicit World(std::vector<SimAnswering> scenes) {
    SimStart(*platform, 1);
    play.scenes = std::move(scenes);
    server = &SimServerAdd(*platform, address, PlayNext, &play);
  }
  ~World() {
    ConnectionClose(connection, *platform);
    CHECK(platform->open_handle_count == 0);
  }

  // Turns the loop until the exchange is over, as the agent does.
  ExchangeState Turn(ExchangeState state) {
    for (int turn = 0; !state.finished; ++turn) {
      REQUIRE(turn < 10000);
      Event events[kEventCountMax];
      const size_t count =
          Wait(*platform, ExchangeNextDeadline(connection), events, kEventCountMax);
      for (size_t index = 0; index < count && !state.finished; ++index) {
        state = ExchangeOnEvent(connection, *platform, events[index]);
      }
      if (!state.finished) {
        state = ExchangeOnDeadline(connection, *platform, ClockBoot(*platform));
      }
    }
    return state;
  }

  ExchangePlan Plan(Instant deadline) {
    ExchangePlan plan;
    plan.address = address;
    plan.request[0] = {request.data(), request.size()};
    plan.request_part_count = 1;
    plan.slot = {slot.get(), kSlotSize};
    plan.deadline = deadline;
    return plan;
  }

  ExchangeState Begin(const ExchangePlan& plan) {
    return ExchangeBegin(connection, *platform, plan);
  }

  Status Exchange(Duration timeout = Seconds(10)) {
    return Turn(Begin(Plan(ClockBoot(*platform) + timeout))).status;
  }

  // Lets events come while no exchange is under way.
  void Idle(Duration duration) {
    const Instant until = ClockBoot(*platform) + duration;
    for (int turn = 0; ClockBoot(*platform) < until; ++turn) {
      REQUIRE(turn < 100);
      Event events[kEventCountMax];
      const size_t count = Wait(*platform, until, events, kEventCountMax);
      for (size_t index = 0; index < count; ++index) {
        CHECK_FALSE(ExchangeOnEvent(connection, *platform, events[index]).finished);
      }
    }
  }

  std::string_view Body() { return ResponseText(connection.reader, connection.reader.body); }
  uint64_t Count(Verb verb) { return SimVerbCount(*platform, verb); }
};

TEST_CASE("an exchange, and the next on the kept connection") {
  World world({Good});
  REQUIRE(world.Exchange().ok());
  CHECK(world.connection.reader.http_status == 200);
  CHECK(world.Body() == "{\"a\":12}");
  CHECK(world.connection.phase == ConnectionPhase::kKept);
  CHECK(world.connection.opened_count == 1);
  CHECK_FALSE(world.connection.is_reused);
  REQUIRE(world.Exchange().ok());
  CHECK(world.Body() == "{\"a\":12}");
  CHECK(world.connection.opened_count == 1);
  CHECK(world.connection.is_reused);
  CHECK(world.server->connection_count == 1);
  CHECK(world.server->request_count == 2);
}

TEST_CASE("without a TLS engine, nothing is sent to an endpoint that needs one") {
  World world({Good});
  TlsTrust trust;
  REQUIRE(TlsTrustBundle("host", "", &trust));
  ExchangePlan plan = world.Plan(kInstantNever);
  plan.trust = &trust;
  const ExchangeState state = world.Begin(plan);
  CHECK(state.finished);
  CHECK(state.status.fault == Fault::kTlsMissing);
  CHECK(world.Count(Verb::kSocketWrite) == 0);
  CHECK(world.connection.phase == ConnectionPhase::kClosed);
  // A connection that was kept in plain isn't taken for a trusted one.
  REQUIRE(world.Exchange().ok());
  CHECK(world.Begin(plan).status.fault == Fault::kTlsMissing);
  CHECK(world.server->request_count == 1);
}

TEST_CASE("few verbs for a small answer") {
  World world({Good});
  REQUIRE(world.Exchange().ok());
  CHECK(world.Count(Verb::kSocketConnect) == 1);
  CHECK(world.Count(Verb::kSocketWrite) <= 2);  // the first may be too early
  CHECK(world.Count(Verb::kSocketWatch) <= 2);
  CHECK(world.Count(Verb::kSocketRead) == 1);
  CHECK(world.Count(Verb::kWait) <= 2);
  CHECK(world.Count(Verb::kSocketClose) == 0);
  const uint64_t write_count = world.Count(Verb::kSocketWrite);
  const uint64_t wait_count = world.Count(Verb::kWait);
  REQUIRE(world.Exchange().ok());
  CHECK(world.Count(Verb::kSocketWrite) == write_count + 1);
  CHECK(world.Count(Verb::kWait) == wait_count + 1);
  CHECK(world.Count(Verb::kSocketRead) == 2);
}

TEST_CASE("a connection that the server ends is not kept") {
  World world({Closing});
  REQUIRE(world.Exchange().ok());
  CHECK(world.connection.phase == ConnectionPhase::kClosed);
  REQUIRE(world.Exchange().ok());
  CHECK(world.connection.opened_count == 2);
}

TEST_CASE("a body that the end of the connection delimits") {
  World world({UntilEnd});
  REQUIRE(world.Exchange().ok());
  CHECK(world.Body() == "{\"a\":12}");
  CHECK(world.connection.phase == ConnectionPhase::kClosed);
}

TEST_CASE("a large answer, and one byte at a time") {
  World world({Large, Slow});
  REQUIRE(world.Exchange().ok());
  CHECK(world.Body() == std::string(32768, 'x'));
  CHECK(world.connection.reader.moved_size == 0);
  REQUIRE(world.Exchange().ok());
  CHECK(world.Body() == "{\"a\":12}");
}

TEST_CASE("short writes and short reads") {
  World world({Good});
  world.request = "GET /" + std::string(3000, 'p') + " HTTP/1.1\r\nHost: x\r\n\r\n";
  world.platform->socket_write_size_max = 7;
  world.platform->socket_read_size_max = 3;
  REQUIRE(world.Exchange().ok());
  CHECK(world.Body() == "{\"a\":12}");
  CHECK(world.Count(Verb::kSocketWrite) >= 3000 / 7);
}

TEST_CASE("a server that takes nothing is given until the deadline") {
  World world({Good});
  world.server->reads = false;
  world.server->window_size = 8;
  const Instant begin = ClockBoot(*world.platform);
  CHECK(world.Exchange().fault == Fault::kTimeout);
  CHECK(ClockBoot(*world.platform) == begin + Seconds(10));
}

TEST_CASE("one deadline for everything: connecting, dribbling, silence") {
  for (const SimAnswering scene : {SimAnswering{Dribble}, SimAnswering{Silent}}) {
    World world({scene});
    const Instant begin = ClockBoot(*world.platform);
    CHECK(world.Exchange(Seconds(5)).fault == Fault::kTimeout);
    CHECK(ClockBoot(*world.platform) == begin + Seconds(5));
    CHECK(world.connection.phase == ConnectionPhase::kClosed);
    CHECK(world.platform->open_handle_count == 0);
  }
  World world({Good});
  world.server->greeting = SimGreeting::kSilent;
  const Instant begin = ClockBoot(*world.platform);
  CHECK(world.Exchange(Seconds(5)).fault == Fault::kTimeout);
  CHECK(ClockBoot(*world.platform) == begin + Seconds(5));
}

TEST_CASE("a policy that forbids to connect is told from a server that is not there") {
  for (const int32_t error : {EACCES, EPERM, ENETUNREACH, EHOSTUNREACH}) {
    for (const SimGreeting greeting : {SimGreeting::kDeny, SimGreeting::kRefuse}) {
      World world({Good});
      world.server->greeting = greeting;
      world.server->greeting_error = error;
      const Status status = world.Exchange();
      CHECK(status.fault == Fault::kConnectForbidden);
      CHECK(status.detail == error);
    }
  }
  for (const int32_t error : {ECONNREFUSED, ETIMEDOUT, EMFILE}) {
    for (const SimGreeting greeting : {SimGreeting::kDeny, SimGreeting::kRefuse}) {
      World world({Good});
      world.server->greeting = greeting;
      world.server->greeting_error = error;
      const Status status = world.Exchange();
      CHECK(status.fault == Fault::kConnectFailed);
      CHECK(status.detail == error);
    }
  }
}

TEST_CASE("a connection that is lost after it came about") {
  for (const SimAnswering scene : {SimAnswering{End}, SimAnswering{Reset}, SimAnswering{Half},
                                   SimAnswering{HalfReset}, SimAnswering{OneByteThenReset}}) {
    World world({scene, Good});
    CHECK(world.Exchange().fault == Fault::kConnectionLost);
    CHECK(world.connection.opened_count == 1);  // a new connection is not tried twice
    CHECK(world.connection.phase == ConnectionPhase::kClosed);
    REQUIRE(world.Exchange().ok());
  }
  World world({Reset});
  CHECK(world.Exchange().detail == ECONNRESET);
}

TEST_CASE("a kept connection that fails before a byte of answer is opened anew, once") {
  for (const SimAnswering scene : {SimAnswering{End}, SimAnswering{Reset}}) {
    World world({Good, scene, Good});
    REQUIRE(world.Exchange().ok());
    REQUIRE(world.Exchange().ok());
    CHECK(world.Body() == "{\"a\":12}");
    CHECK(world.connection.opened_count == 2);
    CHECK_FALSE(world.connection.is_reused);
  }
  World world({Good, Reset, Reset, Good});
  REQUIRE(world.Exchange().ok());
  CHECK(world.Exchange().fault == Fault::kConnectionLost);
  CHECK(world.connection.opened_count == 2);
}

TEST_CASE("a kept connection that fails within the answer is lost") {
  for (const SimAnswering scene : {SimAnswering{Half}, SimAnswering{OneByteThenReset}}) {
    World world({Good, scene, Good});
    REQUIRE(world.Exchange().ok());
    CHECK(world.Exchange().fault == Fault::kConnectionLost);
    CHECK(world.connection.opened_count == 1);
  }
}

TEST_CASE("the second opening keeps the first deadline") {
  World world({Good, End, Silent});
  REQUIRE(world.Exchange().ok());
  const Instant begin = ClockBoot(*world.platform);
  CHECK(world.Exchange(Seconds(5)).fault == Fault::kTimeout);
  CHECK(ClockBoot(*world.platform) == begin + Seconds(5));
}

TEST_CASE("the second opening tells its own error") {
  World world({Good, End});
  REQUIRE(world.Exchange().ok());
  world.server->greeting = SimGreeting::kDeny;
  world.server->greeting_error = EACCES;
  const Status status = world.Exchange();
  CHECK(status.fault == Fault::kConnectForbidden);
  CHECK(status.detail == EACCES);
}

TEST_CASE("the end of a kept connection is noticed while idle") {
  for (const SimAnswering scene : {SimAnswering{GoodThenEndLater}, SimAnswering{UnaskedLater}}) {
    World world({scene, Good});
    REQUIRE(world.Exchange().ok());
    CHECK(world.connection.phase == ConnectionPhase::kKept);
    world.Idle(Seconds(120));
    CHECK(world.connection.phase == ConnectionPhase::kClosed);
    CHECK(world.platform->open_handle_count == 0);
    REQUIRE(world.Exchange().ok());
    CHECK_FALSE(world.connection.is_reused);
  }
}

TEST_CASE("an end right behind the answer costs the next exchange a new connection") {
  World world({GoodThenEnd, Good});
  REQUIRE(world.Exchange().ok());
  REQUIRE(world.Exchange().ok());
  CHECK(world.connection.opened_count == 2);
}

TEST_CASE("an answer that is no good closes the connection") {
  World world({Garbage, Trailing, Good});
  CHECK(world.Exchange().fault == Fault::kHttpSyntax);
  CHECK(world.connection.phase == ConnectionPhase::kClosed);
  CHECK(world.Exchange().fault == Fault::kHttpTrailingBytes);
  CHECK(world.connection.phase == ConnectionPhase::kClosed);
  REQUIRE(world.Exchange().ok());
}

TEST_CASE("another address gets another connection") {
  World world({Good});
  const Address first = world.address;
  Play play{{Good}};
  SimServerAdd(*world.platform, SimAddress(127, 0, 0, 1, 81), PlayNext, &play);
  REQUIRE(world.Exchange().ok());
  world.address = SimAddress(127, 0, 0, 1, 81);
  REQUIRE(world.Exchange().ok());
  CHECK(world.connection.opened_count == 2);
  CHECK(world.platform->open_handle_count == 1);
  REQUIRE(world.Exchange().ok());
  CHECK(world.connection.opened_count == 2);
  world.address = first;
  REQUIRE(world.Exchange().ok());
  CHECK(world.connection.opened_count == 3);
}

TEST_CASE("the same port on another host is another address, by either family") {
  World world({Good});
  Play play{{Good}};
  const Address second = SimAddress(169, 254, 169, 253, 80);
  Address third = world.address;  // its bytes, as the first of an IPv6 address
  third.is_ipv6 = true;
  SimServerAdd(*world.platform, second, PlayNext, &play);
  SimServerAdd(*world.platform, third, PlayNext, &play);
  uint32_t opened_count = 0;
  for (const Address& address : {world.address, second, third, world.address}) {
    world.address = address;
    REQUIRE(world.Exchange().ok());
    CHECK(world.connection.opened_count == ++opened_count);
    REQUIRE(world.Exchange().ok());
    CHECK(world.connection.opened_count == opened_count);
  }
}

TEST_CASE("events that are not this exchange's, and spurious ones, change nothing") {
  World world({Good});
  Event event;
  event.readable = event.writable = true;
  event.socket.handle = 77;
  CHECK_FALSE(ExchangeOnEvent(world.connection, *world.platform, event).finished);
  CHECK_FALSE(ExchangeOnDeadline(world.connection, *world.platform, {INT64_MAX}).finished);
  const ExchangeState state = world.Begin(world.Plan(Instant{} + Seconds(10)));
  REQUIRE_FALSE(state.finished);
  const ConnectionPhase phase = world.connection.phase;
  CHECK_FALSE(ExchangeOnEvent(world.connection, *world.platform, event).finished);
  CHECK_FALSE(ExchangeOnDeadline(world.connection, *world.platform, Instant{9999}).finished);
  CHECK(world.connection.phase == phase);
  event.socket = world.connection.socket;  // nothing is there yet
  CHECK_FALSE(ExchangeOnEvent(world.connection, *world.platform, event).finished);
  event.kind = EventKind::kSignal;
  CHECK_FALSE(ExchangeOnEvent(world.connection, *world.platform, event).finished);
  event.kind = EventKind::kSocket;
  while (world.connection.phase != ConnectionPhase::kReceiving) {
    Event sent;
    REQUIRE(Wait(*world.platform, world.connection.deadline, &sent, 1) == 1);
    REQUIRE_FALSE(ExchangeOnEvent(world.connection, *world.platform, sent).finished);
  }
  const uint64_t read_count = world.Count(Verb::kSocketRead);
  event.readable = false;  // it may be written to, which nobody wants any more
  CHECK_FALSE(ExchangeOnEvent(world.connection, *world.platform, event).finished);
  CHECK(world.Count(Verb::kSocketRead) == read_count);
  REQUIRE(world.Turn({}).status.ok());
}

// ---- a server with a name -------------------------------------------------------------------

constexpr const char* kName = "vault.example.com";

struct NamedWorld : World {
  std::unique_ptr<SimNameServer> names{new SimNameServer};

  explicit NamedWorld(std::vector<SimAnswering> scenes) : World(std::move(scenes)) {
    SimFileAdd(*platform, "/etc/resolv.conf", "nameserver 10.0.0.53\n", 0644);
    SimNameServerAdd(*platform, *names, SimAddress(10, 0, 0, 53, 0));
  }

  ExchangePlan NamedPlan(std::string_view name = kName) {
    ExchangePlan plan = Plan(ClockBoot(*platform) + Seconds(10));
    plan.host = name;
    plan.port = 80;
    return plan;
  }
};

TEST_CASE("a server's name is looked up, and kept with the connection") {
  NamedWorld world({Good});
  SimNameAddressAdd(*world.names, kName, world.address);
  SimNameAddressAdd(*world.names, "other.example.com", world.address);
  REQUIRE(world.Turn(world.Begin(world.NamedPlan())).status.ok());
  CHECK(world.Body() == "{\"a\":12}");
  const uint32_t query_count = world.names->query_count;
  REQUIRE(world.Turn(world.Begin(world.NamedPlan())).status.ok());
  CHECK(world.connection.is_reused);
  CHECK(world.names->query_count == query_count);
  // Neither the same address under another name, nor as a number, is the same server.
  REQUIRE(world.Turn(world.Begin(world.NamedPlan("other.example.com"))).status.ok());
  CHECK_FALSE(world.connection.is_reused);
  REQUIRE(world.Exchange().ok());
  CHECK_FALSE(world.connection.is_reused);
  CHECK(world.connection.opened_count == 3);
  // Nor is a number's connection a name's, nor one to another port.
  REQUIRE(world.Turn(world.Begin(world.NamedPlan())).status.ok());
  CHECK_FALSE(world.connection.is_reused);
  Play play{{Good}};
  Address elsewhere = world.address;
  elsewhere.port = 8080;
  SimServerAdd(*world.platform, elsewhere, PlayNext, &play);
  ExchangePlan plan = world.NamedPlan();
  plan.port = 8080;
  REQUIRE(world.Turn(world.Begin(plan)).status.ok());
  CHECK_FALSE(world.connection.is_reused);
  CHECK(world.connection.opened_count == 5);
}

TEST_CASE("a name's addresses are tried one after the other") {
  NamedWorld world({Good});
  SimNameAddressAdd(*world.names, kName, SimAddress(10, 9, 9, 9, 0));  // nobody is there
  SimNameAddressAdd(*world.names, kName, world.address);
  REQUIRE(world.Turn(world.Begin(world.NamedPlan())).status.ok());
  CHECK(world.connection.address_index == 1);
  CHECK(world.server->request_count == 1);
}

TEST_CASE("an address that can't even be begun with is passed over as one that refuses") {
  NamedWorld world({Good});
  const Address denied = SimAddress(10, 9, 9, 8, 80);
  SimServer& server = SimServerAdd(*world.platform, denied, PlayNext, &world.play);
  server.greeting = SimGreeting::kDeny;
  server.greeting_error = EACCES;
  SimNameAddressAdd(*world.names, kName, SimAddress(10, 9, 9, 9, 0));  // nobody is there
  SimNameAddressAdd(*world.names, kName, denied);
  SimNameAddressAdd(*world.names, kName, world.address);
  REQUIRE(world.Turn(world.Begin(world.NamedPlan())).status.ok());
  CHECK(world.connection.address_index == 2);
  CHECK(world.server->request_count == 1);
}

TEST_CASE("where no address connects, the name is looked up anew the next time") {
  NamedWorld world({Good});
  SimNameAddressAdd(*world.names, kName, SimAddress(10, 9, 9, 9, 0));
  const ExchangeState state = world.Turn(world.Begin(world.NamedPlan()));
  CHECK(state.status.fault == Fault::kConnectFailed);
  CHECK(world.platform->open_handle_count == 0);
  const uint32_t query_count = world.names->query_count;
  SimNameAddressAdd(*world.names, kName, world.address);
  REQUIRE(world.Turn(world.Begin(world.NamedPlan())).status.ok());
  CHECK(world.names->query_count > query_count);
}

TEST_CASE("a name that nobody knows, and a name server that is silent") {
  NamedWorld world({Good});
  CHECK(world.Turn(world.Begin(world.NamedPlan())).status.fault == Fault::kNameUnknown);
  CHECK(world.connection.phase == ConnectionPhase::kClosed);
  world.names->fault = SimNameFault::kSilence;
  const Instant begun_at = ClockBoot(*world.platform);
  CHECK_FALSE(world.Turn(world.Begin(world.NamedPlan())).status.ok());
  CHECK(ClockBoot(*world.platform) <= begun_at + Seconds(10));
  // Closed while it searches, it leaves nothing open.
  world.Begin(world.NamedPlan());
  ConnectionClose(world.connection, *world.platform);
  CHECK(world.platform->open_handle_count == 0);
}

// ---- requests in parts, answers in pieces ---------------------------------------------------

TEST_CASE("a request in parts arrives as one, however little is taken at a time") {
  static std::string arrived;
  const auto echo = [](void*, SimExchange& exchange) {
    arrived = std::string(exchange.request);
    SimSend(exchange, kGoodAnswer);
  };
  World world({echo});
  const std::string body(9000, 'b');
  const std::string head = "POST / HTTP/1.1\r\nContent-Length: 9000\r\nAuthorization: Bearer ";
  ExchangePlan plan = world.Plan(Instant{} + Seconds(10));
  plan.request[0] = {head.data(), head.size()};
  plan.request[1] = {"token", 5};
  plan.request[2] = {"\r\n\r\n", 4};
  plan.request[3] = {body.data(), body.size()};
  plan.request_part_count = 4;
  REQUIRE(world.Turn(world.Begin(plan)).status.ok());
  CHECK(arrived == head + "token\r\n\r\n" + body);
}

struct Taken {
  std::string bytes;
  Status answer;
};

BodySink SinkOf(Taken& taken) {
  return {&taken, [](void* context, std::string_view piece) {
            static_cast<Taken*>(context)->bytes += piece;
            return static_cast<Taken*>(context)->answer;
          }};
}

TEST_CASE("a body of any size goes to the sink, in the room of one slot") {
  for (const bool is_chunked : {false, true}) {
    CAPTURE(is_chunked);
    static std::string answer;
    const std::string piece(60000, 'p');
    answer = is_chunked ? "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nea60\r\n" + piece +
                              "\r\n9c40\r\n" + std::string(40000, 'q') + "\r\n0\r\n\r\n"
                        : "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + piece +
                              std::string(40000, 'q');
    World world({[](void*, SimExchange& exchange) { SimSend(exchange, answer); }});
    Taken taken;
    ExchangePlan plan = world.Plan(Instant{} + Seconds(10));
    plan.sink = SinkOf(taken);
    REQUIRE(world.Turn(world.Begin(plan)).status.ok());
    CHECK(taken.bytes == piece + std::string(40000, 'q'));
    CHECK(world.connection.reader.touched_size <= kSlotSize);
    CHECK(world.connection.phase == ConnectionPhase::kKept);
  }
}

TEST_CASE("a sink that takes no more ends the exchange; an error's body stays in the slot") {
  World world({Good, [](void*, SimExchange& exchange) {
                 SimSend(exchange, "HTTP/1.1 404 No\r\nContent-Length: 5\r\n\r\nerror");
               }});
  Taken taken;
  taken.answer = {Fault::kOutputWrite, EPIPE};
  ExchangePlan plan = world.Plan(Instant{} + Seconds(10));
  plan.sink = SinkOf(taken);
  CHECK(world.Turn(world.Begin(plan)).status.fault == Fault::kOutputWrite);
  CHECK(world.platform->open_handle_count == 0);
  taken = Taken{};
  REQUIRE(world.Turn(world.Begin(plan)).status.ok());
  CHECK(world.Body() == "error");
  CHECK(taken.bytes.empty());
}

TEST_CASE("the answer to a HEAD has a length and no body") {
  World world({[](void*, SimExchange& exchange) {
    SimSend(exchange, "HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n");
  }});
  ExchangePlan plan = world.Plan(Instant{} + Seconds(10));
  plan.is_head_only = true;
  REQUIRE(world.Turn(world.Begin(plan)).status.ok());
  CHECK(world.Body().empty());
  CHECK(world.connection.phase == ConnectionPhase::kKept);
}

TEST_CASE("every verb may fail, and no socket is left open") {
  for (const Verb verb :
       {Verb::kSocketConnect, Verb::kSocketWatch, Verb::kSocketRead, Verb::kSocketWrite}) {
    for (uint32_t skip = 0; skip < 4; ++skip) {
      CAPTURE(static_cast<int>(verb));
      CAPTURE(skip);
      World world({Good});
      const SimFault* fault = SimFail(*world.platform, verb, EIO, skip, 1);
      const Status first = world.Exchange();
      if (!first.ok()) {
        CHECK(first.detail == EIO);
        CHECK(world.platform->open_handle_count == 0);
      }
      // On the kept connection a failure costs only a new connection.
      if (first.ok()) CHECK(world.Exchange().ok());
      CHECK(world.Exchange().ok());
      CHECK(fault->fired_count <= 1);
    }
  }
}

TEST_CASE("two exchanges at once are a mistake") {
  World world({Good});
  world.Begin(world.Plan(Instant{} + Seconds(10)));
  CHECK_STOPS(world.Begin(world.Plan(Instant{} + Seconds(10))));
  REQUIRE(world.Turn({}).status.ok());
}

}  // namespace
}  // namespace miagent
