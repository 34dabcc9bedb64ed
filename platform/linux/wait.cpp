#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>

#include "platform/linux/platform_linux.h"
#include "platform/trap.h"

namespace miagent {
namespace {

constexpr size_t kEpollEventCountMax = 16;
constexpr int kPauseMs = 100;  // where the kernel has no descriptor for us: look again that often

int32_t EpollAdd(int32_t epoll, int32_t descriptor, uint32_t wanted) {
  epoll_event event{};
  event.events = wanted;
  event.data.fd = descriptor;
  return epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event);
}

// Makes the timer; it is never closed. False where the kernel has none for us now.
bool TimerOpen(Platform& platform) {
  if (platform.timer >= 0) return true;
  const int32_t timer = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
  if (timer < 0) return false;
  if (EpollAdd(platform.epoll, timer, EPOLLIN | EPOLLET) == 0) {
    platform.timer = timer;
  } else {
    close(timer);
  }
  return platform.timer >= 0;
}

// Sets the timer where its deadline changed. One that fired is reported once (edge-triggered), so
// it needs no read; a deadline that has passed is a near one. False where there is no timer.
bool TimerSet(Platform& platform, Instant deadline) {
  if (deadline == platform.timer_deadline) return true;
  if (!TimerOpen(platform)) return false;
  itimerspec setting{};
  if (deadline != kInstantNever) {
    const int64_t at_ms = deadline.boot_ms > 0 ? deadline.boot_ms : 1;  // all zero would disarm
    setting.it_value.tv_sec = static_cast<time_t>(at_ms / 1000);
    const auto rest_ms = static_cast<int32_t>(at_ms % 1000);
    setting.it_value.tv_nsec = rest_ms * 1'000'000;
  }
  PLATFORM_CHECK(timerfd_settime(platform.timer, TFD_TIMER_ABSTIME, &setting, nullptr) == 0);
  platform.timer_deadline = deadline;
  return true;
}

// The signals of a set, in the kernel's form.
constexpr uint64_t kAgentSignals = SignalBit(SIGHUP) | SignalBit(SIGUSR1) | SignalBit(SIGUSR2) |
                                   SignalBit(SIGTERM) | SignalBit(SIGINT) | SignalBit(SIGCHLD);
// What can't be caught, what a program's own faults raise, and what stops a background process
// that reads or writes its terminal.
constexpr uint64_t kOwnSignals = SignalBit(SIGKILL) | SignalBit(SIGSTOP) | SignalBit(SIGILL) |
                                 SignalBit(SIGTRAP) | SignalBit(SIGABRT) | SignalBit(SIGBUS) |
                                 SignalBit(SIGFPE) | SignalBit(SIGSEGV) | SignalBit(SIGSYS) |
                                 SignalBit(SIGPIPE) | SignalBit(SIGXCPU) | SignalBit(SIGXFSZ) |
                                 SignalBit(SIGTTIN) | SignalBit(SIGTTOU);
constexpr uint64_t kTerminalSignals = SignalBit(SIGINT) | SignalBit(SIGQUIT) | SignalBit(SIGTSTP) |
                                      SignalBit(SIGHUP) | SignalBit(SIGCONT) | SignalBit(SIGWINCH);

Signal SignalOf(uint32_t number) {
  switch (number) {
    case SIGHUP: return Signal::kReload;
    case SIGUSR1: return Signal::kRefresh;
    case SIGUSR2: return Signal::kReport;
    case SIGTERM:
    case SIGINT: return Signal::kStop;
    case SIGCHLD: return Signal::kChild;
    default: return Signal::kOther;
  }
}

// One pending signal: what is left over is reported by the next Wait. False: there is none.
bool SignalRead(Platform& platform, Event* event) {
  signalfd_siginfo info{};
  if (read(platform.signals, &info, sizeof(info)) != sizeof(info)) return false;
  const auto number = static_cast<int32_t>(info.ssi_signo);
  const uint64_t bit = SignalBit(number);
  event->kind = EventKind::kSignal;
  event->signal = SignalOf(info.ssi_signo);
  event->signal_number = static_cast<uint8_t>(number);
  event->is_from_terminal = info.ssi_code == SI_KERNEL && (bit & kTerminalSignals) != 0 &&
                            (bit & platform.unshared_signals) == 0;
  platform.unshared_signals &= ~bit;
  // When the terminal hangs up, the leader of its session alone is told.
  if (event->is_from_terminal && (number == SIGHUP || number == SIGCONT)) {
    event->is_from_terminal = getsid(0) != getpid();
  }
  return true;
}

// False for an event that is of no concern to the caller.
bool EventMake(Platform& platform, const epoll_event& from, Event* event) {
  *event = Event{};
  if (from.data.fd == platform.timer) return false;
  if (from.data.fd == platform.signals) return SignalRead(platform, event);
  const bool ended = (from.events & (EPOLLERR | EPOLLHUP)) != 0;
  event->socket.handle = from.data.fd;
  event->readable = ended || (from.events & EPOLLIN) != 0;
  event->writable = ended || (from.events & EPOLLOUT) != 0;
  return true;
}

}  // namespace

IoResult WaitOpen(Platform& platform) {
  if (platform.epoll < 0) platform.epoll = epoll_create1(EPOLL_CLOEXEC);
  return ResultOf(platform.epoll < 0 ? -1 : 0);
}

size_t Wait(Platform& platform, Instant deadline, Event* events, size_t event_count_max) {
  PLATFORM_CHECK(event_count_max > 0);
  if (!WaitOpen(platform).ok()) {
    poll(nullptr, 0, deadline <= ClockBoot(platform) ? 0 : kPauseMs);
    return 0;
  }
  Duration left = deadline - ClockBoot(platform);
  const bool is_near = left <= platform.timeout_max;
  const bool is_timed = !is_near && TimerSet(platform, deadline);
  left = Least(Greatest(left, Duration{0}), platform.timeout_max);  // without a timer, again then
  const int timeout_ms = is_timed ? -1 : static_cast<int>(left.ms);
  epoll_event ready[kEpollEventCountMax];
  // No more than the caller has room for: the kernel puts what it told behind the rest, so what is
  // dropped here would be told first, and dropped, for ever.
  const size_t wanted =
      event_count_max < kEpollEventCountMax ? event_count_max : kEpollEventCountMax;
  const IoResult waited =
      ResultOf(epoll_wait(platform.epoll, ready, static_cast<int>(wanted), timeout_ms));
  // Not again after an interruption: the timeout would begin anew.
  PLATFORM_CHECK(waited.ok() || waited.error == EINTR);
  size_t event_count = 0;
  for (uint32_t index = 0; index < waited.count; ++index) {
    if (EventMake(platform, ready[index], &events[event_count])) ++event_count;
  }
  return event_count;
}

IoResult SignalsWatch(Platform& platform, SignalSet set) {
  PLATFORM_CHECK(platform.signals < 0);
  if (const IoResult opened = WaitOpen(platform); !opened.ok()) return opened;
  const uint64_t watched = set == SignalSet::kAgent ? kAgentSignals : ~kOwnSignals;
  // By number, these two: the C library keeps some signals for threads that aren't here.
  const auto signals = static_cast<int32_t>(
      syscall(SYS_signalfd4, -1, &watched, kSignalSetSize, SFD_NONBLOCK | SFD_CLOEXEC));
  if (signals < 0) return ResultOf(-1);
  if (EpollAdd(platform.epoll, signals, EPOLLIN) != 0) {
    const IoResult result = ResultOf(-1);
    close(signals);
    return result;
  }
  syscall(SYS_rt_sigprocmask, SIG_BLOCK, &watched, &platform.mask, kSignalSetSize);
  platform.signals = signals;
  return {};
}

}  // namespace miagent
