// A scenario's life: one simulated machine, what is done to it, and what was seen.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/scenarios/script.h"
#include "tests/sim/scene.h"

namespace miagent {

struct StoryLine {
  Instant at;
  std::string text;
};

struct StoryRequest {
  Instant at;
  std::string resource;
  bool is_forced = false;
};

inline constexpr int kFileAbsent = 0;
inline constexpr int kFileEmpty = -1;

struct FileChange {
  Instant at;
  std::string path;
  int number = kFileAbsent;  // the token's, from 1
  Instant expires_at;        // of the token, truly
};

// A token that the endpoint gave.
struct StoryToken {
  std::string resource;
  Instant expires_at;
};

struct Story {
  Scene scene;
  SimAnswering imds_answer = nullptr;
  bool is_running = false;
  int line = 0;  // of the last action
  std::string kept;  // what a file held
  std::vector<std::string> texts;  // that the endpoint's steps point to
  std::vector<StoryToken> tokens;  // by number - 1
  std::vector<StoryRequest> requests;
  std::vector<FileChange> files;
  std::vector<StoryLine> log, turns, connections, hooks, processes, actions;
  std::vector<StoryLine> broken;  // what must never be
  std::map<std::string, FileChange> on_disk;
  std::map<std::string, Instant> requested_at;  // by resource, of the process that runs

  Story();
  Story(const Story&) = delete;
};

// Lets the machine live until that instant.
void StoryLive(Story& story, Instant until);

// Does what the line says, now; what is wrong with it, or nothing.
std::string StoryAct(Story& story, const ScriptLine& line);

// "1d02:03:04.005"
std::string TimeShown(Instant at);

}  // namespace miagent
