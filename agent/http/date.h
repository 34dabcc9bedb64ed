// Dates in HTTP headers, and in answers.
#pragma once

#include <string_view>

#include "platform/time.h"

namespace miagent {

// Reads an HTTP date in the form that RFC 9110 requires of senders (IMF-fixdate:
// `Sun, 06 Nov 1994 08:49:37 GMT`) or the older RFC 850 and asctime forms that it requires
// receivers to take. Checks every field's range. The name of the day is not compared with the
// date. Result from 1970 to 9999. False for anything else, with nothing stored.
[[nodiscard]] bool HttpDateParse(std::string_view text, WallTime* time);

// Reads a date as token endpoints write it where Unix time is expected:
//   06/19/2019 23:42:01 +00:00      month, day, year; each field of one or two digits (App Service
//   1/16/2020 5:24:12 AM +00:00     2017 on Linux, on Windows); the offset is required
//   2019-06-19T23:42:01.123Z        ISO 8601; a fraction is dropped; Z, an offset, or neither: UTC
//   2019-06-19 23:42:01             the same with a blank
//   and the forms of HttpDateParse.
// Checks every field's range. Result from 1970 to 9999. False for anything else.
[[nodiscard]] bool DateParse(std::string_view text, WallTime* time);

// Reads the value of Retry-After: seconds, or a date, which counts from `now` (the answer's own
// Date, or the wall clock). A date in the past is zero. At most kRetryAfterMax. False for
// anything else.
[[nodiscard]] bool RetryAfterParse(std::string_view text, WallTime now, Duration* delay);

}  // namespace miagent
