// DNS messages: what is written, what is believed, and what isn't.
#include "agent/dns/message.h"

#include <random>
#include <string>
#include <vector>

#include "doctest.h"

namespace miagent {
namespace {

std::string Bytes(std::initializer_list<int> values) {
  std::string bytes;
  for (const int value : values) bytes += static_cast<char>(value);
  return bytes;
}

std::string Two(uint32_t value) { return Bytes({int(value >> 8 & 255), int(value & 255)}); }
std::string Four(uint32_t value) { return Two(value >> 16) + Two(value & 0xFFFF); }

std::string Wire(const std::string& name) {
  std::string wire;
  for (size_t begin = 0; begin < name.size();) {
    const size_t end = std::min(name.find('.', begin), name.size());
    wire += static_cast<char>(end - begin) + name.substr(begin, end - begin);
    begin = end + 1;
  }
  return wire + '\0';
}

std::string Record(const std::string& owner, uint32_t type, uint32_t ttl, const std::string& data,
                   uint32_t record_class = 1) {
  return owner + Two(type) + Two(record_class) + Four(ttl) + Two(uint32_t(data.size())) + data;
}

constexpr uint32_t kCname = 5;
constexpr uint32_t kSoa = 6;
const std::string kAsked = Bytes({0xC0, 12});  // the question's name

struct Parts {
  uint32_t id = 0x1234;
  uint32_t flags = 0x8180;
  uint32_t question_count = 1;
  std::string name = Wire("www.example.com");
  uint32_t type = 1;
  uint32_t question_class = 1;
  std::vector<std::string> answers;
  std::vector<std::string> authorities;
};

std::string Message(const Parts& parts) {
  std::string text = Two(parts.id) + Two(parts.flags) + Two(parts.question_count) +
                     Two(uint32_t(parts.answers.size())) + Two(uint32_t(parts.authorities.size())) +
                     Two(0);
  text += parts.name + Two(parts.type) + Two(parts.question_class);
  for (const std::string& record : parts.answers) text += record;
  for (const std::string& record : parts.authorities) text += record;
  return text;
}

DnsQuestion Question(DnsType type = DnsType::kA, const char* name = "www.example.com") {
  DnsQuestion question;
  question.id = 0x1234;
  question.type = type;
  REQUIRE(DnsNameParse(name, &question.name));
  return question;
}

std::string Text(const DnsName& name) { return std::string(name.bytes, name.size); }

std::string Text(const DnsAddresses& addresses) {
  std::string text;
  for (uint32_t index = 0; index < addresses.count; ++index) {
    const Address& address = addresses.items[index];
    text += address.is_ipv6 ? "6:" : "4:";
    text += std::to_string(address.bytes[address.is_ipv6 ? 15 : 3]) + " ";
  }
  return text;
}

// The message in memory of exactly its size, so that a read behind it is found.
DnsVerdict Read(const std::string& message, const DnsQuestion& question, DnsAnswer* answer) {
  const std::vector<char> exact(message.begin(), message.end());
  return DnsAnswerRead({exact.data(), exact.size()}, question, answer);
}

DnsVerdict Read(const Parts& parts, DnsAnswer* answer = nullptr) {
  DnsAnswer own;
  return Read(Message(parts), Question(), answer != nullptr ? answer : &own);
}

const std::string kTen = Bytes({10, 0, 0, 1});

// www → CNAME a → CNAME b → two addresses, with pointers everywhere.
Parts Chain() {
  Parts parts;
  parts.answers = {
      Record(kAsked, kCname, 300, Bytes({1, 'a', 0xC0, 16})),
      Record(Bytes({0xC0, 45}), kCname, 20, Bytes({1, 'b', 0xC0, 16})),
      Record(Bytes({0xC0, 61}), 1, 100, kTen),
      Record(Bytes({1, 'b', 0xC0, 16}), 1, 100, Bytes({10, 0, 0, 2})),
  };
  return parts;
}

TEST_CASE("dns names: what a host's name may be") {
  DnsName name;
  for (const char* text : {"a", "a.", "localhost", "www.example.com", "WWW.Example.COM.", "a-b.c",
                           "_service.a_b.c", "1a.2b", "1.2.c", "xn--bcher-kva.example"}) {
    CHECK_MESSAGE(DnsNameParse(text, &name), text);
  }
  REQUIRE(DnsNameParse("WWW.Example.com.", &name));
  CHECK(Text(name) == Wire("www.example.com"));
  for (const char* text :
       {"",       ".",   "..",  "a..b", ".a",        "a..", "-a",          "a-",
        "a.-b.c", "a b", "a/b", "a:1",  "b\xC3\xBC", "1",   "1.2.3.4",     "10.0.0.256",
        "a.5",    "a\n", "*",   "a,b",  "[::1]",     "::1", "fe80::1%eth0"}) {
    CHECK_MESSAGE(!DnsNameParse(text, &name), text);
  }
  CHECK_FALSE(DnsNameParse(std::string_view("a\0b", 3), &name));
}

TEST_CASE("dns names: how long they may be") {
  DnsName name;
  const std::string label(63, 'x');
  CHECK(DnsNameParse(label, &name));
  CHECK_FALSE(DnsNameParse(label + "x", &name));
  const std::string most = label + "." + label + "." + label + "." + std::string(61, 'y');
  CHECK(DnsNameParse(most, &name));
  CHECK(name.size == 255);
  CHECK(DnsNameParse(most + ".", &name));
  CHECK_FALSE(DnsNameParse(most + "y", &name));
  CHECK_FALSE(DnsNameParse(most + ".a", &name));
  CHECK_FALSE(DnsNameParse(std::string(100000, 'a'), &name));

  DnsName host;
  DnsName domain;
  REQUIRE(DnsNameParse("host", &host));
  REQUIRE(DnsNameParse("Corp.example", &domain));
  REQUIRE(DnsNameExtend(host, domain));
  CHECK(Text(host) == Wire("host.corp.example"));
  REQUIRE(DnsNameParse(label + "." + label + "." + label, &host));
  REQUIRE(DnsNameParse(std::string(61, 'z'), &domain));
  CHECK(DnsNameExtend(host, domain));
  REQUIRE(DnsNameParse(label + "." + label + "." + label, &host));
  REQUIRE(DnsNameParse(std::string(62, 'z'), &domain));
  CHECK_FALSE(DnsNameExtend(host, domain));
  CHECK(Text(host) == Wire(label + "." + label + "." + label));
}

TEST_CASE("dns query: byte for byte") {
  char bytes[kDnsQuerySizeMax];
  TextWriter writer{bytes, sizeof(bytes)};
  DnsQueryWrite(Question(DnsType::kAaaa, "WWW.example.com"), writer);
  const std::string wanted = Bytes({0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0}) +
                             Wire("www.example.com") + Bytes({0, 28, 0, 1});
  CHECK(writer.text() == wanted);
  const std::string label(63, 'x');
  const std::string most = label + "." + label + "." + label + "." + std::string(61, 'y');
  writer.size = 0;
  DnsQueryWrite(Question(DnsType::kA, most.c_str()), writer);
  CHECK(writer.size == kDnsQuerySizeMax);
}

TEST_CASE("dns addresses: IPv4 first, each once, each family limited") {
  DnsAddresses addresses;
  const auto add = [&addresses](bool is_ipv6, uint8_t last) {
    Address address;
    address.is_ipv6 = is_ipv6;
    address.bytes[is_ipv6 ? 15 : 3] = last;
    DnsAddressAdd(addresses, address);
  };
  add(true, 1);
  add(false, 1);
  add(true, 2);
  add(false, 2);
  add(false, 1);
  add(true, 2);
  CHECK(Text(addresses) == "4:1 4:2 6:1 6:2 ");
  for (uint8_t last = 3; last < 10; ++last) add(true, last);
  for (uint8_t last = 3; last < 10; ++last) add(false, last);
  CHECK(Text(addresses) == "4:1 4:2 4:3 4:4 6:1 6:2 6:3 6:4 ");
  Address address;
  CHECK(DnsAddressParse("10.0.0.1", 7, &address));
  CHECK(address.port == 7);
  CHECK_FALSE(DnsAddressParse("Localhost", 7, &address));
}

TEST_CASE("dns answer: addresses, directly and behind aliases") {
  DnsAnswer answer;
  Parts parts;
  parts.answers = {Record(kAsked, 1, 60, kTen), Record(kAsked, 1, 30, Bytes({10, 0, 0, 2}))};
  CHECK(Read(parts, &answer) == DnsVerdict::kAddresses);
  CHECK(Text(answer.addresses) == "4:1 4:2 ");
  CHECK(answer.ttl_s == 30);
  CHECK(answer.alias_count == 0);

  answer = DnsAnswer{};
  CHECK(Read(Chain(), &answer) == DnsVerdict::kAddresses);
  CHECK(Text(answer.addresses) == "4:1 4:2 ");
  CHECK(answer.ttl_s == 20);
  CHECK(answer.alias_count == 2);

  answer = DnsAnswer{};
  parts.type = 28;
  const std::string v6 = std::string(15, '\x20') + '\7';
  parts.answers = {Record(kAsked, 1, 60, kTen), Record(kAsked, 28, 60, v6)};
  CHECK(Read(Message(parts), Question(DnsType::kAaaa), &answer) == DnsVerdict::kAddresses);
  CHECK(Text(answer.addresses) == "6:7 ");
}

TEST_CASE("dns answer: records in any order, other names' and types' passed over") {
  DnsAnswer answer;
  Parts parts;
  const std::string a = Wire("a.example.com");
  const std::string b = Wire("B.example.COM");
  parts.answers = {
      Record(Wire("evil.com"), 1, 1, Bytes({6, 6, 6, 6})),
      Record(b, 1, 50, kTen),
      Record(a, 1, 1, Bytes({6, 6, 6, 7})),  // of an alias: not its own
      Record(a, kCname, 50, b),
      Record(kAsked, 46, 50, "a signature"),
      Record(kAsked, 1, 1, "of another class", 3),
      Record(Wire("wWw.eXample.com"), kCname, 50, a),
      Record(Wire("evil.com"), kCname, 1, Wire("www.example.com")),
  };
  CHECK(Read(parts, &answer) == DnsVerdict::kAddresses);
  CHECK(Text(answer.addresses) == "4:1 ");
  CHECK(answer.ttl_s == 50);
}

TEST_CASE("dns answer: the question comes back in any case (0x20)") {
  Parts parts;
  parts.name = Wire("wWw.ExAmPlE.cOm");
  parts.answers = {Record(kAsked, 1, 60, kTen)};
  CHECK(Read(parts) == DnsVerdict::kAddresses);
}

TEST_CASE("dns answer: what isn't the answer to this question") {
  const auto verdict = [](void (*change)(Parts&)) {
    Parts parts;
    parts.answers = {Record(kAsked, 1, 60, kTen)};
    change(parts);
    DnsAnswer answer;
    const DnsVerdict found = Read(parts, &answer);
    CHECK(answer.addresses.count == 0);
    return found;
  };
  CHECK(verdict([](Parts& parts) { parts.id = 0x1235; }) == DnsVerdict::kStranger);
  CHECK(verdict([](Parts& parts) { parts.flags = 0x0180; }) == DnsVerdict::kStranger);
  CHECK(verdict([](Parts& parts) { parts.flags = 0xA180; }) == DnsVerdict::kStranger);
  CHECK(verdict([](Parts& parts) { parts.name = Wire("www.example.co"); }) ==
        DnsVerdict::kStranger);
  CHECK(verdict([](Parts& parts) { parts.type = 28; }) == DnsVerdict::kStranger);
  CHECK(verdict([](Parts& parts) { parts.question_class = 3; }) == DnsVerdict::kStranger);
  CHECK(verdict([](Parts& parts) { parts.question_count = 0; }) == DnsVerdict::kStranger);
  CHECK(verdict([](Parts& parts) { parts.question_count = 2; }) == DnsVerdict::kStranger);
  CHECK(verdict([](Parts& parts) { parts.name = Bytes({0xC0, 0}); }) == DnsVerdict::kStranger);
  CHECK(verdict([](Parts& parts) { parts.name = Bytes({0xC0, 12}); }) == DnsVerdict::kStranger);
}

TEST_CASE("dns answer: refusals are told apart") {
  const auto verdict = [](uint32_t flags, bool has_soa = false) {
    Parts parts;
    parts.flags = flags;
    if (has_soa) parts.authorities = {Record(Bytes({0}), kSoa, 60, std::string(22, '\0'))};
    return Read(parts);
  };
  CHECK(verdict(0x8180) == DnsVerdict::kNoAddress);
  CHECK(verdict(0x8400) == DnsVerdict::kNoAddress);
  CHECK(verdict(0x8100, true) == DnsVerdict::kNoAddress);
  CHECK(verdict(0x8100) == DnsVerdict::kRefused);  // a referral
  CHECK(verdict(0x8183) == DnsVerdict::kNoName);
  CHECK(verdict(0x8182) == DnsVerdict::kFailed);
  CHECK(verdict(0x8185) == DnsVerdict::kRefused);
  for (const uint32_t code : {1, 4, 6, 9, 15}) CHECK(verdict(0x8180 | code) == DnsVerdict::kFailed);
  CHECK(verdict(0x8380) == DnsVerdict::kTruncated);
  CHECK(verdict(0x8382) == DnsVerdict::kFailed);
  // Without the question: only to say that it failed.
  DnsAnswer answer;
  const std::string bare = Two(0x1234) + Two(0x8182) + std::string(8, '\0');
  CHECK(Read(bare, Question(), &answer) == DnsVerdict::kFailed);
  const std::string bare_no_name = Two(0x1234) + Two(0x8183) + std::string(8, '\0');
  CHECK(Read(bare_no_name, Question(), &answer) == DnsVerdict::kStranger);
}

TEST_CASE("dns answer: an alias without its address is asked on for") {
  DnsAnswer answer;
  Parts parts;
  parts.answers = {Record(kAsked, kCname, 60, Wire("Other.example.org"))};
  CHECK(Read(parts, &answer) == DnsVerdict::kAlias);
  CHECK(Text(answer.alias) == Wire("other.example.org"));
  CHECK(answer.alias_count == 1);
  parts.authorities = {Record(Bytes({0}), kSoa, 60, std::string(22, '\0'))};
  answer = DnsAnswer{};
  CHECK(Read(parts, &answer) == DnsVerdict::kNoAddress);  // an SOA: there is none
  answer = DnsAnswer{};
  parts.authorities = {Record(Bytes({0}), 2, 60, Bytes({0}))};
  CHECK(Read(parts, &answer) == DnsVerdict::kAlias);
}

TEST_CASE("dns answer: chains of aliases have a limit, and circles end") {
  for (const uint32_t count : {1U, kDnsAliasCountMax, kDnsAliasCountMax + 1}) {
    for (const bool is_backward : {false, true}) {
      Parts parts;
      std::string owner = kAsked;
      for (uint32_t index = 0; index < count; ++index) {
        const std::string target = Wire("n" + std::to_string(index));
        const auto at = is_backward ? parts.answers.begin() : parts.answers.end();
        parts.answers.insert(at, Record(owner, kCname, 60, target));
        owner = target;
      }
      parts.answers.push_back(Record(owner, 1, 60, kTen));
      const bool is_good = count <= kDnsAliasCountMax;
      CHECK(Read(parts) == (is_good ? DnsVerdict::kAddresses : DnsVerdict::kMalformed));
      DnsAnswer answer;
      answer.alias_count = 1;  // from the question before
      if (count == kDnsAliasCountMax) CHECK(Read(parts, &answer) == DnsVerdict::kMalformed);
    }
  }
  Parts parts;
  parts.answers = {Record(kAsked, kCname, 60, kAsked)};
  CHECK(Read(parts) == DnsVerdict::kMalformed);
  parts.answers = {Record(kAsked, kCname, 60, Wire("b")), Record(Wire("b"), kCname, 60, kAsked)};
  CHECK(Read(parts) == DnsVerdict::kMalformed);
}

TEST_CASE("dns answer: what is malformed changes nothing") {
  const std::string label(63, 'x');
  const std::string chain = Wire(label + "." + label + "." + label + "." + std::string(61, 'y'));
  const size_t end = Message({}).size();
  const auto point = [end](size_t distance) { return Two(0xC000U | uint32_t(end + distance)); };
  const std::vector<std::pair<const char*, std::vector<std::string>>> table = {
      {"a pointer to itself", {Record(point(0), 1, 60, kTen)}},
      {"a pointer forward", {Record(point(2), 1, 60, kTen)}},
      {"a pointer behind the end", {Record(Bytes({0xFF, 0xFF}), 1, 60, kTen)}},
      {"a pointer into the header", {Record(Bytes({0xC0, 4}), 1, 60, kTen)}},
      {"two pointers in a circle", {Record(Bytes({1, 'a'}) + point(0), 1, 60, kTen)}},
      {"a label of another kind", {Record(Bytes({0x40, 'a', 0}), 1, 60, kTen)}},
      {"and another", {Record(Bytes({0x80, 'a', 0}), 1, 60, kTen)}},
      {"a label of 64 bytes", {Record("\x40" + label + Bytes({'y', 0}), 1, 60, kTen)}},
      {"a name too long", {Record("\x3F" + label + chain, 1, 60, kTen)}},
      {"a name one too long", {Record(Bytes({1, 'a'}) + chain, 1, 60, kTen)}},
      {"an address of 3 bytes", {Record(kAsked, 1, 60, Bytes({10, 0, 0}))}},
      {"an address of 5 bytes", {Record(kAsked, 1, 60, kTen + "x")}},
      {"an address of no bytes", {Record(kAsked, 1, 60, "")}},
      {"bytes behind an alias", {Record(kAsked, kCname, 60, Wire("b") + "x")}},
      {"an alias of nothing", {Record(kAsked, kCname, 60, "")}},
      {"an alias that breaks off", {Record(kAsked, kCname, 60, Bytes({5, 'a'}))}},
      {"a half pointer", {Record(kAsked, kCname, 60, Bytes({0xC0}))}},
      {"good, then bad", {Record(kAsked, 1, 60, kTen), Record(kAsked, 1, 60, "abc")}},
  };
  for (const auto& row : table) {
    CAPTURE(row.first);
    Parts parts;
    parts.answers = row.second;
    DnsAnswer answer;
    CHECK(Read(parts, &answer) == DnsVerdict::kMalformed);
    CHECK(answer.addresses.count == 0);
    CHECK(answer.alias_count == 0);
    CHECK(answer.ttl_s == UINT32_MAX);
  }
  Parts parts;  // the longest name is fine, as an alias's target too
  parts.answers = {Record(kAsked, kCname, 60, chain), Record(chain, 1, 60, kTen)};
  CHECK(Read(parts) == DnsVerdict::kAddresses);
}

TEST_CASE("dns answer: each cut of a good one, and more than was promised") {
  const std::string good = Message(Chain());
  const size_t question_end = 12 + 17 + 4;
  DnsAnswer answer;
  for (size_t size = 0; size < good.size(); ++size) {
    CAPTURE(size);
    const DnsVerdict wanted = size < question_end ? DnsVerdict::kStranger : DnsVerdict::kMalformed;
    CHECK(Read(good.substr(0, size), Question(), &answer) == wanted);
  }
  CHECK(answer.addresses.count == 0);
  CHECK(Read(good + "trailing", Question(), &answer) == DnsVerdict::kAddresses);
  for (const size_t place : {6, 7}) {  // the count of answers
    std::string more = good;
    more[place] = '\x7F';
    answer = DnsAnswer{};
    CHECK(Read(more, Question(), &answer) == DnsVerdict::kMalformed);
  }
}

TEST_CASE("dns answer: a time to live beyond 31 bits is none") {
  DnsAnswer answer;
  Parts parts;
  parts.answers = {Record(kAsked, 1, 0x80000000U, kTen)};
  REQUIRE(Read(parts, &answer) == DnsVerdict::kAddresses);
  CHECK(answer.ttl_s == 0);
  answer = DnsAnswer{};
  parts.answers = {Record(kAsked, 1, 0x7FFFFFFFU, kTen)};
  REQUIRE(Read(parts, &answer) == DnsVerdict::kAddresses);
  CHECK(answer.ttl_s == 0x7FFFFFFFU);
}

TEST_CASE("dns answer: 100,000 mutants") {
  std::mt19937 random(3);
  Parts v6;
  v6.type = 28;
  v6.answers = {Record(kAsked, kCname, 60, Bytes({1, 'c', 0xC0, 16})),
                Record(Bytes({0xC0, 45}), 28, 60, std::string(16, '\x20'))};
  v6.authorities = {Record(Bytes({0}), kSoa, 60, std::string(22, '\0'))};
  const std::string seeds[] = {Message(Chain()), Message(v6), Message({})};
  const DnsQuestion questions[] = {Question(), Question(DnsType::kAaaa), Question()};
  size_t counts[9] = {};
  for (int round = 0; round < 100'000; ++round) {
    const size_t seed = random() % 3;
    std::string mutant = seeds[seed];
    for (size_t change = random() % 5; change > 0; --change) {
      // Mostly behind the question, so that the rest is read at all.
      const size_t at = random() % 8 == 0
                            ? random() % mutant.size()
                            : std::min<size_t>(33 + random() % 100, mutant.size() - 1);
      switch (random() % 6) {
        case 0: mutant[at] = static_cast<char>(random()); break;
        case 1: mutant[at] = static_cast<char>(mutant[at] ^ (1 << random() % 8)); break;
        case 2: mutant[at] = "\xC0\x0C\x3F\x00\x05\xFF"[random() % 6]; break;
        case 3: mutant.erase(at, 1 + random() % 4); break;
        case 4: mutant.insert(at, mutant.substr(random() % mutant.size(), random() % 20)); break;
        default: mutant.resize(at + 1); break;
      }
      if (mutant.empty()) mutant = "x";
    }
    DnsAnswer answer;
    const DnsVerdict verdict = Read(mutant, questions[seed], &answer);
    ++counts[static_cast<size_t>(verdict)];
    REQUIRE(answer.addresses.count <= kDnsFamilyCountMax);
    REQUIRE((answer.addresses.count > 0) == (verdict == DnsVerdict::kAddresses));
    REQUIRE(answer.alias_count <= kDnsAliasCountMax);
    if (verdict != DnsVerdict::kAlias) continue;
    // What would be asked for is a name of good form.
    char bytes[kDnsQuerySizeMax];
    TextWriter writer{bytes, sizeof(bytes)};
    DnsQuestion next = questions[seed];
    next.name = answer.alias;
    DnsQueryWrite(next, writer);
    REQUIRE(next.name.bytes[next.name.size - 1] == '\0');
  }
  for (const DnsVerdict verdict :
       {DnsVerdict::kStranger, DnsVerdict::kMalformed, DnsVerdict::kTruncated,
        DnsVerdict::kAddresses, DnsVerdict::kAlias, DnsVerdict::kNoAddress, DnsVerdict::kNoName,
        DnsVerdict::kFailed, DnsVerdict::kRefused}) {
    CAPTURE(static_cast<int>(verdict));
    CHECK(counts[static_cast<size_t>(verdict)] > 0);
  }
}

}  // namespace
}  // namespace miagent
