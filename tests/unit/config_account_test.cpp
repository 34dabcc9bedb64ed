#include "agent/config/account.h"

#include <random>
#include <string>
#include <vector>

#include "doctest.h"

namespace miagent {
namespace {

// The number of `name`, or -1; the text in pieces of `piece_size`.
int64_t Search(const std::string& text, std::string_view name, size_t piece_size = 7) {
  AccountSearch search;
  AccountSearchBegin(search, name);
  for (size_t at = 0; at < text.size(); at += piece_size) {
    AccountSearchFeed(search, text.substr(at, piece_size));
  }
  AccountSearchFeed(search, "\n");
  uint32_t id = 0;
  return AccountSearchFound(search, &id) ? int64_t{id} : -1;
}

constexpr const char* kPasswd =
    "root:x:0:0:root:/root:/bin/sh\n"
    "# app:x:9:9\n"
    "\n"
    "nothing\n"
    "app2:x:1002:1002::/:/bin/false\n"
    "ap:x:1003:1003::/:\n"
    ":x:7:7:::\n"
    "bad:x:12a:1::/:\n"
    "empty:x::1::/:\n"
    "short:x\n"
    "huge:x:4294967296:1::/:\n"
    "nobody:x:4294967295:1::/:\n"
    "app:x:1001:1001:Mr app:x:5:/home/app:/bin/sh\n"
    "app:x:2001:2001::/:\n"
    "last:x:4294967294:1";

TEST_CASE("account: names are found whatever the pieces") {
  for (size_t piece_size = 1; piece_size < 40; ++piece_size) {
    CHECK(Search(kPasswd, "root", piece_size) == 0);
    CHECK(Search(kPasswd, "app", piece_size) == 1001);
    CHECK(Search(kPasswd, "app2", piece_size) == 1002);
    CHECK(Search(kPasswd, "ap", piece_size) == 1003);
    CHECK(Search(kPasswd, "last", piece_size) == 4294967294);
  }
}

TEST_CASE("account: what isn't a name's valid line isn't found") {
  for (const char* name : {"", "ro", "roots", "x", "bad", "empty", "short", "huge", "nobody",
                           "nothing", "app # ", "Mr app", "app:x", "root:x:0"}) {
    CHECK_MESSAGE(Search(kPasswd, name) == -1, name);
  }
  CHECK(Search("", "root") == -1);
  CHECK(Search("root:x:5", "root") == 5);
}

TEST_CASE("account: a line of any length") {
  std::string text = "big:x:50:";
  for (int index = 0; index < 20000; ++index) text += "member" + std::to_string(index) + ",";
  text += "\napp:x:51:" + std::string(100000, ':') + "\nend:" + std::string(100000, 'x') + ":52:";
  CHECK(Search(text, "big", 512) == 50);
  CHECK(Search(text, "app", 512) == 51);
  CHECK(Search(text, "end", 512) == 52);
  CHECK(Search(std::string(100000, 'a') + ":x:1:", "aaa", 512) == -1);
}

TEST_CASE("account: a name of another length isn't it, however much longer") {
  for (size_t size = 1; size < 40; ++size) {
    const std::string text = std::string(size, 'a') + ":x:" + std::to_string(size) + ":1\n";
    for (size_t name_size = 1; name_size < 40; ++name_size) {
      const int64_t expected = name_size == size ? static_cast<int64_t>(size) : -1;
      CHECK(Search(text, std::string(name_size, 'a')) == expected);
    }
  }
}

TEST_CASE("account: random bytes") {
  std::mt19937 random(5);
  for (int round = 0; round < 2000; ++round) {
    std::string text(random() % 300, ' ');
    for (char& c : text) c = "a:\n0x9\xff\0"[random() % 8];
    const int64_t id = Search(text + "\nzz:x:3:", "zz", 1 + random() % 20);
    CHECK(id == 3);
  }
}

TEST_CASE("account: numbers") {
  uint32_t id = 77;
  CHECK(AccountIdParse("0", &id));
  CHECK(id == 0);
  CHECK(AccountIdParse("4294967294", &id));
  CHECK(id == 4294967294U);
  id = 77;
  for (const char* text :
       {"", "4294967295", "99999999999999999999", "-1", "+1", "1 ", "0x1", "app"}) {
    CHECK_MESSAGE(!AccountIdParse(text, &id), text);
  }
  CHECK(id == 77);
}

}  // namespace
}  // namespace miagent
