// What a supervisor is told, and the log, against what is so in the world.

#include <algorithm>
#include <cstdlib>
#include <map>
#include <utility>
#include <vector>

#include "doctest.h"
#include "tests/sim/scene.h"

namespace miagent {
namespace {

constexpr const char* kNotifySocket = "/run/systemd/notify";
constexpr const char* kTwoTokens =
    "[token storage]\nresource = https://storage.azure.com/\n"
    "[token vault]\nresource = https://vault.azure.net\nrefresh_at = 80%\n"
    "[file /run/tokens/storage]\ntoken = storage\n"
    "[file /run/tokens/vault]\ntoken = vault\n"
    "[file /run/tokens/vault.header]\ntoken = vault\nformat = header\n";
constexpr const char* kPaths[] = {"/run/tokens/storage", "/run/tokens/vault",
                                  "/run/tokens/vault.header"};

struct Said {
  Instant at;
  int64_t monotonic_ms;
  std::string text;
};

struct ReadyScene : Scene {
  std::vector<Said> messages;
  std::vector<Said> datagrams;  // to /dev/log
  std::vector<Said> lines;
  std::map<int, Instant> expiries;  // of each token
  SimReceiver* receiver;

  explicit ReadyScene(const char* name = kNotifySocket, uint64_t seed = 1) : Scene(seed) {
    receiver = &SimReceiverAdd(*world, name);
    SimEnvironmentSet(*world, "NOTIFY_SOCKET", name);
    world->hook_context = this;
    world->on_local = [](void* context, std::string_view to, std::string_view text) {
      ReadyScene& scene = *static_cast<ReadyScene*>(context);
      (to == "/dev/log" ? scene.datagrams : scene.messages).push_back(scene.Now(text));
    };
    world->on_log = [](void* context, std::string_view line) {
      ReadyScene& scene = *static_cast<ReadyScene*>(context);
      scene.lines.push_back(scene.Now(line));
    };
  }
  ReadyScene(const ReadyScene&) = delete;

  Said Now(std::string_view text) const {
    return {world->now, world->now.boot_ms - world->suspended.ms, std::string(text)};
  }

  int Count(std::string_view text) const {
    int count = 0;
    for (const Said& message : messages) {
      if (message.text.find(text) != std::string::npos) ++count;
    }
    return count;
  }

  int Lines(std::string_view text) const {
    int count = 0;
    for (const Said& line : lines) {
      if (line.text.find(text) != std::string::npos) ++count;
    }
    return count;
  }

  // The newest STATUS, without its name.
  std::string Status() const {
    for (size_t index = messages.size(); index-- > 0;) {
      const size_t at = messages[index].text.find("STATUS=");
      if (at != std::string::npos) return messages[index].text.substr(at + 7);
    }
    return {};
  }

  // How many files hold a token that hasn't expired; -1 within the moment in which one does, as the
  // endpoint's times are whole seconds.
  int HeldCount() {
    for (const SimIssued& issued : imds->issued) {
      if (issued.key == 0) continue;
      expiries[static_cast<int>(issued.number)] = issued.issued_at + imds->lifetime;
    }
    int count = 0;
    for (const char* path : kPaths) {
      const int number = TokenNumber(path);
      if (number <= 0) continue;
      const Duration left = expiries.at(number) - world->now;
      if (left > Duration{-1500} && left < Duration{1500}) return -1;
      if (left > Duration{0}) ++count;
    }
    return count;
  }
};

// The number that a line tells behind `key=`.
int64_t NumberIn(const std::string& line, const std::string& key) {
  const size_t at = line.find(" " + key + "=");
  REQUIRE(at != std::string::npos);
  return std::stoll(line.substr(at + key.size() + 2));
}

TEST_CASE("ready: exactly when every file is there, over a path and an abstract name") {
  for (const char* name : {kNotifySocket, "@systemd/notify"}) {
    ReadyScene scene(name);
    scene.imds->delay = Seconds(2);
    scene.Fails(503, 4);
    scene.Configure(kTwoTokens);
    scene.Start(CommandId::kRun);
    bool was_whole = false;
    while (scene.world->now < Instant{120'000}) {
      AgentTurn(*scene.agent, *scene.world);
      was_whole = was_whole || scene.HeldCount() == 3;
      REQUIRE(scene.Count("READY=1") == (was_whole ? 1 : 0));
    }
    CHECK(was_whole);
    const Said& ready = *std::find_if(scene.messages.begin(), scene.messages.end(),
                                      [](auto& each) { return each.text.find("READY=1\n") == 0; });
    CHECK(ready.text == "READY=1\nSTATUS=3 of 3 files hold a token");
  }
}

TEST_CASE("ready: until then STATUS tells what is waited for, without a secret") {
  ReadyScene scene;
  scene.server->greeting = SimGreeting::kRefuse;
  scene.Configure(kTwoTokens);
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(1));
  CHECK(scene.Count("READY=1") == 0);
  CHECK(scene.Status().find("0 of 3 files hold a token; token storage, next try in 2 s: ") == 0);
  CHECK(scene.Status().find("connection refused") != std::string::npos);
  scene.server->greeting = SimGreeting::kAccept;
  scene.RunFor(Seconds(30));
  CHECK(scene.Status() == "3 of 3 files hold a token");
  CHECK(scene.Count("sim.") == 0);
  scene.world->space_left = 0;
  scene.Signal(Signal::kRefresh);
  scene.RunFor(Seconds(5));
  CHECK(scene.Status().find("3 of 3 files hold a token; file /run/tokens/") == 0);
  CHECK(scene.Status().find("no space left") != std::string::npos);
  CHECK(scene.Count("READY=1") == 1);
}

TEST_CASE("ready: what an agent before this one left is enough, in an outage") {
  ReadyScene scene;
  scene.Configure(kTwoTokens);
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(10));
  scene.Fails(503, 1000);
  scene.messages.clear();
  scene.KillAndStart();
  CHECK(scene.Count("READY=1") == 1);
  scene.messages.clear();
  SimKill(*scene.world);
  scene.world->now = scene.world->now + Seconds(90'000);
  ++scene.world->process.pid;
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(100));
  CHECK(scene.Count("READY=1") == 0);
}

TEST_CASE("ready: a reload begins and ends, and a refused one says so") {
  ReadyScene scene;
  scene.imds->delay = Seconds(2);
  scene.Configure(kTwoTokens);
  scene.Start(CommandId::kRun);
  scene.Signal(Signal::kReload);
  scene.RunFor(Seconds(1));
  CHECK(scene.Count("RELOADING=1") == 0);  // it hasn't been ready yet
  scene.RunFor(Seconds(10));
  REQUIRE(scene.Count("READY=1") == 1);
  SimSuspendAt(*scene.world, scene.world->now + Seconds(1), Seconds(1000));
  scene.RunFor(Seconds(1100));
  scene.messages.clear();
  scene.Configure("[token storage]\nresource = nonsense\n");
  scene.Signal(Signal::kReload);
  scene.RunFor(Seconds(1));
  REQUIRE(scene.messages.size() == 2);
  const std::string usec = std::to_string(scene.messages[0].monotonic_ms * 1000);
  CHECK(scene.messages[0].text == "RELOADING=1\nMONOTONIC_USEC=" + usec);
  CHECK(scene.messages[1].text ==
        "READY=1\nSTATUS=the new configuration was refused, the old one stays; "
        "3 of 3 files hold a token");
  scene.messages.clear();
  scene.ConfigureOne();
  scene.Signal(Signal::kReload);
  scene.RunFor(Seconds(1));
  REQUIRE(scene.messages.size() >= 2);
  CHECK(scene.messages[0].text.find("RELOADING=1\n") == 0);
  CHECK(scene.messages[1].text.find("READY=1\n") == 0);
  CHECK(scene.Status() == "1 of 1 files hold a token");
}

TEST_CASE("ready: the end is told first of all") {
  ReadyScene scene;
  scene.ConfigureOne("", "on_stop = remove\n");
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(1));
  scene.Signal(Signal::kStop);
  scene.RunFor(Seconds(1));
  REQUIRE(scene.agent->is_finished);
  CHECK(scene.messages.back().text == "STOPPING=1");
}

TEST_CASE("ready: a supervisor that has no room, or is gone for a time, is told later") {
  ReadyScene scene;
  scene.Configure(kTwoTokens);
  scene.receiver->is_full = true;
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(10));
  CHECK(scene.messages.empty());
  CHECK(scene.Lines("event=supervisor_failed to=NOTIFY_SOCKET") == 1);
  scene.receiver->is_full = false;
  scene.RunFor(Seconds(2));
  CHECK(scene.Count("READY=1") == 1);
  scene.receiver->is_gone = true;
  scene.Signal(Signal::kReload);
  scene.RunFor(Seconds(10));
  scene.receiver->is_gone = false;
  scene.messages.clear();
  scene.RunFor(Seconds(61));
  REQUIRE(scene.messages.size() == 2);
  CHECK(scene.messages[0].text.find("RELOADING=1") == 0);
  CHECK(scene.messages[1].text.find("READY=1") == 0);
}

TEST_CASE("ready: nobody listens, and nothing is told; get and once tell nobody") {
  for (const char* name : {"", "vsock:2:1234"}) {
    ReadyScene scene;
    SimEnvironmentSet(*scene.world, "NOTIFY_SOCKET", name);
    SimEnvironmentSet(*scene.world, "WATCHDOG_USEC", "1000000");
    scene.Configure(kTwoTokens);
    scene.Start(CommandId::kRun);
    scene.RunFor(Seconds(100));
    CHECK(SimVerbCount(*scene.world, Verb::kLocalSend) == 0);
    CHECK(SimVerbCount(*scene.world, Verb::kWait) < 30);
  }
  ReadyScene scene;
  scene.Configure(kTwoTokens);
  CHECK(scene.Once() == 0);
  CHECK(scene.messages.empty());
}

TEST_CASE("ready: --ready-fd gets one newline, and is closed then") {
  ReadyScene scene;
  SimEnvironmentSet(*scene.world, "NOTIFY_SOCKET", "");
  scene.Configure(kTwoTokens);
  scene.Fails(503, 1);
  const auto start = [&scene] {
    scene.Start(CommandId::kRun);
    SimKill(*scene.world);
    scene.command.ready_descriptor = 7;
    scene.agent = std::make_unique<Agent>();
    AgentStart(*scene.agent, *scene.world, scene.command);
  };
  start();
  CHECK(scene.agent->is_finished);
  CHECK(scene.agent->exit_code == 64);
  CHECK(scene.Logged("run expects --ready-fd N, the number of an open descriptor"));
  SimKill(*scene.world);
  scene.Fails(503, 2);
  for (const char* path : kPaths) CHECK(SimFileFind(*scene.world, path) == nullptr);
  scene.world->inherited_descriptor = 7;
  start();
  CHECK(scene.world->told.size == 0);
  scene.RunFor(Seconds(100));
  CHECK(scene.world->told.text() == "\n");
  CHECK(scene.world->inherited_descriptor == -1);
}

// ---- the watchdog -------------------------------------------------------------------------------

struct WatchdogScene : ReadyScene {
  static constexpr int64_t kHalfMs = 30'000;

  explicit WatchdogScene(uint64_t seed = 1) : ReadyScene(kNotifySocket, seed) {
    SimEnvironmentSet(*world, "WATCHDOG_USEC", "60000000");
    SimEnvironmentSet(*world, "WATCHDOG_PID", "1000");
  }

  // The longest time without WATCHDOG=1, on the supervisor's clock, until now.
  int64_t GapMs() const {
    int64_t last_ms = 0;
    int64_t gap_ms = 0;
    for (const Said& message : messages) {
      if (message.text != "WATCHDOG=1") continue;
      gap_ms = std::max(gap_ms, message.monotonic_ms - last_ms);
      last_ms = message.monotonic_ms;
    }
    return std::max(gap_ms, world->now.boot_ms - world->suspended.ms - last_ms);
  }
};

TEST_CASE("watchdog: at half of the time asked for") {
  WatchdogScene scene;
  scene.ConfigureOne();
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(301));
  CHECK(scene.Count("WATCHDOG=1") == 10);
}

TEST_CASE("watchdog: where the supervisor has no room, it is told within the time all the same") {
  WatchdogScene scene;
  scene.ConfigureOne();
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(59));
  scene.receiver->is_full = true;
  scene.RunFor(Seconds(5));
  scene.receiver->is_full = false;
  scene.RunFor(Seconds(60));
  CHECK(scene.GapMs() <= WatchdogScene::kHalfMs + 6000);
}

TEST_CASE("watchdog and STATUS: true at every instant of a day of outages") {
  for (const uint64_t seed : {1, 2, 3, 4}) {
    WatchdogScene scene(seed);
    scene.imds->lifetime = Seconds(5400);
    scene.Configure(kTwoTokens);
    scene.Start(CommandId::kRun);
    int64_t next_change_s = 1200;
    uint32_t partial_count = 0;
    Instant true_at;
    bool was_ready = false;
    while (scene.world->now < Instant{86'400'000}) {
      if (scene.world->now.boot_ms / 1000 >= next_change_s) {
        next_change_s += 600 + static_cast<int64_t>(SimRandom(*scene.world) % 6000);
        scene.server->greeting = SimGreeting::kAccept;
        scene.world->space_left = UINT64_MAX;
        scene.imds->delay = Milliseconds(1);
        switch (SimRandom(*scene.world) % 10) {
          case 0: scene.server->greeting = SimGreeting::kRefuse; break;
          case 1: scene.server->greeting = SimGreeting::kSilent; break;
          case 2: scene.Fails(503, 20); break;
          case 3: scene.Fails(400, 5, "", "{\"error\":\"invalid_request\"}"); break;
          case 4: SimWallStep(*scene.world, Seconds(-86400 * 365)); break;
          case 5: SimWallStep(*scene.world, Seconds(86400 * 365)); break;
          case 6: SimSuspendAt(*scene.world, scene.world->now + Seconds(5), Seconds(3000)); break;
          case 7: scene.world->space_left = 0; break;
          case 8: scene.imds->delay = Seconds(9); break;
          case 9: scene.Signal(Signal::kReload); break;
        }
      }
      AgentTurn(*scene.agent, *scene.world);
      const int held_count = scene.HeldCount();
      INFO(scene.world->now.boot_ms, ": ", scene.Status());
      const std::string told = std::to_string(held_count) + " of 3 files";
      if (held_count < 0 || scene.Status().find(told) == 0) true_at = scene.world->now;
      // What a full disk keeps in a file expires in silence; it is told with the next try.
      const bool is_full = scene.world->space_left == 0;
      REQUIRE(scene.world->now - true_at <= (is_full ? Seconds(75) : Seconds(0)));
      was_ready = was_ready || held_count == 3;
      REQUIRE((scene.Count("READY=1") > 0) == was_ready);
      if (held_count < 3) ++partial_count;
    }
    CHECK(partial_count > 10);
    CHECK(scene.GapMs() <= WatchdogScene::kHalfMs);
  }
}

TEST_CASE("watchdog: silent where something waits for an inner reason, and again after it") {
  WatchdogScene scene;
  scene.Configure(kTwoTokens);
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(100));
  REQUIRE(scene.GapMs() <= WatchdogScene::kHalfMs);
  scene.messages.clear();
  Instant* deadline = nullptr;
  SUBCASE("a request that has lost its deadline") {
    scene.server->greeting = SimGreeting::kSilent;
    ConnectionClose(scene.agent->connection, *scene.world);
    scene.Signal(Signal::kRefresh);
    scene.RunFor(Seconds(1));
    deadline = &scene.agent->connection.deadline;
    REQUIRE(*deadline < kInstantNever);
    *deadline = kInstantNever;
  }
  SUBCASE("a file that is due and not written") {
    scene.agent->request.token_index = 0;  // "a request is under way"
    scene.agent->connection.deadline = kInstantNever;
    scene.agent->files[1].is_current = false;
    scene.agent->files[1].attempt_at = scene.agent->now;
  }
  scene.RunFor(Seconds(600));
  // 2 tokens: three requests' time of 10 s, and 30 s.
  const int count = scene.Count("WATCHDOG=1");
  CHECK(count >= 2);
  CHECK(count <= 3);
  scene.agent->request.token_index = deadline == nullptr ? kTokenNone : 0;
  if (deadline != nullptr) *deadline = scene.world->now;
  scene.server->greeting = SimGreeting::kAccept;
  scene.RunFor(Seconds(100));
  CHECK(scene.Count("WATCHDOG=1") >= count + 2);
}

// ---- the log ------------------------------------------------------------------------------------

// Answers as IMDS, and notes each request's time and outcome.
struct Witness {
  SimImds* imds = nullptr;
  bool is_out = false;
  uint32_t status = 503;
  uint32_t other_status = 503;
  std::vector<std::pair<Instant, bool>> requests;  // when it came, and whether it was served

  static void Answer(void* context, SimExchange& exchange) {
    Witness& witness = *static_cast<Witness*>(context);
    witness.requests.emplace_back(exchange.world->now, !witness.is_out);
    if (!witness.is_out) return SimImdsAnswer(witness.imds, exchange);
    SimAnswer answer;
    answer.status = witness.status;
    SimAnswerSend(exchange, answer);
    std::swap(witness.status, witness.other_status);
  }
};

TEST_CASE("log: an outage of a day is a few lines, with a reminder an hour") {
  for (const uint32_t other_status : {503, 500}) {  // the same reason, and two by turns
    ReadyScene scene;
    SimEnvironmentSet(*scene.world, "NOTIFY_SOCKET", "");
    Witness witness;
    witness.imds = scene.imds.get();
    scene.server->on_request = Witness::Answer;
    scene.server->context = &witness;
    witness.other_status = other_status;
    scene.ConfigureOne();
    scene.Start(CommandId::kRun);
    scene.RunFor(Seconds(3600));
    scene.lines.clear();
    witness.is_out = true;
    scene.RunFor(Seconds(2 * 86'400));
    const int reasons = other_status == 503 ? 1 : 2;
    const int told = scene.Lines("event=refresh_failed");
    CHECK(told >= 30 * reasons);
    CHECK(told <= 40 * reasons);
    CHECK(scene.Lines("event=stale") == 1);
    CHECK(scene.Lines("event=expired ") == 1);
    CHECK(static_cast<int>(scene.lines.size()) <= told + 3);
    CHECK(scene.Lines(" repeated=") == told - reasons);
    witness.is_out = false;
    scene.lines.clear();
    scene.RunFor(Seconds(100));
    CHECK(scene.Lines("event=recovered") == 1);
    CHECK(scene.Lines("event=published") == 1);
    // A new outage is news.
    witness.is_out = true;
    scene.Signal(Signal::kRefresh);
    scene.RunFor(Seconds(10));
    CHECK(scene.Lines("event=refresh_failed") == reasons);
  }
}

TEST_CASE("log: over days of outages, each outage is told with its true length") {
  for (const uint64_t seed : {1, 2, 3}) {
    ReadyScene scene(kNotifySocket, seed);
    Witness witness;
    witness.imds = scene.imds.get();
    scene.server->on_request = Witness::Answer;
    scene.server->context = &witness;
    scene.imds->lifetime = Seconds(5400);
    scene.ConfigureOne();
    scene.Start(CommandId::kRun);
    for (int change = 0; change < 60; ++change) {
      scene.RunFor(Seconds(600 + static_cast<int64_t>(SimRandom(*scene.world) % 6000)));
      witness.is_out = SimRandom(*scene.world) % 2 == 0;
    }
    witness.is_out = false;
    scene.RunFor(Seconds(6000));
    std::vector<std::pair<int64_t, int64_t>> truth;  // seconds, failures
    Instant since;
    int64_t failures = 0;
    for (const auto& [at, is_served] : witness.requests) {
      if (!is_served && failures++ == 0) since = at;
      if (is_served && failures != 0) truth.emplace_back((at - since).ms / 1000, failures);
      if (is_served) failures = 0;
    }
    REQUIRE(truth.size() >= 5);
    size_t index = 0;
    for (const Said& line : scene.lines) {
      if (line.text.find("event=recovered") == std::string::npos) continue;
      REQUIRE(index < truth.size());
      CHECK(std::abs(NumberIn(line.text, "outage_s") - truth[index].first) <= 1);
      CHECK(NumberIn(line.text, "failures") == truth[index].second);
      ++index;
    }
    CHECK(index == truth.size());
    // News of each refresh, and for each outage its begin, its end, and a reminder an hour.
    CHECK(scene.Lines("level=warning") + scene.Lines("level=error") <
          static_cast<int>(truth.size()) * 4 + 60);
  }
}

TEST_CASE("log: a file that can't be written is told once, then when it could, with how long") {
  ReadyScene scene;
  scene.ConfigureOne();
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(10));
  scene.world->space_left = 0;
  scene.Signal(Signal::kRefresh);
  scene.RunFor(Seconds(3000));
  CHECK(scene.Lines("event=publish_failed") == 1);
  scene.world->space_left = UINT64_MAX;
  scene.RunFor(Seconds(100));
  const Said& line = scene.lines.back();
  CHECK(line.text.find("event=published") != std::string::npos);
  CHECK(NumberIn(line.text, "failures") > 45);
  CHECK(NumberIn(line.text, "outage_s") > 2990);
}

TEST_CASE("log: stale is told once, however often the same token is handed out again") {
  ReadyScene scene;
  scene.imds->lifetime = Seconds(5400);
  scene.imds->keeps_token = Seconds(5400);
  scene.ConfigureOne();
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(5390));
  CHECK(scene.Lines("event=fetched token=storage result=same") > 5);
  CHECK(scene.Lines("event=stale") == 1);
}

TEST_CASE("log: syslog gets each line; standard error, where syslog takes none") {
  ReadyScene scene;
  SimReceiver& syslog = SimReceiverAdd(*scene.world, "/dev/log");
  std::string text = "[agent]\nlog = syslog\n";
  text += kTwoTokens;
  scene.Configure(text);
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(10));
  CHECK(scene.lines.empty());
  REQUIRE(!scene.datagrams.empty());
  CHECK(scene.datagrams[0].text == "<30>miagent[1000]: level=info event=started tokens=2 files=3");
  scene.Configure("[agent]\nlog = syslog\ntimeout = never\n");
  scene.datagrams.clear();
  scene.Signal(Signal::kReload);
  scene.RunFor(Seconds(1));
  REQUIRE(scene.datagrams.size() >= 2);
  CHECK(scene.datagrams[0].text.find("<27>miagent[1000]: /etc/miagent.conf:3: timeout: ") == 0);
  CHECK(scene.datagrams.back().text.find("event=reload_failed") != std::string::npos);
  for (const bool is_full : {true, false}) {
    syslog.is_full = is_full;
    syslog.is_gone = !is_full;
    scene.datagrams.clear();
    scene.lines.clear();
    scene.Signal(Signal::kRefresh);
    scene.RunFor(Seconds(10));
    CHECK(scene.datagrams.empty());
    CHECK(scene.Lines("level=info event=fetched") == 2);
  }
  syslog.is_gone = false;
  scene.lines.clear();
  scene.Configure(kTwoTokens);
  scene.Signal(Signal::kReload);
  scene.RunFor(Seconds(1));
  CHECK(scene.Lines("event=reloaded") == 1);
}

TEST_CASE("log: what is wrong at the start goes to standard error, whatever the log") {
  ReadyScene scene;
  SimReceiverAdd(*scene.world, "/dev/log");
  scene.Configure("[agent]\nlog = syslog\ntimeout = never\n");
  scene.Start(CommandId::kRun);
  CHECK(scene.agent->is_finished);
  CHECK(scene.datagrams.empty());
  CHECK(scene.Lines("/etc/miagent.conf:3: timeout: ") == 1);
}

TEST_CASE("log: debug shows exchanges and a token's fingerprint, and no other level does") {
  for (const bool is_debug : {true, false}) {
    ReadyScene scene;
    std::string text = is_debug ? "[agent]\nlog_level = debug\n" : "";
    text += kTwoTokens;
    scene.Configure(text);
    scene.Start(CommandId::kRun);
    scene.RunFor(Seconds(10));
    CHECK(scene.Lines("event=request token=vault endpoint=169.254.169.254 method=GET headers=") ==
          (is_debug ? 1 : 0));
    CHECK(scene.Lines("target=\"/metadata/identity/oauth2/token?api-version=") ==
          (is_debug ? 2 : 0));
    CHECK(scene.Lines("event=answer token=vault status=200 body_bytes=") == (is_debug ? 1 : 0));
    CHECK(scene.Lines(" sha256=") == (is_debug ? 2 : 0));
    CHECK(scene.Lines("sim.") == 0);
    CHECK(scene.Lines("Metadata,") == (is_debug ? 2 : 0));
    CHECK(scene.Lines("true") == 0);  // no header's value
  }
}

TEST_CASE("log: SIGHUP moves it to syslog") {
  ReadyScene scene;
  SimReceiverAdd(*scene.world, "/dev/log");
  scene.Configure(kTwoTokens);
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(10));
  CHECK(scene.datagrams.empty());
  std::string text = "[agent]\nlog = syslog\n";
  text += kTwoTokens;
  scene.Configure(text);
  scene.Signal(Signal::kReload);
  scene.RunFor(Seconds(1));
  REQUIRE(!scene.datagrams.empty());
  CHECK(scene.datagrams[0].text.find("event=reloaded") != std::string::npos);
}

TEST_CASE("watchdog: variables for another process, or that make no sense, ask for nothing") {
  struct Row {
    const char* name;
    const char* value;
  };
  for (const Row& row : {Row{"WATCHDOG_USEC", "0"}, Row{"WATCHDOG_USEC", "soon"},
                         Row{"WATCHDOG_PID", "me"}, Row{"WATCHDOG_PID", "1001"}}) {
    CAPTURE(std::string(row.value));
    WatchdogScene scene;
    SimEnvironmentSet(*scene.world, row.name, row.value);
    scene.ConfigureOne();
    scene.Start(CommandId::kRun);
    scene.RunFor(Seconds(301));
    CHECK(scene.Count("WATCHDOG=1") == 0);
    CHECK(scene.Count("READY=1") == 1);
  }
}

TEST_CASE("ready: --ready-fd whose reader has gone is told of, and costs nothing else") {
  ReadyScene scene;
  SimEnvironmentSet(*scene.world, "NOTIFY_SOCKET", "");
  scene.Configure(kTwoTokens);
  scene.world->inherited_descriptor = 7;
  SimFail(*scene.world, Verb::kDescriptorTell, EPIPE, 0, UINT32_MAX);
  scene.command = Command{};
  scene.command.id = CommandId::kRun;
  scene.command.ready_descriptor = 7;
  scene.agent = std::make_unique<Agent>();
  AgentStart(*scene.agent, *scene.world, scene.command);
  scene.RunFor(Seconds(100));
  CHECK(scene.Lines("--ready-fd") == 1);
  CHECK_FALSE(scene.agent->is_finished);
}

}  // namespace
}  // namespace miagent
