// A scene: one simulated machine with an agent on it, and an IMDS at the real address.
//
// Purpose: tests say what happens on the machine and look at what a user would see: the files, the
//          requests, the exit code, the log.
// Clock:   virtual; RunFor lets the agent live for so long.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "agent/agent.h"
#include "platform/sim/server.h"
#include "platform/sim/world.h"

namespace miagent {

struct Scene {
  std::unique_ptr<Platform> world = std::make_unique<Platform>();
  std::unique_ptr<Agent> agent = std::make_unique<Agent>();
  std::unique_ptr<SimImds> imds = std::make_unique<SimImds>();
  SimServer* server = nullptr;
  Command command;
  bool time_is_up = false;
  uint32_t left_open_count = 0;  // handles that a command which ended had not closed

  explicit Scene(uint64_t seed = 1) {
    SimStart(*world, seed);
    server = &SimServerAdd(*world, SimAddress(169, 254, 169, 254, 80), SimImdsAnswer, imds.get());
    SimDirectoryAdd(*world, "/run/tokens", 0, 0755, true);
  }

  void Configure(std::string_view text) { SimFileAdd(*world, "/etc/miagent.conf", text, 0644); }

  // One token and one raw file, with further lines for either.
  void ConfigureOne(std::string_view token_lines = "", std::string_view file_lines = "") {
    std::string text = "[token storage]\nresource = https://storage.azure.com/\n";
    text.append(token_lines);
    text += "[file /run/tokens/storage]\ntoken = storage\n";
    text.append(file_lines);
    Configure(text);
  }

  void Start(CommandId id, Duration timeout = Duration{0}) {
    command = Command{};
    command.id = id;
    command.timeout = timeout;
    agent = std::make_unique<Agent>();
    AgentStart(*agent, *world, command);
  }

  // Turns the agent until `duration` has passed or it is finished.
  void RunFor(Duration duration) {
    const Instant end = world->now + duration;
    time_is_up = false;
    SimCallAt(
        *world, end, [](void* context, Platform&) { *static_cast<bool*>(context) = true; },
        &time_is_up);
    while (!agent->is_finished && !time_is_up) AgentTurn(*agent, *world);
  }

  // `once` or `get`, to its end. The exit code.
  int RunToEnd(CommandId id, Duration timeout = Duration{0}) {
    Start(id, timeout);
    while (!agent->is_finished) AgentTurn(*agent, *world);
    AgentEnd(*agent, *world);
    left_open_count = world->open_handle_count;
    SimKill(*world);  // the process ends
    return agent->exit_code;
  }

  int Once(Duration timeout = Duration{0}) { return RunToEnd(CommandId::kOnce, timeout); }

  // The process is killed, and another begins.
  void KillAndStart() {
    SimKill(*world);
    ++world->process.pid;
    Start(CommandId::kRun);
  }

  void Signal(enum Signal signal) { SimSignalAt(*world, world->now, signal); }

  void Fails(uint32_t status, uint32_t count, std::string_view headers = "",
             std::string_view body = "") {
    SimStepAdd(*imds, {SimStepKind::kStatus, count, status, headers, body});
  }

  // What a reader of the file gets; "-" where there is none.
  std::string File(const char* path = "/run/tokens/storage") const {
    SimFile* file = SimFileFind(*world, path);
    return file == nullptr ? "-" : std::string(SimFileContent(*world, *file));
  }

  // The number of the token on the file: 0 where there is none, -1 for what is no token.
  int TokenNumber(const char* path = "/run/tokens/storage") const {
    const std::string text = File(path);
    if (text == "-") return 0;
    const size_t at = text.find("sim.");
    return at == std::string::npos ? -1 : std::stoi(text.substr(at + 4));
  }

  int Requests() const { return static_cast<int>(imds->request_count); }
  bool Logged(std::string_view text) const { return SimLogContains(*world, text); }

  // When request `number`, from 1, came, in seconds since boot.
  double RequestedAt(int number) const {
    return static_cast<double>(imds->requested_at[(number - 1) % 64].boot_ms) / 1000;
  }
};

}  // namespace miagent
