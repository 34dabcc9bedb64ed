// DNS: only an answer to this very question changes anything, its addresses stand in it, and the
// limits hold; a host name is what a reference check takes for one.

#include "agent/dns/message.h"

#include "tests/fuzz/fuzz.h"

namespace miagent {
namespace {

constexpr uint16_t kId = 0x1234;
constexpr std::string_view kHost = "login.example";

void NameJudge(const DnsName& name) {
  MUST(name.size >= 1 && name.size <= kDnsNameSizeMax);
  size_t at = 0;
  while (name.bytes[at] != 0) {
    const auto size = static_cast<uint8_t>(name.bytes[at]);
    MUST(size <= kDnsLabelSizeMax && at + size + 1 < name.size);
    for (size_t index = at + 1; index <= at + size; ++index) {
      MUST(name.bytes[index] < 'A' || name.bytes[index] > 'Z');
    }
    at += size + 1U;
  }
  MUST(at + 1 == name.size);
}

void HostJudge(std::string_view text) {
  const Bytes bytes(text);
  DnsName name;
  const bool is_name = DnsNameParse(bytes.text(), &name);
  std::string rest(text);
  if (!rest.empty() && rest.back() == '.') rest.pop_back();
  bool expected = rest.size() + 2 <= kDnsNameSizeMax;
  bool is_number = false;
  for (size_t begin = 0; begin <= rest.size();) {
    const size_t end = std::min(rest.find('.', begin), rest.size());
    const std::string label = rest.substr(begin, end - begin);
    expected =
        expected && !label.empty() && label.size() <= 63 && label[0] != '-' && label.back() != '-';
    is_number = label.find_first_not_of("0123456789") == label.npos;
    for (const char c : label) {
      expected = expected && (std::isalnum(static_cast<uint8_t>(c)) != 0 || c == '-' || c == '_') &&
                 static_cast<uint8_t>(c) < 0x80;
    }
    begin = end + 1;
  }
  MUST(is_name == (expected && !is_number));
  if (!is_name) return;
  NameJudge(name);
  DnsQuestion question{kId, DnsType::kAaaa, name};
  char query[kDnsQuerySizeMax];
  TextWriter writer{query, sizeof(query)};
  DnsQueryWrite(question, writer);
  MUST(writer.size == 12U + name.size + 4);
  // The query isn't its own answer.
  DnsAnswer answer;
  MUST(DnsAnswerRead(writer.text(), question, &answer) == DnsVerdict::kStranger);
}

bool IsChange(DnsVerdict verdict) {
  return verdict == DnsVerdict::kAddresses || verdict == DnsVerdict::kNoAddress ||
         verdict == DnsVerdict::kAlias;
}

void AnswerJudge(std::string_view message, DnsType type) {
  DnsQuestion question{kId, type, {}};
  MUST(DnsNameParse(kHost, &question.name));
  DnsAnswer answer;
  answer.alias = question.name;
  const DnsVerdict verdict = DnsAnswerRead(message, question, &answer);
  const bool is_same_id = message.size() >= 12 && message.substr(0, 2) == "\x12\x34";
  MUST(is_same_id || verdict == DnsVerdict::kStranger);
  if (!IsChange(verdict)) {
    MUST(answer.addresses.count == 0 && answer.alias_count == 0 && answer.ttl_s == UINT32_MAX);
    return;
  }
  MUST(answer.alias_count <= kDnsAliasCountMax);
  MUST((verdict == DnsVerdict::kAddresses) == (answer.addresses.count != 0));
  MUST(verdict != DnsVerdict::kAlias || answer.alias_count != 0);
  MUST(answer.ttl_s <= INT32_MAX || answer.ttl_s == UINT32_MAX);
  NameJudge(answer.alias);
  MUST(answer.addresses.count <= kDnsFamilyCountMax);  // of one family
  for (uint32_t index = 0; index < answer.addresses.count; ++index) {
    const Address& address = answer.addresses.items[index];
    const size_t size = address.is_ipv6 ? 16 : 4;
    MUST(address.is_ipv6 == (type == DnsType::kAaaa));
    const std::string_view bytes(reinterpret_cast<const char*>(address.bytes), size);
    MUST(message.substr(12).find(bytes) != message.npos);
  }
  // Bytes that follow a message change nothing of it.
  DnsAnswer again;
  const Bytes longer(std::string(message) + "\xC0\x0C");
  MUST(DnsAnswerRead(longer.text(), question, &again) == verdict);
  MUST(again.addresses.count == answer.addresses.count && again.ttl_s == answer.ttl_s);
}

}  // namespace
}  // namespace miagent

FUZZ_TARGET(input) {
  HostJudge(input);
  const Bytes message(input);
  AnswerJudge(message.text(), DnsType::kA);
  AnswerJudge(message.text(), DnsType::kAaaa);
}
