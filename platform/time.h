// Time, as types.
//
// Purpose: an instant, a wall-clock time and a duration can't be mixed up, and no bare integer of
//          time crosses a function.
// Clock:   Instant is CLOCK_BOOTTIME: it runs through suspend and never steps. WallTime is what
//          the outside world writes on tokens; it may step by years and schedules nothing.
// Limits:  arithmetic saturates at the ends of the range (292 million years): no overflow.
#pragma once

#include <cstdint>

namespace miagent {

inline constexpr int64_t kTimeMax = INT64_MAX;
inline constexpr int64_t kTimeMin = INT64_MIN;

constexpr int64_t SaturatedAdd(int64_t a, int64_t b) {
  int64_t sum = 0;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  return b > 0 ? kTimeMax : kTimeMin;
}

constexpr int64_t SaturatedSubtract(int64_t a, int64_t b) {
  int64_t difference = 0;
  if (!__builtin_sub_overflow(a, b, &difference)) return difference;
  return b < 0 ? kTimeMax : kTimeMin;
}

constexpr int64_t SaturatedMultiply(int64_t a, int64_t b) {
  int64_t product = 0;
  if (!__builtin_mul_overflow(a, b, &product)) return product;
  return (a < 0) == (b < 0) ? kTimeMax : kTimeMin;
}

// A length of time in milliseconds; may be negative.
struct Duration {
  int64_t ms = 0;
};

constexpr Duration Milliseconds(int64_t count) { return {count}; }
constexpr Duration Seconds(int64_t count) { return {SaturatedMultiply(count, 1000)}; }

// A moment on the boot-time clock, in milliseconds since boot.
struct Instant {
  int64_t boot_ms = 0;
};

// "No deadline": later than every other Instant.
inline constexpr Instant kInstantNever{kTimeMax};

// A moment on the wall clock, in seconds since 1970-01-01 UTC, leap seconds not counted.
struct WallTime {
  int64_t unix_s = 0;
};

constexpr bool operator==(Duration a, Duration b) { return a.ms == b.ms; }
constexpr bool operator!=(Duration a, Duration b) { return a.ms != b.ms; }
constexpr bool operator<(Duration a, Duration b) { return a.ms < b.ms; }
constexpr bool operator<=(Duration a, Duration b) { return a.ms <= b.ms; }
constexpr bool operator>(Duration a, Duration b) { return a.ms > b.ms; }
constexpr bool operator>=(Duration a, Duration b) { return a.ms >= b.ms; }
constexpr Duration operator+(Duration a, Duration b) { return {SaturatedAdd(a.ms, b.ms)}; }
constexpr Duration operator-(Duration a, Duration b) { return {SaturatedSubtract(a.ms, b.ms)}; }

constexpr bool operator==(Instant a, Instant b) { return a.boot_ms == b.boot_ms; }
constexpr bool operator!=(Instant a, Instant b) { return a.boot_ms != b.boot_ms; }
constexpr bool operator<(Instant a, Instant b) { return a.boot_ms < b.boot_ms; }
constexpr bool operator<=(Instant a, Instant b) { return a.boot_ms <= b.boot_ms; }
constexpr bool operator>(Instant a, Instant b) { return a.boot_ms > b.boot_ms; }
constexpr bool operator>=(Instant a, Instant b) { return a.boot_ms >= b.boot_ms; }
constexpr Instant operator+(Instant a, Duration b) { return {SaturatedAdd(a.boot_ms, b.ms)}; }
constexpr Duration operator-(Instant a, Instant b) {
  return {SaturatedSubtract(a.boot_ms, b.boot_ms)};
}

constexpr Duration operator-(WallTime a, WallTime b) {
  return Seconds(SaturatedSubtract(a.unix_s, b.unix_s));
}

constexpr Duration Least(Duration a, Duration b) { return b < a ? b : a; }
constexpr Duration Greatest(Duration a, Duration b) { return a < b ? b : a; }
constexpr Instant Earliest(Instant a, Instant b) { return b < a ? b : a; }
constexpr Instant Latest(Instant a, Instant b) { return a < b ? b : a; }

}  // namespace miagent
