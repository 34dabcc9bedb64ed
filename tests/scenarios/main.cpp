// scenario [--timeline] FILE|FOLDER…    lives each *.scenario and tells what was not as expected
// scenario --self-test                  shows that each kind of expectation can fail

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "agent/base/array.h"  // declares CheckFailed
#include "tests/scenarios/scenario.h"
#include "tests/scenarios/self_test.h"

namespace miagent {
namespace {

std::vector<std::string> Files(const std::string& path) {
  if (!std::filesystem::is_directory(path)) return {path};
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(path)) {
    if (entry.path().extension() == ".scenario") files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

int Main(const std::vector<std::string>& arguments) {
  if (arguments.size() == 1 && arguments[0] == "--self-test") return ScenarioSelfTest();
  bool is_timeline = false;
  int run_count = 0;
  size_t failure_count = 0;
  for (const std::string& argument : arguments) {
    if (argument == "--timeline") {
      is_timeline = true;
      continue;
    }
    for (const std::string& file : Files(argument)) {
      std::ifstream stream(file);
      std::stringstream text;
      if (!stream || !(text << stream.rdbuf())) {
        std::fprintf(stderr, "%s: can't be read\n", file.c_str());
        return 66;
      }
      const ScenarioOutcome outcome = ScenarioRun(file, text.str());
      if (is_timeline) std::printf("%s", outcome.timeline.c_str());
      for (const std::string& failure : outcome.failures) std::printf("%s\n", failure.c_str());
      failure_count += outcome.failures.size();
      ++run_count;
    }
  }
  if (run_count == 0) {
    std::fprintf(stderr, "usage: scenario [--timeline] FILE|FOLDER...\n");
    return 64;
  }
  std::printf("%d scenarios, %zu failures\n", run_count, failure_count);
  return failure_count == 0 ? 0 : 1;
}

}  // namespace

void CheckFailed(const char* file, uint32_t line) {
  std::fprintf(stderr, "CHECK failed: %s:%u\n", file, line);
  std::abort();
}

}  // namespace miagent

int main(int argument_count, char** arguments) {
  return miagent::Main({arguments + 1, arguments + argument_count});
}
