// A configuration read in a test, with the problems that were told.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/config/config.h"

namespace miagent {

struct ToldProblem {
  uint32_t line;
  std::string text;
};

struct ReadConfig {
  std::unique_ptr<Config> config = std::make_unique<Config>();
  std::vector<ToldProblem> problems;
  Status status;

  std::string All() const {
    std::string all;
    for (const ToldProblem& problem : problems) {
      all += std::to_string(problem.line) + ": " + problem.text + "\n";
    }
    return all;
  }
};

inline void Remember(void* context, uint32_t line, std::string_view text) {
  static_cast<std::vector<ToldProblem>*>(context)->push_back({line, std::string(text)});
}

inline ReadConfig ReadText(std::string_view text, const SourceEnvironment& environment = {}) {
  ReadConfig read;
  const ConfigReport report{&read.problems, Remember};
  // An exact copy on the heap, so that the sanitizer sees a step beyond either end.
  const std::vector<char> copy(text.begin(), text.end());
  read.status = ConfigParse({copy.data(), copy.size()}, environment, report, read.config.get());
  return read;
}

inline ReadConfig ReadOptions(const TokenOptions& options,
                              const SourceEnvironment& environment = {}) {
  ReadConfig read;
  const ConfigReport report{&read.problems, Remember};
  read.status = ConfigFromOptions(options, environment, report, read.config.get());
  return read;
}

}  // namespace miagent
