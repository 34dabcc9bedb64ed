// resolve NAME PORT TIMEOUT-MS…: the resolver on the real platform, for tests/e2e/dns_test.py.
//
// Prints for each NAME one line: its addresses, with the port, or "!" and what went wrong. All
// names are looked for by one resolver, one after the other; "-" for a NAME forgets the answer.
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "agent/base/array.h"
#include "agent/dns/resolver.h"
#include "platform/linux/platform_linux.h"

namespace miagent {

void CheckFailed(const char* file, uint32_t line) {
  std::fprintf(stderr, "CHECK failed: %s:%u\n", file, line);
  std::abort();
}

namespace {

std::string Text(const Address& address) {
  char text[64];
  const uint8_t* b = address.bytes;
  if (!address.is_ipv6) {
    std::snprintf(text, sizeof(text), "%d.%d.%d.%d:%d", b[0], b[1], b[2], b[3], address.port);
    return text;
  }
  std::string all = "[";
  for (int index = 0; index < 16; index += 2) {
    std::snprintf(text, sizeof(text), "%s%x", index == 0 ? "" : ":", b[index] << 8 | b[index + 1]);
    all += text;
  }
  return all + "]:" + std::to_string(address.port);
}

std::string Resolve(Resolver& resolver, Platform& platform, const char* name, uint16_t port,
                    Duration timeout) {
  const Instant deadline = ClockBoot(platform) + timeout;
  ResolveState state = ResolverBegin(resolver, platform, name, port, deadline);
  while (!state.finished) {
    Event event;
    const size_t count = Wait(platform, ResolverNextDeadline(resolver), &event, 1);
    if (count != 0) state = ResolverOnEvent(resolver, platform, event);
    if (!state.finished) state = ResolverOnDeadline(resolver, platform, ClockBoot(platform));
  }
  if (!state.status.ok()) {
    const std::string what = FaultLookUp(state.status.fault).what;
    return "! " + what + " (" + std::to_string(state.status.detail) + ")";
  }
  std::string text;
  for (uint32_t index = 0; index < resolver.answer.count; ++index) {
    text += (index == 0 ? "" : " ") + Text(resolver.answer.items[index]);
  }
  return text;
}

}  // namespace
}  // namespace miagent

int main(int argument_count, char** arguments) {
  using namespace miagent;
  static Platform platform;
  static Resolver resolver;
  PlatformStart(platform);
  for (int index = 1; index + 2 < argument_count; index += 3) {
    const std::string name = arguments[index];
    if (name == "-") {
      ResolverForget(resolver);
      continue;
    }
    const auto port = static_cast<uint16_t>(std::atoi(arguments[index + 1]));
    const Duration timeout = Milliseconds(std::atoi(arguments[index + 2]));
    const std::string line = Resolve(resolver, platform, arguments[index], port, timeout);
    std::printf("%s\n", line.c_str());
  }
  return 0;
}
