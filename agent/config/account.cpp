#include "agent/config/account.h"

#include "agent/base/bytes.h"

namespace miagent {
namespace {

constexpr uint32_t kAccountIdMax = UINT32_MAX - 1;
constexpr uint32_t kFieldName = 0;
constexpr uint32_t kFieldId = 2;

// A digit of the number, or what can't be one.
void IdTake(AccountSearch& search, char c) {
  uint32_t id = 0;
  const bool is_number = IsDigit(c) && !__builtin_mul_overflow(search.id, 10U, &id) &&
                         !__builtin_add_overflow(id, static_cast<uint32_t>(c - '0'), &id) &&
                         id <= kAccountIdMax;
  if (is_number) search.id = id;
  if (!is_number) search.is_match = false;
}

void FieldEnd(AccountSearch& search) {
  if (search.field_index == kFieldName && search.field_size != search.name.size())
    search.is_match = false;
  if (search.field_index == kFieldId && search.field_size == 0) search.is_match = false;
  if (search.field_index == kFieldId && search.is_match) search.is_found = true;
  if (search.field_index <= kFieldId) ++search.field_index;
  search.field_size = 0;
}

void LineBegin(AccountSearch& search) {
  search.field_index = 0;
  search.field_size = 0;
  search.id = 0;
  search.is_match = true;
}

void CharacterTake(AccountSearch& search, char c) {
  if (c == ':') return FieldEnd(search);
  if (search.field_index == kFieldName && search.is_match) {
    search.is_match = search.field_size < search.name.size() && search.name[search.field_size] == c;
  }
  if (search.field_index == kFieldId) IdTake(search, c);
  if (search.field_size <= search.name.size()) ++search.field_size;  // longer: as good as one more
}

}  // namespace

void AccountSearchBegin(AccountSearch& search, std::string_view name) {
  search = AccountSearch{};
  search.name = name;
}

void AccountSearchFeed(AccountSearch& search, std::string_view piece) {
  for (const char c : piece) {
    if (search.is_found || search.name.empty()) return;
    if (c != '\n') {
      CharacterTake(search, c);
      continue;
    }
    FieldEnd(search);
    if (!search.is_found) LineBegin(search);
  }
}

bool AccountSearchFound(const AccountSearch& search, uint32_t* id) {
  if (search.is_found) *id = search.id;
  return search.is_found;
}

bool AccountIdParse(std::string_view text, uint32_t* id) {
  uint64_t value = 0;
  if (!ParseUnsigned(text, kAccountIdMax, &value)) return false;
  *id = static_cast<uint32_t>(value);
  return true;
}

}  // namespace miagent
