#include "agent/dns/resolv.h"

#include "agent/base/bytes.h"
#include "agent/base/check.h"
#include "agent/dns/message.h"

namespace miagent {
namespace {

constexpr uint16_t kPort = 53;

bool IsLinkLocal(const Address& address) {  // fe80::/10
  return address.is_ipv6 && address.bytes[0] == 0xFE && (address.bytes[1] & 0xC0) == 0x80;
}

void ServerAdd(ResolvConfig& config, std::string_view text) {
  Address address;
  if (config.server_count == kDnsServerCountMax) return;
  if (!DnsAddressParse(Slice(text, 0, Find(text, '%')), kPort, &address)) return;
  if (!IsLinkLocal(address)) config.servers[config.server_count++] = address;
}

void SearchAdd(ResolvConfig& config, std::string_view domain) {
  TextWriter writer{config.search, sizeof(config.search), config.search_size};
  Append(writer, domain);
  Append(writer, ' ');
  if (config.search_count == kDnsSearchCountMax || writer.overflowed) return;
  config.search_size = static_cast<uint32_t>(writer.size);
  ++config.search_count;
}

// The number of an option that begins with `name`, at most `max`. False for another option.
bool OptionRead(std::string_view text, std::string_view name, uint32_t max, uint32_t* value) {
  uint64_t number = 0;
  if (!StartsWith(text, name)) return false;
  if (!ParseUnsigned(SliceFrom(text, name.size()), UINT32_MAX, &number)) return false;
  *value = number < max ? static_cast<uint32_t>(number) : max;
  return true;
}

void OptionTake(ResolvConfig& config, std::string_view text) {
  constexpr auto kTimeoutMax_s = static_cast<uint32_t>(kDnsTimeoutMax.ms / 1000);
  uint32_t value = 0;
  if (OptionRead(text, "ndots:", kDnsDotCountMax, &value)) config.dot_count = value;
  if (OptionRead(text, "timeout:", kTimeoutMax_s, &value)) {
    config.timeout = Seconds(value == 0 ? 1 : value);
  }
  if (OptionRead(text, "attempts:", kDnsAttemptCountMax, &value)) {
    config.attempt_count = value == 0 ? 1 : value;
  }
}

ResolvKeyword KeywordOf(std::string_view word) {
  if (word == "nameserver") return ResolvKeyword::kServer;
  if (word == "domain") return ResolvKeyword::kDomain;
  if (word == "search") return ResolvKeyword::kSearch;
  return word == "options" ? ResolvKeyword::kOptions : ResolvKeyword::kOther;
}

void WordEnd(ResolvReader& reader) {
  if (reader.word_size == 0) return;
  ResolvConfig& config = *reader.config;
  const bool is_whole = reader.word_size <= sizeof(reader.word);
  const std::string_view word(reader.word, is_whole ? reader.word_size : 0);
  const uint32_t index = reader.word_index++;
  reader.word_size = 0;
  if (index == 0) {
    reader.keyword = KeywordOf(word);
    return;
  }
  const bool is_list = reader.keyword == ResolvKeyword::kSearch;
  if (index == 1 && (is_list || reader.keyword == ResolvKeyword::kDomain)) {
    config.search_count = config.search_size = 0;  // of several such lines the last one counts
  }
  if (word.empty()) return;
  switch (reader.keyword) {
    case ResolvKeyword::kServer:
      if (index == 1) ServerAdd(config, word);
      break;
    case ResolvKeyword::kDomain:
    case ResolvKeyword::kSearch:
      if (index == 1 || is_list) SearchAdd(config, word);
      break;
    case ResolvKeyword::kOptions: OptionTake(config, word); break;
    case ResolvKeyword::kOther: break;
  }
}

}  // namespace

void ResolvBegin(ResolvReader& reader, ResolvConfig* config) {
  *config = ResolvConfig{};
  reader = ResolvReader{};
  reader.config = config;
}

void ResolvFeed(ResolvReader& reader, std::string_view piece) {
  for (const char c : piece) {
    if (c == '\n') {
      WordEnd(reader);
      reader.word_index = 0;
      reader.is_comment = false;
    } else if (c == ' ' || c == '\t' || c == '\r') {
      WordEnd(reader);
    } else {
      if (reader.word_size == 0 && (c == '#' || c == ';')) reader.is_comment = true;
      if (reader.is_comment) continue;
      if (reader.word_size < sizeof(reader.word)) reader.word[reader.word_size] = c;
      if (reader.word_size <= sizeof(reader.word)) ++reader.word_size;
    }
  }
}

void ResolvEnd(ResolvReader& reader) {
  ResolvFeed(reader, "\n");
  ResolvConfig& config = *reader.config;
  if (config.server_count == 0) ServerAdd(config, "127.0.0.1");
}

std::string_view ResolvSearch(const ResolvConfig& config, uint32_t index) {
  CHECK(index < config.search_count);
  std::string_view rest(config.search, config.search_size);
  for (uint32_t skipped = 0; skipped < index; ++skipped) {
    rest = SliceFrom(rest, Find(rest, ' ') + 1);
  }
  return Slice(rest, 0, Find(rest, ' '));
}

}  // namespace miagent
