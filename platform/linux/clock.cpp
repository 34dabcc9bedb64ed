#include <ctime>

#include "platform/linux/platform_linux.h"

namespace miagent {

// On 32 bits a C library may count seconds in 32 bits, until 2038. musl 1.2 and later doesn't.
static_assert(sizeof(time_t) == 8, "a C library with a 64-bit time_t is needed");

Instant ClockBoot(Platform&) {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return {int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000};
}

WallTime ClockWall(Platform&) {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return {now.tv_sec};
}

int64_t ClockMonotonicUs(Platform&) {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1000;
}

}  // namespace miagent
