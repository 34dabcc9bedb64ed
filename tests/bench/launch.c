// Runs one command and tells what it cost, from before the fork to after the end, with all that it
// waited for: one line on the standard output,
//
//   STATUS WALL_NS CPU_NS PEAK_RSS_KIB PAGE_FAULTS CONTEXT_SWITCHES
//
//   launch [-e] OUTPUT COMMAND…     OUTPUT becomes the command's standard output
//
// It is small and static itself, as the kernel counts the memory that a process had before its exec
// to its peak. With -e the peak is read exactly, at each process's end, by tracing it, and the
// times mean nothing; without, the kernel's own count may be a few pages behind.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char** environ;

static long long Now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static long long Nanoseconds(struct timeval time) {
  return time.tv_sec * 1000000000LL + time.tv_usec * 1000LL;
}

// The most memory that a living process has had, in KiB.
static long PeakOf(pid_t process) {
  char path[40];
  char text[4096];
  snprintf(path, sizeof(path), "/proc/%d/status", (int)process);
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  const ssize_t size = read(file, text, sizeof(text) - 1);
  close(file);
  text[size > 0 ? size : 0] = '\0';
  const char* const line = strstr(text, "VmHWM:");
  return line ? atol(line + 6) : 0;
}

// Follows a stopped child and its descendants to their end; the child's wait status.
static int Trace(pid_t child, long* peak_kib) {
  const long kFollow = PTRACE_O_TRACEEXIT | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
                       PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
  int status = 0;
  int result = 0;
  waitpid(child, &status, 0);
  ptrace(PTRACE_SETOPTIONS, child, NULL, kFollow);
  ptrace(PTRACE_CONT, child, NULL, NULL);
  for (;;) {
    const pid_t process = waitpid(-1, &status, __WALL);
    if (process < 0) return result;  // none is left
    if (!WIFSTOPPED(status)) {
      if (process == child) result = status;
      continue;
    }
    const int event = status >> 16;
    if (event == PTRACE_EVENT_EXIT) {
      const long kib = PeakOf(process);
      if (kib > *peak_kib) *peak_kib = kib;
    }
    const int number = WSTOPSIG(status);
    const int is_own = event != 0 || number == SIGTRAP || number == SIGSTOP;
    ptrace(PTRACE_CONT, process, NULL, (void*)(long)(is_own ? 0 : number));
  }
}

int main(int count, char** arguments) {
  const int exact = count > 1 && strcmp(arguments[1], "-e") == 0;
  char** const command = arguments + 2 + exact;
  if (count < 3 + exact) return 64;
  const int input = open("/dev/null", O_RDONLY | O_CLOEXEC);
  const int output = open(command[-1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (input < 0 || output < 0) return 73;
  const long long begin = Now();
  const pid_t child = exact ? fork() : vfork();
  if (child == 0) {
    dup2(input, STDIN_FILENO);
    dup2(output, STDOUT_FILENO);
    if (exact) ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    execve(command[0], command, environ);
    _exit(127);
  }
  int status = 0;
  long peak_kib = 0;
  if (exact) {
    status = Trace(child, &peak_kib);
  } else {
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  }
  const long long wall_ns = Now() - begin;
  struct rusage used;
  getrusage(RUSAGE_CHILDREN, &used);
  const long long cpu_ns = Nanoseconds(used.ru_utime) + Nanoseconds(used.ru_stime);
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  printf("%d %lld %lld %ld %ld %ld\n", code, wall_ns, cpu_ns, exact ? peak_kib : used.ru_maxrss,
         used.ru_minflt + used.ru_majflt, used.ru_nvcsw + used.ru_nivcsw);
  return 0;
}
