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
