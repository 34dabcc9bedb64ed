// Whole exchanges: the agent on the simulated machine, and a server whose bytes, cuts, delays and
// ends are the fuzzer's. The file is absent, the old token, or one that the bytes really hold
// whole; nothing secret is logged; everything comes back to its baseline.
//
// The input: a byte of options (bit 0: the server is Azure Arc's, bit 1: the first answer is a good
// token), then answers, one for each request: bytes as they are, but for
//   F0    the answer's end: what follows is for the next request
//   F1 N  from here on in pieces of N bytes (0: whole)      F2 N  N * 100 ms later
//   F3    the server ends the connection                    F4    it breaks
//   FF N  N * 64 more of the byte before

#include <new>

#include "agent/agent.h"
#include "platform/sim/server.h"
#include "platform/sim/world.h"
#include "tests/fuzz/fuzz.h"

namespace miagent {
namespace {

constexpr std::string_view kOld = "old.token-of-before.0123456789";
constexpr std::string_view kKey = "key+of/himds==";
constexpr const char* kPath = "/run/tokens/t";
constexpr size_t kAnswerSizeMax = 48 * 1024;
constexpr uint32_t kCommandCountMax = 24;  // the simulator has room for so many sends

alignas(Platform) char g_world_memory[sizeof(Platform)];
alignas(Agent) char g_agent_memory[sizeof(Agent)];

struct Script {
  std::string_view rest;
  bool gives_old = false;
  std::vector<std::string> sent;  // the bytes of each answer
};

void OldSend(SimExchange& exchange) {
  SimToken token;
  token.access_token = kOld;
  token.resource = "r";
  token.expires_in_s = 86400;
  token.expires_on_unix_s = SimTrueTime(*exchange.world).unix_s + 86400;
  SimTokenSend(exchange, token, {});
}

void Answer(void* context, SimExchange& exchange) {
  Script& script = *static_cast<Script*>(context);
  if (script.gives_old) {
    script.gives_old = false;
    return OldSend(exchange);
  }
  std::string all;
  std::string bytes;
  uint32_t command_count = 0;
  const auto flush = [&] {
    if (!bytes.empty()) SimSend(exchange, bytes);
    all += bytes;
    bytes.clear();
    return ++command_count < kCommandCountMax;
  };
  while (!script.rest.empty()) {
    const auto c = static_cast<uint8_t>(script.rest[0]);
    const auto argument = static_cast<uint8_t>(script.rest.size() > 1 ? script.rest[1] : 0);
    const bool has_argument = c == 0xF1 || c == 0xF2 || c == 0xFF;
    script.rest.remove_prefix(std::min<size_t>(has_argument ? 2 : 1, script.rest.size()));
    if (c == 0xF0) break;
    if (c == 0xFF) {
      const size_t count = bytes.empty() ? 0 : argument * size_t{64};
      if (all.size() + bytes.size() + count < kAnswerSizeMax) {
        bytes.append(count, bytes.empty() ? ' ' : bytes.back());
      }
      continue;
    }
    if (c < 0xF1 || c > 0xF4) {
      if (all.size() + bytes.size() < kAnswerSizeMax) bytes += static_cast<char>(c);
      continue;
    }
    if (!flush()) continue;
    if (c == 0xF1) SimCut(exchange, argument, Milliseconds(1));
    if (c == 0xF2) SimDelay(exchange, Milliseconds(argument * 100));
    if (c == 0xF3) SimEnd(exchange);
    if (c == 0xF4) SimReset(exchange);
  }
  flush();
  script.sent.push_back(all);
  if (script.rest.empty()) exchange.server->greeting = SimGreeting::kRefuse;
}

// Whether an answer holds `token` whole, as a JSON string. Where it has escapes or chunks, the
// token's bytes must stand there in their order.
bool IsSent(const Script& script, std::string_view token) {
  const std::string quoted = "\"" + std::string(token) + "\"";
  for (const std::string& answer : script.sent) {
    if (answer.find(" 200") == answer.npos) continue;
    if (answer.find(quoted) != answer.npos) return true;
    const bool is_escaped = answer.find('\\') != answer.npos;
    if (answer.find("hunked") == answer.npos && answer.find("HUNKED") == answer.npos &&
        !is_escaped) {
      continue;
    }
    size_t found = 0;
    for (const char c : answer) {
      if (found < token.size() && c == token[found]) ++found;
    }
    if (found == token.size() || is_escaped) return true;
  }
  return false;
}

void FileJudge(Platform& world, const Script& script, bool gave_old) {
  const SimFile* file = SimFileFind(world, kPath);
  if (file == nullptr) return;
  const std::string_view token = SimFileContent(world, *file);
  MUST(file->mode == 0600 && !token.empty());
  for (const char c : token) MUST(c >= 0x21 && c <= 0x7E);
  MUST((gave_old && token == kOld) || IsSent(script, token));
  MUST(token.size() < 16 || world.log.text().find(token) == std::string_view::npos);
}

void WorldMake(Platform& world, Script& script, bool is_arc) {
  SimStart(world, 1);
  const Address address =
      is_arc ? SimAddress(127, 0, 0, 1, 40342) : SimAddress(169, 254, 169, 254, 80);
  SimServerAdd(world, address, Answer, &script);
  SimDirectoryAdd(world, "/run/tokens", 0, 0755, true);
  SimDirectoryAdd(world, "/var/opt/azcmagent/tokens", 0, 0755, false);
  SimFileAdd(world, "/var/opt/azcmagent/tokens/1.key", kKey, 0640);
  const std::string source = is_arc ? "source = azure-arc\n" : "source = imds\n";
  SimFileAdd(world, "/etc/miagent.conf",
             "[agent]\nlog_level = debug\n[token t]\nresource = https://r\n" + source +
                 "[file /run/tokens/t]\ntoken = t\n",
             0644);
}

void End(Agent& agent, Platform& world) {
  SimSignalAt(world, world.now, Signal::kStop);
  while (!agent.is_finished) AgentTurn(agent, world);
  MUST(agent.exit_code == 0);
  AgentEnd(agent, world);
  MUST(world.open_handle_count == 0);
  for (uint32_t slot = 0; slot < agent.ring.used_count; ++slot) {
    MUST(agent.ring.states[slot] == SlotState::kFree);
    const char* const bytes = agent.ring.slots[slot];
    MUST(bytes[0] == 0 && std::memcmp(bytes, bytes + 1, kSlotSize - 1) == 0);
  }
  const std::string_view request(agent.request.bytes, sizeof(agent.request.bytes));
  MUST(request.find(kKey) == request.npos);
  MUST(world.log.text().find(kKey) == std::string_view::npos);
}

}  // namespace
}  // namespace miagent

FUZZ_TARGET(input) {
  if (input.empty()) return;
  const auto options = static_cast<uint8_t>(input[0]);
  const bool is_arc = (options & 1) != 0;
  const bool gives_old = (options & 2) != 0 && !is_arc;
  const Bytes bytes(input.substr(1));
  Script script{bytes.text(), gives_old, {}};
  auto& world = *new (g_world_memory) Platform;
  std::memset(g_agent_memory, 0, sizeof(g_agent_memory));
  auto& agent = *new (g_agent_memory) Agent;
  WorldMake(world, script, is_arc);
  Command command;
  command.id = CommandId::kRun;
  AgentStart(agent, world, command);
  MUST(!agent.is_finished);
  for (int64_t at_s = 10; at_s < 600; at_s += 20)
    SimSignalAt(world, Instant{at_s * 1000}, Signal::kRefresh);
  const bool* const ends = &agent.is_finished;
  while (world.now < Instant{600 * 1000}) {
    AgentTurn(agent, world);
    MUST(!*ends);
    FileJudge(world, script, gives_old);
    const int64_t second = world.now.boot_ms / 1000;
    MUST(agent.tokens[0].request_count <= 2 + second);
    if (script.rest.empty() && agent.request.token_index == kTokenNone) break;
  }
  End(agent, world);
}
