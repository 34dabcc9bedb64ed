#include "agent/config/choice.h"

#include <initializer_list>

#include "doctest.h"

namespace miagent {
namespace {

constexpr std::string_view kChoices = "raw|json|js|env";

TEST_CASE("a word is found where it is one of the choices") {
  for (uint32_t expected = 0; expected < 4; ++expected) {
    uint32_t index = 7;
    CHECK(ChoiceFind(ChoiceAt(kChoices, expected), kChoices, &index));
    CHECK(index == expected);
  }
  CHECK(ChoiceAt(kChoices, 0) == "raw");
  CHECK(ChoiceAt(kChoices, 3) == "env");
  std::string_view rest = kChoices;
  for (uint32_t expected = 0; expected < 4; ++expected) {
    REQUIRE(!rest.empty());
    CHECK(ChoiceTake(&rest) == ChoiceAt(kChoices, expected));
  }
  CHECK(rest.empty());
}

TEST_CASE("nothing else is found") {
  uint32_t index = 7;
  for (const std::string_view word :
       {"", "ra", "aw", "rawr", "son", "Raw", "|", "raw|json", "env|", " env"}) {
    CHECK_FALSE(ChoiceFind(word, kChoices, &index));
  }
  CHECK(index == 7);
}

}  // namespace
}  // namespace miagent
