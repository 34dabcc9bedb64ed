// notify: hooks and signals after a publication, and that nothing they do costs a request.

#include <cerrno>

#include "doctest.h"
#include "tests/sim/scene.h"

namespace miagent {
namespace {

constexpr const char* kHook = "/usr/bin/reload";
constexpr const char* kStatusPath = "/run/miagent/status.json";
constexpr const char* kMetricsPath = "/run/miagent/miagent.prom";
constexpr int kSignalHup = 1;
constexpr int kSignalKill = 9;

struct NotifyScene : Scene {
  SimProgram* hook;

  explicit NotifyScene(uint64_t seed = 1) : Scene(seed) {
    hook = &SimProgramAdd(*world, kHook);
    SimDirectoryAdd(*world, "/run/miagent", 0, 0755, true);
  }

  // One token and its files, each with these lines; status and metrics too.
  void ConfigureFiles(std::initializer_list<const char*> file_lines) {
    std::string text =
        "[agent]\nstatus_file = /run/miagent/status.json\n"
        "metrics_file = /run/miagent/miagent.prom\n"
        "[token storage]\nresource = https://storage.azure.com/\n";
    char name = 'a';
    for (const char* lines : file_lines) {
      text += std::string("[file /run/tokens/") + name++ + "]\ntoken = storage\n" + lines + "\n";
    }
    Configure(text);
  }

  void ConfigureHook() { ConfigureFiles({"notify = exec /usr/bin/reload \"two words\" storage"}); }

  // A new token, and so a publication.
  void Refresh() {
    RunFor(Seconds(2));
    Signal(Signal::kRefresh);
    RunFor(Seconds(2));
  }

  // SIGUSR2, so that the files tell how it is now.
  std::string Status() {
    Signal(Signal::kReport);
    RunFor(Milliseconds(1));
    return File(kStatusPath);
  }

  int LogCount(std::string_view wanted) const {
    int count = 0;
    const std::string text(world->log.text());
    for (size_t at = 0; (at = text.find(wanted, at)) != std::string::npos; ++at) ++count;
    return count;
  }
};

bool Contains(const std::string& text, std::string_view wanted) {
  return text.find(wanted) != std::string::npos;
}

TEST_CASE("a hook runs after each publication, with its arguments and environment and no more") {
  NotifyScene scene;
  scene.ConfigureHook();
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(1));
  CHECK(scene.hook->start_count == 1);
  CHECK(scene.hook->role == ChildRole::kHook);
  CHECK(std::string(scene.hook->arguments) == "/usr/bin/reload\ntwo words\nstorage\n");
  CHECK(std::string(scene.hook->environment) ==
        "PATH=/usr/sbin:/usr/bin:/sbin:/bin\nMIAGENT_FILE=/run/tokens/a\nMIAGENT_TOKEN=storage\n"
        "MIAGENT_EXPIRES_ON=" +
            std::to_string(scene.agent->tokens[0].expires_at_wall.unix_s) + "\n");
  CHECK(scene.Logged("event=notified token=storage file=/run/tokens/a"));
  scene.RunFor(Seconds(44000));
  CHECK(scene.TokenNumber("/run/tokens/a") == 2);
  CHECK(scene.hook->start_count == 2);
}

TEST_CASE("the same token again is no publication, and nobody is notified") {
  NotifyScene scene;
  scene.imds->keeps_token = Seconds(86400);
  scene.ConfigureHook();
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(50000));
  CHECK(scene.Requests() >= 2);
  CHECK(scene.hook->start_count == 1);
  scene.KillAndStart();
  scene.RunFor(Seconds(10));
  CHECK(scene.hook->start_count == 1);
}

TEST_CASE("files with the same line that are published together are one run, others wait") {
  NotifyScene scene;
  SimProgram& other = SimProgramAdd(*scene.world, "/bin/other");
  scene.hook->runs = Seconds(3);
  scene.ConfigureFiles({"notify = exec /usr/bin/reload", "notify = exec /bin/other", "",
                        "notify = exec /usr/bin/reload"});
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(1));
  CHECK(scene.hook->start_count == 1);
  CHECK(other.start_count == 0);
  scene.RunFor(Seconds(4));
  CHECK(scene.hook->start_count == 1);
  CHECK(Contains(scene.hook->environment, "MIAGENT_FILE=/run/tokens/a\n"));
  CHECK(other.start_count == 1);
  CHECK(other.started_at - scene.hook->started_at == Seconds(3));
  const std::string status = scene.Status();
  CHECK(Contains(status, "\"path\":\"/run/tokens/a\""));
  int runs = 0;
  for (size_t at = 0;
       (at = status.find("\"notify\":{\"runs\":1,\"failures\":0,\"last_error\":null}", at)) !=
       std::string::npos;
       ++at) {
    ++runs;
  }
  CHECK(runs == 3);
  CHECK(Contains(status, "\"notify\":null"));
}

TEST_CASE("a burst while a hook runs is remembered once") {
  NotifyScene scene;
  scene.hook->runs = Seconds(9);
  scene.ConfigureHook();
  scene.Start(CommandId::kRun);
  scene.RunFor(Milliseconds(1500));
  for (int index = 0; index < 4; ++index) {
    scene.Signal(Signal::kRefresh);
    scene.RunFor(Milliseconds(1500));
  }
  CHECK(scene.TokenNumber("/run/tokens/a") == 5);
  CHECK(scene.hook->start_count == 1);
  scene.RunFor(Seconds(60));
  CHECK(scene.hook->start_count == 2);
  CHECK(scene.hook->end_count == 2);
}

TEST_CASE("a failing hook is told once per change, counted, and asks for nothing") {
  NotifyScene scene;
  scene.hook->exit_code = 3;
  scene.ConfigureHook();
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(1));
  CHECK(
      scene.Logged("level=error event=notify_failed token=storage file=/run/tokens/a "
                   "reason=\"the hook failed, with exit status 3\""));
  scene.Refresh();
  CHECK(scene.hook->start_count == 2);
  CHECK(scene.Requests() == 2);
  CHECK(scene.LogCount("notify_failed") == 1);
  CHECK(Contains(scene.Status(),
                 "\"notify\":{\"runs\":2,\"failures\":2,\"last_error\":\"the hook "
                 "failed, with exit status 3\"}"));
  CHECK(Contains(scene.File(kMetricsPath),
                 "miagent_notify_total{file=\"/run/tokens/a\",result=\"failure\"} 2\n"));
  scene.hook->exit_code = 0;
  scene.hook->dies_by = 11;
  scene.Refresh();
  CHECK(scene.Logged("the hook was ended by signal 11"));
  scene.hook->dies_by = 0;
  scene.Refresh();
  CHECK(scene.Logged("event=notify_recovered token=storage file=/run/tokens/a"));
  CHECK(Contains(scene.Status(), "{\"runs\":4,\"failures\":3,\"last_error\":null}"));
  CHECK(Contains(scene.File(kMetricsPath),
                 "miagent_notify_total{file=\"/run/tokens/a\",result=\"success\"} 1\n"));
  const int requests = scene.Requests();
  scene.RunFor(Seconds(30000));
  CHECK(scene.Requests() == requests);
  CHECK(scene.TokenNumber("/run/tokens/a") == requests);
}

TEST_CASE("a hook that can't be started is a failure like any") {
  for (const int error : {ENOENT, EACCES, ENOEXEC, EAGAIN, ENOMEM, EMFILE}) {
    NotifyScene scene;
    scene.hook->start_error = error;
    scene.ConfigureHook();
    scene.Start(CommandId::kRun);
    scene.RunFor(Seconds(100));
    CHECK(scene.Logged("can't start the hook: "));
    CHECK(scene.Requests() == 1);
    CHECK(scene.LogCount("notify_failed") == 1);
    scene.hook->start_error = 0;
    scene.Refresh();
    CHECK(scene.hook->start_count == 1);
  }
}

TEST_CASE("a hook that hangs is killed after 10 seconds, and the next one runs") {
  NotifyScene scene;
  SimProgram& other = SimProgramAdd(*scene.world, "/bin/other");
  scene.hook->runs = Milliseconds(kTimeMax);
  scene.hook->ignored_signals = ~uint64_t{0};
  scene.hook->leaves_output_open = true;
  scene.ConfigureFiles({"notify = exec /usr/bin/reload", "notify = exec /bin/other"});
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(9));
  CHECK(scene.hook->sent.count == 0);
  scene.RunFor(Seconds(5));
  REQUIRE(scene.hook->sent.count == 1);
  CHECK(scene.hook->sent.numbers[0] == kSignalKill);
  CHECK(scene.Logged("the hook took more than 10 seconds and was killed"));
  CHECK(other.started_at - scene.hook->started_at == Seconds(10));
  CHECK(scene.Requests() == 1);
  CHECK(Contains(scene.Status(), "{\"runs\":1,\"failures\":1,\"last_error\":\"the hook took"));
}

TEST_CASE("an outage while hooks fail: the same requests at the same times as without hooks") {
  double requested_at[2][20];
  int requests[2];
  for (const bool has_hook : {false, true}) {
    NotifyScene scene;
    scene.hook->exit_code = 1;
    scene.ConfigureFiles({has_hook ? "notify = exec /usr/bin/reload" : ""});
    scene.Start(CommandId::kRun);
    scene.RunFor(Seconds(10));
    scene.Fails(503, 8);
    scene.Fails(400, 2);
    scene.RunFor(Seconds(90000));
    requests[has_hook] = scene.Requests();
    REQUIRE(scene.Requests() < 20);
    for (int index = 0; index < scene.Requests(); ++index) {
      requested_at[has_hook][index] = scene.RequestedAt(index + 1);
    }
    if (has_hook) CHECK(scene.hook->start_count == 3);
  }
  REQUIRE(requests[0] == requests[1]);
  for (int index = 0; index < requests[0]; ++index) {
    CHECK(requested_at[0][index] == requested_at[1][index]);
  }
}

TEST_CASE("output goes to the log, line by line, without what could be a secret") {
  NotifyScene scene;
  scene.hook->runs = Seconds(2);
  const std::string secret(65, 'k');
  const std::string output = "first line\nsecond \x1b[31m=\" line\n\n  token " + secret +
                             "\nhalf " + std::string(40, 'w') + std::string(300, ' ') + "end";
  SUBCASE("at once") {}
  SUBCASE("byte by byte") {
    scene.hook->output_piece_size = 1;
    scene.hook->output_gap = Milliseconds(1);
  }
  scene.hook->output = output;
  scene.ConfigureHook();
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(5));
  const std::string begin = "level=info event=hook_output token=storage file=/run/tokens/a text=";
  CHECK(scene.Logged(begin + "\"first line\"\n"));
  CHECK(scene.Logged(begin + "\"second ?[31m=? line\"\n"));
  CHECK(scene.Logged(begin + "\"token [...]\"\n"));
  CHECK(scene.Logged(begin + "\"half " + std::string(40, 'w') + " end\"\n"));
  CHECK_FALSE(scene.Logged("kkk"));
  CHECK(scene.LogCount("event=hook_output ") == 4);
}

TEST_CASE("output beyond the limits is counted, and never stops the program") {
  NotifyScene scene;
  std::string output;
  for (int index = 0; index < 100; ++index) output += "line " + std::to_string(index) + "\n";
  std::string wide;
  for (int index = 0; index < 400; ++index) wide += "wide ";
  output.insert(0, wide + "\n");
  scene.hook->output = output;
  scene.ConfigureHook();
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(5));
  CHECK(scene.LogCount("event=hook_output ") == 64);
  CHECK(scene.Logged("event=hook_output_cut token=storage file=/run/tokens/a lines=37"));
  CHECK(scene.Logged("text=\"line 62\"\n"));
  CHECK_FALSE(scene.Logged("line 63"));
  CHECK(scene.LogCount("wide") <= 256 / 5 + 1);
}

TEST_CASE("a hook that closes its output early, and one that leaves it to another") {
  for (const bool closes : {false, true}) {
    NotifyScene scene;
    scene.hook->output = "said";
    scene.hook->runs = Seconds(3);
    scene.hook->closes_output = closes;
    scene.hook->leaves_output_open = !closes;
    scene.ConfigureHook();
    scene.Start(CommandId::kRun);
    const uint64_t waits = SimVerbCount(*scene.world, Verb::kWait);
    scene.RunFor(Seconds(5));
    CHECK(scene.Logged("text=said"));
    CHECK(scene.Logged("event=notified"));
    CHECK(SimVerbCount(*scene.world, Verb::kWait) - waits < 40);
    scene.Signal(Signal::kStop);
    scene.RunFor(Seconds(1));
    AgentEnd(*scene.agent, *scene.world);
    CHECK(scene.world->open_handle_count == 0);
  }
}

TEST_CASE("once: ends when the hooks have, and a failing hook is one line and no exit code") {
  NotifyScene scene;
  scene.hook->runs = Seconds(4);
  scene.hook->output = "secret-ish";
  scene.ConfigureHook();
  SUBCASE("well") {
    CHECK(scene.Once() == 0);
    CHECK(scene.hook->end_count == 1);
    CHECK(scene.world->log.size == 0);
  }
  SUBCASE("failing") {
    scene.hook->exit_code = 9;
    CHECK(scene.Once() == 0);
    CHECK(std::string(scene.world->log.text()) ==
          "miagent: /run/tokens/a: the hook failed, with exit status 9\n");
  }
  SUBCASE("longer than --timeout") {
    CHECK(scene.Once(Seconds(2)) == 0);
    CHECK(scene.hook->end_count == 1);
    CHECK(scene.hook->sent.count == 0);
  }
  SUBCASE("hanging") {
    scene.hook->runs = Seconds(100);
    CHECK(scene.Once() == 0);
    CHECK(scene.hook->sent.count == 1);
  }
  CHECK(scene.left_open_count == 0);
}

TEST_CASE(
    "once: a reload in its course; a hook that fails for a file and for its new form is told "
    "twice") {
  NotifyScene scene;
  scene.hook->exit_code = 9;
  scene.hook->runs = Seconds(2);
  SimReceiver& syslog = SimReceiverAdd(*scene.world, "/dev/log");
  scene.ConfigureHook();
  scene.Start(CommandId::kOnce);
  scene.RunFor(Seconds(1));
  scene.Configure(
      "[agent]\nlog = syslog\n[token storage]\nresource = https://storage.azure.com/\n"
      "[file /run/tokens/a]\ntoken = storage\nformat = header\n"
      "notify = exec /usr/bin/reload \"two words\" storage\n");
  scene.Signal(Signal::kReload);
  scene.RunFor(Seconds(20));
  CHECK(scene.agent->is_finished);
  CHECK(scene.agent->exit_code == 0);
  CHECK(scene.Requests() == 1);
  CHECK(scene.File("/run/tokens/a").find("Authorization: ") == 0);
  CHECK(scene.hook->start_count == 2);
  CHECK(scene.LogCount("miagent: /run/tokens/a: the hook failed, with exit status 9\n") == 2);
  CHECK(syslog.message_count == 0);
}

TEST_CASE("stop leaves a running hook alone, and closes its output") {
  NotifyScene scene;
  scene.hook->runs = Seconds(8);
  scene.ConfigureHook();
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(1));
  scene.Signal(Signal::kStop);
  scene.RunFor(Seconds(1));
  REQUIRE(scene.agent->is_finished);
  AgentEnd(*scene.agent, *scene.world);
  CHECK(scene.hook->sent.count == 0);
  CHECK(scene.world->open_handle_count == 0);
}

TEST_CASE("reload: a running hook goes on, what waits for a file that is gone is dropped") {
  NotifyScene scene;
  SimProgram& other = SimProgramAdd(*scene.world, "/bin/other");
  scene.hook->runs = Seconds(5);
  scene.hook->output = "late";
  scene.hook->output_after = Seconds(4);
  scene.ConfigureFiles(
      {"notify = exec /usr/bin/reload", "notify = exec /bin/other", "notify = exec /bin/other"});
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(2));
  SUBCASE("the hook's file stays, another goes") {
    scene.ConfigureFiles({"notify = exec /usr/bin/reload", "", "notify = exec /bin/other 2"});
    scene.Signal(Signal::kReload);
    scene.RunFor(Seconds(10));
    CHECK(scene.hook->end_count == 1);
    CHECK(scene.hook->sent.count == 0);
    CHECK(scene.Logged("event=hook_output token=storage file=/run/tokens/a text=late"));
    CHECK(other.start_count == 1);
    CHECK(std::string(other.arguments) == "/bin/other\n2\n");
    CHECK(Contains(scene.Status(), "{\"runs\":1,\"failures\":0,\"last_error\":null}"));
  }
  SUBCASE("the hook's file goes") {
    scene.Configure(
        "[token storage]\nresource = https://storage.azure.com/\n"
        "[file /run/tokens/z]\ntoken = storage\nnotify = exec /bin/other\n");
    scene.Signal(Signal::kReload);
    scene.RunFor(Seconds(10));
    CHECK(scene.hook->end_count == 1);
    CHECK(scene.hook->sent.count == 0);
    CHECK(other.start_count == 1);  // for the new file alone
    CHECK(Contains(other.environment, "MIAGENT_FILE=/run/tokens/z\n"));
  }
}

TEST_CASE("orphans that end are nobody's") {
  NotifyScene scene;
  scene.hook->runs = Seconds(5);
  scene.ConfigureHook();
  scene.Start(CommandId::kRun);
  for (uint32_t pid = 1; pid < 8; ++pid) SimOrphanAt(*scene.world, Instant{1000}, pid, 1);
  scene.RunFor(Seconds(10));
  CHECK(scene.hook->end_count == 1);
  CHECK_FALSE(scene.Logged("notify_failed"));
  ChildEnd end;
  CHECK_FALSE(ChildReap(*scene.world, &end));
}

// ---- signal ---------------------------------------------------------------------------------

struct SignalScene : NotifyScene {
  SimProcess* app;

  SignalScene() {
    app = &SimProcessAdd(*world, 4711, 500);
    SimDirectoryAdd(*world, "/run/app", 0, 0755, true);
    ConfigureFiles({"notify = signal HUP /run/app/app.pid"});
  }

  SimFile& PidFile(std::string_view text) {
    return SimFileAdd(*world, "/run/app/app.pid", text, 0644);
  }

  // Runs, and gives the reason of the failure; empty for none.
  std::string Reason() {
    Start(CommandId::kRun);
    RunFor(Seconds(1));
    CHECK(TokenNumber("/run/tokens/a") == 1);
    CHECK(Requests() == 1);
    const std::string text(world->log.text());
    const size_t at = text.find("event=notify_failed");
    if (at == std::string::npos) return "";
    const size_t begin = text.find("reason=", at) + 8;
    return text.substr(begin, text.find('\n', begin) - begin - 1);
  }
};

TEST_CASE("signal: the process of the pid file gets it, after each publication") {
  SignalScene scene;
  for (const char* text : {"4711\n", "4711", " 4711 \r\n", "00000000004711"}) {
    CAPTURE(text);
    SignalScene each;
    each.PidFile(text);
    CHECK(each.Reason().empty());
    REQUIRE(each.app->sent.count == 1);
    CHECK(each.app->sent.numbers[0] == kSignalHup);
  }
  scene.PidFile("4711\n");
  CHECK(scene.Reason().empty());
  SimProcess& next = SimProcessAdd(*scene.world, 4712, 500);
  scene.PidFile("4712\n");
  scene.Refresh();
  CHECK(scene.app->sent.count == 1);
  CHECK(next.sent.count == 1);
}

TEST_CASE("signal: each thing wrong with a pid file has its own reason") {
  SignalScene scene;
  std::string expected;
  SUBCASE("missing") { expected = "can't open the pid file: no such file or directory"; }
  SUBCASE("a link") {
    SimFileAdd(*scene.world, "/run/app/real", "4711\n", 0644);
    SimLinkAdd(*scene.world, "/run/app/app.pid", "/run/app/real");
    expected = "can't open the pid file: a symbolic link";
  }
  SUBCASE("a FIFO") {
    SimFifoAdd(*scene.world, "/run/app/app.pid");
    expected = "the pid file is not a regular file";
  }
  SUBCASE("too long") {
    scene.PidFile("4711" + std::string(29, ' '));
    expected = "the pid file is larger than 32 bytes";
  }
  SUBCASE("malformed") {
    std::string text;
    SUBCASE("empty") { text = ""; }
    SUBCASE("words") { text = "app\n"; }
    SUBCASE("two") { text = "4711 4712\n"; }
    SUBCASE("negative") { text = "-4711\n"; }
    SUBCASE("hexadecimal") { text = "0x4711\n"; }
    SUBCASE("zero") { text = "0\n"; }
    SUBCASE("init") { text = "1\n"; }
    SUBCASE("huge") { text = "4294971007\n"; }
    SUBCASE("NUL") { text = std::string("4711\0", 5); }
    scene.PidFile(text);
    expected = "the pid file is not one decimal number above 1";
  }
  SUBCASE("the agent itself") {
    scene.PidFile("1000\n");
    expected = "the pid file names the agent itself";
  }
  SUBCASE("stale") {
    scene.PidFile("4999\n");
    expected = "the pid file is stale: its process is gone";
  }
  SUBCASE("writable by others") {
    scene.PidFile("4711\n").mode = 0666;
    expected = "the pid file is writable by group or others; chmod go-w it";
  }
  SUBCASE("of another user than the process's") {
    scene.PidFile("4711\n").owner_uid = 501;
    expected = "the pid file belongs to a user who is neither root";
  }
  SUBCASE("a kernel without such handles") {
    scene.PidFile("4711\n");
    SimFail(*scene.world, Verb::kProcessOpen, ENOSYS, 0, 100);
    expected = "can't signal the process of the pid file: ";
  }
  SUBCASE("a foreign process, for an agent without privileges") {
    scene.PidFile("4711\n");
    scene.world->process.uid = 7;
    SimDirectoryAdd(*scene.world, "/run/tokens2", 7, 0755, true);
    scene.Configure(
        "[token storage]\nresource = vault\n[file /run/tokens2/a]\ntoken = storage\n"
        "notify = signal HUP /run/app/app.pid\n");
    scene.Start(CommandId::kRun);
    scene.RunFor(Seconds(1));
    CHECK(scene.Logged("can't signal the process of the pid file: not permitted"));
    CHECK(scene.app->sent.count == 0);
    return;
  }
  const std::string reason = scene.Reason();
  CHECK(reason.substr(0, expected.size()) == expected);
  CHECK(scene.app->sent.count == 0);
  CHECK(scene.world->open_handle_count <= 1);  // the connection
}

TEST_CASE("signal: a pid file may belong to the user that the process runs as") {
  SignalScene scene;
  scene.PidFile("4711\n").owner_uid = 500;
  SUBCASE("it does") {
    CHECK(scene.Reason().empty());
    CHECK(scene.app->sent.count == 1);
  }
  SUBCASE("the process has another effective user") {
    SimFileAdd(*scene.world, "/proc/4711/status", "Name:\ta\nUid:\t500\t0\t500\t500\n", 0444);
    CHECK_FALSE(scene.Reason().empty());
    CHECK(scene.app->sent.count == 0);
  }
  SUBCASE("there is no telling") {
    const char* text = "";
    SUBCASE("no user") { text = "Name:\tUid:\t500\n"; }
    SUBCASE("no number") { text = "Name:\ta\nUid:\tapp\tapp\tapp\tapp\n"; }
    SUBCASE("cut in the first") { text = "Name:\ta\nUid:\t500"; }
    SUBCASE("cut in the second") { text = "Name:\ta\nUid:\t500\t500"; }
    SimFileAdd(*scene.world, "/proc/4711/status", text, 0444);
    CHECK_FALSE(scene.Reason().empty());
    CHECK(scene.app->sent.count == 0);
  }
}

TEST_CASE(
    "signal: an agent without privileges signals its own user's process, by its own pid file") {
  SignalScene scene;
  scene.app->uid = 7;
  scene.PidFile("4711\n").owner_uid = 7;
  scene.world->process.uid = 7;
  SimDirectoryAdd(*scene.world, "/run/own", 7, 0755, true);
  scene.ConfigureOne("",
                     "[file /run/own/a]\ntoken = storage\n"
                     "notify = signal HUP /run/app/app.pid\n");
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(1));
  CHECK(scene.TokenNumber("/run/own/a") == 1);
  CHECK(scene.app->sent.count == 1);
}

TEST_CASE("signal: a pid file that another user puts there meanwhile counts as changed") {
  int changed_count = 0;
  for (uint64_t at_call = 0; at_call < 24; ++at_call) {
    SignalScene scene;
    scene.PidFile("4711\n");
    struct Plan {
      uint64_t calls_left;
      bool is_done = false;
    } plan{at_call};
    scene.world->hook_context = &plan;
    scene.world->before_verb = [](void* context, Platform& world, Verb) -> int32_t {
      Plan& now = *static_cast<Plan*>(context);
      if (now.is_done || SimFileFind(world, "/run/tokens/a") == nullptr) return 0;
      if (now.calls_left-- != 0) return 0;
      now.is_done = true;
      SimFileAdd(world, "/run/app/app.pid", "4711\n", 0644).owner_uid = 500;
      return 0;
    };
    const bool is_changed = Contains(scene.Reason(), "the pid file changed while it was read");
    REQUIRE(plan.is_done);
    CHECK((scene.app->sent.count == 0) == is_changed);
    changed_count += is_changed ? 1 : 0;
  }
  CHECK(changed_count > 2);
}

TEST_CASE("signal: the process ends and its id is used again, at any verb: nobody else gets it") {
  int changed_count = 0;
  int stale_count = 0;
  for (uint64_t at_call = 0; at_call < 24; ++at_call) {
    SignalScene scene;
    scene.PidFile("4711\n");
    struct Plan {
      SignalScene* scene;
      uint64_t at_call;
      uint64_t call = 0;
      bool is_begun = false;
      SimProcess* next = nullptr;
    } plan{&scene, at_call};
    scene.world->hook_context = &plan;
    scene.world->before_verb = [](void* context, Platform& world, Verb) -> int32_t {
      Plan& now = *static_cast<Plan*>(context);
      const SimFile* file = SimFileFind(world, "/run/tokens/a");
      if (file != nullptr) now.is_begun = true;
      if (!now.is_begun || now.next != nullptr || now.call++ != now.at_call) return 0;
      SimProcessEnd(world, *now.scene->app);
      now.next = &SimProcessAdd(world, 4711, 600);
      SimFileAdd(world, "/run/app/app.pid", "5000\n", 0644);
      return 0;
    };
    const std::string reason = scene.Reason();
    REQUIRE(plan.next != nullptr);
    CHECK(plan.next->sent.count == 0);
    CHECK((scene.app->sent.count == 1) == reason.empty());
    changed_count += Contains(reason, "the pid file changed while it was read") ? 1 : 0;
    stale_count += Contains(reason, "the pid file is stale") ? 1 : 0;
  }
  CHECK(changed_count > 2);
  CHECK(stale_count > 2);
}

TEST_CASE("signal: every verb fails once; no handle stays open, and the token is published") {
  const Verb verbs[] = {Verb::kDirectoryOpen, Verb::kFileOpenAt,  Verb::kFileInspect,
                        Verb::kFileRead,      Verb::kProcessOpen, Verb::kProcessSignal,
                        Verb::kFileOpen,      Verb::kSocketWatch, Verb::kChildStart};
  for (const Verb verb : verbs) {
    for (uint32_t skip = 0; skip < 12; ++skip) {
      SignalScene scene;
      scene.ConfigureFiles(
          {"notify = signal HUP /run/app/app.pid", "notify = exec /usr/bin/reload"});
      scene.PidFile("4711\n").owner_uid = 500;
      scene.Start(CommandId::kRun);
      SimFail(*scene.world, verb, EIO, skip, 1);
      scene.RunFor(Seconds(100));
      CHECK(scene.TokenNumber("/run/tokens/a") >= 1);
      scene.Signal(Signal::kStop);
      scene.RunFor(Seconds(1));
      AgentEnd(*scene.agent, *scene.world);
      CHECK(scene.world->open_handle_count == 0);
    }
  }
}

TEST_CASE("a hook that fails in another way is told once more") {
  NotifyScene scene;
  scene.hook->exit_code = 3;
  scene.ConfigureHook();
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(1));
  scene.hook->exit_code = 4;
  scene.Refresh();
  scene.Refresh();
  CHECK(scene.LogCount("notify_failed") == 2);
  CHECK(scene.Logged("with exit status 4"));
}

}  // namespace
}  // namespace miagent
