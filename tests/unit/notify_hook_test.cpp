// The state machine of one program's run, verb by verb. The agent around it: tests/sim.
#include "agent/notify/hook.h"

#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "doctest.h"
#include "platform/sim/world.h"

namespace miagent {
namespace {

struct HookScene {
  std::unique_ptr<Platform> world = std::make_unique<Platform>();
  Hook hook{};
  SimProgram* program;
  std::vector<std::string> lines;
  HookSink sink{&lines, [](void* context, std::string_view line) {
                  static_cast<std::vector<std::string>*>(context)->emplace_back(line);
                }};

  HookScene() {
    SimStart(*world, 1);
    program = &SimProgramAdd(*world, "/h");
  }

  Status Start() {
    static const char* const arguments[] = {"/h", nullptr};
    static const char* const environment[] = {nullptr};
    return HookStart(hook, *world, world->now, {ChildRole::kHook, arguments, environment});
  }

  Status End() {
    ChildEnd end;
    REQUIRE(ChildReap(*world, &end));
    return HookEnd(hook, *world, end, sink);
  }
};

TEST_CASE("hook: starts, prints, ends") {
  HookScene scene;
  scene.program->output = "one\ntwo";
  REQUIRE(scene.Start().ok());
  HookRead(scene.hook, *scene.world, scene.sink);
  CHECK(scene.lines == std::vector<std::string>{"one"});
  SimPass(*scene.world, Seconds(1));
  CHECK(scene.End().ok());
  CHECK(scene.lines == std::vector<std::string>{"one", "two"});
  CHECK(scene.hook.pid == 0);
  CHECK(scene.world->open_handle_count == 0);
}

TEST_CASE("hook: each end has its status") {
  HookScene scene;
  scene.program->exit_code = 255;
  REQUIRE(scene.Start().ok());
  SimPass(*scene.world, Seconds(1));
  Status status = scene.End();
  CHECK(status.fault == Fault::kNotifyExit);
  CHECK(status.detail == 255);
  scene.program->dies_by = 6;
  REQUIRE(scene.Start().ok());
  SimPass(*scene.world, Seconds(1));
  status = scene.End();
  CHECK(status.fault == Fault::kNotifyDied);
  CHECK(status.detail == 6);
  scene.program->start_error = EACCES;
  status = scene.Start();
  CHECK(status.fault == Fault::kNotifyStart);
  CHECK(status.detail == EACCES);
  CHECK(scene.hook.pid == 0);
  CHECK(scene.world->open_handle_count == 0);
}

TEST_CASE("hook: its time is over at the instant, and it is killed once") {
  HookScene scene;
  scene.program->runs = Milliseconds(kTimeMax);
  REQUIRE(scene.Start().ok());
  const Instant deadline = Instant{0} + kNotifyTimeout;
  CHECK(scene.hook.deadline == deadline);
  HookExpire(scene.hook, *scene.world, Instant{deadline.boot_ms - 1});
  CHECK(scene.program->sent.count == 0);
  HookExpire(scene.hook, *scene.world, deadline);
  HookExpire(scene.hook, *scene.world, deadline + Seconds(5));
  CHECK(scene.program->sent.count == 1);
  CHECK(scene.hook.deadline == kInstantNever);
  SimPass(*scene.world, Milliseconds(1));
  CHECK(scene.End().fault == Fault::kNotifyTimeout);
  HookExpire(scene.hook, *scene.world, kInstantNever);  // none runs
  CHECK(scene.program->sent.count == 1);
}

TEST_CASE("hook: a read takes a bounded piece, the end takes what a pipe holds") {
  HookScene scene;
  const std::string output = std::string(60'000, '\n') + "last";
  scene.program->output = output;
  REQUIRE(scene.Start().ok());
  const uint64_t before = SimVerbCount(*scene.world, Verb::kSocketRead);
  HookRead(scene.hook, *scene.world, scene.sink);
  CHECK(SimVerbCount(*scene.world, Verb::kSocketRead) - before == 4);
  SimPass(*scene.world, Seconds(1));
  CHECK(scene.End().ok());
  CHECK(scene.lines == std::vector<std::string>{"last"});
}

TEST_CASE("hook: an output that breaks is closed, and the program goes on") {
  HookScene scene;
  scene.program->runs = Seconds(5);
  REQUIRE(scene.Start().ok());
  SimFail(*scene.world, Verb::kSocketRead, EIO, 0, 1);
  HookRead(scene.hook, *scene.world, scene.sink);
  CHECK(scene.hook.output.handle < 0);
  CHECK(scene.world->open_handle_count == 0);
  SimPass(*scene.world, Seconds(5));
  CHECK(scene.End().ok());
}

TEST_CASE("hook: abandoned, it lives on, and none of its handles stays open") {
  HookScene scene;
  scene.program->runs = Seconds(5);
  REQUIRE(scene.Start().ok());
  HookAbandon(scene.hook, *scene.world);
  HookAbandon(scene.hook, *scene.world);
  CHECK(scene.hook.pid == 0);
  CHECK(scene.program->sent.count == 0);
  CHECK(scene.world->open_handle_count == 0);
}

}  // namespace
}  // namespace miagent
