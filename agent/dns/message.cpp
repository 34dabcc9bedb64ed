#include "agent/dns/message.h"

#include "agent/base/address.h"
#include "agent/base/check.h"

namespace miagent {
namespace {

constexpr size_t kHeaderSize = 12;
constexpr uint16_t kTypeCname = 5;
constexpr uint16_t kTypeSoa = 6;
constexpr uint16_t kClassInternet = 1;
constexpr uint16_t kFlagAnswer = 0x8000;
constexpr uint16_t kFlagOpcode = 0x7800;
constexpr uint16_t kFlagAuthoritative = 0x0400;
constexpr uint16_t kFlagTruncated = 0x0200;
constexpr uint16_t kFlagRecursionDesired = 0x0100;
constexpr uint16_t kFlagRecursionAvailable = 0x0080;
constexpr uint16_t kFlagCode = 0x000F;
constexpr uint16_t kCodeNone = 0;
constexpr uint16_t kCodeNoName = 3;
constexpr uint16_t kCodeRefused = 5;
constexpr uint8_t kLabelPointer = 0xC0;  // the upper two bits of a label's size

struct Cursor {
  std::string_view message;
  size_t offset = 0;
  bool is_good = true;  // false: it ran past the end
};

struct Record {
  DnsName owner;
  uint16_t type = 0;
  uint32_t ttl_s = 0;
  size_t data_offset = 0;
  size_t data_size = 0;
};

uint8_t Take8(Cursor& cursor) {
  if (cursor.offset >= cursor.message.size()) {
    cursor.is_good = false;
    return 0;
  }
  return static_cast<uint8_t>(cursor.message[cursor.offset++]);
}

uint16_t Take16(Cursor& cursor) {
  const uint32_t high = Take8(cursor);
  return static_cast<uint16_t>(high << 8 | Take8(cursor));
}

// Puts a label, which must fit, behind the name's others.
bool LabelAdd(DnsName* name, std::string_view label) {
  // Its size, and the root's byte to come.
  if (name->size + 1 + label.size() + 1 > kDnsNameSizeMax) return false;
  name->bytes[name->size++] = static_cast<char>(label.size());
  for (const char c : label) name->bytes[name->size++] = ToLower(c);
  return true;
}

// Takes a name, whose pointers lead back behind the header, each before all that was read of it.
void NameTake(Cursor& cursor, DnsName* name) {
  name->size = 0;
  size_t floor = cursor.offset;  // pointers lead below
  size_t end = 0;                // behind the name's first pointer
  for (;;) {
    const uint8_t size = Take8(cursor);
    if (!cursor.is_good) return;
    if (size == 0) break;
    if ((size & kLabelPointer) == kLabelPointer) {
      const size_t target = static_cast<size_t>(size & ~kLabelPointer) << 8 | Take8(cursor);
      if (end == 0) end = cursor.offset;
      cursor.is_good = cursor.is_good && target >= kHeaderSize && target < floor;
      if (!cursor.is_good) return;
      floor = cursor.offset = target;
      continue;
    }
    cursor.is_good = size <= kDnsLabelSizeMax && size <= cursor.message.size() - cursor.offset &&
                     LabelAdd(name, Slice(cursor.message, cursor.offset, size));
    if (!cursor.is_good) return;
    cursor.offset += size;
  }
  name->bytes[name->size++] = '\0';
  if (end != 0) cursor.offset = end;
}

// Takes a record and steps behind it. Its type is 0 where it is of another class.
bool RecordTake(Cursor& cursor, Record* record) {
  NameTake(cursor, &record->owner);
  record->type = Take16(cursor);
  if (Take16(cursor) != kClassInternet) record->type = 0;
  const uint32_t high = Take16(cursor);
  record->ttl_s = high << 16 | Take16(cursor);
  if (record->ttl_s > INT32_MAX) record->ttl_s = 0;  // RFC 2181, section 8
  record->data_size = Take16(cursor);
  record->data_offset = cursor.offset;
  if (!cursor.is_good || record->data_size > cursor.message.size() - cursor.offset) return false;
  cursor.offset += record->data_size;
  return true;
}

void TtlLower(DnsAnswer* answer, const Record& record) {
  if (record.ttl_s < answer->ttl_s) answer->ttl_s = record.ttl_s;
}

// Follows the aliases of the records once, from the first to the last. False: malformed.
bool AliasesFollow(Cursor records, uint32_t record_count, DnsAnswer* answer, bool* has_moved) {
  Record record;
  *has_moved = false;
  for (uint32_t index = 0; index < record_count; ++index) {
    if (!RecordTake(records, &record)) return false;
    if (record.type != kTypeCname || !DnsNameEqual(record.owner, answer->alias)) continue;
    Cursor data{Slice(records.message, 0, record.data_offset + record.data_size),
                record.data_offset};
    NameTake(data, &answer->alias);
    if (!data.is_good || data.offset != data.message.size()) return false;
    if (++answer->alias_count > kDnsAliasCountMax) return false;
    TtlLower(answer, record);
    *has_moved = true;
  }
  return true;
}

// Adds the addresses of the name that the aliases led to. The cursor ends behind the records.
DnsVerdict AddressesTake(Cursor& records, uint32_t record_count, DnsType type, DnsAnswer* answer) {
  DnsVerdict verdict = DnsVerdict::kNoAddress;
  const bool is_ipv6 = type == DnsType::kAaaa;
  const size_t size = is_ipv6 ? 16 : 4;
  Record record;
  for (uint32_t index = 0; index < record_count; ++index) {
    if (!RecordTake(records, &record)) return DnsVerdict::kMalformed;
    if (record.type != static_cast<uint16_t>(type)) continue;
    if (record.data_size != size) return DnsVerdict::kMalformed;
    if (!DnsNameEqual(record.owner, answer->alias)) continue;
    Address address;
    address.is_ipv6 = is_ipv6;
    for (size_t byte = 0; byte < size; ++byte) {
      address.bytes[byte] = static_cast<uint8_t>(records.message[record.data_offset + byte]);
    }
    DnsAddressAdd(answer->addresses, address);
    TtlLower(answer, record);
    verdict = DnsVerdict::kAddresses;
  }
  return verdict;
}

// Whether the cursor is at the SOA record that comes with "no such record" (RFC 2308).
bool IsSoa(Cursor authority) {
  Record record;
  return RecordTake(authority, &record) && record.type == kTypeSoa;
}

}  // namespace

bool DnsNameEqual(const DnsName& a, const DnsName& b) {
  return std::string_view(a.bytes, a.size) == std::string_view(b.bytes, b.size);
}

bool DnsNameParse(std::string_view text, DnsName* name) {
  name->size = 0;
  if (EndsWith(text, ".")) text = Slice(text, 0, text.size() - 1);
  bool is_number = false;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = Find(text, '.', begin);
    const std::string_view label = Slice(text, begin, end - begin);
    if (label.empty() || label.size() > kDnsLabelSizeMax) return false;
    if (label.front() == '-' || label.back() == '-') return false;
    is_number = true;
    for (const char c : label) {
      if (!IsAlpha(c) && !IsDigit(c) && c != '-' && c != '_') return false;
      is_number = is_number && IsDigit(c);
    }
    if (!LabelAdd(name, label)) return false;
    begin = end + 1;
  }
  name->bytes[name->size++] = '\0';
  return !is_number;
}

bool DnsNameExtend(DnsName& name, const DnsName& suffix) {
  const uint32_t size = name.size - 1U;  // without the root's byte
  if (size + suffix.size > kDnsNameSizeMax) return false;
  for (uint32_t index = 0; index < suffix.size; ++index) {
    name.bytes[size + index] = suffix.bytes[index];
  }
  name.size = static_cast<uint8_t>(size + suffix.size);
  return true;
}

void DnsQueryWrite(const DnsQuestion& question, TextWriter& writer) {
  const auto append16 = [&writer](uint16_t value) {
    Append(writer, static_cast<char>(value >> 8));
    Append(writer, static_cast<char>(value & 255));
  };
  append16(question.id);
  append16(kFlagRecursionDesired);
  append16(1);  // questions; no answers, authorities or additional records
  for (uint32_t index = 0; index < 3; ++index) append16(0);
  Append(writer, {question.name.bytes, question.name.size});
  append16(static_cast<uint16_t>(question.type));
  append16(kClassInternet);
  CHECK(!writer.overflowed);
}

bool DnsAddressParse(std::string_view text, uint16_t port, Address* address) {
  return !EqualIgnoreCase(text, "localhost") && AddressParse(text, port, address);
}

void DnsAddressAdd(DnsAddresses& addresses, const Address& address) {
  uint32_t place = addresses.count;
  uint32_t family_count = 0;
  for (uint32_t index = 0; index < addresses.count; ++index) {
    const Address& item = addresses.items[index];
    if (!address.is_ipv6 && item.is_ipv6 && index < place) place = index;
    if (item.is_ipv6 != address.is_ipv6) continue;
    ++family_count;
    if (std::string_view(reinterpret_cast<const char*>(item.bytes), 16) ==
        std::string_view(reinterpret_cast<const char*>(address.bytes), 16)) {
      return;
    }
  }
  if (family_count == kDnsFamilyCountMax) return;
  CHECK(addresses.count < kDnsAddressCountMax);
  for (uint32_t index = addresses.count; index > place; --index) {
    addresses.items[index] = addresses.items[index - 1];
  }
  addresses.items[place] = address;
  ++addresses.count;
}

DnsVerdict DnsAnswerRead(std::string_view message, const DnsQuestion& question, DnsAnswer* answer) {
  Cursor cursor{message};
  const uint16_t id = Take16(cursor);
  const uint16_t flags = Take16(cursor);
  const uint16_t question_count = Take16(cursor);
  const uint16_t record_count = Take16(cursor);
  const uint16_t authority_count = Take16(cursor);
  Take16(cursor);
  if (!cursor.is_good || id != question.id) return DnsVerdict::kStranger;
  if ((flags & (kFlagAnswer | kFlagOpcode)) != kFlagAnswer) return DnsVerdict::kStranger;
  const uint16_t code = flags & kFlagCode;
  const bool is_judged = code == kCodeNone || code == kCodeNoName;
  // A server that didn't read the question may leave it out.
  DnsAnswer draft = *answer;
  if (question_count != 0 || is_judged) {
    NameTake(cursor, &draft.alias);
    const uint16_t type = Take16(cursor);
    const bool is_same = Take16(cursor) == kClassInternet && cursor.is_good &&
                         question_count == 1 && type == static_cast<uint16_t>(question.type) &&
                         DnsNameEqual(draft.alias, question.name);
    if (!is_same) return DnsVerdict::kStranger;
  }
  if (code == kCodeRefused) return DnsVerdict::kRefused;
  if (!is_judged) return DnsVerdict::kFailed;
  if ((flags & kFlagTruncated) != 0) return DnsVerdict::kTruncated;
  if (code == kCodeNoName) return DnsVerdict::kNoName;
  for (bool has_moved = true; has_moved;) {  // ends: each move counts towards the limit
    if (!AliasesFollow(cursor, record_count, &draft, &has_moved)) return DnsVerdict::kMalformed;
  }
  const DnsVerdict verdict = AddressesTake(cursor, record_count, question.type, &draft);
  if (verdict == DnsVerdict::kMalformed) return verdict;
  const bool is_alias = draft.alias_count != answer->alias_count;
  const bool is_final =
      verdict == DnsVerdict::kAddresses || (authority_count != 0 && IsSoa(cursor));
  // A referral to other servers: this one doesn't ask them for us.
  const bool is_lame = (flags & (kFlagAuthoritative | kFlagRecursionAvailable)) == 0;
  if (!is_final && !is_alias && is_lame) return DnsVerdict::kRefused;
  *answer = draft;
  return !is_final && is_alias ? DnsVerdict::kAlias : verdict;
}

}  // namespace miagent
