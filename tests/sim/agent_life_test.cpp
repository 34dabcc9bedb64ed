// Signals, restarts, full disks: what happens to an agent in the course of its life.

#include "doctest.h"
#include "tests/sim/scene.h"

namespace miagent {
namespace {

TEST_CASE("SIGHUP: a bad configuration is told, and the old one stays in force") {
  Scene scene;
  scene.ConfigureOne();
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(1));
  scene.Configure("[token storage]\nresource = nonsense\n");
  scene.Signal(Signal::kReload);
  scene.RunFor(Seconds(1));
  CHECK(scene.Logged("reload_failed"));
  CHECK(scene.TokenNumber() == 1);
  scene.RunFor(Seconds(44000));
  CHECK(scene.TokenNumber() == 2);
}

TEST_CASE("SIGHUP: an unsafe directory refuses the whole of a configuration") {
  Scene scene;
  scene.ConfigureOne();
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(1));
  SimDirectoryAdd(*scene.world, "/run/open", 0, 0777, true);
  scene.ConfigureOne("", "[file /run/open/x]\ntoken = storage\n");
  scene.Signal(Signal::kReload);
  scene.RunFor(Seconds(1));
  CHECK(scene.Logged("reload_failed"));
  CHECK(scene.agent->configs[scene.agent->config_index].file_count == 1);
}

TEST_CASE("SIGHUP: a token still asked for keeps its cache; a new file gets it without a request") {
  Scene scene;
  scene.ConfigureOne();
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(100));
  scene.Configure(
      "[token vault]\nresource = vault\n"
      "[token store]\nresource = https://storage.azure.com/\n"
      "[file /run/tokens/storage]\ntoken = store\n"
      "[file /run/tokens/more]\ntoken = store\nformat = header\n"
      "[file /run/tokens/vault]\ntoken = vault\n");
  scene.Signal(Signal::kReload);
  scene.RunFor(Seconds(1));
  CHECK(scene.Requests() == 2);
  CHECK(scene.TokenNumber("/run/tokens/storage") == 1);
  CHECK(scene.TokenNumber("/run/tokens/more") == 1);
  CHECK(scene.TokenNumber("/run/tokens/vault") == 2);
  CHECK(SimVerbCount(*scene.world, Verb::kFileRename) == 3);
}

TEST_CASE("SIGHUP in the middle of an exchange") {
  Scene scene;
  scene.imds->delay = Seconds(5);
  scene.ConfigureOne();
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(2));
  SUBCASE("its token stays: the answer counts") {
    scene.Configure(
        "[token other]\nresource = vault\n[token again]\nresource = https://storage.azure.com/\n"
        "[file /run/tokens/storage]\ntoken = again\n[file /run/tokens/v]\ntoken = other\n");
    scene.Signal(Signal::kReload);
    scene.RunFor(Seconds(20));
    CHECK(scene.TokenNumber() == 1);
    CHECK(scene.TokenNumber("/run/tokens/v") == 2);
    CHECK(scene.Requests() == 2);
  }
  SUBCASE("its token goes: it is given up") {
    scene.Configure("[token v]\nresource = vault\n[file /run/tokens/v]\ntoken = v\n");
    scene.Signal(Signal::kReload);
    scene.RunFor(Seconds(20));
    CHECK(scene.File() == "-");
    CHECK(scene.TokenNumber("/run/tokens/v") >= 1);
  }
}

TEST_CASE("SIGHUP: a file no longer named gets its on_stop policy") {
  for (const bool removes : {false, true}) {
    Scene scene;
    scene.ConfigureOne("", removes ? "on_stop = remove\n" : "");
    scene.Start(CommandId::kRun);
    scene.RunFor(Seconds(1));
    scene.Configure(
        "[token storage]\nresource = https://storage.azure.com/\n"
        "[file /run/tokens/new]\ntoken = storage\n");
    scene.Signal(Signal::kReload);
    scene.RunFor(Seconds(1));
    CHECK(scene.TokenNumber() == (removes ? 0 : 1));
    CHECK(scene.TokenNumber("/run/tokens/new") == 1);
    CHECK(scene.Requests() == 1);
  }
}

TEST_CASE("SIGHUP: a file that is given another token, which is refused, still expires") {
  Scene scene;
  scene.imds->lifetime = Seconds(3600);
  scene.ConfigureOne();
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(10));
  scene.Configure("[token v]\nresource = vault\n[file /run/tokens/storage]\ntoken = v\n");
  scene.Fails(400, 100);
  scene.Signal(Signal::kReload);
  scene.RunFor(Seconds(3500));
  CHECK(scene.TokenNumber() == 1);
  scene.RunFor(Seconds(200));
  CHECK(scene.File() == "-");
}

TEST_CASE("SIGTERM: on_stop, exit 0") {
  for (const bool removes : {false, true}) {
    Scene scene;
    scene.ConfigureOne("", removes ? "on_stop = remove\n" : "");
    scene.Start(CommandId::kRun);
    scene.RunFor(Seconds(1));
    scene.Signal(Signal::kStop);
    scene.RunFor(Seconds(1));
    CHECK(scene.agent->is_finished);
    CHECK(scene.agent->exit_code == 0);
    CHECK(scene.TokenNumber() == (removes ? 0 : 1));
  }
}

TEST_CASE("SIGTERM: a file that can't be removed is told, and the end is no other") {
  Scene scene;
  scene.ConfigureOne("", "on_stop = remove\n");
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(1));
  SimFail(*scene.world, Verb::kFileRemove, EACCES, 0, 1);
  scene.Signal(Signal::kStop);
  scene.RunFor(Seconds(1));
  CHECK(scene.agent->is_finished);
  CHECK(scene.agent->exit_code == 0);
  CHECK(scene.TokenNumber() == 1);
  CHECK(scene.Logged("publish_failed"));
}

TEST_CASE("restart at 1970 with IMDS down: a file that seems to live for decades is left alone") {
  Scene scene;
  scene.imds->closes = true;
  scene.ConfigureOne();
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(100));
  scene.server->greeting = SimGreeting::kRefuse;
  SimWallSet(*scene.world, WallTime{1000});
  scene.KillAndStart();
  scene.RunFor(Seconds(2 * 86400));
  CHECK(scene.TokenNumber() == 1);
  CHECK(scene.agent->files[0].expires_at.boot_ms == 0);  // nothing is known of it
}

TEST_CASE("kill -9 and restart: the same token leaves the file alone") {
  Scene scene;
  scene.imds->keeps_token = Seconds(86400);
  scene.ConfigureOne();
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(100));
  scene.KillAndStart();
  scene.RunFor(Seconds(100));
  CHECK(scene.Requests() == 2);
  CHECK(SimVerbCount(*scene.world, Verb::kFileRename) == 1);
  CHECK(scene.Logged("event=unchanged"));
}

TEST_CASE("kill -9 and restart: a token that is the begin of the one on file is another one") {
  Scene scene;
  scene.ConfigureOne();
  scene.Fails(200, 1, "", R"({"access_token":"token-12","expires_in":"3600"})");
  scene.Fails(200, 1, "", R"({"access_token":"token-1","expires_in":"3600"})");
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(1));
  CHECK(scene.File() == "token-12");
  scene.KillAndStart();
  scene.RunFor(Seconds(1));
  CHECK(scene.File() == "token-1");
}

TEST_CASE("restart: a token that its file has among other characters of tokens isn't known again") {
  for (const char* beside : {"x", "7", ".", "=", ":", " ", ","}) {
    for (const bool is_before : {false, true}) {
      CAPTURE(beside);
      const bool is_known = Find(":, ", beside[0]) != 3;
      Scene scene;
      scene.imds->keeps_token = Seconds(86400);
      const std::string written = is_before ? beside + std::string("{access_token}|")
                                            : "|{access_token}" + std::string(beside) + "|";
      scene.ConfigureOne("", "format = template\ntemplate = " + written + "\n");
      scene.Start(CommandId::kRun);
      scene.RunFor(Seconds(100));
      scene.KillAndStart();
      scene.RunFor(Seconds(100));
      CHECK(scene.TokenNumber() == 1);
      CHECK(SimVerbCount(*scene.world, Verb::kFileRename) == (is_known ? 1 : 2));
    }
  }
}

TEST_CASE("restart: an older token from the endpoint does not replace the newer on file") {
  Scene scene;
  scene.ConfigureOne();
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(100));
  const std::string before = scene.File();
  scene.imds->lifetime = Seconds(3600);
  scene.KillAndStart();
  scene.RunFor(Seconds(100));
  CHECK(scene.File() == before);
}

TEST_CASE("restart: a token that lives 28 hours is known by its file, as any") {
  Scene scene;
  scene.imds->lifetime = Seconds(28 * 3600);
  scene.ConfigureOne();
  CHECK(scene.Once() == 0);
  CHECK(scene.Once() == 0);
  CHECK(scene.Requests() == 1);
  scene.imds->lifetime = Seconds(3600);
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(10));
  CHECK(scene.Requests() == 2);
  CHECK(scene.TokenNumber() == 1);
}

TEST_CASE("restart with IMDS down: what was left on file goes at its expiry, not sooner") {
  Scene scene;
  scene.imds->lifetime = Seconds(3600);
  scene.imds->closes = true;
  scene.ConfigureOne();
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(100));
  scene.server->greeting = SimGreeting::kRefuse;
  scene.KillAndStart();
  scene.RunFor(Seconds(3490));
  CHECK(scene.TokenNumber() == 1);
  scene.RunFor(Seconds(20));
  CHECK(scene.File() == "-");
}

TEST_CASE("restart: what a killed agent left in the directory is swept, a living one's is not") {
  Scene scene;
  SimFileAdd(*scene.world, "/run/tokens/.miagent-000003e9.tmp", "half a tok", 0600);
  SimFileAdd(*scene.world, "/run/tokens/.miagent-000003ea.tmp", "half a tok", 0600);
  SimFileAdd(*scene.world, "/run/tokens/.miagent-own.tmp", "someone else's", 0600);
  scene.world->alive_pid = 0x3ea;
  scene.ConfigureOne();
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(1));
  CHECK(scene.File("/run/tokens/.miagent-000003e9.tmp") == "-");
  CHECK(scene.File("/run/tokens/.miagent-000003ea.tmp") == "half a tok");
  CHECK(scene.File("/run/tokens/.miagent-own.tmp") == "someone else's");
}

TEST_CASE("what can't be swept at the start is swept before the first publication") {
  for (const Verb verb : {Verb::kDirectoryOpen, Verb::kDirectoryList}) {
    uint32_t lived_count = 0;
    for (uint32_t skip = 0; skip < 4; ++skip) {
      CAPTURE(static_cast<int>(verb));
      CAPTURE(skip);
      Scene scene;
      SimDirectoryAdd(*scene.world, "/run/miagent", 0, 0755, true);
      scene.Configure(
          "[agent]\nstatus_file = /run/miagent/status.json\n"
          "[token storage]\nresource = https://storage.azure.com/\n"
          "[file /run/tokens/storage]\ntoken = storage\n");
      SimFileAdd(*scene.world, "/run/tokens/.miagent-000003e9.tmp", "half a tok", 0600);
      SimFileAdd(*scene.world, "/run/miagent/.miagent-000003e9.tmp", "half a stat", 0600);
      const SimFault* const fault = SimFail(*scene.world, verb, EIO, skip, 1);
      scene.Start(CommandId::kRun);
      scene.RunFor(Seconds(200));
      if (scene.agent->is_finished || fault->fired_count == 0) continue;
      ++lived_count;
      CHECK(scene.TokenNumber() == 1);
      CHECK(scene.File("/run/tokens/.miagent-000003e9.tmp") == "-");
      CHECK(scene.File("/run/miagent/.miagent-000003e9.tmp") == "-");
    }
    CHECK(lived_count > 0);
  }
}

// An agent at work, and beside its directory one more, with what a killed agent left in it.
struct MoreScene : Scene {
  MoreScene() {
    ConfigureOne();
    Start(CommandId::kRun);
    RunFor(Seconds(1));
    SimDirectoryAdd(*world, "/run/more", 0, 0755, true);
    SimFileAdd(*world, "/run/more/.miagent-000003e9.tmp", "half a tok", 0600);
  }
};

TEST_CASE("reload: a new directory is swept before its first publication, and not again after it") {
  MoreScene scene;
  const std::string more = "[file /run/more/storage]\ntoken = storage\n";
  scene.ConfigureOne("", more);
  scene.Signal(Signal::kReload);
  scene.RunFor(Seconds(10));
  CHECK(scene.TokenNumber("/run/more/storage") == 1);
  CHECK(scene.File("/run/more/.miagent-000003e9.tmp") == "-");
  const uint64_t list_count = SimVerbCount(*scene.world, Verb::kDirectoryList);
  scene.ConfigureOne("", more + "format = header\n");
  scene.Signal(Signal::kReload);
  scene.RunFor(Seconds(10));
  CHECK(scene.File("/run/more/storage").substr(0, 22) == "Authorization: Bearer ");
  CHECK(SimVerbCount(*scene.world, Verb::kDirectoryList) == list_count);
}

TEST_CASE("reload: a new directory that can't be listed is opened and listed again") {
  for (const uint32_t fail_count : {1u, 2u}) {  // for the first file, for both
    CAPTURE(fail_count);
    MoreScene scene;
    scene.ConfigureOne("",
                       "[file /run/more/storage]\ntoken = storage\n"
                       "[file /run/more/header]\ntoken = storage\nformat = header\n");
    const SimFault* const fault = SimFail(*scene.world, Verb::kDirectoryList, EIO, 0, fail_count);
    scene.Signal(Signal::kReload);
    scene.RunFor(Seconds(10));
    CHECK(fault->fired_count == fail_count);
    CHECK(scene.TokenNumber("/run/more/storage") == 1);
    CHECK((scene.File("/run/more/.miagent-000003e9.tmp") == "-") == (fail_count == 1));
    scene.RunFor(Seconds(86400));
    CHECK(scene.TokenNumber("/run/more/storage") > 1);
    CHECK(scene.File("/run/more/.miagent-000003e9.tmp") == "-");
  }
}

TEST_CASE("a token that expires on a file while the new one can't be written goes by on_expiry") {
  for (const std::string policy : {"remove", "empty", "keep"}) {
    CAPTURE(policy);
    Scene scene;
    scene.ConfigureOne("", "on_expiry = " + policy + "\n");
    scene.Start(CommandId::kRun);
    scene.RunFor(Seconds(1));
    scene.world->space_left = 10;
    scene.RunFor(Seconds(86390));
    CHECK(scene.Requests() >= 2);
    CHECK(scene.TokenNumber() == 1);
    scene.RunFor(Seconds(10));
    if (policy == "keep") CHECK(scene.TokenNumber() == 1);
    if (policy == "remove") CHECK(scene.File() == "-");
    if (policy == "empty") CHECK(scene.File().empty());
    scene.world->space_left = UINT64_MAX;
    scene.RunFor(Seconds(80));
    CHECK(scene.TokenNumber() > 1);
  }
}

TEST_CASE(
    "start: a directory is swept once, however many files are in it; each is told if unsafe") {
  Scene scene;
  SimDirectory& other = SimDirectoryAdd(*scene.world, "/run/other", 0, 0755, true);
  std::string text = "[token storage]\nresource = https://storage.azure.com/\n";
  for (const char* path : {"/run/other/a", "/run/tokens/b", "/run/other/c", "/run/other/d"}) {
    text += std::string("[file ") + path + "]\ntoken = storage\n";
  }
  scene.Configure(text);
  CHECK(scene.Once() == 0);
  CHECK(SimVerbCount(*scene.world, Verb::kDirectoryList) == 2);
  other.mode = 0777;
  CHECK(scene.Once() == 77);
  for (const char* path : {"/run/other/a", "/run/other/c", "/run/other/d"}) {
    CHECK(scene.world->log.text().find(std::string("miagent: ") + path) != std::string_view::npos);
  }
  CHECK(scene.world->log.text().find("/run/tokens/b") == std::string_view::npos);
}

TEST_CASE("a full tmpfs: the old token stays, and the new one follows without another request") {
  Scene scene;
  scene.ConfigureOne();
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(1));
  scene.world->space_left = 10;
  scene.RunFor(Seconds(43300));
  CHECK(scene.Requests() == 2);
  CHECK(scene.TokenNumber() == 1);
  CHECK(scene.Logged("no space left"));
  scene.world->space_left = UINT64_MAX;
  scene.RunFor(Seconds(80));
  CHECK(scene.TokenNumber() == 2);
  CHECK(scene.Requests() == 2);
  CHECK(SimFileCount(*scene.world, "/run/tokens") == 1);
}

TEST_CASE(
    "each step of a publication can fail: the old file stays, nothing is left, then it heals") {
  for (const Verb verb :
       {Verb::kDirectoryOpen, Verb::kDirectoryInspect, Verb::kFileCreate, Verb::kFileSetOwner,
        Verb::kFileSetMode, Verb::kFileWrite, Verb::kFileSetTimes, Verb::kFileRename}) {
    for (const int32_t error : {EIO, ENOSPC, EACCES, EROFS, EMFILE}) {
      Scene scene;
      scene.ConfigureOne();
      scene.Start(CommandId::kRun);
      scene.RunFor(Seconds(1));
      const SimFault* fault = SimFail(*scene.world, verb, error, 0, 3);
      scene.Signal(Signal::kRefresh);
      scene.RunFor(Seconds(1));
      CHECK(fault->fired_count >= 1);
      CHECK(scene.TokenNumber() == 1);
      CHECK(SimFileCount(*scene.world, "/run/tokens") == 1);
      scene.RunFor(Seconds(60));
      CHECK(scene.TokenNumber() == 2);
      CHECK(scene.Requests() == 2);
    }
  }
}

TEST_CASE("short writes: the file is whole") {
  Scene scene;
  scene.world->file_write_size_max = 1;
  scene.world->socket_write_size_max = 3;
  scene.world->socket_read_size_max = 5;
  scene.ConfigureOne("", "[file /run/tokens/json]\ntoken = storage\nformat = json\n");
  CHECK(scene.Once() == 0);
  CHECK(scene.File().size() == 1500);
  CHECK(scene.File("/run/tokens/json").find(scene.File()) != std::string::npos);
  CHECK(scene.File("/run/tokens/json").back() == '\n');
}

TEST_CASE("a file on a disk is synced before it takes the old one's place; on tmpfs that is idle") {
  for (const bool is_on_disk : {true, false}) {
    Scene scene;
    SimDirectoryAdd(*scene.world, "/var/tokens", 0, 0755, !is_on_disk);
    scene.Configure(
        "[agent]\nrequire_tmpfs = no\n[token t]\nresource = arm\n"
        "[file /var/tokens/t]\ntoken = t\n");
    uint64_t unsynced_count = 0;  // files that were renamed as they were
    scene.world->hook_context = &unsynced_count;
    scene.world->before_verb = [](void* context, Platform& world, Verb verb) {
      if (verb != Verb::kFileRename) return 0;
      for (const SimFile& file : world.files) {
        if (file.in_use && file.is_named && !file.is_synced) ++*static_cast<uint64_t*>(context);
      }
      return 0;
    };
    scene.Start(CommandId::kRun);
    scene.RunFor(Seconds(50000));
    CHECK(scene.Requests() == 2);
    CHECK((unsynced_count == 0) == is_on_disk);
    CHECK(SimVerbCount(*scene.world, Verb::kFileSync) == (is_on_disk ? 2 : 0));
  }
}

TEST_CASE("a directory that was replaced: the new one gets the file") {
  Scene scene;
  scene.ConfigureOne();
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(1));
  SimDirectoryMove(*scene.world, "/run/tokens");
  SimDirectoryAdd(*scene.world, "/run/tokens", 0, 0755, true);
  CHECK(scene.File() == "-");
  scene.RunFor(Seconds(43300));
  CHECK(scene.TokenNumber() == 2);
}

TEST_CASE("a file that vanished comes back with the next refresh, also with the same token") {
  Scene scene;
  scene.imds->keeps_token = Seconds(86400);
  scene.ConfigureOne();
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(1));
  SimDirectoryMove(*scene.world, "/run/tokens");
  SimDirectoryAdd(*scene.world, "/run/tokens", 0, 0755, true);
  scene.RunFor(Seconds(44000));
  CHECK(scene.Requests() == 2);
  CHECK(scene.TokenNumber() == 1);
}

TEST_CASE("a file that could not be cleared when its token expired is cleared later") {
  Scene scene;
  scene.imds->lifetime = Seconds(3600);
  scene.imds->closes = true;
  scene.ConfigureOne();
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(1));
  scene.server->greeting = SimGreeting::kRefuse;
  SimFail(*scene.world, Verb::kFileRemove, EACCES, 0, 3);
  scene.RunFor(Seconds(3610));
  CHECK(scene.TokenNumber() == 1);
  CHECK(scene.Logged("publish_failed"));
  scene.RunFor(Seconds(300));
  CHECK(scene.File() == "-");
}

TEST_CASE("owner and group by name, from /etc/passwd and /etc/group") {
  Scene scene;
  SimFileAdd(*scene.world, "/etc/passwd", "root:x:0:0::/:/bin/sh\napp:x:1234:99::/:/bin/sh", 0644);
  SimFileAdd(*scene.world, "/etc/group", "root:x:0:\nreaders:x:4321:app\n", 0644);
  scene.ConfigureOne("", "owner = app\ngroup = readers\n");
  CHECK(scene.Once() == 0);
  const SimFile* file = SimFileFind(*scene.world, "/run/tokens/storage");
  REQUIRE(file != nullptr);
  CHECK(file->owner_uid == 1234);
  CHECK(file->group_gid == 4321);
  scene.ConfigureOne("", "owner = nobody-here\n");
  CHECK(scene.Once() == 78);
  CHECK(scene.Logged("nobody-here"));
}

TEST_CASE("where one file can't be cleared at its token's expiry, the others are all the same") {
  Scene scene;
  scene.imds->lifetime = Seconds(3600);
  scene.imds->closes = true;
  scene.Configure(
      "[token storage]\nresource = storage\n[file /run/tokens/storage]\ntoken = storage\n"
      "[file /run/tokens/b]\ntoken = storage\n");
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(1));
  CHECK(scene.TokenNumber("/run/tokens/b") == 1);
  scene.server->greeting = SimGreeting::kRefuse;
  SimFail(*scene.world, Verb::kFileRemove, EACCES, 0, 1);
  scene.RunFor(Seconds(3610));
  CHECK(scene.TokenNumber() == 1);
  CHECK(scene.File("/run/tokens/b") == "-");
  scene.RunFor(Seconds(300));
  CHECK(scene.File() == "-");
}

TEST_CASE("one seed is one history") {
  uint64_t hashes[3];
  for (int index = 0; index < 3; ++index) {
    Scene scene(index == 2 ? 8 : 7);
    scene.ConfigureOne();
    scene.Fails(503, 5);
    scene.Start(CommandId::kRun);
    scene.RunFor(Seconds(500000));
    hashes[index] = scene.world->trace_hash;
  }
  CHECK(hashes[0] == hashes[1]);
  CHECK(hashes[0] != hashes[2]);
}

TEST_CASE("a group that isn't there is told, with its name") {
  Scene scene;
  SimFileAdd(*scene.world, "/etc/group", "root:x:0:\n", 0644);
  scene.ConfigureOne("", "group = nobodys\n");
  CHECK(scene.Once() == 78);
  CHECK(scene.Logged("group: no 'nobodys' in /etc/group"));
}

TEST_CASE("SIGHUP: what makes another token of one, and what doesn't") {
  struct Row {
    const char* before;
    const char* after;
    bool is_other;
  };
  constexpr const char* kClient = "client_id = 11111111-2222-3333-4444-555555555555\n";
  const Row rows[] = {
      {kClient, kClient, false},
      {"", "refresh_at = 60%\n", false},
      {"", kClient, true},
      {kClient, "object_id = 11111111-2222-3333-4444-555555555555\n", true},
      {kClient, "client_id = 11111111-2222-3333-4444-555555555556\n", true},
      {"", "endpoint = http://169.254.169.254/metadata/identity/oauth2/token\n", false},
      {"", "endpoint = http://169.254.169.254/other\n", true},
      {"", "endpoint = http://169.254.169.254:80\n", true},
      {"", "endpoint = http://10.0.0.7/metadata/identity/oauth2/token\n", true},
  };
  for (const Row& row : rows) {
    CAPTURE(std::string(row.before));
    CAPTURE(std::string(row.after));
    Scene scene;
    SimServerAdd(*scene.world, SimAddress(10, 0, 0, 7, 80), SimImdsAnswer, scene.imds.get());
    scene.ConfigureOne("source = imds\n" + std::string(row.before));
    scene.Start(CommandId::kRun);
    scene.RunFor(Seconds(10));
    REQUIRE(scene.TokenNumber() == 1);
    scene.ConfigureOne("source = imds\n" + std::string(row.after));
    scene.Signal(Signal::kReload);
    scene.RunFor(Seconds(10));
    REQUIRE(scene.Logged("event=reloaded"));
    CHECK(scene.Requests() == (row.is_other ? 2 : 1));
  }
}

TEST_CASE("SIGHUP: a file in another form is written anew, from the token that is held") {
  Scene scene;
  scene.ConfigureOne();
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(10));
  scene.ConfigureOne("", "format = header\n");
  scene.Signal(Signal::kReload);
  scene.RunFor(Seconds(10));
  CHECK(scene.Requests() == 1);
  CHECK(scene.File().substr(0, 28) == "Authorization: Bearer sim.1.");
}

TEST_CASE("an answer that seems older is taken where the token in force has expired meanwhile") {
  Scene scene;
  const int64_t now_s = SimTrueTime(*scene.world).unix_s;
  const auto answer = [now_s](const char* token, int64_t begin_s, int64_t end_s) {
    const std::string body = std::string("{\"access_token\":\"") + token + "\",\"not_before\":\"" +
                             std::to_string(now_s + begin_s) + "\",\"expires_on\":\"" +
                             std::to_string(now_s + end_s) + "\"}";
    return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  };
  const std::string first = answer("first", 0, 7200);
  const std::string second = answer("second", -10, 90000);
  SimStepAdd(*scene.imds, {SimStepKind::kBytes, 1, 0, {}, first});
  SimStepAdd(*scene.imds, {SimStepKind::kBytes, 1, 0, {}, second});
  scene.ConfigureOne();
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(10));
  CHECK(scene.File() == "first");
  scene.imds->delay = Seconds(5);
  while (scene.Requests() < 2) scene.RunFor(Seconds(1));
  SimSuspendAt(*scene.world, scene.world->now, Seconds(7200));
  scene.RunFor(Seconds(7210));
  CHECK(scene.File() == "second");
}

TEST_CASE(
    "refresh_in of an answer, where it is sooner than half of its life, is when to ask again") {
  Scene scene;
  const std::string body =
      "{\"access_token\":\"first\",\"expires_in\":\"86400\",\"refresh_in\":\"3600\"}";
  const std::string bytes =
      "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  SimStepAdd(*scene.imds, {SimStepKind::kBytes, 1, 0, {}, bytes});
  scene.ConfigureOne();
  scene.Start(CommandId::kRun);
  scene.RunFor(Seconds(3300));
  CHECK(scene.Requests() == 1);
  scene.RunFor(Seconds(310));
  CHECK(scene.Requests() == 2);
}

}  // namespace
}  // namespace miagent
