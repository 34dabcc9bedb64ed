#include "agent/http/date.h"

#include "agent/base/bytes.h"
#include "agent/limits.h"

namespace miagent {
namespace {

constexpr size_t kNameSize = 3;
constexpr std::string_view kDayNames = "MonTueWedThuFriSatSun";
constexpr char kDayNameEnds[][7] = {"day", "sday", "nesday", "rsday", "day", "urday", "day"};
constexpr std::string_view kMonthNames = "JanFebMarAprMayJunJulAugSepOctNovDec";

// The forms of RFC 9110, 5.6.7. A lower-case letter stands for a field (FieldMatch), anything else
// for itself.
constexpr char kForms[][28] = {
    "a, dd bbb yyyy hh:mm:ss GMT",
    "A, dd-bbb-zz hh:mm:ss GMT",
    "a bbb ee hh:mm:ss yyyy",
};

struct Fields {
  uint32_t year = 0;
  uint32_t month = 0;  // 0-11
  uint32_t day = 0;
  uint32_t hour = 0;
  uint32_t minute = 0;
  uint32_t second = 0;
};

constexpr bool IsLeapYear(uint32_t year) {
  return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

constexpr uint32_t DaysInMonth(uint32_t year, uint32_t month) {
  if (month == 1) return IsLeapYear(year) ? 29 : 28;
  return month == 3 || month == 5 || month == 8 || month == 10 ? 30 : 31;
}

// Days from 1970-01-01 to a date of the Gregorian calendar, by counting from 1 March of year 0, so
// that the leap day is the last of its year.
constexpr int64_t DaysFromCivil(uint32_t year, uint32_t month, uint32_t day) {
  const int64_t year_from_march = month < 2 ? int64_t{year} - 1 : int64_t{year};
  const uint32_t month_from_march = (month + 10) % 12;
  const int64_t day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
  return 365 * year_from_march + year_from_march / 4 - year_from_march / 100 +
         year_from_march / 400 + day_of_year - 719468;
}

static_assert(DaysFromCivil(1970, 0, 1) == 0, "the epoch");
static_assert(DaysFromCivil(2000, 1, 29) == 11016, "a leap day");

// Takes one of the names, which are kNameSize bytes each.
bool NameMatch(std::string_view& text, std::string_view names, uint32_t* index) {
  if (text.size() < kNameSize) return false;
  for (size_t offset = 0; offset < names.size(); offset += kNameSize) {
    const char* const name = names.data() + offset;
    if (text[0] != name[0] || text[1] != name[1] || text[2] != name[2]) continue;
    text = SliceFrom(text, kNameSize);
    *index = static_cast<uint32_t>(offset / kNameSize);
    return true;
  }
  return false;
}

// Takes the name of a day, or where `is_whole` all of it.
bool DayMatch(std::string_view& text, bool is_whole) {
  uint32_t day = 0;
  if (!NameMatch(text, kDayNames, &day)) return false;
  const std::string_view end = is_whole ? kDayNameEnds[day] : "";
  if (!StartsWith(text, end)) return false;
  text = SliceFrom(text, end.size());
  return true;
}

// Takes one field off the front of `text`; `form` begins with the letters that stand for it.
bool FieldMatch(std::string_view form, std::string_view& text, size_t* form_size, Fields* fields) {
  const char letter = form[0];
  *form_size = 1;
  if (letter == 'a' || letter == 'A') return DayMatch(text, letter == 'A');
  while (*form_size < form.size() && form[*form_size] == letter) ++*form_size;
  if (letter == 'b') return NameMatch(text, kMonthNames, &fields->month);
  if (text.size() < *form_size) return false;
  std::string_view digits = Slice(text, 0, *form_size);
  text = SliceFrom(text, *form_size);
  if (letter == 'e' && digits[0] == ' ') digits = SliceFrom(digits, 1);
  uint64_t value = 0;
  if (!ParseUnsigned(digits, 9999, &value)) return false;
  const auto number = static_cast<uint32_t>(value);
  switch (letter) {
    case 'y': fields->year = number; return true;
    case 'z': fields->year = number + (number < 70 ? 2000 : 1900); return true;
    case 'h': fields->hour = number; return number < 24;
    case 'm': fields->minute = number; return number < 60;
    case 's': fields->second = number; return number <= 60;  // a leap second is allowed
    default: fields->day = number; return true;
  }
}

bool DayIsReal(const Fields& fields) {
  return fields.year >= 1970 && fields.day >= 1 &&
         fields.day <= DaysInMonth(fields.year, fields.month);
}

int64_t UnixTime(const Fields& fields) {
  const int64_t days = DaysFromCivil(fields.year, fields.month, fields.day);
  return ((days * 24 + fields.hour) * 60 + fields.minute) * 60 + fields.second;
}

bool FormMatch(std::string_view form, std::string_view text, Fields* fields) {
  while (!form.empty()) {
    size_t form_size = 1;
    if (form[0] == 'A' || form[0] >= 'a') {
      if (!FieldMatch(form, text, &form_size, fields)) return false;
    } else {
      if (text.empty() || text[0] != form[0]) return false;
      text = SliceFrom(text, 1);
    }
    form = SliceFrom(form, form_size);
  }
  return text.empty() && DayIsReal(*fields);
}

// ---- dates in answers -----------------------------------------------------------------------

// Takes a number of `digit_count_min` to `digit_count_max` digits off the front, up to value_max.
bool NumberTake(std::string_view& text, uint32_t digit_count_min, uint32_t digit_count_max,
                uint32_t value_max, uint32_t* value) {
  uint32_t digit_count = 0;
  *value = 0;
  while (digit_count < digit_count_max && digit_count < text.size() && IsDigit(text[digit_count])) {
    *value = *value * 10 + static_cast<uint32_t>(text[digit_count++] - '0');
  }
  text = SliceFrom(text, digit_count);
  return digit_count >= digit_count_min && *value <= value_max;
}

bool Take(std::string_view& text, std::string_view wanted) {
  if (!StartsWith(text, wanted)) return false;
  text = SliceFrom(text, wanted.size());
  return true;
}

// `h:mm:ss` or `hh:mm:ss`.
bool TimeTake(std::string_view& text, uint32_t hour_digit_count_min, Fields* fields) {
  return NumberTake(text, hour_digit_count_min, 2, 23, &fields->hour) && Take(text, ":") &&
         NumberTake(text, 2, 2, 59, &fields->minute) && Take(text, ":") &&
         NumberTake(text, 2, 2, 60, &fields->second);
}

// `+hh:mm` or `-hh:mm`: how far ahead of UTC.
bool OffsetTake(std::string_view& text, int64_t* ahead_s) {
  uint32_t hours = 0;
  uint32_t minutes = 0;
  const bool is_behind = StartsWith(text, "-");
  if (!Take(text, "+") && !Take(text, "-")) return false;
  if (!NumberTake(text, 2, 2, 23, &hours) || !Take(text, ":")) return false;
  if (!NumberTake(text, 2, 2, 59, &minutes)) return false;
  *ahead_s = (int64_t{hours} * 60 + minutes) * 60 * (is_behind ? -1 : 1);
  return true;
}

// The clock of twelve hours: 12 AM is midnight.
bool HalfTake(std::string_view& text, Fields* fields) {
  const bool is_morning = Take(text, " AM");
  if (!is_morning && !Take(text, " PM")) return true;
  if (fields->hour < 1 || fields->hour > 12) return false;
  fields->hour = fields->hour % 12 + (is_morning ? 0 : 12);
  return true;
}

// month/day/year h:mm:ss [AM|PM] offset
bool MonthFirstParse(std::string_view text, Fields* fields, int64_t* ahead_s) {
  uint32_t month = 0;
  if (!NumberTake(text, 1, 2, 12, &month) || month == 0 || !Take(text, "/")) return false;
  if (!NumberTake(text, 1, 2, 31, &fields->day) || !Take(text, "/")) return false;
  if (!NumberTake(text, 4, 4, 9999, &fields->year) || !Take(text, " ")) return false;
  fields->month = month - 1;
  return TimeTake(text, 1, fields) && HalfTake(text, fields) && Take(text, " ") &&
         OffsetTake(text, ahead_s) && text.empty();
}

// year-month-day, T or a blank, hh:mm:ss [.fraction] [Z|offset]
bool YearFirstParse(std::string_view text, Fields* fields, int64_t* ahead_s) {
  uint32_t month = 0;
  if (!NumberTake(text, 4, 4, 9999, &fields->year) || !Take(text, "-")) return false;
  if (!NumberTake(text, 2, 2, 12, &month) || month == 0 || !Take(text, "-")) return false;
  if (!NumberTake(text, 2, 2, 31, &fields->day)) return false;
  if (!Take(text, "T") && !Take(text, " ")) return false;
  fields->month = month - 1;
  if (!TimeTake(text, 2, fields)) return false;
  if (Take(text, ".")) {
    size_t digit_count = 0;
    while (digit_count < text.size() && IsDigit(text[digit_count])) ++digit_count;
    if (digit_count == 0) return false;
    text = SliceFrom(text, digit_count);
  }
  static_cast<void>(Take(text, " "));
  if (!text.empty() && !Take(text, "Z") && !OffsetTake(text, ahead_s)) return false;
  return text.empty();
}

}  // namespace

bool HttpDateParse(std::string_view text, WallTime* time) {
  for (const std::string_view form : kForms) {
    Fields fields;
    if (!FormMatch(form, text, &fields)) continue;
    const int64_t unix_s = UnixTime(fields);
    if (unix_s > kUnixTimeMax) return false;  // the last leap second
    time->unix_s = unix_s;
    return true;
  }
  return false;
}

bool DateParse(std::string_view text, WallTime* time) {
  Fields fields;
  int64_t ahead_s = 0;
  const bool is_slashed = Find(text, '/') != text.size();
  if (text.empty() || !IsDigit(text[0])) return HttpDateParse(text, time);
  if (!(is_slashed ? MonthFirstParse : YearFirstParse)(text, &fields, &ahead_s)) return false;
  const int64_t unix_s = UnixTime(fields) - ahead_s;
  if (!DayIsReal(fields) || unix_s < 0 || unix_s > kUnixTimeMax) return false;
  time->unix_s = unix_s;
  return true;
}

bool RetryAfterParse(std::string_view text, WallTime now, Duration* delay) {
  size_t digit_count = 0;
  while (digit_count < text.size() && IsDigit(text[digit_count])) ++digit_count;
  if (digit_count != 0 && digit_count == text.size()) {
    uint64_t seconds = 0;
    const auto seconds_max = static_cast<uint64_t>(kRetryAfterMax.ms / 1000);
    *delay = ParseUnsigned(text, seconds_max, &seconds) ? Seconds(static_cast<int64_t>(seconds))
                                                        : kRetryAfterMax;
    return true;
  }
  WallTime date;
  if (!HttpDateParse(text, &date)) return false;
  *delay = Least(Greatest(date - now, Duration{0}), kRetryAfterMax);
  return true;
}

}  // namespace miagent
