// status_file, metrics_file, and the commands that read them, against what is so in the world.

#include <cmath>
#include <map>
#include <vector>

#include "agent/inspect.h"
#include "agent/status/status.h"
#include "doctest.h"
#include "tests/sim/scene.h"

namespace miagent {
namespace {

constexpr const char* kStatusPath = "/run/miagent/status.json";
constexpr const char* kMetricsPath = "/run/metrics/miagent.prom";
constexpr const char* kBootIdPath = "/proc/sys/kernel/random/boot_id";
constexpr const char* kAgentSection =
    "[agent]\nstatus_file = /run/miagent/status.json\nmetrics_file = /run/metrics/miagent.prom\n";

// A row of the status file, with its texts.
struct TokenRow {
  std::string name;
  std::string error;
  StatusToken row;
};
struct FileRow {
  std::string path;
  std::string error;
  StatusFile row;
};

struct Read {
  bool is_whole = false;
  std::string boot_id;
  StatusAgent agent;
  std::vector<TokenRow> tokens;
  std::vector<FileRow> files;
};

Read ReadText(const std::string& text) {
  Read read;
  StatusReader reader{};
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = text.find('\n', begin);
    if (end == std::string::npos) return read;
    std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    if (!StatusLineRead(reader, {line.data(), line.size()}).ok()) return read;
    switch (reader.kind) {
      case StatusLineKind::kAgent:
        read.agent = reader.agent;
        read.boot_id = reader.agent.boot_id;
        break;
      case StatusLineKind::kToken:
        read.tokens.push_back(
            {std::string(reader.token.name), std::string(reader.token.error), reader.token});
        break;
      case StatusLineKind::kFile:
        read.files.push_back(
            {std::string(reader.file.path), std::string(reader.file.error), reader.file});
        break;
      case StatusLineKind::kEnd: read.is_whole = true; break;
      case StatusLineKind::kFrame:
      case StatusLineKind::kFilesBegin: break;
    }
  }
  return read;
}

struct StatusScene : Scene {
  explicit StatusScene(uint64_t seed = 1) : Scene(seed) {
    SimDirectoryAdd(*world, "/run/miagent", 0, 0755, true);
    SimDirectoryAdd(*world, "/run/metrics", 0, 0755, false);
    SimFileAdd(*world, kBootIdPath, "11111111-2222-3333-4444-555555555555\n", 0444);
  }

  void ConfigureStatus(std::string_view token_lines = "", std::string_view file_lines = "") {
    std::string text = kAgentSection;
    text += "[token storage]\nresource = https://storage.azure.com/\n";
    text.append(token_lines);
    text += "[file /run/tokens/storage]\ntoken = storage\n";
    text.append(file_lines);
    Configure(text);
  }

  Read Status() const { return ReadText(File(kStatusPath)); }

  StatusMoment Moment() const {
    StatusMoment moment;
    moment.now = world->now;
    moment.now_wall = SimWall(*world);
    moment.is_same_boot = true;
    return moment;
  }

  TokenCondition TokenState(size_t index = 0) const {
    const Read read = Status();
    REQUIRE(read.is_whole);
    return StatusTokenJudge(read.tokens.at(index).row, Moment());
  }

  // A command of another process on the same machine; its exit code, and what it printed.
  int Inspect(CommandId id, bool is_json = false, Duration timeout = Duration{0},
              Duration fresh = Duration{0}) {
    world->output.size = 0;
    world->log.size = 0;
    const auto other = std::make_unique<Agent>();
    Command asked;
    asked.id = id;
    asked.is_json = is_json;
    asked.timeout = timeout;
    asked.fresh = fresh;
    const ProcessFacts agent_process = world->process;
    const uint32_t open_count = world->open_handle_count;
    world->process.pid += 5000;
    const int code = id == CommandId::kStatus ? StatusRun(*other, *world, asked)
                                              : WaitRun(*other, *world, asked);
    world->process = agent_process;
    CHECK(world->open_handle_count == open_count);
    return code;
  }

  std::string Output() const { return std::string(world->output.text()); }
};

TEST_CASE("status: what a new agent tells, before and after its first answer") {
  StatusScene scene;
  scene.imds->delay = Seconds(5);
  scene.ConfigureStatus("client_id = 11111111-2222-3333-4444-555555555555\n", "mode = 0640\n");
  scene.Start(CommandId::kRun);
  Read read = scene.Status();
  REQUIRE(read.is_whole);
  CHECK(read.agent.pid == 1000);
  CHECK(read.boot_id == "11111111-2222-3333-4444-555555555555");
  CHECK(read.agent.written_at_wall.unix_s == SimWall(*scene.world).unix_s);
  REQUIRE(read.tokens.size() == 1);
  CHECK(read.tokens[0].row.condition == TokenCondition::kMissing);
  CHECK(read.tokens[0].row.request_count == 1);
  REQUIRE(read.files.size() == 1);
  CHECK(read.files[0].row.condition == FileCondition::kMissing);
  scene.RunFor(Seconds(10));
  read = scene.Status();
  REQUIRE(read.is_whole);
  const StatusToken& token = read.tokens[0].row;
  CHECK(token.condition == TokenCondition::kFresh);
  CHECK(token.http_status == 200);
  CHECK(token.success_count == 1);
  CHECK(token.failure_count == 0);
  CHECK(token.expires_at_wall.unix_s - token.issued_at_wall.unix_s == 86400);
  CHECK(read.files[0].row.condition == FileCondition::kCurrent);
  CHECK(read.files[0].row.published_count == 1);
  CHECK(read.files[0].row.expires_at == token.expires_at);
  const std::string text = scene.File(kStatusPath);
  CHECK(text.find("\"identity\":{\"client_id\":\"11111111-2222") != std::string::npos);
  CHECK(text.find("\"mode\":\"0640\"") != std::string::npos);
  CHECK(text.find("sim.") == std::string::npos);
  const SimFile* file = SimFileFind(*scene.world, kStatusPath);
  CHECK(file->mode == 0644);
  CHECK(scene.File(kMetricsPath)
            .find("miagent_token_refresh_total{token=\"storage\",result="
                  "\"success\"} 1\n") != std::string::npos);
  CHECK(SimFileFind(*scene.world, kMetricsPath)->is_synced);
}

// What is so: told by the world, not by the agent.
struct Truth {
  StatusScene& scene;
  std::map<int, Instant> expiries;  // by token number
  uint32_t compared_count = 0;
  uint32_t held_count = 0;
  uint32_t missing_count = 0;

  void Learn() {
    for (const SimIssued& issued : scene.imds->issued) {
      if (issued.key == 0) continue;
      expiries[static_cast<int>(issued.number)] = issued.issued_at + scene.imds->lifetime;
    }
  }

  void Compare() {
    Learn();
    const Read read = scene.Status();
    REQUIRE(read.is_whole);
    const StatusMoment moment = scene.Moment();
    for (const FileRow& file : read.files) {
      const int number = scene.TokenNumber(file.path.c_str());
      const bool is_held = file.row.expires_at.boot_ms != 0;
      INFO(file.path, " at ", moment.now.boot_ms, " holds ", number);
      REQUIRE(is_held == (number > 0));
      if (!is_held) {
        ++missing_count;
        continue;
      }
      ++held_count;
      // The endpoint's times are whole seconds.
      const Duration difference = file.row.expires_at - expiries.at(number);
      CHECK(difference >= Duration{-1100});
      CHECK(difference <= Duration{1100});
      const StatusToken* token = nullptr;
      for (const TokenRow& row : read.tokens) {
        if (file.path.find(row.name) != std::string::npos) token = &row.row;
      }
      REQUIRE(token != nullptr);
      const TokenCondition condition = StatusTokenJudge(*token, moment);
      const Duration remaining = expiries.at(number) - moment.now;
      if (condition == TokenCondition::kFresh) CHECK(remaining > Duration{298000});
      if (condition == TokenCondition::kStale) {
        CHECK(remaining <= Duration{301200});
        CHECK(remaining > Duration{-1200});
      }
      CHECK(file.row.condition != FileCondition::kMissing);
    }
    for (const TokenRow& token : read.tokens) {
      const uint32_t ended = token.row.success_count + token.row.failure_count;
      CHECK(ended <= token.row.request_count);
      CHECK(token.row.request_count - ended <= 1);
      CHECK((token.row.failures_in_a_row == 0) == token.error.empty());
    }
    ++compared_count;
  }
};

TEST_CASE("status: true at every instant of a day of outages") {
  uint32_t missing_count = 0;
  for (const uint64_t seed : {1, 2, 3}) {
    StatusScene scene(seed);
    scene.imds->lifetime = Seconds(5400);
    std::string text = kAgentSection;
    text +=
        "[token storage]\nresource = https://storage.azure.com/\n"
        "[token vault]\nresource = https://vault.azure.net\nrefresh_at = 80%\n"
        "[file /run/tokens/storage]\ntoken = storage\n"
        "[file /run/tokens/vault]\ntoken = vault\n"
        "[file /run/tokens/vault.header]\ntoken = vault\nformat = header\n";
    scene.Configure(text);
    scene.Start(CommandId::kRun);
    Truth truth{scene, {}};
    const Instant end = scene.world->now + Seconds(86400);
    int64_t next_change_s = 1200;
    while (scene.world->now < end) {
      if (scene.world->now.boot_ms / 1000 >= next_change_s) {
        next_change_s += 600 + static_cast<int64_t>(SimRandom(*scene.world) % 6000);
        scene.server->greeting = SimGreeting::kAccept;
        switch (SimRandom(*scene.world) % 8) {
          case 0: scene.server->greeting = SimGreeting::kRefuse; break;
          case 1: scene.server->greeting = SimGreeting::kSilent; break;
          case 2:
            scene.server->greeting = SimGreeting::kDeny;
            scene.server->greeting_error = EACCES;
            break;
          case 3: scene.Fails(503, 20); break;
          case 4: scene.Fails(400, 5, "", "{\"error\":\"invalid_request\"}"); break;
          case 5: SimWallStep(*scene.world, Seconds(-86400 * 365)); break;
          case 6: SimWallStep(*scene.world, Seconds(86400 * 365)); break;
          case 7: SimSuspendAt(*scene.world, scene.world->now + Seconds(5), Seconds(3000)); break;
        }
      }
      AgentTurn(*scene.agent, *scene.world);
      truth.Compare();
      // A kill between any two turns loses nothing that a file's mark doesn't tell.
      if (SimRandom(*scene.world) % 400 == 0 &&
          SimWall(*scene.world).unix_s == SimTrueTime(*scene.world).unix_s) {
        scene.KillAndStart();
      }
    }
    CHECK(truth.compared_count > 100);
    CHECK(truth.held_count > 100);
    missing_count += truth.missing_count;
  }
  CHECK(missing_count > 20);
}

TEST_CASE(
    "status: stale, then expired, told as it happens and by the reader, if no agent is left") {
  for (const bool is_killed : {false, true}) {
    StatusScene scene;
    scene.ConfigureStatus();
    scene.Start(CommandId::kRun);
    scene.RunFor(Seconds(10));
    scene.Fails(503, 100000);
    if (is_killed) SimKill(*scene.world);
    const auto pass = [&](Duration duration) {
      if (is_killed) {
        SimPass(*scene.world, duration);
      } else {
        scene.RunFor(duration);
      }
    };
    scene.world->alive_pid = is_killed ? 0 : 1000;
    CHECK(scene.Inspect(CommandId::kStatus) == 0);
    CHECK(scene.Output().find(is_killed ? ": gone, " : ": running; ") != std::string::npos);
    CHECK(scene.Output().find("\nfresh ") != std::string::npos);
    pass(Seconds(86400 - 290 - 10));
    CHECK(scene.TokenState() == TokenCondition::kStale);
    CHECK(scene.Inspect(CommandId::kStatus) == 1);
    CHECK(scene.Output().find("\nstale ") != std::string::npos);
    CHECK(scene.Inspect(CommandId::kWait, false, Seconds(1)) == 0);
    CHECK(scene.Inspect(CommandId::kWait, false, Seconds(1), Seconds(300)) == 1);
    CHECK(scene.Logged("/run/tokens/storage: no token that is good for so long"));
    pass(Seconds(300));
    CHECK(scene.TokenState() == TokenCondition::kExpired);
    CHECK(scene.Inspect(CommandId::kStatus) == 1);
    CHECK(scene.Output().find("\nexpired ") != std::string::npos);
    CHECK(scene.Inspect(CommandId::kWait, false, Seconds(1)) == 1);
  }
}

TEST_CASE("status: an agent that can't see the boot id, as a confined service, runs all the same") {
  for (const bool is_alive : {true, false}) {
    StatusScene scene;
    SimFileAdd(*scene.world, kBootIdPath, "", 0444);
    scene.ConfigureStatus();
    scene.Start(CommandId::kRun);
    scene.RunFor(Seconds(10));
    SimFileAdd(*scene.world, kBootIdPath, "11111111-2222-3333-4444-555555555555\n", 0444);
    scene.world->alive_pid = is_alive ? 1000 : 0;
    CHECK(scene.Inspect(CommandId::kStatus) == 0);
    CHECK(scene.Output().find(is_alive ? ": running; " : ": gone, ") != std::string::npos);
  }
}

TEST_CASE("status: an agent that ends in the instant in which its token expires tells so") {
  StatusScene scene;
  scene.ConfigureStatus();
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(10));
  scene.Fails(503, 100000);
  const Duration left = scene.agent->tokens[0].expires_at - scene.world->now;
  SimCallAt(
      *scene.world, scene.world->now + left,
      [](void* context, Platform&) { static_cast<StatusScene*>(context)->Signal(Signal::kStop); },
      &scene);
  scene.RunFor(left + Seconds(1));
  REQUIRE(scene.agent->is_finished);
  const Read read = scene.Status();
  REQUIRE(read.tokens.size() == 1);
  CHECK(read.tokens[0].row.condition == TokenCondition::kExpired);
}

TEST_CASE("status: a refusal is told with what the endpoint said") {
  StatusScene scene;
  scene.Fails(400, 1000, "",
              "{\"error\":\"invalid_request\",\"error_description\":\"Identity not found\"}");
  scene.ConfigureStatus();
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(400));
  const Read read = scene.Status();
  REQUIRE(read.is_whole);
  CHECK(read.tokens[0].row.condition == TokenCondition::kRefused);
  CHECK(read.tokens[0].row.http_status == 400);
  CHECK(read.tokens[0].row.failures_in_a_row == 2);
  CHECK(read.tokens[0].error.find("HTTP 400 invalid_request: Identity not found") !=
        std::string::npos);
  scene.world->alive_pid = 1000;
  CHECK(scene.Inspect(CommandId::kStatus) == 1);
  CHECK(scene.Output().find("\nrefused  -        -        ") != std::string::npos);
  CHECK(scene.Output().find(" storage: refused: HTTP 400 invalid_request") != std::string::npos);
}

TEST_CASE("SIGUSR2: status and metrics are written now, and nothing is asked for") {
  StatusScene scene;
  scene.ConfigureStatus();
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(10));
  const uint64_t rename_count = SimVerbCount(*scene.world, Verb::kFileRename);
  scene.RunFor(Seconds(100));
  CHECK(SimVerbCount(*scene.world, Verb::kFileRename) == rename_count);
  scene.Signal(Signal::kReport);
  scene.RunFor(Seconds(1));
  CHECK(SimVerbCount(*scene.world, Verb::kFileRename) == rename_count + 2);
  CHECK(scene.Status().agent.written_at >= Instant{110000});
  CHECK(scene.Requests() == 1);
}

TEST_CASE("SIGTERM: the last word is that the agent has stopped, after on_stop") {
  StatusScene scene;
  scene.ConfigureStatus("", "on_stop = remove\n");
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(10));
  scene.Signal(Signal::kStop);
  scene.RunFor(Seconds(1));
  REQUIRE(scene.agent->is_finished);
  const Read read = scene.Status();
  REQUIRE(read.is_whole);
  CHECK(read.agent.is_stopped);
  CHECK(read.files[0].row.expires_at.boot_ms == 0);
  CHECK(scene.Inspect(CommandId::kStatus) == 1);
  CHECK(scene.Output().find(": stopped; ") != std::string::npos);
  CHECK(scene.Inspect(CommandId::kStatus, true) == 1);
  CHECK(scene.Output().find("\n\"read\":{\"at\":") != std::string::npos);
  CHECK(scene.Output().find("\"agent\":\"stopped\"},\n\"tokens\":[\n") != std::string::npos);
}

TEST_CASE("status: a file that can't be written is told once, retried, and costs nothing else") {
  StatusScene scene;
  scene.ConfigureStatus();
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(10));
  SimDirectoryMove(*scene.world, "/run/miagent");
  scene.world->log.size = 0;
  scene.Signal(Signal::kReport);
  scene.RunFor(Seconds(600));
  const std::string log(scene.world->log.text());
  const size_t told = log.find("event=status_failed");
  REQUIRE(told != std::string::npos);
  CHECK(log.find("event=status_failed", told + 1) == std::string::npos);
  SimDirectoryAdd(*scene.world, "/run/miagent", 0, 0755, true);
  scene.RunFor(Seconds(61));
  CHECK(scene.Logged("event=status_recovered"));
  CHECK(scene.Status().is_whole);
  CHECK(scene.Requests() == 1);
  CHECK(scene.TokenNumber() == 1);
}

TEST_CASE("status: an unsafe directory ends the start of run, 77; once doesn't care") {
  StatusScene scene;
  SimDirectoryAdd(*scene.world, "/run/open", 0, 0777, true);
  scene.Configure(
      "[agent]\nstatus_file = /run/open/s\n[token a]\nresource = arm\n"
      "[file /run/tokens/a]\ntoken = a\n");
  scene.Start(CommandId::kRun);
  CHECK(scene.agent->is_finished);
  CHECK(scene.agent->exit_code == 77);
  CHECK(scene.Logged("/run/open/s: the directory is writable"));
  AgentEnd(*scene.agent, *scene.world);
  SimKill(*scene.world);
  CHECK(scene.Once() == 0);
  CHECK(scene.File("/run/open/s") == "-");
}

TEST_CASE("SIGHUP: what is told in another place from now on is taken away in the old one") {
  StatusScene scene;
  scene.ConfigureStatus();
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(10));
  const Read before = scene.Status();
  scene.Configure(
      "[agent]\nstatus_file = /run/miagent/other.json\n"
      "[token again]\nresource = https://storage.azure.com/\n"
      "[file /run/tokens/storage]\ntoken = again\n");
  scene.Signal(Signal::kReload);
  scene.RunFor(Seconds(1));
  CHECK(scene.File(kStatusPath) == "-");
  CHECK(scene.File(kMetricsPath) == "-");
  const Read read = ReadText(scene.File("/run/miagent/other.json"));
  REQUIRE(read.is_whole);
  CHECK(read.tokens[0].name == "again");
  CHECK(read.tokens[0].row.success_count == 1);
  CHECK(read.files[0].row.published_count == 1);
  CHECK(read.files[0].row.expires_at == before.files[0].row.expires_at);
}

TEST_CASE("status: an agent that takes over tells what it found in the files") {
  StatusScene scene;
  scene.ConfigureStatus();
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(10));
  scene.server->greeting = SimGreeting::kRefuse;
  scene.KillAndStart();
  scene.RunFor(Seconds(100));
  const Read read = scene.Status();
  REQUIRE(read.is_whole);
  CHECK(read.agent.pid == 1001);
  CHECK(read.tokens[0].row.condition == TokenCondition::kMissing);
  CHECK(read.files[0].row.condition == FileCondition::kInherited);
  CHECK(read.files[0].row.expires_at > Instant{86000000});
  CHECK(scene.Inspect(CommandId::kWait, false, Seconds(1), Seconds(3600)) == 0);
  CHECK(scene.Inspect(CommandId::kStatus) == 1);
}

TEST_CASE("status and wait: codes where there is nothing to read") {
  StatusScene scene;
  scene.ConfigureOne();
  CHECK(scene.Inspect(CommandId::kStatus) == 78);
  CHECK(scene.Logged("/etc/miagent.conf: status_file is missing"));
  CHECK(scene.Inspect(CommandId::kWait) == 78);
  scene.ConfigureStatus();
  CHECK(scene.Inspect(CommandId::kStatus) == 75);
  CHECK(scene.Logged("/run/miagent/status.json: can't read the status file: no such file"));
  CHECK(scene.Inspect(CommandId::kWait, false, Seconds(3)) == 1);
  CHECK(scene.Logged("/run/miagent/status.json: can't read the status file: no such file"));
  for (const std::string text : {"", "{}", "hello\n", "{\"schema\":2,\n"}) {
    SimFileAdd(*scene.world, kStatusPath, text, 0644);
    CHECK(scene.Inspect(CommandId::kStatus) == 65);
    CHECK(scene.Logged("no status file of schema 1"));
    CHECK(scene.Inspect(CommandId::kWait, false, Seconds(1)) == 1);
  }
  SimFileAdd(*scene.world, kStatusPath, std::string(60000, 'x'), 0644);
  CHECK(scene.Inspect(CommandId::kStatus) == 65);
}

TEST_CASE("status and wait: a file that the agent doesn't serve yet is missing") {
  StatusScene scene;
  scene.ConfigureStatus();
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(10));
  scene.world->alive_pid = 1000;
  CHECK(scene.Inspect(CommandId::kWait, false, Seconds(1)) == 0);
  scene.ConfigureStatus("", "[file /run/tokens/more]\ntoken = storage\n");
  CHECK(scene.Inspect(CommandId::kStatus) == 1);
  CHECK(scene.Output().find("/run/tokens/more: the agent's configuration doesn't have it yet") !=
        std::string::npos);
  CHECK(scene.Inspect(CommandId::kWait, false, Seconds(1)) == 1);
  CHECK(scene.Logged("/run/tokens/more: no token"));
}

struct Arrival {
  StatusScene* scene;
  std::string text;
};

TEST_CASE("wait: returns when the files are there; looks once a second") {
  StatusScene scene;
  scene.ConfigureStatus();
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(10));
  Arrival arrival{&scene, scene.File(kStatusPath)};
  SimKill(*scene.world);
  SimFileAdd(*scene.world, kStatusPath, "", 0644);
  const Instant begin = scene.world->now;
  SimCallAt(
      *scene.world, begin + Milliseconds(5500),
      [](void* context, Platform& world) {
        SimFileAdd(world, kStatusPath, static_cast<Arrival*>(context)->text, 0644);
      },
      &arrival);
  const uint64_t wait_count = SimVerbCount(*scene.world, Verb::kWait);
  CHECK(scene.Inspect(CommandId::kWait) == 0);
  CHECK(scene.world->now - begin <= Seconds(7));
  CHECK(SimVerbCount(*scene.world, Verb::kWait) - wait_count <= 8);
  SimFileAdd(*scene.world, kStatusPath, "", 0644);
  const Instant again = scene.world->now;
  CHECK(scene.Inspect(CommandId::kWait, false, Seconds(3)) == 1);
  CHECK(scene.world->now - again >= Seconds(3));
  CHECK(scene.world->now - again < Seconds(4));
}

TEST_CASE("SIGHUP: a status file where none was, and one that can't be taken away") {
  StatusScene scene;
  scene.ConfigureOne();
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(10));
  CHECK(scene.File(kStatusPath) == "-");
  scene.ConfigureStatus();
  scene.Signal(Signal::kReload);
  scene.RunFor(Seconds(1));
  CHECK(scene.Status().is_whole);
  scene.ConfigureOne();
  SimFail(*scene.world, Verb::kFileRemove, EACCES, 0, 1);
  scene.Signal(Signal::kReload);
  scene.RunFor(Seconds(1));
  CHECK(scene.Logged("/run/miagent/status.json"));
  CHECK(scene.Logged("permission denied"));
  CHECK(scene.Logged("event=reloaded"));
}

TEST_CASE("status: what is told of an agent of another boot, or of a clock that was put back") {
  StatusScene scene;
  scene.ConfigureStatus();
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(10));
  scene.world->alive_pid = 1000;
  CHECK(scene.Inspect(CommandId::kStatus) == 0);
  CHECK(scene.Output().find("process 1000: running") != std::string::npos);
  SUBCASE("another boot: its process id is somebody else's") {
    SimFileAdd(*scene.world, kBootIdPath, "99999999-2222-3333-4444-555555555555\n", 0444);
    CHECK(scene.Inspect(CommandId::kStatus) == 0);  // by the wall clock the token is good
    CHECK(scene.Output().find("process 1000: gone") != std::string::npos);
  }
  SUBCASE("it seems to have been written later than now") {
    std::string text = scene.File(kStatusPath);
    const std::string member = "\"written_boot_ms\":";
    text.insert(text.find(member) + member.size(), "9999");
    SimFileAdd(*scene.world, kStatusPath, text, 0644);
    CHECK(scene.Inspect(CommandId::kStatus) == 0);
    CHECK(scene.Output().find("process 1000: gone") != std::string::npos);
  }
}

TEST_CASE("status: a file that can't be written is no good, though its last token still is") {
  StatusScene scene;
  scene.ConfigureStatus();
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(10));
  scene.world->alive_pid = 1000;
  SimFail(*scene.world, Verb::kFileRename, EIO, 0, 1);
  scene.Signal(Signal::kRefresh);
  scene.RunFor(Milliseconds(500));
  CHECK(scene.TokenState() == TokenCondition::kFresh);
  CHECK(scene.Inspect(CommandId::kStatus) == 1);
}

TEST_CASE("status: a file that can't be read to its end, or an output that takes nothing") {
  StatusScene scene;
  scene.ConfigureStatus();
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(10));
  scene.world->alive_pid = 1000;
  std::map<int, int> codes;
  for (uint32_t skip = 0; skip < 6; ++skip) {
    SimFail(*scene.world, Verb::kFileRead, EIO, skip, 1);
    const int code = scene.Inspect(CommandId::kStatus);
    ++codes[code];
    if (code != 0) CHECK(scene.Logged("input/output error"));
    if (code == 0) scene.Inspect(CommandId::kStatus);  // where the fault is still to come
  }
  CHECK(codes[78] > 0);  // the configuration
  CHECK(codes[75] > 0);  // the status file
  CHECK(codes[0] > 0);   // the boot id, without which there is the process
  SimFail(*scene.world, Verb::kOutputWrite, ENOSPC, 0, 1);
  CHECK(scene.Inspect(CommandId::kStatus) == 73);
  CHECK(scene.Logged("standard output"));
}

TEST_CASE("status --json: a file that the agent doesn't serve yet counts, and adds no line") {
  StatusScene scene;
  scene.ConfigureStatus();
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(10));
  scene.ConfigureStatus("", "[file /run/tokens/more]\ntoken = storage\n");
  CHECK(scene.Inspect(CommandId::kStatus, true) == 1);
  CHECK(scene.Output().find("/run/tokens/more") == std::string::npos);
}

}  // namespace
}  // namespace miagent
