#include <csignal>
#include <string>

#include "agent/notify/signal_name.h"
#include "doctest/doctest.h"

using namespace miagent;

static_assert(kSignalInt == SIGINT && kSignalQuit == SIGQUIT && kSignalKill == SIGKILL &&
              kSignalTerm == SIGTERM && kSignalCont == SIGCONT && kSignalTstp == SIGTSTP &&
              kSignalUrg == SIGURG && kSignalWinch == SIGWINCH);

TEST_CASE("a signal is found by its name, with SIG and without") {
  struct Row {
    const char* name;
    int32_t number;
  };
  for (const Row& row : {Row{"HUP", SIGHUP},   Row{"INT", SIGINT},     Row{"QUIT", SIGQUIT},
                         Row{"ABRT", SIGABRT}, Row{"KILL", SIGKILL},   Row{"USR1", SIGUSR1},
                         Row{"USR2", SIGUSR2}, Row{"ALRM", SIGALRM},   Row{"TERM", SIGTERM},
                         Row{"CHLD", SIGCHLD}, Row{"CONT", SIGCONT},   Row{"STOP", SIGSTOP},
                         Row{"TSTP", SIGTSTP}, Row{"TTIN", SIGTTIN},   Row{"TTOU", SIGTTOU},
                         Row{"URG", SIGURG},   Row{"XCPU", SIGXCPU},   Row{"VTALRM", SIGVTALRM},
                         Row{"PROF", SIGPROF}, Row{"WINCH", SIGWINCH}, Row{"IO", SIGIO},
                         Row{"PWR", SIGPWR},   Row{"SYS", SIGSYS}}) {
    CAPTURE(row.name);
    int32_t number = 0;
    CHECK(SignalFind(row.name, &number));
    CHECK(number == row.number);
    number = 0;
    CHECK(SignalFind("SIG" + std::string(row.name), &number));
    CHECK(number == row.number);
    CHECK(SignalNameOf(number) == row.name);
  }
}

TEST_CASE("what is no signal's name is not found") {
  for (const char* name : {"", "SIG", "hup", "HU", "HUPP", "1", "SIGSIGHUP", "HUP ", "HUP|INT"}) {
    CAPTURE(name);
    int32_t number = -1;
    CHECK_FALSE(SignalFind(name, &number));
    CHECK(number == -1);
  }
}
