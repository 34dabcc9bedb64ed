#include "agent/http/date.h"

#include <cstdio>
#include <ctime>
#include <string>

#include "agent/limits.h"
#include "doctest.h"

namespace miagent {
namespace {

int64_t Unix(std::string_view text) {
  WallTime time{-1};
  return HttpDateParse(text, &time) ? time.unix_s : -1;
}

TEST_CASE("the three forms of RFC 9110 say the same") {
  CHECK(Unix("Sun, 06 Nov 1994 08:49:37 GMT") == 784111777);
  CHECK(Unix("Sunday, 06-Nov-94 08:49:37 GMT") == 784111777);
  CHECK(Unix("Sun Nov  6 08:49:37 1994") == 784111777);
  CHECK(Unix("Wed Nov 16 08:49:37 1994") == 784111777 + 10 * 86400);
}

TEST_CASE("ends of the range") {
  CHECK(Unix("Thu, 01 Jan 1970 00:00:00 GMT") == 0);
  CHECK(Unix("Fri, 31 Dec 9999 23:59:59 GMT") == kUnixTimeMax);
  CHECK(Unix("Fri, 31 Dec 9999 23:59:60 GMT") == -1);
  CHECK(Unix("Fri Dec 31 23:59:60 9999") == -1);
  CHECK(Unix("Wed, 31 Dec 1969 23:59:59 GMT") == -1);
  CHECK(Unix("Tue, 29 Feb 2000 00:00:00 GMT") == 951782400);
  CHECK(Unix("Sat, 31 Dec 2016 23:59:60 GMT") == 1483228800);  // a leap second
}

TEST_CASE("years of two digits are from 1970 to 2069") {
  CHECK(Unix("Thursday, 01-Jan-70 00:00:00 GMT") == 0);
  CHECK(Unix("Friday, 31-Dec-99 23:59:59 GMT") == 946684799);
  CHECK(Unix("Saturday, 01-Jan-00 00:00:00 GMT") == 946684800);
  CHECK(Unix("Tuesday, 31-Dec-69 23:59:59 GMT") == 3155759999);
}

TEST_CASE("anything else is no date") {
  for (const char* text : {"",
                           "Sun",
                           "Sun, 06 Nov 1994 08:49:37",
                           "Sun, 06 Nov 1994 08:49:37 UTC",
                           "Sun, 06 Nov 1994 08:49:37 GMT ",
                           " Sun, 06 Nov 1994 08:49:37 GMT",
                           "Sun, 6 Nov 1994 08:49:37 GMT",
                           "Sun, 06 nov 1994 08:49:37 GMT",
                           "sun, 06 Nov 1994 08:49:37 GMT",
                           "Xyz, 06 Nov 1994 08:49:37 GMT",
                           "Sun, 06 Nov 1994 24:00:00 GMT",
                           "Sun, 06 Nov 1994 08:60:37 GMT",
                           "Sun, 06 Nov 1994 08:49:61 GMT",
                           "Sun, 00 Nov 1994 08:49:37 GMT",
                           "Sun, 31 Nov 1994 08:49:37 GMT",
                           "Sun, 29 Feb 1900 08:49:37 GMT",
                           "Sun, 29 Feb 2100 08:49:37 GMT",
                           "Sun, 29 Feb 2023 08:49:37 GMT",
                           "Sun, 06 Nov 994 08:49:37 GMT",
                           "Sun, 06 Nov 10000 08:49:37 GMT",
                           "Sun, 06 Nov -994 08:49:37 GMT",
                           "Sun, 06-Nov-94 08:49:37 GMT",
                           "Sunday, 06 Nov 1994 08:49:37 GMT",
                           "Sunday, 06-Nov-1994 08:49:37 GMT",
                           "Sun Nov  6 08:49:37 94",
                           "Sun Nov 6 08:49:37 1994",
                           "Sun Nov    08:49:37 1994",
                           "Sun, 06 Nov 1994 8:49:37 GMT",
                           "Sun, 06 Nov 1994 08:49 GMT",
                           "1994-11-06T08:49:37Z",
                           "784111777",
                           "Sun, +6 Nov 1994 08:49:37 GMT"}) {
    CAPTURE(text);
    CHECK(Unix(text) == -1);
  }
  WallTime kept{7};
  CHECK_FALSE(HttpDateParse("x", &kept));
  CHECK(kept.unix_s == 7);
}

// The host's own calendar is the reference, over the whole range.
TEST_CASE("each form agrees with another calendar") {
  const char* const kForms[] = {"%a, %d %b %Y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"};
  for (int64_t unix_s = 0; unix_s <= kUnixTimeMax; unix_s += 86400LL * 37 + 12345) {
    const time_t time = unix_s;
    tm parts{};
    gmtime_r(&time, &parts);
    for (const char* form : kForms) {
      char text[64];
      strftime(text, sizeof(text), form, &parts);
      if (Unix(text) != unix_s) FAIL(text);
    }
  }
}

int64_t AnyUnix(std::string_view text) {
  WallTime time{-1};
  const std::string copy(text);  // so that the sanitizer sees a step beyond its end
  return DateParse({copy.data(), copy.size()}, &time) ? time.unix_s : -1;
}

TEST_CASE("dates of answers, in each form") {
  for (const char* text :
       {"06/19/2019 23:42:01 +00:00", "6/19/2019 23:42:01 +00:00", "6/19/2019 11:42:01 PM +00:00",
        "06/20/2019 01:42:01 +02:00", "06/19/2019 18:12:01 -05:30", "2019-06-19T23:42:01Z",
        "2019-06-19T23:42:01", "2019-06-19 23:42:01", "2019-06-19 23:42:01Z",
        "2019-06-19T23:42:01.0Z", "2019-06-19T23:42:01.1234567+00:00", "2019-06-20T01:42:01+02:00",
        "2019-06-19 23:42:01 +00:00", "2019-06-19T18:12:01-05:30",
        "Wed, 19 Jun 2019 23:42:01 GMT"}) {
    CAPTURE(text);
    CHECK(AnyUnix(text) == 1560987721);
  }
  CHECK(AnyUnix("1/16/2020 5:24:12 AM +00:00") == 1579152252);
  CHECK(AnyUnix("1/16/2020 12:00:00 AM +00:00") == 1579132800);
  CHECK(AnyUnix("1/16/2020 12:00:00 PM +00:00") == 1579176000);
  CHECK(AnyUnix("02/29/2020 00:00:00 +00:00") == 1582934400);
  CHECK(AnyUnix("1970-01-01T00:00:00Z") == 0);
  CHECK(AnyUnix("9999-12-31T23:59:59Z") == kUnixTimeMax);
}

TEST_CASE("what is no date of an answer") {
  for (const char* text : {"",
                           " ",
                           "1560987721",
                           "soon",
                           "06/19/2019",
                           "06/19/2019 23:42:01",
                           "19/06/2019 23:42:01 +00:00",
                           "00/19/2019 23:42:01 +00:00",
                           "13/19/2019 23:42:01 +00:00",
                           "06/00/2019 23:42:01 +00:00",
                           "06/31/2019 23:42:01 +00:00",
                           "02/29/2019 23:42:01 +00:00",
                           "06/19/19 23:42:01 +00:00",
                           "06/19/1969 23:42:01 +00:00",
                           "06/19/20190 23:42:01 +00:00",
                           "06/19/2019 24:00:00 +00:00",
                           "06/19/2019 23:60:01 +00:00",
                           "06/19/2019 23:42:61 +00:00",
                           "06/19/2019 23:42 +00:00",
                           "06/19/2019 23:42:01 00:00",
                           "06/19/2019 23:42:01 +0000",
                           "06/19/2019 23:42:01 +24:00",
                           "06/19/2019 23:42:01 +00:60",
                           "06/19/2019 23:42:01 +00:00 ",
                           "06/19/2019 23:42:01  +00:00",
                           " 06/19/2019 23:42:01 +00:00",
                           "006/19/2019 23:42:01 +00:00",
                           "06/019/2019 23:42:01 +00:00",
                           "06-19-2019 23:42:01 +00:00",
                           "06/19/2019T23:42:01 +00:00",
                           "06/19/2019 023:42:01 +00:00",
                           "6/19/2019 13:42:01 PM +00:00",
                           "6/19/2019 0:42:01 AM +00:00",
                           "6/19/2019 1:42:01 XM +00:00",
                           "6/19/2019 1:42:01 am +00:00",
                           "6/19/2019 1:42:01AM +00:00",
                           "6/19/2019 1:42:01 AM",
                           "6/19/2019 1:2:01 AM +00:00",
                           "2019-06-19",
                           "2019-06-19T",
                           "2019-6-19T23:42:01Z",
                           "2019-06-19T23:42Z",
                           "2019-06-19T3:42:01Z",
                           "2019-06-19t23:42:01Z",
                           "2019-06-19T23:42:01z",
                           "2019-06-19T23:42:01.Z",
                           "2019-06-19T23:42:01,5Z",
                           "2019-06-19T23:42:01+00",
                           "2019-06-19T23:42:01+0000",
                           "2019-06-19T23:42:01ZZ",
                           "2019-06-19T23:42:01Z+00:00",
                           "2019-06-19_23:42:01",
                           "2019-06-19  23:42:01",
                           "2019/06/19 23:42:01 +00:00",
                           "2019-06-31T23:42:01Z",
                           "2019-00-19T23:42:01Z",
                           "2019-06-00T23:42:01Z",
                           "12019-06-19T23:42:01Z",
                           "019-06-19T23:42:01Z",
                           "-2019-06-19T23:42:01Z",
                           "+06/19/2019 23:42:01 +00:00",
                           "0x6/19/2019 23:42:01 +00:00",
                           "9999-12-31T23:59:59-00:01",
                           "1970-01-01T00:00:00+00:01",
                           "1969-12-31T23:59:59Z",
                           "9999-12-31T23:59:60Z"}) {
    CAPTURE(text);
    CHECK(AnyUnix(text) == -1);
  }
  WallTime kept{7};
  CHECK_FALSE(DateParse("06/31/2019 23:42:01 +00:00", &kept));
  CHECK(kept.unix_s == 7);
}

// Every cut and every change of one byte is a date of the right range or none.
TEST_CASE("dates of answers, spoilt") {
  for (const std::string& good : {"06/19/2019 23:42:01 +00:00", "1/16/2020 5:24:12 AM +00:00",
                                  "2019-06-19T23:42:01.1234567+02:00", "2019-06-19 23:42:01"}) {
    for (size_t size = 0; size < good.size(); ++size)
      static_cast<void>(AnyUnix(good.substr(0, size)));
    for (size_t index = 0; index < good.size(); ++index) {
      for (int byte = 0; byte < 256; ++byte) {
        std::string text = good;
        text[index] = static_cast<char>(byte);
        const int64_t unix_s = AnyUnix(text);
        REQUIRE(unix_s >= -1);
        REQUIRE(unix_s <= kUnixTimeMax);
      }
    }
  }
}

int64_t DelayMs(std::string_view text, int64_t now_unix_s) {
  Duration delay{-1};
  return RetryAfterParse(text, {now_unix_s}, &delay) ? delay.ms : -1;
}

TEST_CASE("Retry-After is seconds or a date, and at most 300 s") {
  constexpr int64_t kNow = 784111777;
  CHECK(DelayMs("0", kNow) == 0);
  CHECK(DelayMs("7", kNow) == 7000);
  CHECK(DelayMs("300", kNow) == 300000);
  CHECK(DelayMs("301", kNow) == 300000);
  CHECK(DelayMs("99999999999999999999999999", kNow) == 300000);
  CHECK(DelayMs("Sun, 06 Nov 1994 08:49:37 GMT", kNow) == 0);
  CHECK(DelayMs("Sun, 06 Nov 1994 08:49:47 GMT", kNow) == 10000);
  CHECK(DelayMs("Sunday, 06-Nov-94 08:49:47 GMT", kNow) == 10000);
  CHECK(DelayMs("Sun, 06 Nov 1994 08:49:27 GMT", kNow) == 0);
  CHECK(DelayMs("Fri, 31 Dec 9999 23:59:59 GMT", kNow) == 300000);
  CHECK(DelayMs("Fri, 31 Dec 9999 23:59:59 GMT", INT64_MIN) == 300000);
  CHECK(DelayMs("Thu, 01 Jan 1970 00:00:00 GMT", INT64_MAX) == 0);
  for (const char* text : {"", "-1", "+1", "1.5", "1s", " 1", "soon", "0x10"}) {
    CAPTURE(text);
    CHECK(DelayMs(text, kNow) == -1);
  }
}

}  // namespace
}  // namespace miagent
