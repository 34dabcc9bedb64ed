// Users and groups: the number of a name, from the text of /etc/passwd or /etc/group.
//
// Purpose: both files have the name in the first field of a line and the number in the third. The
//          text comes in pieces of any size; nothing is kept of it but where in a line it stands,
//          so no line is too long.
// Owns:    nothing; the search refers to the name that is looked for.
// Errors:  a name that isn't there isn't found; a line without a valid number is passed over.
// Never:   asks a name service: what isn't in the file is given by number.
#pragma once

#include <cstdint>
#include <string_view>

namespace miagent {

struct AccountSearch {
  std::string_view name;      // what is looked for
  bool is_found = false;
  uint32_t id = 0;            // once it is found
  uint32_t field_index = 0;   // where in a line the search is; the rest of the line is the last
  uint32_t field_size = 0;
  bool is_match = true;       // the line's first field is the name, so far
};

// Begins a search. An empty name is never found.
void AccountSearchBegin(AccountSearch& search, std::string_view name);

// Takes the next piece of the file; "\n" after the last one, which then needs no newline of its
// own. Once the name is found further pieces change nothing: of several lines with one name, the
// first counts.
void AccountSearchFeed(AccountSearch& search, std::string_view piece);

// Whether the name was found; stores its number then.
[[nodiscard]] bool AccountSearchFound(const AccountSearch& search, uint32_t* id);

// A number in place of a name: 0 to 4294967294. (2^32 - 1 is no account: to chown it means "leave
// it as it is".)
[[nodiscard]] bool AccountIdParse(std::string_view text, uint32_t* id);

}  // namespace miagent
