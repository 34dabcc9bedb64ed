// The floor of a daemon: a token to a file, renamed, once at the start and again at every SIGUSR1,
// as `miagent run` does; at SIGTERM it ends. With a count it refreshes that often at once, and
// ends.
//
//   floor_daemon keep|new TEMPORARY PATH [COUNT]
#include <signal.h>
#include <stdlib.h>

#include "floor.h"

int main(int count, char** arguments) {
  if (count < 4) return 64;
  const int keep = arguments[1][0] == 'k';
  long left = count > 4 ? atol(arguments[4]) : 0;
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGUSR1);
  sigaddset(&signals, SIGTERM);
  sigprocmask(SIG_BLOCK, &signals, NULL);
  int connection = -1;
  for (;;) {
    size_t size = 0;
    if (connection < 0) connection = Connect();
    const char* const token = connection < 0 ? NULL : Ask(connection, &size);
    if (!token || Publish(arguments[2], arguments[3], token, size) != 0) return 1;
    if (!keep) {
      close(connection);
      connection = -1;
    }
    if (left > 0) {
      if (--left == 0) return 0;
    } else if (sigwaitinfo(&signals, NULL) == SIGTERM) {
      return 0;
    }
  }
}
