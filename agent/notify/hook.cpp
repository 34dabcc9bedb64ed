#include "agent/notify/hook.h"

#include <cerrno>

#include "agent/base/check.h"
#include "agent/notify/signal_name.h"

namespace miagent {
namespace {

constexpr size_t kReadSize = 1024;
constexpr uint32_t kReadCountMax = 4;        // in one turn
constexpr uint32_t kLastReadCountMax = 128;  // a full pipe, at the end: 64 KiB

void OutputClose(Hook& hook, Platform& platform) {
  if (hook.output.handle >= 0) SocketClose(platform, hook.output);
  hook.output = Socket{};
}

void LineBegin(Hook& hook) {
  ShownBegin(hook.line, {hook.line_bytes, sizeof(hook.line_bytes)});
  hook.has_line = false;
}

void LineEnd(Hook& hook, const HookSink& sink) {
  const std::string_view line = ShownEnd(hook.line);
  if (line.empty()) {
    // An empty line says nothing.
  } else if (hook.line_count < kHookLineCountMax) {
    ++hook.line_count;
    sink.take(sink.context, line);
  } else {
    ++hook.dropped_count;
  }
  LineBegin(hook);
}

void Take(Hook& hook, const HookSink& sink, std::string_view text) {
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = Find(text, '\n', begin);
    ShownFeed(hook.line, Slice(text, begin, end - begin));
    hook.has_line = true;
    if (end < text.size()) LineEnd(hook, sink);
    begin = end + 1;
  }
}

void Read(Hook& hook, Platform& platform, const HookSink& sink, uint32_t read_count_max) {
  char bytes[kReadSize];
  bool has_more = hook.output.handle >= 0;
  for (uint32_t count = 0; count < read_count_max && has_more; ++count) {
    const IoResult read = SocketRead(platform, hook.output, bytes, sizeof(bytes));
    has_more = read.ok() && read.count != 0;
    if (has_more) {
      Take(hook, sink, {bytes, read.count});
    } else if (read.error != EAGAIN) {
      OutputClose(hook, platform);
    }
  }
  SecretWipe(bytes, sizeof(bytes));  // a program may print the token
}

}  // namespace

Status HookStart(Hook& hook, Platform& platform, Instant now, const ChildPlan& plan) {
  CHECK(hook.pid == 0);
  hook.output = Socket{};
  const IoResult started = ChildStart(platform, plan, &hook.pid, &hook.output);
  if (!started.ok()) {
    hook.pid = 0;
    hook.output = Socket{};
    return {Fault::kNotifyStart, started.error};
  }
  CHECK(hook.pid != 0 && hook.output.handle >= 0);
  hook.is_killed = false;
  hook.deadline = now + kNotifyTimeout;
  hook.line_count = 0;
  hook.dropped_count = 0;
  LineBegin(hook);
  // Unwatched, it is read at the end.
  static_cast<void>(SocketWatch(platform, hook.output, true, false));
  return kOk;
}

void HookRead(Hook& hook, Platform& platform, const HookSink& sink) {
  Read(hook, platform, sink, kReadCountMax);
}

void HookExpire(Hook& hook, Platform& platform, Instant now) {
  if (hook.pid == 0 || hook.is_killed || hook.deadline > now) return;
  hook.is_killed = true;
  hook.deadline = kInstantNever;
  // It can't be gone: it has not been reaped.
  static_cast<void>(ChildSignal(platform, hook.pid, kSignalKill, true));
}

Status HookEnd(Hook& hook, Platform& platform, const ChildEnd& end, const HookSink& sink) {
  CHECK(hook.pid != 0 && hook.pid == end.pid);
  Read(hook, platform, sink, kLastReadCountMax);
  OutputClose(hook, platform);
  if (hook.has_line) LineEnd(hook, sink);
  hook.pid = 0;
  if (hook.is_killed) return {Fault::kNotifyTimeout, 0};
  if (end.signal_number != 0) return {Fault::kNotifyDied, end.signal_number};
  if (end.exit_code != 0) return {Fault::kNotifyExit, end.exit_code};
  return kOk;
}

void HookAbandon(Hook& hook, Platform& platform) {
  OutputClose(hook, platform);
  hook.pid = 0;
}

}  // namespace miagent
