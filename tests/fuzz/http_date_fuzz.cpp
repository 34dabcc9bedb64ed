// Dates: what is read is within its range and survives a round trip through the C library's
// calendar; each form of each moment is read as that moment; Retry-After keeps its bounds.

#include "agent/http/date.h"

#include <ctime>

#include "agent/limits.h"
#include "tests/fuzz/fuzz.h"

namespace miagent {
namespace {

std::string Form(int64_t unix_s, const char* format) {
  const time_t time = unix_s;
  tm fields{};
  MUST(gmtime_r(&time, &fields) != nullptr);
  char text[100];
  return {text, strftime(text, sizeof(text), format, &fields)};
}

void MustRead(const std::string& text, int64_t unix_s, bool is_header) {
  const Bytes bytes(text);
  WallTime time;
  MUST(DateParse(bytes.text(), &time) && time.unix_s == unix_s);
  time = {};
  MUST(HttpDateParse(bytes.text(), &time) == is_header);
  MUST(!is_header || time.unix_s == unix_s);
}

// Each form of a moment.
void FormsRead(int64_t unix_s) {
  MustRead(Form(unix_s, "%a, %d %b %Y %H:%M:%S GMT"), unix_s, true);
  MustRead(Form(unix_s, "%a %b %e %H:%M:%S %Y"), unix_s, true);
  const int year = std::stoi(Form(unix_s, "%Y"));
  if (year < 2070) MustRead(Form(unix_s, "%A, %d-%b-%y %H:%M:%S GMT"), unix_s, true);
  MustRead(Form(unix_s, "%m/%d/%Y %H:%M:%S +00:00"), unix_s, false);
  MustRead(Form(unix_s, "%m/%d/%Y %I:%M:%S %p +00:00"), unix_s, false);
  MustRead(Form(unix_s, "%Y-%m-%dT%H:%M:%SZ"), unix_s, false);
  MustRead(Form(unix_s, "%Y-%m-%d %H:%M:%S.5"), unix_s, false);
  const int64_t ahead_s = (5 * 60 + 45) * 60;
  if (unix_s + ahead_s > kUnixTimeMax) return;
  MustRead(Form(unix_s + ahead_s, "%Y-%m-%dT%H:%M:%S+05:45"), unix_s, false);
}

}  // namespace
}  // namespace miagent

FUZZ_TARGET(input) {
  const Bytes bytes(input);
  const std::string_view text = bytes.text();
  WallTime time{-1};
  if (HttpDateParse(text, &time)) {
    MUST(time.unix_s >= 0 && time.unix_s <= kUnixTimeMax);
    WallTime other{-1};
    MUST(DateParse(text, &other) && other.unix_s == time.unix_s);
  } else {
    MUST(time.unix_s == -1);
  }
  time = {-1};
  if (DateParse(text, &time)) {
    MUST(time.unix_s >= 0 && time.unix_s <= kUnixTimeMax);
    FormsRead(time.unix_s);
  } else {
    MUST(time.unix_s == -1);
  }
  Duration delay{-1};
  for (const int64_t now_s : {int64_t{0}, int64_t{784111777}, kUnixTimeMax}) {
    if (!RetryAfterParse(text, {now_s}, &delay)) continue;
    MUST(delay.ms >= 0 && delay <= kRetryAfterMax && delay.ms % 1000 == 0);
    if (text.find_first_not_of("0123456789") != text.npos) continue;
    const std::string digits(text);
    const int64_t seconds = digits.size() > 9 ? 300 : std::min(std::stoll(digits), 300LL);
    MUST(seconds * 1000 == delay.ms || (digits.size() > 9 && digits[0] == '0'));
  }
  uint64_t number = 0;
  std::memcpy(&number, text.data(), std::min(text.size(), sizeof(number)));
  FormsRead(static_cast<int64_t>(number % (kUnixTimeMax + 1)));
}
