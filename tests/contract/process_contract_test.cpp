// What the verbs of entropy, process, output and log promise.
#include <cerrno>
#include <string>

#include "doctest/doctest.h"
#include "tests/contract/fixture.h"

using namespace miagent;

TEST_CASE("entropy fills what is asked, and never the same twice") {
  Fixture fixture;
  std::string first(256, '\0');
  std::string second(256, '\0');
  REQUIRE(EntropyFill(fixture.platform(), first.data(), 256).count == 256);
  REQUIRE(EntropyFill(fixture.platform(), second.data(), 256).count == 256);
  CHECK(first != second);
  CHECK(first != std::string(256, '\0'));
  std::string guarded(10, 'g');
  REQUIRE(EntropyFill(fixture.platform(), guarded.data(), 8).count == 8);
  CHECK(guarded.substr(8) == "gg");
  CHECK(EntropyFill(fixture.platform(), guarded.data(), 0).ok());
  CHECK(Fixture::Traps([] {
    Fixture own;
    char bytes[257];
    static_cast<void>(EntropyFill(own.platform(), bytes, sizeof(bytes)));
  }));
}

TEST_CASE("the process knows itself") {
  Fixture fixture;
  const ProcessFacts facts = ProcessInspect(fixture.platform());
  CHECK(facts.uid == fixture.OwnUid());
  CHECK(facts.pid > 0);
  CHECK(facts.seed != 0);
  CHECK(ProcessInspect(fixture.platform()).seed == facts.seed);
  CHECK(ProcessIsAlive(fixture.platform(), facts.pid));
  CHECK_FALSE(ProcessIsAlive(fixture.platform(), 0));
  CHECK_FALSE(ProcessIsAlive(fixture.platform(), 0x7FFFFFFF));
  CHECK_FALSE(ProcessIsAlive(fixture.platform(), 0xFFFFFFFF));
}

TEST_CASE("an unset variable is empty, and so is an empty one") {
  Fixture fixture;
  fixture.EnvironmentPut("MIAGENT_TEST_EMPTY", "");
  fixture.EnvironmentPut("MIAGENT_TEST_SET", "a value");
  CHECK(EnvironmentGet(fixture.platform(), "MIAGENT_TEST_UNSET").empty());
  CHECK(EnvironmentGet(fixture.platform(), "MIAGENT_TEST_EMPTY").empty());
  CHECK(EnvironmentGet(fixture.platform(), "MIAGENT_TEST_SET") == "a value");
  CHECK(EnvironmentGet(fixture.platform(), "MIAGENT_TEST_SE").empty());
}

TEST_CASE("output is written whole, its parts in order") {
  Fixture fixture;
  fixture.OutputCapture();
  const std::string token(20'000, 't');
  const ConstPart parts[] = {{"<", 1}, {nullptr, 0}, {token.data(), token.size()}, {">\n", 2}};
  const IoResult result = OutputWrite(fixture.platform(), parts, 4);
  const std::string taken = fixture.OutputTaken();
  CHECK(result.ok());
  CHECK(result.count == 20'003);
  CHECK(taken == "<" + token + ">\n");
}

TEST_CASE("output without a reader is EPIPE, and no signal") {
  IoResult result{};
  {
    Fixture fixture;
    fixture.OutputBreak();
    const ConstPart part{"x", 1};
    result = OutputWrite(fixture.platform(), &part, 1);
  }
  CHECK(result.error == EPIPE);
}

TEST_CASE("input is read to its end, in whatever pieces there is room for") {
  Fixture fixture;
  fixture.InputPut("0123456789");
  char bytes[8] = {};
  IoResult read = InputRead(fixture.platform(), bytes, 8);
  CHECK(read.ok());
  CHECK(std::string(bytes, read.count) == "01234567");
  read = InputRead(fixture.platform(), bytes, 8);
  CHECK(std::string(bytes, read.count) == "89");
  read = InputRead(fixture.platform(), bytes, 8);
  CHECK(read.ok());
  CHECK(read.count == 0);
}

TEST_CASE("a datagram reaches a path and an abstract name, whole, one by one") {
  for (const bool is_abstract : {false, true}) {
    Fixture fixture;
    const std::string name = fixture.ReceiverPut(is_abstract);
    CHECK((name[0] == '@') == is_abstract);
    CHECK(LocalSend(fixture.platform(), name, "READY=1").ok());
    const std::string text(1500, 't');
    CHECK(LocalSend(fixture.platform(), name, text).count == 1500);
    CHECK(fixture.ReceiverTaken() == "READY=1");
    CHECK(fixture.ReceiverTaken() == text);
    CHECK(fixture.ReceiverTaken().empty());
  }
}

TEST_CASE("a datagram to nobody says so, and finds who comes again") {
  for (const bool is_abstract : {false, true}) {
    Fixture fixture;
    const std::string name = fixture.ReceiverPut(is_abstract);
    CHECK(LocalSend(fixture.platform(), name, "1").ok());
    fixture.ReceiverEnd();
    CHECK(LocalSend(fixture.platform(), name, "2").error == ECONNREFUSED);
    fixture.ReceiverAgain();
    CHECK(LocalSend(fixture.platform(), name, "3").ok());
  }
  Fixture fixture;
  CHECK(LocalSend(fixture.platform(), "/nowhere/socket", "x").error == ENOENT);
  CHECK(LocalSend(fixture.platform(), "@miagent-nobody", "x").error == ECONNREFUSED);
  CHECK(LocalSend(fixture.platform(), "", "x").error == EINVAL);
  CHECK(LocalSend(fixture.platform(), std::string(108, '/'), "x").error == ENAMETOOLONG);
}

TEST_CASE("a datagram isn't waited for where there is no room") {
  Fixture fixture;
  const std::string name = fixture.ReceiverPut(false);
  fixture.ReceiverFill();
  CHECK(LocalSend(fixture.platform(), name, "x").error == EAGAIN);
}

TEST_CASE("the monotonic clock goes on") {
  Fixture fixture;
  const int64_t before_us = ClockMonotonicUs(fixture.platform());
  const Instant begin = ClockBoot(fixture.platform());
  Event events[1];
  while (ClockBoot(fixture.platform()) < begin + Milliseconds(20)) {
    static_cast<void>(Wait(fixture.platform(), begin + Milliseconds(20), events, 1));
  }
  CHECK(ClockMonotonicUs(fixture.platform()) - before_us >= 19'000);
}

TEST_CASE("a descriptor that was handed over is told once, and closed") {
  Fixture fixture;
  const int32_t descriptor = fixture.DescriptorPut();
  CHECK(DescriptorIsOpen(fixture.platform(), descriptor));
  CHECK_FALSE(DescriptorIsOpen(fixture.platform(), descriptor + 90));
  CHECK_FALSE(DescriptorIsOpen(fixture.platform(), -1));
  CHECK(DescriptorTell(fixture.platform(), descriptor, "\n").ok());
  CHECK(fixture.DescriptorTaken() == "\n");
  CHECK_FALSE(DescriptorIsOpen(fixture.platform(), descriptor));
}
