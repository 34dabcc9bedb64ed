#include "agent/plan.h"

#include "agent/base/check.h"
#include "agent/config/account.h"
#include "agent/config/choice.h"
#include "agent/notify/signal_name.h"
#include "agent/output.h"
#include "agent/publication.h"
#include "agent/report.h"
#include "agent/request.h"

namespace miagent {
namespace {

constexpr const char* kArcAgentPath = "/opt/azcmagent/bin/himds";
constexpr const char* kUsersPath = "/etc/passwd";
constexpr const char* kGroupsPath = "/etc/group";
constexpr size_t kAccountBlockSize = 512;
constexpr char kConfigTooLarge[] = "is larger than " MIAGENT_TEXT(
    MIAGENT_CONFIG_KIB_MAX) " KiB (kConfigSizeMax; -DMIAGENT_CONFIG_KIB_MAX=...)";

// Where problems of a configuration are told, and how they name their place.
struct ProblemTarget {
  Agent* agent;
  Platform* platform;
  const char* path;   // null: the command line
};

void ProblemTell(void* context, uint32_t line_number, std::string_view text) {
  const ProblemTarget& target = *static_cast<ProblemTarget*>(context);
  LogLine& line = target.agent->line;
  TextWriter& writer = line.writer;
  writer = {line.bytes, sizeof(line.bytes) - 4};
  Append(writer, target.path == nullptr ? "miagent" : target.path);
  if (line_number != 0) {
    Append(writer, ':');
    AppendDecimal(writer, line_number);
  }
  Append(writer, ": ");
  AppendPrintable(writer, text);
  ReportLine(*target.agent, *target.platform, LogLevel::kError, LogEnd(line));
}

bool FileExists(Platform& platform, const char* path) {
  File file;
  if (!FileOpen(platform, path, &file).ok()) return false;
  FileClose(platform, file);
  return true;
}

void EnvironmentRead(Platform& platform, SourceEnvironment* environment) {
  environment->identity_endpoint = EnvironmentGet(platform, "IDENTITY_ENDPOINT");
  environment->identity_header = EnvironmentGet(platform, "IDENTITY_HEADER");
  environment->identity_server_thumbprint = EnvironmentGet(platform, "IDENTITY_SERVER_THUMBPRINT");
  environment->imds_endpoint = EnvironmentGet(platform, "IMDS_ENDPOINT");
  environment->msi_endpoint = EnvironmentGet(platform, "MSI_ENDPOINT");
  environment->msi_secret = EnvironmentGet(platform, "MSI_SECRET");
  environment->federated_token_file = EnvironmentGet(platform, "AZURE_FEDERATED_TOKEN_FILE");
  environment->client_id = EnvironmentGet(platform, "AZURE_CLIENT_ID");
  environment->tenant_id = EnvironmentGet(platform, "AZURE_TENANT_ID");
  environment->pod_identity_authority_host =
      EnvironmentGet(platform, "AZURE_POD_IDENTITY_AUTHORITY_HOST");
  // Of use only beside others: each look passes the whole environment.
  const bool has_secret = !environment->msi_secret.empty();
  const bool has_thumbprint = !environment->identity_server_thumbprint.empty();
  const bool has_assertion = !environment->federated_token_file.empty();
  environment->default_client_id = {};
  environment->api_version = {};
  environment->authority_host = {};
  if (has_secret) {
    environment->default_client_id = EnvironmentGet(platform, "DEFAULT_IDENTITY_CLIENT_ID");
  }
  if (has_thumbprint) {
    environment->api_version = EnvironmentGet(platform, "IDENTITY_API_VERSION");
  }
  if (has_assertion) {
    environment->authority_host = EnvironmentGet(platform, "AZURE_AUTHORITY_HOST");
  }
  environment->has_arc_agent = FileExists(platform, kArcAgentPath);
}

// Reads a whole file into `memory`. Too large a file fills it to the last byte.
Status TextRead(Platform& platform, const char* path, Span memory, size_t* size) {
  File file;
  const IoResult opened = FileOpen(platform, path, &file);
  if (!opened.ok()) return {Fault::kConfigRead, opened.error};
  *size = 0;
  IoResult read{0, 1};
  while (read.ok() && read.count != 0 && *size < memory.size) {
    read = FileRead(platform, file, memory.data + *size, memory.size - *size);
    *size += read.count;
  }
  FileClose(platform, file);
  return read.ok() ? kOk : Status{Fault::kConfigRead, read.error};
}

// Looks a name up in /etc/passwd or /etc/group. (The C library's own look-up allocates.)
bool AccountLookUp(Platform& platform, const char* path, std::string_view name, uint32_t* id) {
  if (AccountIdParse(name, id)) return true;
  File file;
  if (!FileOpen(platform, path, &file).ok()) return false;
  AccountSearch search;
  AccountSearchBegin(search, name);
  char block[kAccountBlockSize];
  IoResult read{0, 1};
  while (read.ok() && read.count != 0 && !AccountSearchFound(search, id)) {
    read = FileRead(platform, file, block, sizeof(block));
    AccountSearchFeed(search, {block, read.count});
  }
  if (read.ok() && read.count == 0) AccountSearchFeed(search, "\n");
  FileClose(platform, file);
  return AccountSearchFound(search, id);
}

void AccountProblem(const ConfigReport& report, uint32_t line, std::string_view key,
                    std::string_view name, std::string_view path) {
  char bytes[kNameSizeMax + 64];
  TextWriter writer{bytes, sizeof(bytes)};
  Append(writer, key);
  Append(writer, ": no '");
  AppendPrintable(writer, name);
  Append(writer, "' in ");
  Append(writer, path);
  report.problem(report.context, line, writer.text());
}

// Looks up the owner and group of each file of a configuration.
Status OwnersResolve(Platform& platform, const Config& config, const ConfigReport& report,
                     FileTable* files) {
  Status status;
  for (uint32_t index = 0; index < config.file_count; ++index) {
    // Asked for here, as `get`, which has no files, needs none of it; the platform asks once.
    const ProcessFacts process = ProcessInspect(platform);
    const FileConfig& file = config.files[index];
    FileState& state = (*files)[index];
    state = FileState{};
    state.uid = process.uid;
    state.gid = process.gid;
    if (!file.owner.empty() && !AccountLookUp(platform, kUsersPath, file.owner, &state.uid)) {
      AccountProblem(report, file.line, "owner", file.owner, kUsersPath);
      status = {Fault::kConfig, 0};
    }
    if (!file.group.empty() && !AccountLookUp(platform, kGroupsPath, file.group, &state.gid)) {
      AccountProblem(report, file.line, "group", file.group, kGroupsPath);
      status = {Fault::kConfig, 0};
    }
  }
  return status;
}

const char* PathOf(const Command& command) {
  if (command.has_token_options) return nullptr;
  return command.config_path != nullptr ? command.config_path : kConfigPathDefault.data();
}

// Reads the configuration, from the file or the options, into `config`; owners into `files`. For
// `status` and `wait` only what stands there counts: not the environment, nor who has an account.
Status Load(Agent& agent, Platform& platform, Config* config, FileTable* files) {
  const Command& command = *agent.command;
  const bool is_inspected = command.id == CommandId::kStatus || command.id == CommandId::kWait;
  if (!is_inspected) EnvironmentRead(platform, &agent.environment);
  ProblemTarget target{&agent, &platform, PathOf(command)};
  const ConfigReport report{&target, ProblemTell};
  if (command.has_token_options) {
    TRY(ConfigFromOptions(command.options, agent.environment, report, config));
  } else {
    size_t size = 0;
    const Span memory{agent.config_text, sizeof(agent.config_text)};
    const Status read = TextRead(platform, target.path, memory, &size);
    if (!read.ok()) {
      ReportFailure(agent, platform, target.path, read);
      return read;
    }
    if (size == sizeof(agent.config_text)) {
      ProblemTell(&target, 0, kConfigTooLarge);
      return {Fault::kConfig, 0};
    }
    TRY(ConfigParse({agent.config_text, size}, agent.environment, report, config));
  }
  if (!is_inspected) return OwnersResolve(platform, *config, report, files);
  if (!config->outputs[static_cast<uint32_t>(OutputId::kStatus)].path.empty()) return kOk;
  ProblemTell(&target, 0,
              "status_file is missing: expected status_file = PATH in [agent], "
              "which 'miagent run' writes and this command reads");
  return {Fault::kConfig, 0};
}

// Judges a file's directory.
Status Judge(Agent& agent, Platform& platform, std::string_view path, bool require_tmpfs) {
  return DirectoryTake(agent.directory, platform, path.data(), require_tmpfs);
}

// Whether two tokens, or two secrets but for their tokens, are the same. What comes from the
// environment alone is.
bool IsSameItem(const TokenConfig& a, const TokenConfig& b) {
  return a.source == b.source && a.resource == b.resource && a.identity.kind == b.identity.kind &&
         a.identity.value == b.identity.value && a.endpoint.authority == b.endpoint.authority &&
         a.endpoint.path == b.endpoint.path && a.endpoint.is_https == b.endpoint.is_https &&
         a.refresh == b.refresh;
}

// Whether two are the same one, so that its slot and schedule live on.
bool IsSameToken(const Config& a_config, const TokenConfig& a, const Config& b_config,
                 const TokenConfig& b) {
  if (!IsSameItem(a, b)) return false;
  return !a.is_secret ||
         IsSameItem(a_config.tokens[a.parent_index], b_config.tokens[b.parent_index]);
}

// The old token that lives on as `wanted`; kTokenNone where there is none that isn't taken.
uint32_t Predecessor(const Config& old, const Config& next, const TokenConfig& wanted,
                     const bool* taken) {
  for (uint32_t index = 0; index < old.token_count; ++index) {
    if (!taken[index] && IsSameToken(old, old.tokens[index], next, wanted)) return index;
  }
  return kTokenNone;
}

// Moves each token still asked for to its place in the next configuration; ends the others.
void MoveTokens(Agent& agent, Platform& platform, const Config& next) {
  const Config& old = ConfigOf(agent);
  bool taken[kTokenCountMax] = {};
  uint32_t requested = kTokenNone;
  for (uint32_t index = 0; index < next.token_count; ++index) {
    agent.next_tokens[index] = TokenState{};
    agent.next_tokens[index].attempt_at = agent.now;
    const uint32_t before = Predecessor(old, next, next.tokens[index], taken);
    if (before == kTokenNone) continue;
    taken[before] = true;
    agent.next_tokens[index] = agent.tokens[before];
    if (before == agent.request.token_index) requested = index;
    // What failed may be what the new configuration mends.
    if (agent.tokens[before].failure_count == 0) continue;
    agent.next_tokens[index].attempt_at =
        Latest(agent.now, agent.tokens[before].requested_at + kSignalledIntervalMin);
  }
  if (requested == kTokenNone) RequestAbandon(agent, platform);
  agent.request.token_index = requested;
  for (uint32_t index = 0; index < old.token_count; ++index) {
    const uint32_t slot = agent.tokens[index].slot;
    if (!taken[index] && slot != kSlotNone) RingRetire(agent.ring, slot);
  }
}

// Judges the directories of status_file and metrics_file, and tells each fault. The first one.
Status OutputsJudge(Agent& agent, Platform& platform, const Config& config) {
  Status first;
  for (uint32_t index = 0; index < kOutputCount; ++index) {
    const OutputConfig& output = config.outputs[index];
    if (output.path.empty()) continue;
    const Status judged = Judge(agent, platform, output.directory, false);
    if (judged.ok()) continue;
    if (first.ok()) first = judged;
    ReportFailure(agent, platform, output.path, judged);
  }
  return first;
}

// Judges the directory of each file of a configuration, and tells the first that is no good.
Status JudgeAll(Agent& agent, Platform& platform, const Config& config) {
  for (uint32_t index = 0; index < config.file_count; ++index) {
    const FileConfig& file = config.files[index];
    const Status status = Judge(agent, platform, file.directory, config.require_tmpfs);
    if (status.ok()) continue;
    ReportFailure(agent, platform, file.path, status);
    return status;
  }
  return OutputsJudge(agent, platform, config);
}

// What a file that stays holds, and what was counted, goes on.
void MoveFiles(Agent& agent, const Config& next) {
  const Config& old = ConfigOf(agent);
  for (uint32_t index = 0; index < next.file_count; ++index) {
    const FileConfig& wanted = next.files[index];
    for (uint32_t other = 0; other < old.file_count; ++other) {
      const FileConfig& file = old.files[other];
      if (file.path != wanted.path) continue;
      FileState& state = agent.next_files[index];
      state.is_swept = agent.files[other].is_swept;
      state.published_at = agent.files[other].published_at;
      state.published_count = agent.files[other].published_count;
      state.failure_total = agent.files[other].failure_total;
      state.notify = agent.files[other].notify;
      if (wanted.notify.kind == NotifyKind::kNone) state.notify.is_due = false;
      if (file.format != wanted.format ||
          !IsSameToken(old, old.tokens[file.token_index], next, next.tokens[wanted.token_index])) {
        continue;
      }
      state.expires_at = agent.files[other].expires_at;
    }
  }
}

// Applies on_stop to each file that the next configuration doesn't name.
void DropFiles(Agent& agent, Platform& platform, const Config& next) {
  const Config& old = ConfigOf(agent);
  for (uint32_t index = 0; index < old.file_count; ++index) {
    bool is_kept = false;
    for (uint32_t other = 0; other < next.file_count && !is_kept; ++other) {
      is_kept = old.files[index].path == next.files[other].path;
    }
    if (!is_kept) PublicationStop(agent, platform, index);
  }
}

// How the plan that `check` prints names an identity, in the order of IdentityKind.
constexpr char kIdentityNames[] = "the machine's own|client_id |object_id |mi_res_id ";

Status PrintLine(Platform& platform, const TextWriter& writer) {
  const ConstPart part{writer.data, writer.size};
  const IoResult written = OutputWrite(platform, &part, 1);
  return written.ok() ? kOk : Status{Fault::kOutputWrite, written.error};
}

Status PrintToken(Platform& platform, const TokenConfig& token, Span memory) {
  TextWriter writer{memory.data, memory.size};
  if (token.is_secret) {
    Append(writer, "secret ");
    Append(writer, token.name);
    Append(writer, "\n  url        ");
    Append(writer, token.resource);
    Append(writer, "\n  token      ");
    Append(writer, token.parent_name);
    Append(writer, "\n  refresh    ");
    AppendDecimal(writer, token.refresh.ms / 1000);
    Append(writer, "s\n");
    return PrintLine(platform, writer);
  }
  Append(writer, "token ");
  Append(writer, token.name);
  Append(writer, "\n  resource   ");
  Append(writer, token.resource);
  Append(writer, "\n  source     ");
  Append(writer, SourceLookUp(token.source).name);
  Append(writer, token.endpoint.is_https ? " at https://" : " at http://");
  Append(writer, token.endpoint.authority);
  Append(writer, token.endpoint.path);
  Append(writer, "\n  identity   ");
  const bool is_variables =
      token.identity.kind == IdentityKind::kNone && !token.endpoint.client_id.empty();
  const IdentityKind kind = is_variables ? IdentityKind::kClientId : token.identity.kind;
  Append(writer, ChoiceAt(kIdentityNames, static_cast<uint32_t>(kind)));
  AppendPrintable(writer, is_variables ? token.endpoint.client_id : token.identity.value);
  Append(writer, "\n  refresh_at ");
  AppendDecimal(writer, token.refresh_at_percent);
  Append(writer, "%\n");
  return PrintLine(platform, writer);
}

Status PrintOutputs(Platform& platform, const Config& config, Span memory) {
  TextWriter writer{memory.data, memory.size};
  if (config.log == LogTarget::kSyslog) Append(writer, "log syslog\n");
  for (uint32_t index = 0; index < kOutputCount; ++index) {
    if (config.outputs[index].path.empty()) continue;
    Append(writer, index == 0 ? "status_file " : "metrics_file ");
    Append(writer, config.outputs[index].path);
    Append(writer, '\n');
  }
  return writer.size == 0 ? kOk : PrintLine(platform, writer);
}

Status PrintOnRefresh(Platform& platform, const Config& config, Span memory) {
  if (config.refresh_signal == 0) return kOk;
  TextWriter writer{memory.data, memory.size};
  Append(writer, "on_refresh ");
  Append(writer, config.refresh_restarts ? "restart" : "signal ");
  if (!config.refresh_restarts) Append(writer, SignalNameOf(config.refresh_signal));
  Append(writer, '\n');
  return PrintLine(platform, writer);
}

Status PrintFile(Agent& agent, Platform& platform, uint32_t file_index, Span memory) {
  const FileConfig& file = ConfigOf(agent).files[file_index];
  const FileState& state = agent.files[file_index];
  TextWriter writer{memory.data, memory.size};
  Append(writer, "file ");
  Append(writer, file.path);
  Append(writer, file.is_secret ? "\n  secret     " : "\n  token      ");
  Append(writer, file.token_name);
  Append(writer, "\n  format     ");
  Append(writer, ChoiceAt(kFormatChoices, static_cast<uint32_t>(file.format)));
  Append(writer, "\n  mode       0");
  AppendOctal(writer, file.mode);
  Append(writer, "\n  owner      ");
  AppendDecimal(writer, state.uid);
  Append(writer, ':');
  AppendDecimal(writer, state.gid);
  Append(writer, "\n  on_expiry  ");
  Append(writer, ChoiceAt(kExpiryChoices, static_cast<uint32_t>(file.on_expiry)));
  Append(writer, "\n  on_stop    ");
  Append(writer, ChoiceAt(kStopChoices, static_cast<uint32_t>(file.on_stop)));
  if (file.notify.kind != NotifyKind::kNone) {
    Append(writer, "\n  notify     ");
    Append(writer, file.notify.text);
  }
  Append(writer, "\n  directory  ");
  if (state.failure.ok()) {
    Append(writer, "safe");
  } else {
    FailureDescribe(writer, state.failure, nullptr);
  }
  Append(writer, '\n');
  return PrintLine(platform, writer);
}

// The first file that is in the same directory.
uint32_t NeighbourFind(const Config& config, uint32_t file_index) {
  uint32_t index = 0;
  while (!EqualFromEnd(config.files[index].directory, config.files[file_index].directory)) ++index;
  CHECK(index <= file_index);
  return index;
}

}  // namespace

Status PlanLoad(Agent& agent, Platform& platform) {
  Config& config = agent.configs[agent.config_index];
  TRY(Load(agent, platform, &config, &agent.files));
  for (uint32_t index = 0; index < config.token_count; ++index) {
    agent.tokens[index] = TokenState{};
    agent.tokens[index].attempt_at = agent.now;
  }
  return kOk;
}

Status PlanOpenDirectories(Agent& agent, Platform& platform) {
  Status first;
  for (uint32_t index = 0; index < ConfigOf(agent).file_count; ++index) {
    // Each directory once, as a file says as yet only how that went.
    const uint32_t neighbour = NeighbourFind(ConfigOf(agent), index);
    const Status swept = neighbour == index ? FileSweep(platform, TargetOf(agent, index))
                                            : agent.files[neighbour].failure;
    agent.files[index].is_swept = swept.ok();
    if (swept.ok()) continue;
    agent.files[index].failure = swept;
    agent.files[index].failure_count = 1;
    if (first.ok()) first = swept;
    ReportFailure(agent, platform, ConfigOf(agent).files[index].path, swept);
  }
  if (agent.mode != Mode::kRun && agent.command->id != CommandId::kExec) return first;
  const Status judged = OutputsJudge(agent, platform, ConfigOf(agent));
  return first.ok() ? judged : first;
}

Status PlanReload(Agent& agent, Platform& platform) {
  const uint32_t next_index = 1 - agent.config_index;
  Config& next = agent.configs[next_index];
  Status status = Load(agent, platform, &next, &agent.next_files);
  if (status.ok()) status = JudgeAll(agent, platform, next);
  if (!status.ok()) {
    ReportToken(agent, LogLevel::kError, "reload_failed", kTokenNone);
    LogText(agent.line, "reason", "the configuration in force stays");
    ReportSend(agent, platform);
    return status;
  }
  DropFiles(agent, platform, next);
  MoveFiles(agent, next);
  MoveTokens(agent, platform, next);
  OutputReload(agent, platform, next);
  // The CA file may be the same, and what is in it another: whom it trusts is asked anew.
  if (agent.connection.is_secure && agent.request.token_index == kTokenNone) {
    ConnectionClose(agent.connection, platform);
  }
  agent.config_index = next_index;
  agent.is_syslog = next.log == LogTarget::kSyslog && agent.mode == Mode::kRun;
  agent.told.entry_count = 0;  // its indices are the old configuration's
  for (uint32_t index = 0; index < next.token_count; ++index) {
    agent.tokens[index] = agent.next_tokens[index];
  }
  for (uint32_t index = 0; index < next.file_count; ++index) {
    agent.files[index] = agent.next_files[index];
  }
  PublicationInherit(agent, platform);
  ReportToken(agent, LogLevel::kInfo, "reloaded", kTokenNone);
  LogNumber(agent.line, "tokens", next.token_count);
  LogNumber(agent.line, "files", next.file_count);
  ReportSend(agent, platform);
  return kOk;
}

uint8_t PlanCheck(Agent& agent, Platform& platform, const Command& command) {
  agent.mode = Mode::kOnce;
  agent.command = &command;
  Status status = Load(agent, platform, &agent.configs[0], &agent.files);
  if (!status.ok()) return FaultLookUp(status.fault).exit_code;
  const Config& config = ConfigOf(agent);
  Status printed;
  const Span memory{agent.config_text, sizeof(agent.config_text)};  // no longer needed
  for (uint32_t index = 0; printed.ok() && index < config.token_count; ++index) {
    printed = PrintToken(platform, config.tokens[index], memory);
  }
  for (uint32_t index = 0; printed.ok() && index < config.file_count; ++index) {
    FileState& file = agent.files[index];
    file.failure = Judge(agent, platform, config.files[index].directory, config.require_tmpfs);
    if (!file.failure.ok()) {
      if (status.ok()) status = file.failure;
      ReportFailure(agent, platform, config.files[index].path, file.failure);
    }
    printed = PrintFile(agent, platform, index, memory);
  }
  const Status judged = OutputsJudge(agent, platform, config);
  if (status.ok()) status = judged;
  if (printed.ok()) printed = PrintOutputs(platform, config, memory);
  if (printed.ok()) printed = PrintOnRefresh(platform, config, memory);
  if (!printed.ok()) ReportFailure(agent, platform, "standard output", printed);
  DirectoryRelease(agent.directory, platform);
  return FaultLookUp(status.ok() ? printed.fault : status.fault).exit_code;
}

}  // namespace miagent
