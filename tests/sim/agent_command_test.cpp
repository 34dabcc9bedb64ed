// `once` and `get`: what they do, and how they end.

#include "doctest.h"
#include "tests/sim/scene.h"

namespace miagent {
namespace {

TEST_CASE("once: publishes and ends") {
  Scene scene;
  scene.ConfigureOne();
  CHECK(scene.Once() == 0);
  CHECK(scene.TokenNumber() == 1);
  CHECK(scene.left_open_count == 0);
  CHECK(scene.world->log.text().empty());
}

TEST_CASE("once: a file whose token is still good needs no request, until it is due") {
  Scene scene;
  scene.ConfigureOne();
  CHECK(scene.Once() == 0);
  SimPass(*scene.world, Seconds(40000));
  CHECK(scene.Once() == 0);
  CHECK(scene.Requests() == 1);
  SimPass(*scene.world, Seconds(4000));
  CHECK(scene.Once() == 0);
  CHECK(scene.Requests() == 2);
  CHECK(scene.TokenNumber() == 2);
}

TEST_CASE("once: a file for something else, or meddled with, is written anew") {
  struct Row {
    const char* what;
    const char* token_lines;
    const char* file_lines;
  };
  for (const Row& row :
       {Row{"another identity", "client_id = 11111111-2222-3333-4444-555555555555\n", ""},
        Row{"another form", "", "format = json\n"}, Row{"another mode", "", "mode = 0640\n"},
        Row{"another owner", "", "owner = 12\n"}}) {
    Scene scene;
    scene.ConfigureOne();
    CHECK(scene.Once() == 0);
    scene.ConfigureOne(row.token_lines, row.file_lines);
    CHECK(scene.Once() == 0);
    CHECK_MESSAGE(scene.Requests() == 2, row.what);
    CHECK(scene.Once() == 0);
    CHECK_MESSAGE(scene.Requests() == 2, row.what);
  }
  Scene scene;
  scene.ConfigureOne();
  CHECK(scene.Once() == 0);
  SimFileFind(*scene.world, "/run/tokens/storage")->modified_ns = 7;  // somebody wrote to it
  CHECK(scene.Once() == 0);
  CHECK(scene.TokenNumber() == 2);
}

TEST_CASE("once: a mark that no token's life can be right about proves nothing") {
  for (const int64_t life_s : {int64_t{0}, int64_t{-1}, int64_t{100} * 365 * 86400}) {
    Scene scene;
    scene.ConfigureOne();
    CHECK(scene.Once() == 0);
    SimFile* const file = SimFileFind(*scene.world, "/run/tokens/storage");
    file->accessed_at_wall.unix_s = file->modified_at_wall.unix_s + life_s;
    CHECK(scene.Once() == 0);
    CHECK(scene.Requests() == 2);
    CHECK(scene.TokenNumber() == 2);
  }
}

TEST_CASE("once: a wall clock that isn't set proves nothing about a file") {
  Scene scene;
  scene.ConfigureOne();
  CHECK(scene.Once() == 0);
  SimWallSet(*scene.world, WallTime{1000});
  CHECK(scene.Once() == 0);
  CHECK(scene.Requests() == 2);
}

TEST_CASE("once: five tries by the table, then 75") {
  Scene scene;
  scene.ConfigureOne();
  scene.Fails(503, 100);
  CHECK(scene.Once() == 75);
  CHECK(scene.Requests() == 5);
  CHECK(scene.world->now >= Instant{52000});
  CHECK(scene.world->now <= Instant{(4 + 12 + 28 + 60) * 1000 + 100});
  CHECK(
      scene.Logged("miagent: token storage: imds at http://169.254.169.254: "
                   "not available now: HTTP 503"));
  CHECK(scene.File() == "-");
}

TEST_CASE("once: a success on the way ends it well") {
  Scene scene;
  scene.ConfigureOne();
  scene.Fails(404, 1);
  scene.Fails(500, 1);
  scene.Fails(429, 1, "Retry-After: 1\r\n");
  CHECK(scene.Once() == 0);
  CHECK(scene.Requests() == 4);
  CHECK(scene.world->log.text().empty());
}

TEST_CASE("once: a 410 is waited for, at least 70 s") {
  Scene scene;
  scene.ConfigureOne();
  scene.Fails(410, 1000);
  SimCallAt(
      *scene.world, Instant{70000},
      [](void* context, Platform&) { static_cast<SimImds*>(context)->step_count = 0; },
      scene.imds.get());
  CHECK(scene.Once() == 0);
  CHECK(scene.Requests() >= 5);  // the jitter says how many fit
  CHECK(scene.world->now >= Instant{70000});
}

TEST_CASE("once: a refusal is final at once, with its code") {
  struct Row {
    uint32_t status;
    int exit_code;
  };
  for (const Row& row : {Row{400, 69}, Row{401, 69}, Row{403, 69}, Row{301, 69}, Row{307, 69},
                         Row{201, 65}, Row{204, 65}}) {
    Scene scene;
    scene.ConfigureOne();
    scene.Fails(row.status, 1);
    CHECK(scene.Once() == row.exit_code);
    CHECK(scene.Requests() == 1);
  }
  Scene scene;
  scene.ConfigureOne();
  scene.Fails(200, 1, "", "<html>not a token</html>");
  CHECK(scene.Once() == 65);
  CHECK_FALSE(scene.Logged("html"));
}

TEST_CASE("once: --timeout bounds the whole") {
  for (const SimGreeting greeting : {SimGreeting::kSilent, SimGreeting::kRefuse}) {
    Scene scene;
    scene.ConfigureOne();
    scene.server->greeting = greeting;
    CHECK(scene.Once(Seconds(3)) == 75);
    CHECK(scene.world->now <= Instant{3100});
    CHECK(scene.world->log.text().size() > 0);
  }
}

TEST_CASE("once: a policy that forbids the endpoint ends it after five tries, and says so") {
  Scene scene;
  scene.ConfigureOne();
  scene.server->greeting = SimGreeting::kDeny;
  scene.server->greeting_error = EACCES;
  CHECK(scene.Once() == 75);
  CHECK(scene.Logged("not allowed to connect: permission denied"));
}

TEST_CASE("once: all that can be done is done, and the first failure in the file's order counts") {
  Scene scene;
  SimDirectoryAdd(*scene.world, "/run/open", 0, 0777, true);
  scene.Configure(
      "[token a]\nresource = https://a.azure.com/\n"
      "[file /run/open/a]\ntoken = a\n[file /run/tokens/a]\ntoken = a\n"
      "[token b]\nresource = https://b.azure.com/\n[file /run/tokens/b]\ntoken = b\n");
  SimStepAdd(*scene.imds, {SimStepKind::kToken, 1, 0, {}, {}});
  scene.Fails(400, 1);
  CHECK(scene.Once() == 77);
  CHECK(scene.TokenNumber("/run/tokens/a") == 1);
  CHECK(scene.File("/run/tokens/b") == "-");
  CHECK(scene.Logged("/run/open/a"));
  CHECK(scene.Logged("token b"));
}

TEST_CASE("once: a full tmpfs is 73; the old file stays, no temporary file is left") {
  Scene scene;
  scene.ConfigureOne();
  CHECK(scene.Once() == 0);
  SimPass(*scene.world, Seconds(44000));
  scene.world->space_left = 100;
  CHECK(scene.Once() == 73);
  CHECK(scene.TokenNumber() == 1);
  CHECK(SimFileCount(*scene.world, "/run/tokens") == 1);
  CHECK(scene.Logged("no space left"));
}

TEST_CASE("once: the directory gate") {
  struct Row {
    uint32_t owner;
    uint32_t mode;
    bool on_memory_fs;
    const char* lines;
    int exit_code;
    const char* reason;
  };
  for (const Row& row :
       {Row{0, 0755, true, "", 0, ""}, Row{7, 0755, true, "", 77, "another user"},
        Row{0, 0775, true, "", 77, "writable"}, Row{0, 0757, true, "", 77, "writable"},
        Row{0, 01777, true, "", 77, "writable"}, Row{0, 0755, false, "", 77, "tmpfs"},
        Row{0, 0755, false, "[agent]\nrequire_tmpfs = no\n", 0, ""}}) {
    Scene scene;
    SimDirectoryAdd(*scene.world, "/run/gate", row.owner, row.mode, row.on_memory_fs);
    std::string text = row.lines;
    text += "[token a]\nresource = arm\n[file /run/gate/a]\ntoken = a\n";
    scene.Configure(text);
    CHECK(scene.Once() == row.exit_code);
    CHECK((row.exit_code == 0 || scene.Logged(row.reason)));
    CHECK(scene.Requests() == (row.exit_code == 0 ? 1 : 0));
  }
  Scene scene;
  SimDirectoryLinkAdd(*scene.world, "/run/link");
  scene.Configure("[token a]\nresource = arm\n[file /run/link/a]\ntoken = a\n");
  CHECK(scene.Once() == 77);
  scene.Configure("[token a]\nresource = arm\n[file /run/missing/a]\ntoken = a\n");
  CHECK(scene.Once() == 73);
}

// `get`, with options in place of a configuration. The exit code.
int Get(Scene& scene, std::string_view resource, Format format = Format::kRaw) {
  Command& command = scene.command;
  command.id = CommandId::kGet;
  command.format = format;
  command.has_token_options = true;
  command.options.resource = resource;
  AgentStart(*scene.agent, *scene.world, command);
  while (!scene.agent->is_finished) AgentTurn(*scene.agent, *scene.world);
  return scene.agent->exit_code;
}

// What `get` of storage's token prints.
std::string_view GetPrinted(Scene& scene, Format format) {
  CHECK(Get(scene, "storage", format) == 0);
  return scene.world->output.text();
}

TEST_CASE("get: prints the token and a newline, and nothing else") {
  Scene scene;
  const std::string_view output = GetPrinted(scene, Format::kRaw);
  CHECK(output.size() == 1501);
  CHECK(output.substr(0, 6) == "sim.1.");
  CHECK(output.back() == '\n');
  CHECK(scene.world->log.text().empty());
}

TEST_CASE("get: in another form") {
  Scene scene;
  const std::string_view output = GetPrinted(scene, Format::kHeader);
  CHECK(output.substr(0, 28) == "Authorization: Bearer sim.1.");
  CHECK(output.size() == 1501 + 22);
}

TEST_CASE("a configuration that is wrong is 78, with its line, before any request") {
  Scene scene;
  scene.Configure("[agent]\nlog_level = loud\n[token a]\n[file /run/tokens/a]\ntoken = b\n");
  CHECK(scene.Once() == 78);
  CHECK(scene.Logged("/etc/miagent.conf:2: "));
  CHECK(scene.Logged("/etc/miagent.conf:3: "));
  CHECK(scene.Logged("/etc/miagent.conf:5: "));
  CHECK(scene.Requests() == 0);
}

TEST_CASE("a configuration that isn't there is 78, and says what to do") {
  Scene scene;
  CHECK(scene.Once() == 78);
  CHECK(scene.Logged("/etc/miagent.conf: can't read the configuration"));
}

TEST_CASE("call: a build without TLS says so, and asks nothing") {
  Scene scene;
  scene.ConfigureOne();
  CHECK(scene.RunToEnd(CommandId::kCall) == 78);
  CHECK(scene.Logged("miagent: call: https needs TLS, which this build doesn't have\n"));
  CHECK(scene.Requests() == 0);
}

TEST_CASE("get: a refusal, an option that is wrong, an output that is full") {
  Scene scene;
  SUBCASE("a refusal") {
    scene.Fails(400, 1, "", "{\"error\":\"invalid_resource\"}");
    CHECK(Get(scene, "storage") == 69);
    CHECK(scene.Logged("refused: HTTP 400 invalid_resource"));
  }
  SUBCASE("an option") {
    CHECK(Get(scene, "no resource") == 64);
    CHECK(scene.Logged("miagent: --resource: "));
    CHECK(scene.Requests() == 0);
  }
  SUBCASE("an output") {
    SimFail(*scene.world, Verb::kOutputWrite, ENOSPC, 0, 1);
    CHECK(Get(scene, "storage") == 73);
    CHECK(scene.Logged("no space left"));
  }
  CHECK(scene.world->output.text().empty());
}

TEST_CASE("once: --timeout ends also what had to wait for its turn; the first failure counts") {
  Scene scene;
  scene.Configure(
      "[token a]\nresource = storage\n[token b]\nresource = vault\n"
      "[file /run/tokens/a]\ntoken = a\n[file /run/tokens/b]\ntoken = b\n");
  scene.imds->delay = Seconds(100);
  CHECK(scene.Once(Seconds(5)) == 75);
  CHECK(scene.Requests() == 1);
  CHECK(scene.Logged("token a: imds at http://169.254.169.254: no answer in time"));
  CHECK(scene.Logged("token b: imds at http://169.254.169.254: out of time"));
  CHECK(scene.world->now.boot_ms < 10'000);
}

TEST_CASE("once: SIGTERM is its end, at once, with 75") {
  Scene scene;
  scene.ConfigureOne();
  scene.imds->delay = Seconds(5);
  scene.Start(CommandId::kOnce);
  scene.RunFor(Seconds(1));
  scene.Signal(Signal::kStop);
  scene.RunFor(Seconds(1));
  REQUIRE(scene.agent->is_finished);
  CHECK(scene.agent->exit_code == 75);
  CHECK(scene.File() == "-");
}

TEST_CASE("--config: another file; one that is too large is refused as a whole") {
  Scene scene;
  scene.Configure(std::string(kConfigSizeMax, '\n'));
  CHECK(scene.Once() == 78);
  CHECK(scene.Logged("/etc/miagent.conf: is larger than "));
  SimFileAdd(*scene.world, "/etc/other.conf", "[token a]\n", 0644);
  scene.command = Command{};
  scene.command.id = CommandId::kOnce;
  scene.command.config_path = "/etc/other.conf";
  scene.agent = std::make_unique<Agent>();
  AgentStart(*scene.agent, *scene.world, scene.command);
  CHECK(scene.agent->exit_code == 78);
  CHECK(scene.Logged("/etc/other.conf:1: "));
}

}  // namespace
}  // namespace miagent
