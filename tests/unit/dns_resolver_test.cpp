// The resolver on the simulated platform, against simulated name servers.
#include "agent/dns/resolver.h"

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "doctest.h"
#include "platform/sim/name_server.h"
#include "platform/sim/world.h"
#include "tests/unit/stops.h"

namespace miagent {
namespace {

constexpr const char* kName = "vault.example.com";

Address Ip(uint8_t last) { return SimAddress(10, 0, 0, last, 0); }

Address Ip6(uint8_t last) {
  Address address;
  address.is_ipv6 = true;
  address.bytes[0] = 0xFD;
  address.bytes[15] = last;
  return address;
}

struct World {
  std::unique_ptr<Platform> platform{new Platform};
  std::unique_ptr<SimNameServer[]> servers{new SimNameServer[3]};
  std::unique_ptr<Resolver> resolver{new Resolver};
  Instant begun_at;

  // With that many name servers, of which each knows kName.
  explicit World(uint32_t server_count = 1, const std::string& more = "") {
    SimStart(*platform, 1);
    std::string config = more;
    for (uint32_t index = 0; index < server_count; ++index) {
      const auto last = static_cast<uint8_t>(50 + index);
      SimNameServerAdd(*platform, servers[index], Ip(last));
      SimNameAddressAdd(servers[index], kName, Ip(1));
      SimNameAddressAdd(servers[index], kName, Ip6(1));
      config += "nameserver 10.0.0." + std::to_string(last) + "\n";
    }
    Configure(config);
  }
  ~World() {
    ResolverClose(*resolver, *platform);
    CHECK(platform->open_handle_count == 0);
  }

  void Configure(const std::string& text) { SimFileAdd(*platform, "/etc/resolv.conf", text, 0644); }

  SimNameServer& server(uint32_t index = 0) { return servers[index]; }

  // Turns the loop until the search is over, as the agent does.
  Status Turn(ResolveState state) {
    for (int turn = 0; !state.finished; ++turn) {
      REQUIRE(turn < 10000);
      const Instant next = ResolverNextDeadline(*resolver);
      REQUIRE(next != kInstantNever);
      Event events[4];
      const size_t count = Wait(*platform, next, events, 4);
      for (size_t index = 0; index < count && !state.finished; ++index) {
        state = ResolverOnEvent(*resolver, *platform, events[index]);
      }
      if (!state.finished) state = ResolverOnDeadline(*resolver, *platform, ClockBoot(*platform));
    }
    CHECK(ResolverNextDeadline(*resolver) == kInstantNever);
    CHECK(platform->open_handle_count == 0);
    CHECK(state.status.ok() == (resolver->answer.count > 0));
    return state.status;
  }

  Status Resolve(std::string_view name = kName, Duration timeout = Seconds(60)) {
    begun_at = ClockBoot(*platform);
    return Turn(ResolverBegin(*resolver, *platform, name, 443, begun_at + timeout));
  }

  Fault Failure(std::string_view name = kName, Duration timeout = Seconds(60)) {
    return Resolve(name, timeout).fault;
  }

  Duration taken() const { return platform->now - begun_at; }

  // The answer's addresses, each with its family and last byte.
  std::string Answer() const {
    std::string text;
    for (uint32_t index = 0; index < resolver->answer.count; ++index) {
      const Address& address = resolver->answer.items[index];
      CHECK(address.port == 443);
      text += address.is_ipv6 ? "6:" : "4:";
      text += std::to_string(address.bytes[address.is_ipv6 ? 15 : 3]) + " ";
    }
    return text;
  }

  // What a server was asked: "A name", "T" before it for TCP.
  std::string Asked(uint32_t index = 0) const {
    std::string text;
    const SimNameServer& asked = servers[index];
    for (uint32_t query = 0; query < asked.query_count; ++query) {
      REQUIRE(query < kSimNameQueryCountMax);
      text += asked.queries[query].is_stream ? "T" : "";
      text += asked.queries[query].type == 1 ? "A " : "AAAA ";
      text += std::string(asked.queries[query].name) + "|";
    }
    return text;
  }
};

TEST_CASE("resolver: both families, IPv4 first") {
  World world;
  REQUIRE(world.Resolve().ok());
  CHECK(world.Answer() == "4:1 6:1 ");
  CHECK(world.Asked() == "A vault.example.com|AAAA vault.example.com|");
  CHECK(world.taken() < Seconds(1));
}

TEST_CASE("resolver: one family alone") {
  World world;
  SimNameAddressAdd(world.server(), "four.example.com", Ip(4));
  SimNameAddressAdd(world.server(), "six.example.com", Ip6(6));
  REQUIRE(world.Resolve("four.example.com").ok());
  CHECK(world.Answer() == "4:4 ");
  REQUIRE(world.Resolve("SIX.example.com").ok());
  CHECK(world.Answer() == "6:6 ");
}

TEST_CASE("resolver: ids and ports are new for each question") {
  World world;
  std::set<uint16_t> ids;
  for (int round = 0; round < 30; ++round) {
    ResolverForget(*world.resolver);
    REQUIRE(world.Resolve().ok());
  }
  CHECK(world.server().query_count == 60);
  for (const SimNameQuery& query : world.server().queries) ids.insert(query.id);
  CHECK(ids.size() > 55);
  CHECK(SimVerbCount(*world.platform, Verb::kDatagramOpen) == 60);
  CHECK(world.resolver->query_count == 60);
}

TEST_CASE("resolver: a numeric name needs no server") {
  World world(0);
  REQUIRE(world.Resolve("192.0.2.7").ok());
  CHECK(world.Answer() == "4:7 ");
  REQUIRE(world.Resolve("fd00::9").ok());
  CHECK(world.Answer() == "6:9 ");
  CHECK(SimVerbCount(*world.platform, Verb::kDatagramOpen) == 0);
  CHECK(SimVerbCount(*world.platform, Verb::kFileOpen) == 0);
}

TEST_CASE("resolver: localhost is this machine, whatever the files say") {
  World world(0);
  SimFileAdd(*world.platform, "/etc/hosts", "10.0.0.66 localhost app.localhost\n", 0644);
  for (const char* name : {"localhost", "LOCALHOST.", "app.localhost"}) {
    REQUIRE(world.Resolve(name).ok());
    CHECK(world.Answer() == "4:1 6:1 ");
    CHECK(world.resolver->answer.items[0].bytes[0] == 127);
  }
  CHECK(SimVerbCount(*world.platform, Verb::kDatagramOpen) == 0);
  CHECK(world.Failure("notlocalhost") == Fault::kNameServerSilent);
}

TEST_CASE("resolver: /etc/hosts comes first, and its change is seen") {
  World world;
  std::string text(20'000, '#');
  text += "\n10.0.0.9 other Vault.example.com\n";
  SimFileAdd(*world.platform, "/etc/hosts", text, 0644);
  REQUIRE(world.Resolve().ok());
  CHECK(world.Answer() == "4:9 ");
  REQUIRE(world.Resolve("vault.example.com.").ok());
  CHECK(world.Answer() == "4:9 ");
  CHECK(world.server().query_count == 0);
  SimFileAdd(*world.platform, "/etc/hosts", "", 0644);
  SimPass(*world.platform, kDnsTtlMin);
  REQUIRE(world.Resolve("vault.example.com.").ok());
  CHECK(world.Answer() == "4:1 6:1 ");
}

TEST_CASE("resolver: without resolv.conf the server on this machine is asked") {
  World world(0);
  SimFileFind(*world.platform, "/etc/resolv.conf")->is_named = false;
  SimNameServerAdd(*world.platform, world.server(), SimAddress(127, 0, 0, 1, 0));
  SimNameAddressAdd(world.server(), kName, Ip(3));
  REQUIRE(world.Resolve().ok());
  CHECK(world.Answer() == "4:3 ");
}

TEST_CASE("resolver: what no host can be called isn't asked for") {
  World world;
  for (const char* name : {"", ".", "a..b", "-a", "10.0.0.256", "a b", "a/b", "[::1]"}) {
    CHECK(world.Failure(name) == Fault::kNameSyntax);
  }
  CHECK(world.server().query_count == 0);
}

TEST_CASE("resolver: no such name, no address, failed, refused, silent, malformed") {
  World world;
  SimNameEmptyAdd(world.server(), "empty.example.com");
  CHECK(world.Failure("nobody.example.com") == Fault::kNameUnknown);
  CHECK(world.Asked() == "A nobody.example.com|");
  CHECK(world.Failure("empty.example.com") == Fault::kNameNoAddress);
  CHECK(world.Failure("nobody.example.com") == Fault::kNameUnknown);
  const std::map<SimNameFault, Fault> wanted = {
      {SimNameFault::kSilence, Fault::kNameServerSilent},
      {SimNameFault::kServerFailure, Fault::kNameServerFailed},
      {SimNameFault::kServerFailureBare, Fault::kNameServerFailed},
      {SimNameFault::kNotImplemented, Fault::kNameServerFailed},
      {SimNameFault::kRefused, Fault::kNameServerRefused},
      {SimNameFault::kReferral, Fault::kNameServerRefused},
      {SimNameFault::kWrongId, Fault::kNameMalformed},
      {SimNameFault::kWrongQuestion, Fault::kNameMalformed},
      {SimNameFault::kWrongType, Fault::kNameMalformed},
      {SimNameFault::kNoAnswerBit, Fault::kNameMalformed},
      {SimNameFault::kFlood, Fault::kNameMalformed},
      {SimNameFault::kGarbage, Fault::kNameMalformed},
      {SimNameFault::kEmpty, Fault::kNameMalformed},
      {SimNameFault::kCut, Fault::kNameMalformed},
      {SimNameFault::kPointerLoop, Fault::kNameMalformed},
      {SimNameFault::kWrongSize, Fault::kNameMalformed},
  };
  for (const auto& row : wanted) {
    CAPTURE(static_cast<int>(row.first));
    World faulty;
    faulty.server().fault = row.first;
    CHECK(faulty.Failure() == row.second);
    CHECK(faulty.server().query_count == kDnsAttemptCountDefault);
    faulty.server().fault = SimNameFault::kNone;
    CHECK(faulty.Resolve().ok());
  }
}

TEST_CASE("resolver: of several servers' failures the last one is told") {
  const auto failure = [](SimNameFault first, SimNameFault second) {
    World world(2, "options attempts:1\n");
    world.server(0).fault = first;
    world.server(1).fault = second;
    return world.Failure();
  };
  CHECK(failure(SimNameFault::kWrongId, SimNameFault::kSilence) == Fault::kNameServerSilent);
  CHECK(failure(SimNameFault::kSilence, SimNameFault::kWrongId) == Fault::kNameMalformed);
  CHECK(failure(SimNameFault::kRefused, SimNameFault::kServerFailure) == Fault::kNameServerFailed);
}

TEST_CASE("resolver: a fault of one answer is mended by the next try") {
  for (const SimNameFault fault :
       {SimNameFault::kSilence, SimNameFault::kServerFailure, SimNameFault::kRefused,
        SimNameFault::kWrongId, SimNameFault::kGarbage, SimNameFault::kCut, SimNameFault::kFlood}) {
    for (const uint32_t server_count : {1, 2, 3}) {
      CAPTURE(static_cast<int>(fault));
      CAPTURE(server_count);
      World world(server_count);
      world.server().fault = fault;
      world.server().fault_count = 1;
      REQUIRE(world.Resolve().ok());
      CHECK(world.Answer() == "4:1 6:1 ");
      // The server that answered is asked on.
      const uint32_t last = server_count > 1 ? 1 : 0;
      CHECK(world.server(0).query_count == (last == 0 ? 3 : 1));
      CHECK(world.server(last).query_count == (last == 0 ? 3 : 2));
    }
  }
}

TEST_CASE("resolver: strangers' answers are passed over") {
  World world;
  world.server().fault = SimNameFault::kStrangersThenRight;
  REQUIRE(world.Resolve().ok());
  CHECK(world.Answer() == "4:1 6:1 ");
  CHECK(world.server().query_count == 2);
  world.server().fault = SimNameFault::kFlood;
  world.Failure("x.example.com");
  CHECK(world.taken() < Seconds(1));  // given up, not waited for
}

TEST_CASE("resolver: timeout, attempts and servers in turn") {
  World world(3, "options timeout:2 attempts:3\n");
  for (uint32_t index = 0; index < 3; ++index) world.server(index).fault = SimNameFault::kSilence;
  CHECK(world.Failure() == Fault::kNameServerSilent);
  CHECK(world.taken() == Seconds(18));
  for (uint32_t index = 0; index < 3; ++index) {
    REQUIRE(world.server(index).query_count == 3);
    for (uint32_t query = 0; query < 3; ++query) {
      const Duration wanted = Seconds(2 * (index + 3 * query)) + Milliseconds(1);
      CHECK(world.server(index).queries[query].at - world.begun_at == wanted);
    }
  }
}

TEST_CASE("resolver: the caller's deadline is the end") {
  World world(3);
  for (uint32_t index = 0; index < 3; ++index) world.server(index).fault = SimNameFault::kSilence;
  CHECK(world.Failure(kName, Seconds(7)) == Fault::kNameServerSilent);
  CHECK(world.taken() == Seconds(7));
  CHECK(world.Failure(kName, Seconds(0)) == Fault::kNameServerSilent);
  CHECK(world.taken() == Seconds(0));
  world.server().fault = SimNameFault::kGarbage;
  CHECK(world.Failure(kName, Seconds(3)) == Fault::kNameMalformed);
}

TEST_CASE("resolver: a server that isn't there is known at once") {
  World world(0);
  CHECK(world.Resolve().detail == ECONNREFUSED);
  CHECK(world.taken() < Seconds(1));
  world.platform->unreachable_error = ENETUNREACH;
  const Status status = world.Resolve();
  CHECK(status.fault == Fault::kNameServerSilent);
  CHECK(status.detail == ENETUNREACH);
  CHECK(world.taken() == Seconds(0));
  World second(1, "nameserver 10.0.0.99\n");
  REQUIRE(second.Resolve().ok());
  CHECK(second.taken() < Seconds(1));
}

TEST_CASE("resolver: IPv6 isn't waited for long where there is IPv4") {
  for (const SimNameFault fault :
       {SimNameFault::kSilence, SimNameFault::kServerFailure, SimNameFault::kGarbage}) {
    World world(2);
    world.server().fault = fault;
    world.server().fault_type = 28;
    REQUIRE(world.Resolve().ok());
    CHECK(world.Answer() == "4:1 ");
    CHECK(world.taken() <= kDnsExtraTimeout + Milliseconds(10));
    CHECK(world.server(1).query_count == 0);
  }
  World world;  // the deadline comes meanwhile
  world.server().fault = SimNameFault::kSilence;
  world.server().fault_type = 28;
  REQUIRE(world.Resolve(kName, Milliseconds(500)).ok());
  CHECK(world.Answer() == "4:1 ");
}

TEST_CASE("resolver: no address of the one type is no end to the other") {
  World world;
  SimNameAddressAdd(world.server(), "six.example.com", Ip6(6));
  world.server().fault = SimNameFault::kSilence;
  world.server().fault_type = 28;
  world.server().fault_count = 1;
  REQUIRE(world.Resolve("six.example.com").ok());
  CHECK(world.Answer() == "6:6 ");
}

TEST_CASE("resolver: what doesn't fit is asked for over TCP") {
  World world;
  for (uint8_t last = 1; last <= 40; ++last) {
    SimNameAddressAdd(world.server(), "many.example.com", Ip(last));
  }
  REQUIRE(world.Resolve("many.example.com").ok());
  CHECK(world.Answer() == "4:1 4:2 4:3 4:4 ");
  CHECK(world.Asked() == "A many.example.com|TA many.example.com|AAAA many.example.com|");
  CHECK(world.server().queries[0].id != world.server().queries[1].id);
}

TEST_CASE("resolver: TCP in pieces") {
  World world;
  world.server().datagram_size_max = 20;
  world.platform->socket_read_size_max = 1;
  world.platform->socket_write_size_max = 1;
  REQUIRE(world.Resolve().ok());
  CHECK(world.Answer() == "4:1 6:1 ");
}

TEST_CASE("resolver: faults over TCP") {
  const std::map<SimNameFault, Fault> wanted = {
      {SimNameFault::kSilence, Fault::kNameServerSilent},
      {SimNameFault::kEnd, Fault::kNameServerSilent},
      {SimNameFault::kServerFailure, Fault::kNameServerFailed},
      {SimNameFault::kRefused, Fault::kNameServerRefused},
      {SimNameFault::kTruncated, Fault::kNameMalformed},
      {SimNameFault::kWrongId, Fault::kNameMalformed},
      {SimNameFault::kWrongQuestion, Fault::kNameMalformed},
      {SimNameFault::kGarbage, Fault::kNameMalformed},
      {SimNameFault::kEmpty, Fault::kNameMalformed},
      {SimNameFault::kCut, Fault::kNameMalformed},
      {SimNameFault::kPointerLoop, Fault::kNameMalformed},
      {SimNameFault::kHugeSize, Fault::kNameMalformed},
  };
  for (const auto& row : wanted) {
    CAPTURE(static_cast<int>(row.first));
    World world;
    world.server().datagram_size_max = 20;
    world.server().stream_fault = row.first;
    CHECK(world.Failure() == row.second);
    CHECK(world.server().query_count == 4);
    // What is wrong is wrong at once: nobody else can speak there.
    if (row.first != SimNameFault::kSilence && row.first != SimNameFault::kCut) {
      CHECK(world.taken() < Seconds(1));
    }
    world.server().stream_fault = SimNameFault::kNone;
    CHECK(world.Resolve().ok());
  }
}

TEST_CASE("resolver: no TCP at that server, and at another") {
  World world(2);
  world.server(0).datagram_size_max = 20;
  world.platform->servers[1].greeting = SimGreeting::kRefuse;
  REQUIRE(world.Resolve().ok());
  CHECK(world.Answer() == "4:1 6:1 ");
  CHECK(world.server(1).query_count == 2);
  World second(1);
  second.server(0).datagram_size_max = 20;
  second.platform->servers[1].greeting = SimGreeting::kDeny;
  second.platform->servers[1].greeting_error = EACCES;
  CHECK(second.Resolve().detail == EACCES);
}

TEST_CASE("resolver: aliases within the answer and by asking on") {
  for (const uint32_t step_max : {16, 0, 1}) {
    CAPTURE(step_max);
    World world;
    SimNameAliasAdd(world.server(), "a.example.com", "b.example.org");
    SimNameAliasAdd(world.server(), "b.example.org", "c.example.net");
    SimNameAliasAdd(world.server(), "c.example.net", kName);
    world.server().alias_step_max = step_max;
    world.server().has_soa = false;
    // With 0 the server tells of no alias: an alias counts as a name without addresses.
    const Status status = world.Resolve("a.example.com");
    if (step_max == 0) {
      CHECK(status.fault == Fault::kNameNoAddress);
      continue;
    }
    REQUIRE(status.ok());
    CHECK(world.Answer() == "4:1 6:1 ");
    if (step_max == 1) {
      CHECK(world.Asked() ==
            "A a.example.com|A b.example.org|A c.example.net|"
            "AAAA a.example.com|AAAA b.example.org|AAAA c.example.net|");
    }
  }
}

TEST_CASE("resolver: an alias of nothing, and circles") {
  World world;
  SimNameAliasAdd(world.server(), "dangling.example.com", "gone.example.com");
  SimNameAliasAdd(world.server(), "self.example.com", "self.example.com");
  SimNameAliasAdd(world.server(), "x.example.com", "y.example.com");
  SimNameAliasAdd(world.server(), "y.example.com", "x.example.com");
  CHECK(world.Failure("dangling.example.com") == Fault::kNameUnknown);
  CHECK(world.Failure("self.example.com") == Fault::kNameMalformed);
  CHECK(world.Failure("x.example.com") == Fault::kNameMalformed);
  world.server().alias_step_max = 1;
  world.server().query_count = 0;
  CHECK(world.Failure("x.example.com") == Fault::kNameMalformed);
  CHECK(world.server().query_count <= kDnsAliasCountMax + 2);
}

TEST_CASE("resolver: chains up to the limit, across answers too") {
  for (const uint32_t step_max : {16, 1, 3}) {
    for (const uint32_t count : {kDnsAliasCountMax, kDnsAliasCountMax + 1}) {
      World world;
      for (uint32_t index = 0; index < count; ++index) {
        const std::string target = index + 1 < count ? "n" + std::to_string(index + 1) : kName;
        SimNameAliasAdd(world.server(), "n" + std::to_string(index), target + "");
      }
      world.server().alias_step_max = step_max;
      CHECK(world.Resolve("n0.").ok() == (count == kDnsAliasCountMax));
      if (count == kDnsAliasCountMax) CHECK(world.Answer() == "4:1 6:1 ");
    }
  }
}

TEST_CASE("resolver: upper case and records in any order") {
  World world;
  SimNameAliasAdd(world.server(), "a.example.com", "b.example.org");
  SimNameAliasAdd(world.server(), "b.example.org", kName);
  world.server().shouts = true;
  world.server().is_backward = true;
  REQUIRE(world.Resolve("a.example.com").ok());
  CHECK(world.Answer() == "4:1 6:1 ");
}

TEST_CASE("resolver: the search list, by dots") {
  const auto asked = [](const std::string& config, const char* name) {
    World world(1, config);
    CHECK(world.Failure(name) == Fault::kNameUnknown);
    return world.Asked();
  };
  const std::string search = "search corp.example lab.example\n";
  CHECK(asked(search, "host") == "A host.corp.example|A host.lab.example|A host|");
  CHECK(asked(search, "host.") == "A host|");
  CHECK(asked(search, "a.host") == "A a.host|A a.host.corp.example|A a.host.lab.example|");
  CHECK(asked(search, "a.host.") == "A a.host|");
  CHECK(asked(search + "options ndots:2\n", "a.host") ==
        "A a.host.corp.example|A a.host.lab.example|A a.host|");
  CHECK(asked(search + "options ndots:0\n", "host") ==
        "A host|A host.corp.example|A host.lab.example|");
  CHECK(asked("", "host") == "A host|");
  CHECK(asked("search . bad..domain good.example\n", "host") == "A host.good.example|A host|");
  const std::string long_name =
      std::string(63, 'x') + "." + std::string(63, 'x') + "." + std::string(63, 'x');
  CHECK(asked("search " + std::string(60, 'd') + ".e " + std::string(61, 'd') + "\n",
              long_name.c_str()) ==
        "A " + long_name + "|A " + long_name + "." + std::string(61, 'd') + "|");
}

TEST_CASE("resolver: the answer to a name is none to the same with a dot at its end") {
  World world(1, "search corp.example\n");
  SimNameAddressAdd(world.server(), "host.corp.example", Ip(5));
  REQUIRE(world.Resolve("host").ok());
  CHECK(world.Failure("host.") == Fault::kNameUnknown);
}

TEST_CASE("resolver: the first form of the name with an address is it") {
  World world(1, "search corp.example lab.example\n");
  SimNameAddressAdd(world.server(), "host.lab.example", Ip(5));
  SimNameEmptyAdd(world.server(), "host.corp.example");
  REQUIRE(world.Resolve("host").ok());
  CHECK(world.Answer() == "4:5 ");
  CHECK(world.Asked() ==
        "A host.corp.example|AAAA host.corp.example|A host.lab.example|AAAA host.lab.example|");
  SimNameEmptyAdd(world.server(), "other.corp.example");
  CHECK(world.Failure("other") == Fault::kNameNoAddress);
  // A failure is no reason to take another's address for it.
  world.server().fault = SimNameFault::kServerFailure;
  world.server().query_count = 0;
  ResolverForget(*world.resolver);
  CHECK(world.Failure("host") == Fault::kNameServerFailed);
  CHECK(world.Asked() == "A host.corp.example|A host.corp.example|");
}

TEST_CASE("resolver: an answer is kept for its time, within limits") {
  const auto kept = [](uint32_t ttl_s) {
    World world;
    SimNameAddressAdd(world.server(), "x.example.com", Ip(7), ttl_s);
    REQUIRE(world.Resolve("x.example.com").ok());
    const uint32_t before = world.server().query_count;
    for (int64_t seconds = 0; seconds < 1000; ++seconds) {
      REQUIRE(world.Resolve("X.example.com").ok());
      CHECK(world.Answer() == "4:7 ");
      if (world.server().query_count != before) return seconds;
      SimPass(*world.platform, Seconds(1));
    }
    return int64_t{-1};
  };
  CHECK(kept(0) == 5);
  CHECK(kept(60) == 60);
  CHECK(kept(86400) == 300);
  CHECK(kept(0xFFFFFFFFU) == 5);
}

TEST_CASE("resolver: an answer is its name's alone, and can be forgotten") {
  World world;
  SimNameAddressAdd(world.server(), "y.example.com", Ip(8));
  REQUIRE(world.Resolve().ok());
  REQUIRE(world.Resolve("y.example.com").ok());
  CHECK(world.Answer() == "4:8 ");
  REQUIRE(world.Resolve("192.0.2.7").ok());
  REQUIRE(world.Resolve("y.example.com").ok());
  CHECK(world.Answer() == "4:8 ");
  const uint32_t before = world.server().query_count;
  const Instant deadline = ClockBoot(*world.platform) + Seconds(5);
  CHECK(ResolverBegin(*world.resolver, *world.platform, "y.example.com", 80, deadline).finished);
  CHECK(world.resolver->answer.items[0].port == 80);
  CHECK(world.server().query_count == before);
  ResolverForget(*world.resolver);
  REQUIRE(world.Resolve("y.example.com").ok());
  CHECK(world.server().query_count == before + 2);
  world.server().fault = SimNameFault::kServerFailure;
  CHECK(world.Failure("z.example.com") == Fault::kNameServerFailed);
  CHECK(world.Failure("y.example.com") == Fault::kNameServerFailed);
}

TEST_CASE("resolver: closed in the middle of anything, and events that aren't its own") {
  for (const bool is_stream : {false, true}) {
    World world;
    world.server().fault = is_stream ? SimNameFault::kNone : SimNameFault::kSilence;
    world.server().stream_fault = SimNameFault::kSilence;
    world.server().datagram_size_max = 20;
    const Instant deadline = ClockBoot(*world.platform) + Seconds(60);
    ResolveState state = ResolverBegin(*world.resolver, *world.platform, kName, 443, deadline);
    Event event;
    while (is_stream && world.resolver->phase != ResolverPhase::kReceiving) {
      REQUIRE(Wait(*world.platform, ResolverNextDeadline(*world.resolver), &event, 1) == 1);
      state = ResolverOnEvent(*world.resolver, *world.platform, event);
    }
    CHECK_FALSE(state.finished);
    Event other;
    other.readable = other.writable = true;
    CHECK_FALSE(ResolverOnEvent(*world.resolver, *world.platform, other).finished);
    other.kind = EventKind::kSignal;
    other.socket = world.resolver->socket;
    CHECK_FALSE(ResolverOnEvent(*world.resolver, *world.platform, other).finished);
    other.kind = EventKind::kSocket;  // nothing is there: a spurious wake-up
    CHECK_FALSE(ResolverOnEvent(*world.resolver, *world.platform, other).finished);
    CHECK_FALSE(
        ResolverOnDeadline(*world.resolver, *world.platform, ClockBoot(*world.platform)).finished);
    CHECK_STOPS(ResolverBegin(*world.resolver, *world.platform, kName, 443, deadline));
    ResolverClose(*world.resolver, *world.platform);
    CHECK(world.platform->open_handle_count == 0);
    CHECK_FALSE(ResolverOnEvent(*world.resolver, *world.platform, other).finished);
    CHECK_FALSE(ResolverOnDeadline(*world.resolver, *world.platform, Instant{1 << 30}).finished);
    world.server().fault = SimNameFault::kNone;
    world.server().datagram_size_max = 512;
    CHECK(world.Resolve().ok());
  }
}

TEST_CASE("resolver: an answer is read when its own socket says so") {
  World world;
  const Instant deadline = ClockBoot(*world.platform) + Seconds(60);
  REQUIRE_FALSE(ResolverBegin(*world.resolver, *world.platform, kName, 443, deadline).finished);
  SimPass(*world.platform, Seconds(1));
  Event event;
  event.readable = true;
  ResolverOnEvent(*world.resolver, *world.platform, event);
  CHECK(SimVerbCount(*world.platform, Verb::kSocketRead) == 0);
  event.socket = world.resolver->socket;
  event.readable = false;
  ResolverOnEvent(*world.resolver, *world.platform, event);
  CHECK(SimVerbCount(*world.platform, Verb::kSocketRead) == 0);
  event.readable = true;
  ResolverOnEvent(*world.resolver, *world.platform, event);
  CHECK(world.resolver->found.addresses.count == 1);
}

TEST_CASE("resolver: every verb may fail, and no handle is left open") {
  for (const Verb verb :
       {Verb::kDatagramOpen, Verb::kSocketConnect, Verb::kSocketWatch, Verb::kSocketRead,
        Verb::kSocketWrite, Verb::kEntropyFill, Verb::kFileOpen, Verb::kFileRead}) {
    for (const uint32_t count : {1U, 1000U}) {
      for (uint32_t skip = 0; skip < 6; ++skip) {
        CAPTURE(static_cast<int>(verb));
        CAPTURE(skip);
        World world;
        SimFileAdd(*world.platform, "/etc/hosts", "10.0.0.9 other\n", 0644);
        world.server().datagram_size_max = 20;
        const SimFault* fault = SimFail(*world.platform, verb, EIO, skip, count);
        const Status status = world.Resolve();
        if (!status.ok()) CHECK(status.fault == Fault::kNameServerSilent);
        if (count == 1 && verb != Verb::kFileOpen && verb != Verb::kFileRead) CHECK(status.ok());
        static_cast<void>(fault);
      }
    }
  }
}

TEST_CASE("resolver: a thousand random worlds end, within the deadline") {
  uint64_t state = 7;
  const auto random = [&state](uint32_t limit) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    return static_cast<uint32_t>(state >> 33) % limit;
  };
  uint32_t good_count = 0;
  for (int round = 0; round < 1000; ++round) {
    World world(1 + random(3), random(2) == 0 ? "search corp.example\noptions timeout:1\n" : "");
    for (uint32_t index = 0; index < 3; ++index) {
      SimNameServer& server = world.server(index);
      server.fault =
          static_cast<SimNameFault>(random(static_cast<uint32_t>(SimNameFault::kHugeSize)));
      server.stream_fault =
          static_cast<SimNameFault>(random(1 + static_cast<uint32_t>(SimNameFault::kEnd)));
      server.fault_count = random(4);
      server.fault_type = random(2) == 0 ? 28 : 0;
      server.delay = Milliseconds(random(3000));
      server.datagram_size_max = random(3) == 0 ? 20 : 512;
      server.is_backward = random(2) == 0;
      SimNameAliasAdd(server, "a.corp.example", kName);
    }
    const Duration timeout = Seconds(1 + random(30));
    const Status status = world.Resolve(random(2) == 0 ? "a" : kName, timeout);
    CHECK(world.taken() <= timeout);
    if (status.ok()) {
      ++good_count;
      CHECK((world.Answer() == "4:1 6:1 " || world.Answer() == "4:1 " || world.Answer() == "6:1 "));
    }
  }
  CHECK(good_count > 300);
  CHECK(good_count < 1000);
}

}  // namespace
}  // namespace miagent
