#include "tests/scenarios/story.h"

#include <cstdio>

#include "agent/base/bytes.h"

namespace miagent {
namespace {

using Words = std::vector<std::string>;

constexpr const char* kDirectory = "/run/tokens";
constexpr std::string_view kDefaultConfig =
    "[token storage]\nresource = https://storage.azure.com/\n"
    "[file /run/tokens/storage]\ntoken = storage\n";

void Broken(Story& story, const std::string& what) {
  story.broken.push_back({story.scene.world->now, "at " + TimeShown(story.scene.world->now) +
                                                      ", after this line: " + what});
}

void OnRequest(void* context, SimExchange& exchange) {
  Story& story = *static_cast<Story*>(context);
  SimImds& imds = *story.scene.imds;
  const std::string resource(SimRequestParameter(exchange, "resource"));
  const bool is_forced = SimRequestParameter(exchange, "bypass_cache") == "true";
  const auto last = story.requested_at.find(resource);
  if (last != story.requested_at.end() && exchange.at < last->second + Seconds(1)) {
    Broken(story, "two requests for one token within a second");
  }
  story.requested_at[resource] = exchange.at;
  story.requests.push_back({exchange.at, resource, is_forced});
  SimImdsAnswer(&imds, exchange);
  if (imds.issued_number > story.tokens.size()) {
    story.tokens.push_back({resource, exchange.at + imds.lifetime});
  }
}

void OnLog(void* context, std::string_view line) {
  Story& story = *static_cast<Story*>(context);
  std::string text(line.substr(0, line.find('\n')));
  if (text.find("sim.") != std::string::npos) Broken(story, "a token is in the log: " + text);
  story.log.push_back({story.scene.world->now, std::move(text)});
}

void AfterVerb(void* context, Platform& world, Verb verb, IoResult result) {
  Story& story = *static_cast<Story*>(context);
  if (verb == Verb::kSocketConnect) story.connections.push_back({world.now, {}});
  if (verb == Verb::kChildStart) {
    story.hooks.push_back({world.now, result.ok() ? "started" : "could not start"});
  }
}

// The number of the token in that text, which must have it whole.
int TokenIn(Story& story, const std::string& path, std::string_view text) {
  if (text.empty()) return kFileEmpty;
  const size_t begin = text.find("sim.");
  const size_t number = begin == std::string_view::npos ? 0 : begin + 4;
  uint64_t value = 0;
  if (number != 0) {
    const std::string_view digits = text.substr(number, text.find('.', number) - number);
    if (!ParseUnsigned(digits, UINT32_MAX, &value)) value = 0;
  }
  if (value == 0 || value > story.tokens.size()) {
    Broken(story, path + " holds what is no token that was given");
    return kFileEmpty;
  }
  static char bytes[kSimTokenSizeMax];
  const std::string_view token =
      SimImdsToken(static_cast<uint32_t>(value), story.tokens[value - 1].resource,
                   story.scene.imds->token_size, bytes);
  if (text.substr(begin, token.size()) != token) Broken(story, path + " holds a torn token");
  return static_cast<int>(value);
}

void FileNote(Story& story, const std::string& path, int number) {
  const Instant now = story.scene.world->now;
  const auto before = story.on_disk.find(path);
  const int last = before == story.on_disk.end() ? kFileAbsent : before->second.number;
  if (number == last) return;
  FileChange change{now, path, number, Instant{}};
  if (number > 0) change.expires_at = story.tokens[static_cast<size_t>(number) - 1].expires_at;
  for (const FileChange& old : story.files) {
    if (old.path != path || old.number <= number || number <= 0) continue;
    const auto& tokens = story.tokens;
    if (tokens[static_cast<size_t>(old.number) - 1].resource ==
        tokens[static_cast<size_t>(number) - 1].resource) {
      Broken(story, path + " holds an older token than before");
    }
  }
  story.on_disk[path] = change;
  story.files.push_back(change);
}

// Looks at every file under /run that isn't temporary.
void FilesLook(Story& story) {
  Platform& world = *story.scene.world;
  std::map<std::string, int> seen;
  for (const SimFile& file : world.files) {
    if (!file.in_use || !file.is_named || file.name[0] == '.') continue;
    const SimDirectory& directory = world.directories[file.directory_index];
    const std::string path = std::string(directory.path) + "/" + file.name;
    if (directory.is_gone || path.compare(0, 5, "/run/") != 0) continue;
    seen[path] = TokenIn(story, path, SimFileContent(world, file));
  }
  for (const auto& [path, number] : seen) FileNote(story, path, number);
  for (const auto& [path, change] : std::map<std::string, FileChange>(story.on_disk)) {
    if (seen.count(path) == 0) FileNote(story, path, kFileAbsent);
  }
}

void ProcessEnd(Story& story, const std::string& how) {
  SimKill(*story.scene.world);
  ++story.scene.world->process.pid;
  story.is_running = false;
  story.requested_at.clear();
  story.processes.push_back({story.scene.world->now, how});
}

void Turn(Story& story) {
  Scene& scene = story.scene;
  AgentTurn(*scene.agent, *scene.world);
  if (!scene.time_is_up) story.turns.push_back({scene.world->now, {}});  // else the story woke it
  FilesLook(story);
  if (!scene.agent->is_finished) return;
  const int exit_code = scene.agent->exit_code;
  AgentEnd(*scene.agent, *scene.world);
  if (scene.world->open_handle_count != 0) Broken(story, "it ended and left handles open");
  ProcessEnd(story, "exit " + std::to_string(exit_code));
}

// ---- actions ------------------------------------------------------------------------------------

std::string Start(Story& story, const ScriptLine& line) {
  if (line.words.size() < 2) return "expected: start run|once";
  if (story.is_running) return "an agent runs already";
  const CommandId id = line.words[1] == "once" ? CommandId::kOnce : CommandId::kRun;
  if (line.words[1] != "once" && line.words[1] != "run") return "expected: start run|once";
  Duration timeout;
  if (line.words.size() > 2 && !ScriptDuration(line.words[2], &timeout)) {
    return "'" + line.words[2] + "' is no duration";
  }
  story.is_running = true;
  story.processes.push_back({story.scene.world->now, "running"});
  story.scene.Start(id, timeout);
  if (!story.scene.agent->is_finished) return {};
  ProcessEnd(story, "exit " + std::to_string(story.scene.agent->exit_code));
  return {};
}

std::string Kill(Story& story, const ScriptLine&) {
  if (!story.is_running) return "no agent runs";
  ProcessEnd(story, "killed");
  return {};
}

std::string SignalSend(Story& story, const ScriptLine& line) {
  static const std::map<std::string, Signal> kSignals = {{"HUP", Signal::kReload},
                                                         {"USR1", Signal::kRefresh},
                                                         {"USR2", Signal::kReport},
                                                         {"TERM", Signal::kStop}};
  const auto found = kSignals.find(line.words.size() > 1 ? line.words[1] : "");
  if (found == kSignals.end()) return "expected: signal HUP|USR1|USR2|TERM";
  if (!story.is_running) return "no agent runs";
  story.scene.Signal(found->second);
  return {};
}

// What is open to the endpoint is reset.
void ConnectionsBreak(Story& story) {
  Platform& world = *story.scene.world;
  for (SimSocket& socket : world.sockets) {
    if (!socket.in_use || socket.is_pipe || socket.server_index < 0) continue;
    if (socket.state != SimSocketState::kConnected) continue;
    SimExchange exchange = SimExchangeMake(world, socket, world.now);
    SimReset(exchange);
  }
}

// From now on every request has this, until `imds well`.
void ImdsStep(Story& story, SimStepKind kind, uint32_t status, const Words& words) {
  SimImds& imds = *story.scene.imds;
  imds.step_count = imds.step_index = imds.step_used = 0;
  SimStep step{kind, UINT32_MAX, status, {}, {}};
  if (words.size() > 3 && !words[3].empty()) {
    story.texts.push_back(words[3] + "\r\n");
    step.headers = story.texts.back();
  }
  if (words.size() > 4) {
    story.texts.push_back(words[4]);
    step.body = story.texts.back();
  }
  SimStepAdd(imds, step);
}

std::string Imds(Story& story, const ScriptLine& line) {
  static const std::map<std::string, SimGreeting> kGreetings = {{"refuse", SimGreeting::kRefuse},
                                                                {"silent", SimGreeting::kSilent},
                                                                {"deny", SimGreeting::kDeny}};
  static const std::map<std::string, SimStepKind> kSteps = {{"mute", SimStepKind::kSilence},
                                                            {"reset", SimStepKind::kReset},
                                                            {"hangup", SimStepKind::kEnd}};
  const std::string what = line.words.size() > 1 ? line.words[1] : "";
  const std::string argument = line.words.size() > 2 ? line.words[2] : "";
  Duration duration;
  SimImds& imds = *story.scene.imds;
  if (what == "well") {
    imds.step_count = imds.step_index = imds.step_used = 0;
    story.scene.server->greeting = SimGreeting::kAccept;
  } else if (kGreetings.count(what) != 0) {
    story.scene.server->greeting = kGreetings.at(what);
    story.scene.server->greeting_error = what == "deny" ? EACCES : ECONNREFUSED;
    ConnectionsBreak(story);
  } else if (kSteps.count(what) != 0) {
    ImdsStep(story, kSteps.at(what), 0, {});
  } else if (uint64_t status = 0; what == "status" && ParseUnsigned(argument, 599, &status)) {
    ImdsStep(story, SimStepKind::kStatus, static_cast<uint32_t>(status), line.words);
  } else if (what == "lifetime" && ScriptDuration(argument, &duration)) {
    imds.lifetime = duration;
  } else if (what == "keeps" && ScriptDuration(argument, &duration)) {
    imds.keeps_token = duration;
  } else if (what == "delay" && ScriptDuration(argument, &duration)) {
    imds.delay = duration;
  } else {
    return "expected: imds well|refuse|silent|deny|mute|reset|hangup|status CODE [HEADER [BODY]]|"
           "lifetime D|keeps D|delay D";
  }
  return {};
}

std::string Wall(Story& story, const ScriptLine& line) {
  Platform& world = *story.scene.world;
  const std::string what = line.words.size() > 1 ? line.words[1] : "";
  Duration step;
  int64_t ppm = 0;
  if (what == "1970") {
    SimWallSet(world, WallTime{world.now.boot_ms / 1000});
  } else if (what == "right") {
    SimWallSet(world, SimTrueTime(world));
  } else if (what == "step" && line.words.size() > 2 && ScriptDuration(line.words[2], &step)) {
    SimWallStep(world, step);
  } else if (what == "drift" && line.words.size() > 2 &&
             (ppm = std::atoll(line.words[2].c_str())) != 0) {
    SimWallDrift(world, ppm);
  } else {
    return "expected: wall 1970|right|step DURATION|drift PPM";
  }
  return {};
}

std::string Suspend(Story& story, const ScriptLine& line) {
  Duration duration;
  if (line.words.size() < 2 || !ScriptDuration(line.words[1], &duration)) {
    return "expected: suspend DURATION";
  }
  SimSuspendAt(*story.scene.world, story.scene.world->now, duration);
  return {};
}

std::string Disk(Story& story, const ScriptLine& line) {
  const std::string what = line.words.size() > 1 ? line.words[1] : "";
  Platform& world = *story.scene.world;
  const std::string path = line.words.size() > 2 ? line.words[2] : kDirectory;
  if (what == "full") {
    world.space_left = 10;
  } else if (what == "freed") {
    world.space_left = UINT64_MAX;
  } else if (what == "unmount") {
    SimDirectoryMove(world, path.c_str());
  } else if (what == "mount") {
    SimDirectoryAdd(world, path.c_str(), 0, 0755, true);
  } else if (what == "remove") {
    SimFileRemove(world, path.c_str());
  } else if (what == "put" && line.words.size() > 3) {
    SimFileAdd(world, path.c_str(), line.words[3], 0600);
  } else if (what == "keep") {
    story.kept = story.scene.File(path.c_str());
  } else if (what == "return") {
    SimFileAdd(world, path.c_str(), story.kept, 0600);
  } else {
    return "expected: disk full|freed|unmount [PATH]|mount [PATH]|remove PATH|put PATH TEXT|"
           "keep PATH|return PATH";
  }
  return {};
}

// hook PATH DURATION [EXIT]: what the program does when it is started from now on.
std::string HookSet(Story& story, const ScriptLine& line) {
  Platform& world = *story.scene.world;
  Duration runs{kTimeMax};
  uint64_t exit_code = 0;
  const bool is_good = line.words.size() > 2 &&
                       (line.words[2] == "hangs" || ScriptDuration(line.words[2], &runs)) &&
                       (line.words.size() < 4 || ParseUnsigned(line.words[3], 255, &exit_code));
  if (!is_good) return "expected: hook PATH DURATION|hangs [EXIT-CODE]";
  SimProgram* program = nullptr;
  for (SimProgram& known : world.programs) {
    if (known.in_use && line.words[1] == known.path) program = &known;
  }
  if (program == nullptr) program = &SimProgramAdd(world, line.words[1].c_str());
  program->runs = runs;
  program->exit_code = static_cast<uint8_t>(exit_code);
  return {};
}

}  // namespace

Story::Story() {
  texts.reserve(64);  // what points to them stays right
  imds_answer = scene.server->on_request;
  scene.server->on_request = OnRequest;
  scene.server->context = this;
  scene.world->hook_context = this;
  scene.world->on_log = OnLog;
  scene.world->after_verb = AfterVerb;
  scene.Configure(kDefaultConfig);
}

void StoryLive(Story& story, Instant until) {
  Scene& scene = story.scene;
  if (scene.world->now >= until) return;
  scene.time_is_up = false;
  if (story.is_running) {
    SimCallAt(
        *scene.world, until, [](void* context, Platform&) { *static_cast<bool*>(context) = true; },
        &scene.time_is_up);
  }
  while (story.is_running && !scene.time_is_up && story.broken.empty()) Turn(story);
  if (!story.is_running && scene.world->now < until) {
    SimPass(*scene.world, until - scene.world->now);
  }
}

std::string StoryAct(Story& story, const ScriptLine& line) {
  const std::string& what = line.words[0];
  story.line = line.number;
  std::string text;
  for (const std::string& word : line.words) text += (text.empty() ? "" : " ") + word;
  story.actions.push_back({story.scene.world->now, text});
  static const std::map<std::string, std::string (*)(Story&, const ScriptLine&)> kActions = {
      {"start", Start}, {"kill", Kill},       {"signal", SignalSend}, {"imds", Imds},
      {"wall", Wall},   {"suspend", Suspend}, {"disk", Disk},         {"hook", HookSet}};
  const auto action = kActions.find(what);
  std::string wrong;
  if (what == "config") {
    story.scene.Configure(line.block);
  } else if (action == kActions.end()) {
    wrong = "nobody knows how to '" + what + "'";
  } else {
    wrong = action->second(story, line);
  }
  FilesLook(story);
  return wrong;
}

std::string TimeShown(Instant at) {
  const int64_t ms = at.boot_ms;
  char text[64];
  std::snprintf(text, sizeof(text), "%lldd%02lld:%02lld:%02lld.%03lld",
                static_cast<long long>(ms / 86400000), static_cast<long long>(ms / 3600000 % 24),
                static_cast<long long>(ms / 60000 % 60), static_cast<long long>(ms / 1000 % 60),
                static_cast<long long>(ms % 1000));
  return text;
}

}  // namespace miagent
