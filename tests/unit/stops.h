// CHECK_STOPS(expression): a failed CHECK in the code under test stops the program there.
//
// The expression runs in a child process, so it doesn't matter how CheckFailed ends it.
#pragma once

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "doctest.h"

template <typename Action>
bool Stops(Action action) {
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGABRT, SIG_DFL);  // not doctest's handler
    dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
    try {
      action();
    } catch (...) {
      _exit(1);
    }
    _exit(0);
  }
  int status = 0;
  return child > 0 && waitpid(child, &status, 0) == child && status != 0;
}

#define CHECK_STOPS(...) CHECK(Stops([&] { __VA_ARGS__; }))
