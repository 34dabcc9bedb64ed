// The real world: the verbs of platform.h on Linux system calls.
//
// Purpose: what a process holds of the kernel, and how it starts. main.cpp owns the one Platform.
// Owns:    the epoll, timer, signal and local datagram descriptors; made at first use, never
// closed. Limits:  socket descriptors below kDescriptorMax, so that their state is an array. Clock:
// timerfd on CLOCK_BOOTTIME with absolute deadlines. Never:   allocates; touches stdio; uses a file
// descriptor that isn't close-on-exec.
#pragma once

#include <cerrno>
#include <cstdint>

#include "platform/platform.h"

struct iovec;

namespace miagent {

inline constexpr int32_t kDescriptorMax = 256;
inline constexpr size_t kSignalSetSize = 8;  // the kernel's

using SignalHandler = void (*)(int);  // null: the default

struct Platform {
  int32_t epoll = -1;
  int32_t timer = -1;
  int32_t signals = -1;
  int32_t local = -1;  // the datagram socket of LocalSend
  Instant timer_deadline = kInstantNever;  // what the timer is set to
  // Deadlines this near are epoll's own timeout, which saves setting the timer for each exchange.
  // epoll's clock stands still in suspend, so what it bounds is late by this much at most.
  Duration timeout_max = Seconds(10);
  ProcessFacts process;  // asked once: it doesn't change
  bool has_process = false;
  // For the children, which get what this process had: the core limit (the kernel's struct
  // rlimit64), what was done at SIGPIPE and SIGCHLD, the blocked signals.
  bool has_child_handler = false;
  uint64_t core_limit[2] = {};
  SignalHandler pipe_handler = nullptr;
  SignalHandler child_handler = nullptr;
  uint64_t mask = 0;
  // Signals that wait here and were sent before there was a child: the terminal's too are for
  // this process alone.
  uint64_t unshared_signals = 0;
  uint8_t socket_states[kDescriptorMax] = {};  // by descriptor, of SocketStateBits
};

// A socket's state. One that is watched for nothing isn't in the epoll set: an ended connection
// would be reported again and again.
enum SocketStateBits : uint8_t { kSocketOpen = 1, kSocketReads = 2, kSocketWrites = 4 };

// Makes the process safe before it holds a secret: standard descriptors that are closed lead to
// /dev/null, no core dump, not dumpable, SIGPIPE ignored. Called once, first of all.
void PlatformStart(Platform& platform);

// What is done at a signal from now on; returns what was done until now.
SignalHandler SignalHandle(int32_t number, SignalHandler handler);

// A signal's place in the kernel's sets.
constexpr uint64_t SignalBit(int32_t number) { return uint64_t{1} << (number - 1); }

// Makes the epoll set, where that isn't done yet. EMFILE, ENFILE, ENOMEM.
IoResult WaitOpen(Platform& platform);

// The IoResult of a system call that returned `returned`; a negative one stands for errno.
IoResult ResultOf(int64_t returned);

// Makes a system call, again where a signal interrupted it.
template <typename Call>
IoResult Retry(Call call) {
  int64_t returned = -1;
  do {
    returned = call();
  } while (returned < 0 && errno == EINTR);
  return ResultOf(returned);
}

// Copies the parts, at most kWritePartCountMax, to where the kernel wants them; returns their
// count.
size_t PartsConvert(const ConstPart* parts, size_t part_count, iovec* vectors);

// Writes the parts in order, perhaps not all.
IoResult DescriptorWrite(int32_t descriptor, const ConstPart* parts, size_t part_count);

// Closes a descriptor, once.
void DescriptorClose(int32_t descriptor);

}  // namespace miagent
