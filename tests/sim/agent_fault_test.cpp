// Every verb of the platform fails, at each of its calls: what is published stays whole, and the
// agent gets over it.

#include <set>

#include "doctest.h"
#include "tests/sim/scene.h"

namespace miagent {
namespace {

// What a verb may say, beside EIO. Verbs that report nothing aren't here.
struct VerbErrors {
  Verb verb;
  int32_t errors[3];
};
constexpr VerbErrors kVerbs[] = {
    {Verb::kEntropyFill, {ENOSYS}},
    {Verb::kSignalsWatch, {EMFILE}},
    {Verb::kSocketConnect, {EMFILE, ENETUNREACH, EACCES}},
    {Verb::kSocketWatch, {ENOMEM}},
    {Verb::kSocketRead, {EAGAIN, ECONNRESET}},
    {Verb::kSocketWrite, {EAGAIN, EPIPE}},
    {Verb::kDirectoryOpen, {EMFILE, ELOOP, ENOENT}},
    {Verb::kDirectoryInspect, {EIO}},
    {Verb::kDirectoryList, {EIO}},
    {Verb::kFileOpen, {EMFILE, ENOENT, ELOOP}},
    {Verb::kFileOpenAt, {EMFILE, ENOENT, ELOOP}},
    {Verb::kFileCreate, {EMFILE, ENOSPC, EEXIST}},
    {Verb::kFileInspect, {EIO}},
    {Verb::kFileRead, {EIO}},
    {Verb::kFileWrite, {ENOSPC, EDQUOT}},
    {Verb::kFileSetOwner, {EPERM}},
    {Verb::kFileSetMode, {EPERM}},
    {Verb::kFileSetTimes, {EPERM}},
    {Verb::kFileRename, {EBUSY, ENOSPC}},
    {Verb::kFileRemove, {EROFS}},
    {Verb::kChildStart, {ENOENT, EAGAIN, EMFILE}},
    {Verb::kOutputWrite, {EPIPE, ENOSPC}},
    {Verb::kMemoryLock, {EPERM}},
};

// With the sanitizers a scene takes a hundred times as long: some of them, there.
#if __has_feature(address_sanitizer)
constexpr uint32_t kStep = 7;
#else
constexpr uint32_t kStep = 1;
#endif

// An agent that has lived before: its files are there, the token is in its last tenth, something
// that a killed one left lies about.
struct WornScene : Scene {
  WornScene() {
    imds->lifetime = Seconds(36000);
    SimDirectoryAdd(*world, "/run/miagent", 0, 0755, true);
    SimProgramAdd(*world, "/usr/bin/reload").output = "reloaded\n";
    Configure(
        "[agent]\nstatus_file = /run/miagent/status.json\nmetrics_file = /run/miagent/m.prom\n"
        "[token storage]\nresource = https://storage.azure.com/\n"
        "[file /run/tokens/storage]\ntoken = storage\nowner = app\nnotify = exec /usr/bin/reload\n"
        "[file /run/tokens/storage.header]\ntoken = storage\nformat = header\n");
    SimFileAdd(*world, "/etc/passwd", "app:x:500:500::/:/bin/sh\n", 0644);
    REQUIRE(Once() == 0);
    SimPass(*world, Seconds(35900));
    SimFileAdd(*world, "/run/tokens/.miagent-00000020.tmp", "left", 0600);
  }

  void LooksRight() const {
    for (const char* const path : {"/run/tokens/storage", "/run/tokens/storage.header"}) {
      const int number = TokenNumber(path);
      CHECK(number >= 0);  // absent, or a token that is whole
      const std::string text = File(path);
      const size_t begin = text.find("sim.");
      if (begin == std::string::npos) continue;
      const std::string token = text.substr(begin, text.find('\n') - begin);
      CHECK_FALSE(SimLogContains(*world, token));
    }
    const Ring& ring = agent->ring;
    for (uint32_t slot = 0; slot < ring.used_count; ++slot) {
      if (ring.states[slot] != SlotState::kFree) continue;
      const std::string_view bytes(ring.slots[slot], kSlotSize);
      CHECK(bytes.find_first_not_of('\0') == bytes.npos);  // no token that nobody holds
    }
  }
};

TEST_CASE("once: each verb fails, at each of its calls, once and from then on") {
  const std::set<int> codes{0, 65, 69, 73, 75, 77, 78};
  WornScene good;
  uint64_t before[kVerbCount];
  for (const VerbErrors& row : kVerbs) {
    before[static_cast<size_t>(row.verb)] = SimVerbCount(*good.world, row.verb);
  }
  REQUIRE(good.Once() == 0);
  int fired_count = 0;
  int armed_count = 0;
  for (const VerbErrors& row : kVerbs) {
    const uint64_t calls =
        SimVerbCount(*good.world, row.verb) - before[static_cast<size_t>(row.verb)];
    for (uint32_t skip = 0; skip < calls; skip += kStep) {
      for (const uint32_t count : {1U, UINT32_MAX}) {
        int32_t error = row.errors[skip % 3] != 0 ? row.errors[skip % 3] : EIO;
        if (error == EAGAIN && count != 1) error = EIO;  // what is ready doesn't stay unready
        CAPTURE(static_cast<int>(row.verb));
        CAPTURE(skip);
        CAPTURE(error);
        WornScene scene;
        const SimFault* const fault = SimFail(*scene.world, row.verb, error, skip, count);
        CHECK(codes.count(scene.Once(Seconds(60))) == 1);
        fired_count += fault->fired_count != 0 ? 1 : 0;
        ++armed_count;
        CHECK(scene.left_open_count == 0);
        scene.LooksRight();
      }
    }
  }
  CHECK(armed_count > 0);
  CHECK(fired_count == armed_count);
}

TEST_CASE("a file that was read in part leaves nothing of it in memory") {
  for (uint32_t skip = 0; skip < 2; ++skip) {
    CAPTURE(skip);
    WornScene scene;
    scene.ConfigureOne();
    scene.Start(CommandId::kRun);
    scene.world->file_read_size_max = 1000;
    const SimFault* const fault = SimFail(*scene.world, Verb::kFileRead, EIO, skip, UINT32_MAX);
    scene.RunFor(Seconds(1));
    CHECK(fault->fired_count > 0);
    CHECK(scene.TokenNumber() == 2);
    scene.LooksRight();
  }
}

TEST_CASE("run: each verb fails for a while: it goes on, and every file is fresh soon after") {
  for (const VerbErrors& row : kVerbs) {
    if (row.verb == Verb::kSignalsWatch || row.verb == Verb::kEntropyFill) continue;  // no start
    for (uint32_t skip = 0; skip < 40; skip += 3 * kStep) {
      const int32_t error = row.errors[skip % 3] != 0 ? row.errors[skip % 3] : EIO;
      CAPTURE(static_cast<int>(row.verb));
      CAPTURE(skip);
      CAPTURE(error);
      WornScene scene;
      scene.Start(CommandId::kRun);
      if (scene.agent->is_finished) continue;
      SimFail(*scene.world, row.verb, error, skip, 4);
      scene.RunFor(Seconds(50));
      scene.Signal(Signal::kRefresh);
      scene.RunFor(Seconds(50));
      scene.LooksRight();
      for (SimFault& any : scene.world->faults) any.in_use = false;
      scene.RunFor(Seconds(370));
      CHECK_FALSE(scene.agent->is_finished);
      CHECK(scene.TokenNumber() >= 2);
      CHECK(scene.TokenNumber("/run/tokens/storage.header") >= 2);
      scene.LooksRight();
    }
  }
}

}  // namespace
}  // namespace miagent
