// A pid file and /proc/PID/status: the one process that both name gets the signal, and no other.

#include <cctype>

#include "agent/limits.h"
#include "agent/notify/pid_file.h"
#include "platform/sim/world.h"
#include "tests/fuzz/fuzz.h"

namespace miagent {
namespace {

constexpr uint32_t kPid = 47;
constexpr uint32_t kUid = 5;
constexpr std::string_view kBlanks = " \t\r\n";

Platform g_world;
SimProcess* g_processes[2];

void WorldMake() {
  if (g_processes[0] != nullptr) return;
  SimStart(g_world, 1);
  SimDirectoryAdd(g_world, "/run/app", 0, 0755, true);
  g_processes[0] = &SimProcessAdd(g_world, kPid, kUid);
  g_processes[1] = &SimProcessAdd(g_world, 4711, 0);
}

std::vector<std::string> Words(std::string_view text) {
  std::vector<std::string> words;
  while (true) {
    text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
    if (text.empty()) return words;
    const size_t end = std::min(text.find_first_of(kBlanks), text.size());
    words.emplace_back(text.substr(0, end));
    text.remove_prefix(end);
  }
}

// The number of a word of digits; -1 for another, or one that is larger than `max`.
int64_t Number(const std::string& word, int64_t max) {
  int64_t number = word.empty() ? -1 : 0;
  for (const char c : word) {
    if (number < 0 || isdigit(static_cast<unsigned char>(c)) == 0) return -1;
    number = number * 10 + (c - '0');
    if (number > max) return -1;
  }
  return number;
}

int64_t PidOf(const std::string& text) {
  const std::vector<std::string> words = Words(text);
  if (text.size() > kPidFileSizeMax || words.size() != 1) return -1;
  const int64_t pid = Number(words[0], INT32_MAX);
  return pid < 2 ? -1 : pid;
}

// Whether a status says that the process runs as kUid, by its first kilobyte, in words with an end.
bool SaysUser(const std::string& status) {
  const std::string head = status.substr(0, 1024);
  const size_t line = head.find("\nUid:");
  if (line == head.npos) return false;
  const std::vector<std::string> words = Words(head.substr(line + 5));
  const bool is_open = words.size() == 2 && kBlanks.find(head.back()) == kBlanks.npos;
  return words.size() >= 2 && !is_open && Number(words[0], UINT32_MAX) == kUid &&
         Number(words[1], UINT32_MAX) == kUid;
}

}  // namespace
}  // namespace miagent

// A byte that says whose the file is, and how it is read; the status, a blank line; the pid file.
FUZZ_TARGET(input) {
  if (input.empty()) return;
  WorldMake();
  const auto flags = static_cast<uint8_t>(input[0]);
  const bool is_roots = (flags & 1) == 0;
  const size_t end = std::min(input.find("\n\n"), input.size());
  const std::string status(input.substr(1, end == 0 ? 0 : end - 1));
  const std::string text(input.substr(std::min(end + 2, input.size())));
  SimFileAdd(g_world, "/proc/47/status", status, 0444);
  SimFile& file = SimFileAdd(g_world, "/run/app/pid", text, 0644);
  file.owner_uid = is_roots ? 0 : kUid;
  g_world.file_read_size_max = (flags & 2) == 0 ? 0 : 1 + (flags >> 2);
  const uint32_t sent[] = {g_processes[0]->sent.count, g_processes[1]->sent.count};
  uint32_t told = 0;
  const Status result = PidFileSignal(g_world, "/run/app", "pid", 1, &told);
  const int64_t pid = PidOf(text);
  MUST(g_world.open_handle_count == 0);
  MUST((pid < 0) == (told == 0));
  if (pid >= 0) MUST(told == pid);
  if (pid < 0) MUST(result.fault == Fault::kPidFileForm || result.fault == Fault::kPidFileSize);
  bool is_allowed = is_roots;
  if (g_world.file_read_size_max == 0) {
    is_allowed = is_allowed || (pid == kPid && SaysUser(status));
  } else {
    // A status that comes in pieces is refused rather than guessed at.
    const bool may = is_roots || (pid == kPid && SaysUser(status));
    MUST(may || !result.ok());
    is_allowed = result.ok();
  }
  const bool is_known = pid == kPid || pid == 4711;
  MUST(result.ok() == (is_known && is_allowed));
  MUST(g_processes[0]->sent.count - sent[0] == (result.ok() && pid == kPid ? 1U : 0U));
  MUST(g_processes[1]->sent.count - sent[1] == (result.ok() && pid == 4711 ? 1U : 0U));
}
