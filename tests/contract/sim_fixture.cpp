#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "doctest/doctest.h"
#include "platform/sim/server.h"
#include "tests/contract/fixture.h"

namespace miagent {

struct Fixture::State {
  Platform world;
  PeerPlan plan;
  DatagramPlan datagram_plan;
  SimServer* server = nullptr;
  std::string received;
  size_t answered_size = 0;
  uint32_t directory_count = 0;
  uint16_t port = 1000;
  uint32_t program_count = 0;
  uint32_t next_process = 300;
  std::vector<std::unique_ptr<std::string>> outputs;
  SimReceiver* receiver = nullptr;
  std::vector<std::string> datagrams;
  std::string input;
};

namespace {

void Finish(const PeerPlan& plan, SimExchange& exchange) {
  SimSend(exchange, plan.answer);
  if (plan.end == PeerEnd::kClose) SimEnd(exchange);
  if (plan.end == PeerEnd::kReset) SimReset(exchange);
}

}  // namespace

Fixture::Fixture() : state_(std::make_unique<State>()) { SimStart(state_->world, 1); }
Fixture::~Fixture() { CHECK(state_->world.open_handle_count == 0); }
Platform& Fixture::platform() { return state_->world; }

Address Fixture::PeerListen(const PeerPlan& plan) {
  state_->plan = plan;
  Address address = SimAddress(127, 0, 0, 1, ++state_->port);
  if (plan.is_ipv6) {
    address.is_ipv6 = true;
    address.bytes[15] = 1;
  }
  const auto on_request = [](void* context, SimExchange& exchange) {
    State& state = *static_cast<State*>(context);
    state.received += exchange.request;
    SimConsume(exchange, static_cast<uint32_t>(exchange.request.size()));
    const bool complete = state.received.size() - state.answered_size >= state.plan.request_size;
    if (state.plan.request_size == 0 || !complete) return;
    state.answered_size = state.received.size();
    Finish(state.plan, exchange);
  };
  const auto on_connect = [](void* context, SimExchange& exchange) {
    const State& state = *static_cast<State*>(context);
    SimSend(exchange, state.plan.greeting);
    if (state.plan.request_size == 0) Finish(state.plan, exchange);
  };
  state_->server = &SimServerAdd(state_->world, address, on_request, state_.get());
  state_->server->on_connect = on_connect;
  state_->server->is_raw = true;
  state_->server->reads = plan.reads;
  return address;
}

Address Fixture::PeerAbsent() { return SimAddress(127, 0, 0, 1, 1); }

Address Fixture::PeerSilent() {
  const Address address = SimAddress(127, 0, 0, 1, 2);
  SimServerAdd(state_->world, address, nullptr, nullptr).greeting = SimGreeting::kSilent;
  return address;
}

Address Fixture::DatagramListen(const DatagramPlan& plan) {
  state_->datagram_plan = plan;
  Address address = SimAddress(127, 0, 0, 1, ++state_->port);
  if (plan.is_ipv6) {
    address = Address{};
    address.port = state_->port;
    address.is_ipv6 = true;
    address.bytes[15] = 1;
  }
  const auto on_request = [](void* context, SimExchange& exchange) {
    State& state = *static_cast<State*>(context);
    state.received += "[" + std::string(exchange.request) + "]";
    // What a stranger sends never reaches a connected socket: there is nothing to simulate.
    for (const std::string& answer : state.datagram_plan.answers) SimSend(exchange, answer);
  };
  SimServerAdd(state_->world, address, on_request, state_.get()).is_datagram = true;
  return address;
}

Address Fixture::DatagramAbsent() { return SimAddress(127, 0, 0, 1, 1); }

void Fixture::PeerRead() { state_->server->reads = true; }
std::string Fixture::PeerReceived() { return state_->received; }

std::string Fixture::DirectoryMake(uint32_t mode) {
  const std::string path = "/run/d" + std::to_string(++state_->directory_count);
  SimDirectoryAdd(state_->world, path.c_str(), 0, mode, true);
  return path;
}

std::optional<std::string> Fixture::DiskDirectoryMake() {
  SimDirectoryAdd(state_->world, "/var/lib/disk", 0, 0755, false);
  return "/var/lib/disk";
}

std::optional<std::string> Fixture::FullDirectoryMake(size_t room) {
  state_->world.space_left = room;
  return DirectoryMake(0755);
}

void Fixture::DirectoryRemove(const std::string& path) {
  SimDirectoryRemove(state_->world, path.c_str());
}

void Fixture::FilePut(const std::string& path, std::string_view content) {
  SimFileAdd(state_->world, path.c_str(), content, 0644);
}

std::string Fixture::FileGet(const std::string& path) {
  const SimFile* file = SimFileFind(state_->world, path.c_str());
  REQUIRE(file != nullptr);
  return std::string(SimFileContent(state_->world, *file));
}

void Fixture::LinkPut(const std::string& path, const std::string& target) {
  SimLinkAdd(state_->world, path.c_str(), target);
}

void Fixture::DirectoryLinkPut(const std::string& path, const std::string&) {
  SimDirectoryLinkAdd(state_->world, path.c_str());
}

void Fixture::FifoPut(const std::string& path) { SimFifoAdd(state_->world, path.c_str()); }
void Fixture::SignalSend(Signal signal) { SimSignalAt(state_->world, state_->world.now, signal); }

void Fixture::SignalNumberSend(int number) {
  SimSignalNumberAt(state_->world, state_->world.now, number, false);
}

std::string Fixture::ProgramPut(const ProgramPlan& plan) {
  const std::string path = "/bin/p" + std::to_string(++state_->program_count);
  SimProgram& program = SimProgramAdd(state_->world, path.c_str());
  state_->outputs.push_back(std::make_unique<std::string>(plan.output));
  program.output = *state_->outputs.back();
  program.exit_code = plan.exit_code;
  if (plan.stays) program.runs = Milliseconds(kTimeMax);
  if (plan.ignores_term) program.ignored_signals = 1U << SIGTERM;
  if (!plan.may_execute) program.start_error = EACCES;
  return path;
}

uint32_t Fixture::ProcessPut() {
  SimProcessAdd(state_->world, ++state_->next_process, 0);
  return state_->next_process;
}

std::optional<uint32_t> Fixture::ProcessPutAgain(uint32_t pid) {
  SimProcessAdd(state_->world, pid, 0);
  return pid;
}

int Fixture::ProcessEnd(uint32_t pid) {
  for (SimProcess& process : state_->world.processes) {
    if (!process.is_alive || process.pid != pid) continue;
    SimProcessEnd(state_->world, process);
    return process.sent.count != 0 ? process.sent.numbers[0] : SIGKILL;
  }
  REQUIRE(false);
  return 0;
}

void Fixture::EnvironmentPut(const char* name, const char* value) {
  SimEnvironmentSet(state_->world, name, value);
}

void Fixture::OutputCapture() {}
std::string Fixture::OutputTaken() { return std::string(state_->world.output.text()); }
void Fixture::InputPut(const std::string& text) {
  state_->input = text;
  state_->world.input = state_->input;
}
void Fixture::OutputBreak() { SimFail(state_->world, Verb::kOutputWrite, EPIPE, 0, 1000); }
std::string Fixture::ReceiverPut(bool is_abstract) {
  state_->receiver =
      &SimReceiverAdd(state_->world, is_abstract ? "@contract" : "/run/contract.socket");
  state_->world.hook_context = state_.get();
  state_->world.on_local = [](void* context, std::string_view, std::string_view text) {
    static_cast<State*>(context)->datagrams.emplace_back(text);
  };
  return state_->receiver->name;
}

std::string Fixture::ReceiverTaken() {
  if (state_->datagrams.empty()) return {};
  std::string taken = state_->datagrams.front();
  state_->datagrams.erase(state_->datagrams.begin());
  return taken;
}

void Fixture::ReceiverFill() { state_->receiver->is_full = true; }
void Fixture::ReceiverEnd() { state_->receiver->is_gone = true; }
void Fixture::ReceiverAgain() { state_->receiver->is_gone = false; }
int32_t Fixture::DescriptorPut() { return state_->world.inherited_descriptor = 7; }
std::string Fixture::DescriptorTaken() { return std::string(state_->world.told.text()); }
uint32_t Fixture::OwnUid() { return 0; }
uint32_t Fixture::HandleCount() { return state_->world.open_handle_count; }

bool Fixture::Traps(const std::function<void()>& misuse) {
  const pid_t child = fork();
  if (child == 0) {
    for (const int number : {SIGILL, SIGTRAP, SIGABRT, SIGSEGV}) signal(number, SIG_DFL);
    const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    dup2(nowhere, STDOUT_FILENO);
    dup2(nowhere, STDERR_FILENO);
    misuse();
    _exit(0);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

}  // namespace miagent
