#include "agent/dns/hosts.h"

#include <random>
#include <string>

#include "doctest.h"

namespace miagent {
namespace {

// The addresses of `name`, each with its last byte; the text in pieces of `piece_size`.
std::string Search(const std::string& text, std::string_view name, size_t piece_size = 7) {
  HostsSearch search;
  HostsSearchBegin(search, name);
  for (size_t at = 0; at < text.size(); at += piece_size) {
    const std::string piece = text.substr(at, piece_size);
    HostsSearchFeed(search, piece);
  }
  HostsSearchFeed(search, "\n");
  std::string found;
  for (uint32_t index = 0; index < search.addresses.count; ++index) {
    const Address& address = search.addresses.items[index];
    found += address.is_ipv6 ? "6:" : "4:";
    found += std::to_string(address.bytes[address.is_ipv6 ? 15 : 3]) + " ";
  }
  return found;
}

constexpr const char* kHosts =
    "127.0.0.1\tlocalhost\n"
    "::1 localhost ip6-localhost\n"
    "# 10.0.0.9 vault\n"
    "\n"
    "10.0.0.1   Vault.Example.com vault # the old one, 10.0.0.9 commented\n"
    "   fd00::2 vault\r\n"
    "10.0.0.3 vaults a vaul vault2\n"
    "10.0.0.4 first vault#glued\n"
    "10.0.0.5\n"
    "fe80::1%eth0 zone vault\n"
    "10.0.0.256 bad vault\n"
    "vault 10.0.0.9\n"
    "localhost vault\n"
    "10.0.0.6.7 vault\n"
    "1:2:3:4:5:6:7:8:9 vault\n"
    "10.0.0.7 last";

TEST_CASE("hosts: names are found whatever the pieces") {
  for (size_t piece_size = 1; piece_size < 40; ++piece_size) {
    CHECK(Search(kHosts, "vault", piece_size) == "4:1 4:4 6:2 ");
    CHECK(Search(kHosts, "VAULT.example.COM", piece_size) == "4:1 ");
    CHECK(Search(kHosts, "localhost", piece_size) == "4:1 6:1 ");
    CHECK(Search(kHosts, "last", piece_size) == "4:7 ");
    CHECK(Search(kHosts, "a", piece_size) == "4:3 ");
    CHECK(Search(kHosts, "vault2", piece_size) == "4:3 ");
  }
}

TEST_CASE("hosts: what isn't a name there isn't found") {
  for (const char* name :
       {"", "v", "vault.example", "vault.example.com.", "10.0.0.1", "zone", "bad", "the", "old",
        "#", "commented", "glued", "vault#glued", "first vault"}) {
    CHECK_MESSAGE(Search(kHosts, name).empty(), name);
  }
  CHECK(Search("", "vault").empty());
  CHECK(Search("10.0.0.1", "vault").empty());
}

TEST_CASE("hosts: each address once, four a family, however many lines") {
  std::string text;
  for (int last = 9; last > 0; --last) {
    text += "10.0.0." + std::to_string(last) + " x\nfd00::" + std::to_string(last) + " x x\n";
    text += "10.0.0.9 x\n";
  }
  CHECK(Search(text, "x") == "4:9 4:8 4:7 4:6 6:9 6:8 6:7 6:6 ");
}

TEST_CASE("hosts: a line, a name or an address of any length") {
  std::string text = "10.0.0.1";
  for (int index = 0; index < 20000; ++index) text += " name" + std::to_string(index);
  text += " end\n" + std::string(100000, ' ') + "10.0.0.2 end\n" + std::string(100000, '1') +
          " end\n10.0.0.3 " + std::string(100000, 'e') + " end\n#" + std::string(100000, 'x') +
          " end\n";
  CHECK(Search(text, "end", 512) == "4:1 4:2 4:3 ");
  CHECK(Search(text, std::string(255, 'e'), 512).empty());
  CHECK(Search("0000:0000:0000:0000:0000:ffff:255.255.255.255 x", "x") == "6:255 ");
  CHECK(Search("00000:0000:0000:0000:0000:ffff:255.255.255.255 x", "x").empty());
}

TEST_CASE("hosts: random bytes") {
  std::mt19937 random(5);
  for (int round = 0; round < 3000; ++round) {
    std::string text(random() % 300, ' ');
    for (char& c : text) c = "z\n: 1.#\t\xff\0"[random() % 10];
    const std::string found = Search(text + "\n10.0.0.77 zz", "zz", 1 + random() % 20);
    CHECK(found.find("4:77") != std::string::npos);
  }
}

}  // namespace
}  // namespace miagent
