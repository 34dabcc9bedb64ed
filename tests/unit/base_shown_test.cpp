#include "agent/base/shown.h"

#include <string>
#include <vector>

#include "doctest.h"

namespace miagent {
namespace {

// The text as it is shown, given in pieces of this size.
std::string Show(std::string_view text, size_t piece_size, size_t room = 256) {
  std::vector<char> memory(room);
  ShownText shown;
  ShownBegin(shown, {memory.data(), memory.size()});
  for (size_t at = 0; at < text.size(); at += piece_size) {
    ShownFeed(shown, text.substr(at, piece_size));
  }
  return std::string(ShownEnd(shown));
}

TEST_CASE("shown: one blank for a gap, what isn't printable replaced, whatever the pieces") {
  for (const size_t piece : {size_t{1}, size_t{2}, size_t{7}, size_t{1000}}) {
    CHECK(Show("  a\t\tb\r\nc \x1b[1m\" ", piece) == "a b c ?[1m?");
    CHECK(Show("", piece).empty());
    CHECK(Show(" \n ", piece).empty());
    CHECK(Show(std::string_view("a\0b", 3), piece) == "a?b");
  }
}

TEST_CASE("shown: a run as long as a token's is left out, and not a byte of it is shown") {
  const std::string word(64, 'w');
  const std::string token(65, 'k');
  for (const size_t piece : {size_t{1}, size_t{64}, size_t{65}, size_t{1000}}) {
    CHECK(Show("a " + word + " b", piece) == "a " + word + " b");
    CHECK(Show("a " + token + " b", piece) == "a [...] b");
    CHECK(Show("a " + std::string(9000, 'k'), piece) == "a [...]");
    // Where the room ends before it does.
    CHECK(Show(std::string(20, 'a') + " " + token, piece, 24) == std::string(20, 'a') + " [..");
  }
}

}  // namespace
}  // namespace miagent
