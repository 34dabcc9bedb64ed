#include "agent/dns/resolv.h"

#include <random>
#include <string>

#include "doctest.h"

namespace miagent {
namespace {

ResolvConfig Read(const std::string& text, size_t piece_size = 7) {
  ResolvConfig config;
  ResolvReader reader;
  ResolvBegin(reader, &config);
  for (size_t at = 0; at < text.size(); at += piece_size) {
    const std::string piece = text.substr(at, piece_size);
    ResolvFeed(reader, piece);
  }
  ResolvEnd(reader);
  return config;
}

std::string Servers(const ResolvConfig& config) {
  std::string text;
  for (uint32_t index = 0; index < config.server_count; ++index) {
    const Address& address = config.servers[index];
    CHECK(address.port == 53);
    text += address.is_ipv6 ? "6:" : "4:";
    text += std::to_string(address.bytes[address.is_ipv6 ? 15 : 3]) + " ";
  }
  return text;
}

std::string Domains(const ResolvConfig& config) {
  std::string text;
  for (uint32_t index = 0; index < config.search_count; ++index) {
    text += std::string(ResolvSearch(config, index)) + "|";
  }
  return text;
}

TEST_CASE("resolv: servers, search list and options, whatever the pieces") {
  const char* const text =
      "# made by hand\n"
      "; nameserver 9.9.9.9\n"
      "domain ignored.example\n"
      "search  corp.example\tlab.example\r\n"
      "nameserver 10.0.0.1\n"
      "  nameserver\t2001:db8::2 # the second\n"
      "options rotate ndots:3 timeout:2 attempts:4 edns0 trust-ad\n"
      "sortlist 130.155.160.0/255.255.240.0\n"
      "nameserver 10.0.0.3";
  for (size_t piece_size = 1; piece_size < 40; ++piece_size) {
    const ResolvConfig config = Read(text, piece_size);
    CHECK(Servers(config) == "4:1 6:2 4:3 ");
    CHECK(Domains(config) == "corp.example|lab.example|");
    CHECK(config.dot_count == 3);
    CHECK(config.timeout == Seconds(2));
    CHECK(config.attempt_count == 4);
  }
}

TEST_CASE("resolv: nothing, or nothing of use, is the server on this machine") {
  for (const char* text :
       {"", "\n", "# nameserver 10.0.0.9", "nameserver", "nameserver localhost",
        "nameserver dns.example", "nameserver 10.0.0", "server 10.0.0.9", "nameserver # 10.0.0.9",
        "nameserver fe80::1%eth0", "nameserver fe80::1", "namesServer 10.0.0.9"}) {
    const ResolvConfig config = Read(text);
    CHECK_MESSAGE(Servers(config) == "4:1 ", text);
    CHECK(config.servers[0].bytes[0] == 127);
    CHECK(config.search_count == 0);
    CHECK(config.dot_count == 1);
    CHECK(config.timeout == Seconds(5));
    CHECK(config.attempt_count == 2);
  }
}

TEST_CASE("resolv: more than the limits") {
  CHECK(Servers(Read("nameserver 10.0.0.1\nnameserver 10.0.0.2\nnameserver fd00::3\n"
                     "nameserver 10.0.0.4\n")) == "4:1 4:2 6:3 ");
  CHECK(Servers(Read("nameserver fe80::1%eth0\nnameserver fd00::2%eth0\nnameserver 10.0.0.3 "
                     "10.0.0.4\n")) == "6:2 4:3 ");
  CHECK(Domains(Read("search a b c d e f g h\n")) == "a|b|c|d|e|f|");
  CHECK(Servers(Read("nameserver fec0::1\nnameserver fe7f::2\nnameserver febf::3\n")) ==
        "6:1 6:2 ");
  const std::string large(200, 'x');
  CHECK(Domains(Read("search " + large + " " + large + " b\n")) == large + "|b|");
  CHECK(Domains(Read("search " + std::string(100000, 'x') + " b\n")) == "b|");
  CHECK(Domains(Read(std::string(100000, 'x') + " a\nsearch b\n")) == "b|");
  const ResolvConfig config = Read("options ndots:99 timeout:99 attempts:99\n");
  CHECK(config.dot_count == 15);
  CHECK(config.timeout == Seconds(30));
  CHECK(config.attempt_count == 5);
}

TEST_CASE("resolv: options that mean nothing, and those that mean little") {
  for (const char* text :
       {"options ndots: timeout: attempts:", "options ndots:x timeout:-1",
        "options ndots:1x timeout:5s attempts:2.0", "options xndots:4 ndots",
        "options ndots:99999999999 timeout:4294967296", "ndots:4 timeout:4 attempts:4"}) {
    const ResolvConfig config = Read(text);
    CHECK_MESSAGE(config.dot_count == 1, text);
    CHECK(config.timeout == Seconds(5));
    CHECK(config.attempt_count == 2);
  }
  const ResolvConfig config = Read("options ndots:0 timeout:0\noptions attempts:0\n");
  CHECK(config.dot_count == 0);
  CHECK(config.timeout == Seconds(1));
  CHECK(config.attempt_count == 1);
}

TEST_CASE("resolv: of several search and domain lines the last one counts") {
  CHECK(Domains(Read("search a b\ndomain c d\n")) == "c|");
  CHECK(Domains(Read("domain c\nsearch a b\n")) == "a|b|");
  CHECK(Domains(Read("search a b\nsearch\n")) == "a|b|");
  CHECK(Domains(Read("search a # b\n")) == "a|");
}

TEST_CASE("resolv: random bytes") {
  std::mt19937 random(6);
  const char* const words[] = {"nameserver", "search", "domain", "options", " ",  "\n", "1.2.3.4",
                               "::",         "ndots:", "9",      "#",       "\t", ";",  "\xff"};
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    for (size_t count = random() % 60; count > 0; --count) text += words[random() % 14];
    const ResolvConfig config = Read(text, 1 + random() % 20);
    CHECK(config.server_count >= 1);
    CHECK(config.server_count <= kDnsServerCountMax);
    CHECK(config.attempt_count >= 1);
    CHECK(config.timeout >= Seconds(1));
    for (uint32_t index = 0; index < config.search_count; ++index) {
      CHECK_FALSE(ResolvSearch(config, index).empty());
    }
  }
}

}  // namespace
}  // namespace miagent
