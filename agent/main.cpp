// The program: the one place that puts the agent and the real platform together.

#include "agent/agent.h"
#include "agent/base/check.h"
#include "agent/cli/version.h"
#include "agent/inspect.h"
#include "agent/plan.h"
#include "agent/report.h"
#include "agent/tls/trust.h"
#include "platform/linux/platform_linux.h"

namespace miagent {
namespace {

Platform g_platform;
Agent g_agent;

constexpr size_t kOutputSizeMax = 8 * 1024;  // the longest help text, and the resource table
char g_output[kOutputSizeMax];

void AppendLimit(TextWriter& writer, std::string_view name, size_t value) {
  Append(writer, name);
  AppendDecimal(writer, static_cast<int64_t>(value));
  Append(writer, '\n');
}

void VersionWrite(TextWriter& writer) {
  Append(writer, "miagent ");
  Append(writer, kVersion);
  Append(writer, "\nsources:");
  for (uint32_t index = 0; index < static_cast<uint32_t>(SourceId::kKeyVault); ++index) {
    Append(writer, ' ');
    Append(writer, SourceLookUp(static_cast<SourceId>(index)).name);
  }
  Append(writer, "\ntls: ");
  Append(writer, TlsEngineName().empty() ? "no" : TlsEngineName());
  Append(writer, '\n');
  AppendLimit(writer, "tokens_max: ", kTokenCountMax);
  AppendLimit(writer, "files_max: ", kFileCountMax);
  AppendLimit(writer, "answer_bytes_max: ", kAnswerBodySizeMax);
  AppendLimit(writer, "config_bytes_max: ", kConfigSizeMax);
  const size_t tls_size = TlsEngineName().empty() ? 0 : kTlsMemorySize;
  AppendLimit(writer,
              "memory_bytes_fixed: ", sizeof(Agent) + sizeof(Platform) + kOutputSizeMax + tls_size);
}

uint8_t Print(const TextWriter& writer) {
  CHECK(!writer.overflowed);
  const ConstPart part{writer.data, writer.size};
  const IoResult written = OutputWrite(g_platform, &part, 1);
  if (written.ok()) return 0;
  const Status status{Fault::kOutputWrite, written.error};
  ReportFailure(g_agent, g_platform, "standard output", status);
  return FaultLookUp(status.fault).exit_code;
}

uint8_t Work(const Command& command) {
  AgentStart(g_agent, g_platform, command);
  while (!g_agent.is_finished) AgentTurn(g_agent, g_platform);
  AgentEnd(g_agent, g_platform);
  return g_agent.exit_code;
}

uint8_t Main(uint32_t argument_count, const char* const* arguments) {
  PlatformStart(g_platform);
  Command command;
  TextWriter writer{g_output, sizeof(g_output)};
  Append(writer, "miagent: ");
  const Status parsed = CommandParse(argument_count, arguments, &command, writer);
  if (!parsed.ok()) {
    Append(writer, '\n');
    LogWrite(g_platform, writer.text());
    return FaultLookUp(parsed.fault).exit_code;
  }
  writer.size = 0;
  switch (command.id) {
    case CommandId::kHelp: HelpWrite(command.topic, writer); return Print(writer);
    case CommandId::kVersion: VersionWrite(writer); return Print(writer);
    case CommandId::kCheck: return PlanCheck(g_agent, g_platform, command);
    case CommandId::kStatus: return StatusRun(g_agent, g_platform, command);
    case CommandId::kWait: return WaitRun(g_agent, g_platform, command);
    case CommandId::kRun:
    case CommandId::kOnce:
    case CommandId::kExec:
    case CommandId::kCall:
    case CommandId::kGet: return Work(command);
  }
  CHECK(false);
}

}  // namespace

// One line to standard error, and the end: what is published stays as it is.
void CheckFailed(const char* file, uint32_t line) {
  char bytes[128];
  TextWriter writer{bytes, sizeof(bytes)};
  Append(writer, "miagent: broken invariant at ");
  Append(writer, file);
  Append(writer, ':');
  AppendDecimal(writer, line);
  Append(writer, "; please report it\n");
  LogWrite(g_platform, writer.text());
  __builtin_trap();
}

}  // namespace miagent

// For llhttp, in place of the C library's, which brings locks: it ends the same way.
extern "C" void abort() { __builtin_trap(); }

int main(int argument_count, char** arguments) {
  return miagent::Main(static_cast<uint32_t>(argument_count), arguments);
}
