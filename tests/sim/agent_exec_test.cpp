// `exec`: a program that is started once its tokens are there, told of new ones, and outlived.

#include <cerrno>

#include "doctest.h"
#include "tests/sim/scene.h"

namespace miagent {
namespace {

constexpr const char* kProgram = "/usr/bin/app";
constexpr int kHup = 1, kInt = 2, kUsr1 = 10, kTerm = 15, kCont = 18, kTstp = 20, kUrg = 23,
              kWinch = 28;

struct ExecScene : Scene {
  SimProgram* app;
  const char* arguments[3] = {kProgram, "--x", nullptr};

  explicit ExecScene(uint64_t seed = 1) : Scene(seed) {
    app = &SimProgramAdd(*world, kProgram);
    app->runs = Duration{kTimeMax};
    app->catches_term = true;
    app->exit_code = 7;
  }

  void ConfigureRefresh(const char* on_refresh, std::string_view file_lines = "") {
    std::string text = std::string("[agent]\non_refresh = ") + on_refresh +
                       "\n[token storage]\nresource = https://storage.azure.com/\n"
                       "[file /run/tokens/storage]\ntoken = storage\n";
    text.append(file_lines);
    Configure(text);
  }

  void StartExec(Duration timeout = Duration{0}) {
    command = Command{};
    command.id = CommandId::kExec;
    command.timeout = timeout;
    command.child_arguments = arguments;
    agent = std::make_unique<Agent>();
    AgentStart(*agent, *world, command);
  }

  void Send(int number, bool is_from_terminal = false) {
    SimSignalNumberAt(*world, world->now, number, is_from_terminal);
    RunFor(Milliseconds(10));
  }

  // What the program got so far, and forgets it.
  std::string Sent() {
    std::string text;
    for (uint32_t index = 0; index < app->sent.count && index < kSimSentCountMax; ++index) {
      text += std::to_string(app->sent.numbers[index]) + " ";
    }
    app->sent = SimSent{};
    return text;
  }

  // Lives until the agent has ended; its exit code.
  int ToEnd() {
    while (!agent->is_finished) AgentTurn(*agent, *world);
    AgentEnd(*agent, *world);
    return agent->exit_code;
  }
};

TEST_CASE("exec: the program is started once the token is there, and keeps its token for days") {
  ExecScene scene;
  scene.ConfigureOne();
  scene.Fails(503, 2);
  scene.StartExec();
  CHECK(scene.app->start_count == 0);
  scene.RunFor(Seconds(60));
  CHECK(scene.app->start_count == 1);
  CHECK(scene.app->role == ChildRole::kService);
  CHECK(std::string(scene.app->arguments) == "/usr/bin/app\n--x\n");
  CHECK(scene.Logged("event=child_started"));
  scene.RunFor(Seconds(10 * 86400));
  CHECK(scene.TokenNumber() > 15);
  CHECK(scene.app->start_count == 1);
  CHECK(scene.Sent().empty());
}

TEST_CASE("exec: where a token isn't to be had nothing is started, and the exit code is once's") {
  ExecScene scene;
  scene.ConfigureOne();
  scene.Fails(400, 100);
  scene.StartExec();
  CHECK(scene.ToEnd() == 69);
  CHECK(scene.app->start_count == 0);

  ExecScene slow;
  slow.ConfigureOne();
  slow.Fails(503, 100);
  slow.StartExec(Seconds(5));
  const Instant start = slow.world->now;
  CHECK(slow.ToEnd() == 75);
  CHECK(slow.world->now - start <= Seconds(5));
  CHECK(slow.app->start_count == 0);
}

TEST_CASE("exec: a file that is good already is enough, and its token is asked for then") {
  ExecScene scene;
  scene.ConfigureOne();
  CHECK(scene.Once() == 0);
  SimPass(*scene.world, Seconds(1000));
  scene.StartExec();
  CHECK(scene.app->start_count == 1);
  CHECK(scene.Requests() == 1);
  scene.RunFor(Seconds(5));
  CHECK(scene.Requests() == 2);
}

TEST_CASE("exec: a signal that would end a program ends the wait, others don't") {
  for (const int number : {kHup, kInt, kUsr1, kTerm}) {
    ExecScene scene;
    scene.ConfigureOne();
    scene.Fails(503, 100);
    scene.StartExec();
    scene.RunFor(Milliseconds(100));
    for (const int harmless : {kWinch, kUrg, kCont}) scene.Send(harmless);
    scene.Send(kTstp);
    CHECK(SimVerbCount(*scene.world, Verb::kProcessSuspend) == 1);
    CHECK_FALSE(scene.agent->is_finished);
    scene.Send(number);
    CHECK(scene.agent->is_finished);
    CHECK(scene.agent->exit_code == 75);
    CHECK(scene.app->start_count == 0);
  }
}

TEST_CASE("exec: signals go on to the program, but for the terminal's, which it has") {
  ExecScene scene;
  scene.ConfigureOne();
  scene.StartExec();
  scene.RunFor(Seconds(1));
  const int requests = scene.Requests();
  for (const int number : {kHup, kInt, kUsr1, kTerm}) {
    scene.app->ignored_signals |= uint64_t{1} << number;
    scene.Send(number);
    CHECK(scene.Sent() == std::to_string(number) + " ");
  }
  scene.Send(kInt, true);
  CHECK(scene.Sent().empty());
  scene.Send(kWinch);
  CHECK(scene.Sent() == "28 ");
  scene.Send(kTstp, true);
  CHECK(scene.Sent().find("20") == std::string::npos);
  CHECK(SimVerbCount(*scene.world, Verb::kProcessSuspend) == 1);
  CHECK_FALSE(scene.agent->is_finished);
  CHECK(scene.Requests() == requests);
}

TEST_CASE("exec: the program's end is the agent's, with its exit code and on_stop") {
  struct Row {
    uint8_t exit_code;
    uint8_t dies_by;
    int expected;
  };
  for (const Row& row : {Row{0, 0, 0}, Row{42, 0, 42}, Row{255, 0, 255}, Row{0, 11, 139}}) {
    for (const char* on_stop : {"on_stop = keep\n", "on_stop = remove\n"}) {
      ExecScene scene;
      scene.ConfigureOne("", on_stop);
      scene.app->runs = Seconds(100);
      scene.app->exit_code = row.exit_code;
      scene.app->dies_by = row.dies_by;
      scene.StartExec();
      CHECK(scene.ToEnd() == row.expected);
      CHECK((scene.TokenNumber() == 0) == (on_stop[10] == 'r'));
      CHECK(scene.Logged("event=child_ended"));
      CHECK(scene.world->open_handle_count == 0);
    }
  }
}

TEST_CASE("exec: a program that can't be started") {
  struct Row {
    int error;
    int expected;
  };
  for (const Row& row : {Row{ENOENT, 127}, Row{ENOTDIR, 127}, Row{EACCES, 126}, Row{ENOEXEC, 126},
                         Row{EAGAIN, 75}, Row{ENOMEM, 75}, Row{EMFILE, 75}, Row{ENFILE, 75}}) {
    ExecScene scene;
    scene.ConfigureOne("", "on_stop = remove\n");
    scene.app->start_error = row.error;
    scene.StartExec();
    CHECK(scene.ToEnd() == row.expected);
    CHECK(scene.Logged("miagent: /usr/bin/app: "));
    CHECK(scene.TokenNumber() == 0);
  }
}

TEST_CASE("exec: one that ignores SIGTERM is waited for, for days") {
  ExecScene scene;
  scene.ConfigureOne();
  scene.app->catches_term = false;
  scene.app->ignored_signals = uint64_t{1} << kTerm;
  scene.StartExec();
  scene.RunFor(Seconds(1));
  scene.Send(kTerm);
  CHECK(scene.Sent() == "15 ");
  scene.RunFor(Seconds(2 * 86400));
  CHECK_FALSE(scene.agent->is_finished);
  CHECK(scene.TokenNumber() > 3);
  CHECK(scene.Sent().empty());
}

TEST_CASE("exec: orphans are reaped, and are nothing to end for") {
  ExecScene scene;
  scene.ConfigureOne();
  scene.StartExec();
  for (uint32_t round = 0; round < 20; ++round) {
    for (uint32_t pid = 0; pid < 10; ++pid) {
      SimOrphanAt(*scene.world, scene.world->now + Seconds(1), 5000 + round * 10 + pid, 9);
    }
    scene.RunFor(Seconds(2));
    ChildEnd end;
    CHECK_FALSE(ChildReap(*scene.world, &end));
  }
  CHECK_FALSE(scene.agent->is_finished);
}

TEST_CASE("exec: on_refresh = signal tells the program of each new token, once") {
  ExecScene scene;
  scene.ConfigureRefresh("signal WINCH");
  scene.StartExec();
  scene.RunFor(Seconds(1));
  CHECK(scene.Sent().empty());  // of the first it knows
  for (int day = 0; day < 5; ++day) {
    const int before = scene.TokenNumber();
    scene.RunFor(Seconds(86400));
    std::string expected;
    for (int number = before; number < scene.TokenNumber(); ++number) expected += "28 ";
    CHECK(scene.Sent() == expected);
  }
}

TEST_CASE("exec: on_refresh waits for all files of the token, and for no other token's") {
  ExecScene scene;
  SimDirectoryAdd(*scene.world, "/run/more", 0, 0755, true);
  scene.ConfigureRefresh("signal WINCH",
                         "[file /run/more/storage]\ntoken = storage\n"
                         "[file /run/more/header]\ntoken = storage\nformat = header\n"
                         "[token vault]\nresource = vault\n"
                         "[file /run/tokens/vault]\ntoken = vault\n");
  scene.StartExec();
  scene.RunFor(Seconds(1));
  REQUIRE(scene.app->start_count == 1);
  const int before = scene.TokenNumber();
  SimDirectoryMove(*scene.world, "/run/more");
  scene.RunFor(Seconds(50000));
  CHECK(scene.TokenNumber() != before);
  CHECK(scene.Sent() == "28 ");  // of the vault's token
  SimDirectoryAdd(*scene.world, "/run/more", 0, 0755, true);
  scene.RunFor(Seconds(200));
  CHECK(scene.TokenNumber("/run/more/storage") == scene.TokenNumber());
  CHECK(scene.Sent() == "28 ");
}

TEST_CASE("exec: on_refresh = restart, of one that ends and of one that doesn't") {
  for (const bool obeys : {true, false}) {
    ExecScene scene;
    scene.ConfigureRefresh("restart");
    scene.app->catches_term = obeys;
    scene.app->term_takes = Seconds(2);
    if (!obeys) scene.app->ignored_signals = uint64_t{1} << kTerm;
    scene.StartExec();
    scene.RunFor(Seconds(1));
    CHECK(scene.app->start_count == 1);
    while (scene.TokenNumber() == 1) scene.RunFor(Seconds(1));
    scene.RunFor(Seconds(20));
    CHECK(scene.app->start_count == 2);
    CHECK(scene.Sent() == (obeys ? "15 " : "15 9 "));
    CHECK(scene.Logged("event=child_restarted"));
    CHECK_FALSE(scene.agent->is_finished);
    while (scene.TokenNumber() == 2) scene.RunFor(Seconds(1));
    scene.RunFor(Seconds(20));
    CHECK(scene.app->start_count == 3);
  }
}

TEST_CASE("exec: no restart for one that was asked to end, before or meanwhile") {
  for (const bool is_before : {true, false}) {
    ExecScene scene;
    scene.ConfigureRefresh("restart");
    scene.app->term_takes = Seconds(5);
    scene.StartExec();
    scene.RunFor(Seconds(1));
    const int wanted = 1;
    if (is_before) {
      scene.app->catches_term = false;
      scene.app->ignored_signals = uint64_t{1} << kTerm;
      scene.Send(kTerm);
      while (scene.TokenNumber() == wanted) scene.RunFor(Seconds(1));
      scene.RunFor(Seconds(60));
      CHECK(scene.Sent() == "15 ");  // nothing but what was sent
      CHECK_FALSE(scene.agent->is_finished);
      continue;
    }
    while (scene.TokenNumber() == wanted) scene.RunFor(Seconds(1));
    scene.Send(kTerm);
    CHECK(scene.ToEnd() == 7);
    CHECK(scene.app->start_count == 1);
    CHECK(scene.Sent() == "15 15 ");
  }
}

TEST_CASE("exec: a ^C that the program outlives doesn't keep it from being started again") {
  ExecScene scene;
  scene.ConfigureRefresh("restart");
  scene.StartExec();
  scene.RunFor(Seconds(1));
  scene.Send(kInt, true);
  CHECK_FALSE(scene.agent->is_finished);
  while (scene.TokenNumber() == 1) scene.RunFor(Seconds(1));
  scene.RunFor(Seconds(20));
  CHECK(scene.app->start_count == 2);
}

TEST_CASE("exec: a restart that fails is the end") {
  ExecScene scene;
  scene.ConfigureRefresh("restart");
  scene.StartExec();
  scene.RunFor(Seconds(1));
  scene.app->start_error = ENOENT;
  CHECK(scene.ToEnd() == 127);
  CHECK(scene.app->start_count == 1);
}

TEST_CASE("exec: SIGQUIT is the program's, too") {
  ExecScene scene;
  scene.ConfigureOne();
  scene.StartExec();
  scene.RunFor(Seconds(1));
  scene.Send(3);
  CHECK(scene.Sent() == "3 ");
}

TEST_CASE("exec: a hook that is still at work doesn't keep the program waiting") {
  ExecScene scene;
  SimProgram& hook = SimProgramAdd(*scene.world, "/usr/bin/reload");
  hook.runs = Seconds(5);
  scene.ConfigureOne("", "notify = exec /usr/bin/reload\n");
  scene.StartExec();
  scene.RunFor(Seconds(1));
  CHECK(hook.start_count == 1);
  CHECK(scene.app->start_count == 1);
}

}  // namespace
}  // namespace miagent
