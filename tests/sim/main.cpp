// miagent-sim: the product's own core on a simulated machine, for years.
//
//   miagent-sim [SEED [YEARS]]      one life with faults drawn from SEED; default 1, 10
//
// Purpose: lives of faults, with what must hold checked all along: each file is absent or one whole
//          token that was issued for it, never older than the one before; requests keep their
//          distance; and once the faults end, every file is fresh soon. Prints one line, with the
//          hash of the whole history: one seed, one hash, on every processor.
// Errors:  a broken invariant prints where, the seed, and ends with 1.
//
// Linked as the product is (no C++ library, no heap): the same core library, another world.

#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "agent/agent.h"
#include "agent/base/bytes.h"
#include "agent/base/check.h"
#include "platform/sim/server.h"
#include "platform/sim/text.h"
#include "platform/sim/world.h"

namespace miagent {
namespace {

constexpr std::string_view kConfiguration =
    "[token storage]\nresource = https://storage.azure.com/\n"
    "[token vault]\nresource = https://vault.azure.net\nrefresh_at = 80%\n"
    "[file /run/tokens/storage]\ntoken = storage\nnotify = exec /bin/reload\n"
    "[file /run/tokens/vault]\ntoken = vault\nmode = 0640\n"
    "[file /run/tokens/vault.header]\ntoken = vault\nformat = header\n";
constexpr const char* kFiles[] = {"/run/tokens/storage", "/run/tokens/vault",
                                  "/run/tokens/vault.header"};
constexpr uint32_t kFileCount = 3;
constexpr Duration kConvergence = Seconds(70 + 72);  // 70 s and one backoff, with its jitter
constexpr Duration kDay = Seconds(86400);

Platform g_world;
Agent g_agent;
SimImds g_imds;
Command g_command;
SimServer* g_server = nullptr;
SimProgram* g_hook = nullptr;
uint64_t g_seed = 1;
uint32_t g_newest[kFileCount] = {};
bool g_time_is_up = false;

void Say(TextWriter& writer) {
  Append(writer, '\n');
  static_cast<void>(write(STDOUT_FILENO, writer.data, writer.size));
}

[[noreturn]] void Broken(std::string_view what) {
  char bytes[256];
  TextWriter writer{bytes, sizeof(bytes) - 1};
  Append(writer, "BROKEN: ");
  Append(writer, what);
  Append(writer, " at second ");
  AppendDecimal(writer, g_world.now.boot_ms / 1000);
  Append(writer, "; again: miagent-sim ");
  AppendDecimal(writer, static_cast<int64_t>(g_seed));
  Say(writer);
  _exit(1);
}

uint32_t Draw(uint32_t bound) { return static_cast<uint32_t>(SimRandom(g_world) % bound); }

// The number of the token on a file; 0 where there is no file. Anything else is broken.
uint32_t TokenNumber(uint32_t file_index) {
  static char expected[kSimTokenSizeMax];
  SimFile* file = SimFileFind(g_world, kFiles[file_index]);
  if (file == nullptr) return 0;
  std::string_view text = SimFileContent(g_world, *file);
  if (file_index == 2) {
    constexpr std::string_view kHeader = "Authorization: Bearer ";
    if (!StartsWith(text, kHeader) || !EndsWith(text, "\n")) Broken("a header file's form");
    text = Slice(text, kHeader.size(), text.size() - kHeader.size() - 1);
  }
  if (!StartsWith(text, "sim.")) Broken("a file that is no token");
  const std::string_view digits = Slice(text, 4, Find(text, '.', 4) - 4);
  uint64_t number = 0;
  if (!ParseUnsigned(digits, UINT32_MAX, &number) || number > g_imds.issued_number) {
    Broken("a token that was never issued");
  }
  const std::string_view resource =
      file_index == 0 ? "https%3A%2F%2Fstorage.azure.com%2F" : "https%3A%2F%2Fvault.azure.net";
  const std::string_view token =
      SimImdsToken(static_cast<uint32_t>(number), resource, g_imds.token_size, expected);
  if (!SimTextEqual(token, text)) {
    Broken("a token that is torn, or another resource's");
  }
  return static_cast<uint32_t>(number);
}

// Looks at the files where one has changed since the last look.
void FilesCheck() {
  static uint64_t seen_count = 0;
  const uint64_t change_count =
      SimVerbCount(g_world, Verb::kFileRename) + SimVerbCount(g_world, Verb::kFileRemove);
  if (change_count == seen_count) return;
  seen_count = change_count;
  for (uint32_t index = 0; index < kFileCount; ++index) {
    const uint32_t number = TokenNumber(index);
    if (number == 0) continue;
    if (number < g_newest[index]) Broken("an older token than before");
    g_newest[index] = number;
  }
}

void LiveFor(Duration duration) {
  g_time_is_up = false;
  SimCallAt(
      g_world, g_world.now + duration, [](void*, Platform&) { g_time_is_up = true; }, nullptr);
  while (!g_time_is_up) {
    AgentTurn(g_agent, g_world);
    if (g_agent.is_finished) Broken("the agent ended");
    FilesCheck();
  }
}

void Restart() {
  SimKill(g_world);
  ++g_world.process.pid;
  RingClear(g_agent.ring);  // another process: its memory begins as zeroes
  g_agent.connection = Connection{};
  g_agent.request.token_index = kTokenNone;
  g_agent.request.slot = kSlotNone;
  g_agent.is_stopping = g_agent.is_reloading = g_agent.has_notification = false;
  g_agent.hook.pid = 0;
  g_agent.hook.output = Socket{};
  AgentStart(g_agent, g_world, g_command);
  if (g_agent.is_finished) Broken("the agent did not start");
}

// Something goes wrong, for some time.
void Trouble() {
  constexpr uint32_t kStatuses[] = {400, 404, 408, 410, 429, 500, 503, 301, 200, 204};
  switch (Draw(13)) {
    case 0: SimStepAdd(g_imds, {SimStepKind::kReset, Draw(4) + 1, 0, {}, {}}); break;
    case 1: SimStepAdd(g_imds, {SimStepKind::kSilence, Draw(3) + 1, 0, {}, {}}); break;
    case 2: SimStepAdd(g_imds, {SimStepKind::kEnd, Draw(4) + 1, 0, {}, {}}); break;
    case 3: SimStepAdd(g_imds, {SimStepKind::kBytes, 1, 0, {}, "HTTP/1.1 200 OK\r\n\x01"}); break;
    case 4:
    case 5:
      SimStepAdd(g_imds, {SimStepKind::kStatus, Draw(6) + 1, kStatuses[Draw(10)],
                          Draw(2) == 0 ? "Retry-After: 30\r\n" : "", "{\"error\":\"trouble\"}"});
      break;
    case 6: g_server->greeting = Draw(2) == 0 ? SimGreeting::kRefuse : SimGreeting::kSilent; break;
    case 7: g_world.space_left = Draw(3000); break;
    case 8: SimWallStep(g_world, Seconds((int64_t{Draw(100)} - 50) * 365 * 86400)); break;
    case 9: {
      // Each draw a statement of its own: compilers differ in which argument they look at first.
      const Verb verb = Draw(2) == 0 ? Verb::kFileRename : Verb::kFileWrite;
      const uint32_t good_count = Draw(3);
      SimFail(g_world, verb, EIO, good_count, Draw(3) + 1);
      break;
    }
    case 10: Restart(); break;
    case 11: {
      const bool is_whole = Draw(2) == 0;
      const uint32_t size = Draw(300) + 1;
      g_imds.piece_size = is_whole ? 0 : size;
      break;
    }
    case 12:
      g_hook->exit_code = static_cast<uint8_t>(Draw(3));
      g_hook->runs = Milliseconds(Draw(3) == 0 ? kTimeMax : int64_t{Draw(20000)} + 1);
      g_hook->start_error = Draw(4) == 0 ? EAGAIN : 0;
      g_hook->leaves_output_open = Draw(2) == 0;
      break;
  }
}

void Heal() {
  g_server->greeting = SimGreeting::kAccept;
  g_world.space_left = UINT64_MAX;
  g_imds.step_count = 0;
  g_imds.step_index = 0;
  g_imds.step_used = 0;
  g_hook->exit_code = 0;
  g_hook->runs = Milliseconds(5);
  g_hook->start_error = 0;
}

void Life(int64_t years) {
  SimStart(g_world, g_seed);
  g_server = &SimServerAdd(g_world, SimAddress(169, 254, 169, 254, 80), SimImdsAnswer, &g_imds);
  SimDirectoryAdd(g_world, "/run/tokens", 0, 0755, true);
  g_hook = &SimProgramAdd(g_world, "/bin/reload");
  g_hook->output = "reloaded\n";
  SimFileAdd(g_world, "/etc/miagent.conf", kConfiguration, 0644);
  g_command.id = CommandId::kRun;
  g_imds.token_size = 200 + Draw(1000);
  AgentStart(g_agent, g_world, g_command);
  const Instant end = g_world.now + Seconds(years * 365 * 86400);
  while (g_world.now < end) {
    for (uint32_t count = Draw(4); count > 0; --count) {
      Trouble();
      LiveFor(Milliseconds(int64_t{Draw(86400)} * 1000));
    }
    Heal();
    // A refusal is asked about every five minutes, so a signal stands for who mended it.
    SimSignalAt(g_world, g_world.now, Signal::kRefresh);
    LiveFor(kConvergence);
    for (uint32_t index = 0; index < kFileCount; ++index) {
      if (TokenNumber(index) == 0) Broken("a file is missing though all is well");
    }
    const NotifyState& notify = g_agent.files[0].notify;
    if (g_agent.hook.pid != 0 || notify.is_due || !notify.failure.ok()) {
      Broken("a hook that has not run though all is well");
    }
    LiveFor(Milliseconds(int64_t{Draw(4)} * kDay.ms));
  }
}

int Main(int argument_count, char** arguments) {
  uint64_t years = 10;
  if (argument_count > 1 && !ParseUnsigned(arguments[1], UINT64_MAX, &g_seed)) return 64;
  if (argument_count > 2 && !ParseUnsigned(arguments[2], 100000, &years)) return 64;
  Life(static_cast<int64_t>(years));
  char bytes[256];
  TextWriter writer{bytes, sizeof(bytes) - 1};
  Append(writer, "seed ");
  AppendDecimal(writer, static_cast<int64_t>(g_seed));
  Append(writer, " years ");
  AppendDecimal(writer, static_cast<int64_t>(years));
  Append(writer, " requests ");
  AppendDecimal(writer, g_imds.request_count);
  Append(writer, " tokens ");
  AppendDecimal(writer, g_imds.issued_number);
  Append(writer, " hash ");
  AppendHex(writer, g_world.trace_hash, 16);
  Say(writer);
  return 0;
}

}  // namespace

void CheckFailed(const char* file, uint32_t line) {
  char bytes[128];
  TextWriter writer{bytes, sizeof(bytes)};
  Append(writer, "a CHECK at ");
  Append(writer, file);
  Append(writer, ':');
  AppendDecimal(writer, line);
  Broken(writer.text());
}

}  // namespace miagent

int main(int argument_count, char** arguments) { return miagent::Main(argument_count, arguments); }
