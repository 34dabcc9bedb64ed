// A notification's program: started, listened to, ended.
//
// Purpose: runs one program at a time, hands on what it prints line by line, as it is shown
//          (base/shown.h), and says how it ended.
// Owns:    the running program and the reading end of its output.
// Limits:  kNotifyTimeout, then SIGKILL to its process group; kHookLineCountMax lines of
//          kHookLineSizeMax are handed on, the rest is read and counted.
// Clock:   BOOTTIME; its deadline is an absolute instant.
// Errors:  kNotifyStart, kNotifyExit, kNotifyDied, kNotifyTimeout.
// Never:   waits for the program; asks who wanted it.
#pragma once

#include <cstdint>
#include <string_view>

#include "agent/base/shown.h"
#include "agent/base/status.h"
#include "agent/limits.h"
#include "platform/platform.h"

namespace miagent {

// How the notifications of one file went.
struct NotifyState {
  bool is_due = false;
  bool is_running = false;  // the run under way is for it
  Status failure;           // of the last run; ok after a success
  uint32_t success_count = 0;
  uint32_t failure_count = 0;
};

// The run of a program.
struct Hook {
  uint32_t pid = 0;        // 0: none runs
  Socket output;           // handle -1: it has been closed
  bool is_killed = false;  // it took too long: only its end is waited for
  Instant deadline;
  uint32_t line_count = 0;     // handed on
  uint32_t dropped_count = 0;  // lines beyond the limit
  bool has_line = false;       // something of a line came, but not its end
  ShownText line;
  char line_bytes[kHookLineSizeMax];
};

// Takes a line of the program's output.
struct HookSink {
  void* context = nullptr;
  void (*take)(void* context, std::string_view line) = nullptr;
};

// Starts a program, of which none may be running. kNotifyStart with an errno value.
Status HookStart(Hook& hook, Platform& platform, Instant now, const ChildPlan& plan);

// Reads what the program has printed, a bounded piece of it; to be called when its output is ready.
void HookRead(Hook& hook, Platform& platform, const HookSink& sink);

// Kills the program, with its group, where its time is over.
void HookExpire(Hook& hook, Platform& platform, Instant now);

// The program, which was reaped, has ended: reads what is left of its output and closes it. What
// others that it left behind print is not read any more. kOk for exit code 0.
Status HookEnd(Hook& hook, Platform& platform, const ChildEnd& end, const HookSink& sink);

// Leaves the program to itself, if one runs: this process is about to end.
void HookAbandon(Hook& hook, Platform& platform);

}  // namespace miagent
