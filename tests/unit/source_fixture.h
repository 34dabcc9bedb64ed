// A source in a test: where it is found, and what it is asked.
#pragma once

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "agent/limits.h"
#include "agent/source/answer.h"
#include "agent/source/source.h"
#include "doctest.h"

namespace miagent {

struct Found {
  std::string problem;  // empty: found
  std::string culprit;
  Endpoint endpoint;
};

// By the source's own function: whatever this build can reach.
inline Found Find(SourceId id, const SourceEnvironment& environment,
                  std::string_view configured = {}, const Identity& identity = {}) {
  Found found;
  const char* culprit = nullptr;
  const SourceSetting setting{configured, identity};
  const char* problem = SourceFindEndpoint(id, setting, environment, &found.endpoint, &culprit);
  REQUIRE(culprit != nullptr);
  found.culprit = culprit;
  if (problem != nullptr) found.problem = problem;
  return found;
}

// `CULPRIT PROBLEM`, or where it is.
inline std::string Told(const Found& found) {
  if (!found.problem.empty()) return found.culprit + " " + found.problem;
  return std::string(found.endpoint.is_https ? "https://" : "http://") +
         std::string(found.endpoint.authority) + std::string(found.endpoint.path);
}

inline std::string WrittenAt(SourceId id, const Endpoint& endpoint, const TokenQuery& query) {
  std::vector<char> bytes(kRequestSizeMax);
  TextWriter writer{bytes.data(), bytes.size()};
  SourceWrite(id, endpoint, query, writer);
  CHECK_FALSE(writer.overflowed);
  return std::string(writer.text());
}

inline std::string Written(SourceId id, const SourceEnvironment& environment,
                           const TokenQuery& query, std::string_view configured = {}) {
  const Found found = Find(id, environment, configured, query.identity);
  REQUIRE_MESSAGE(found.problem.empty(), found.problem);
  return WrittenAt(id, found.endpoint, query);
}

inline TokenQuery QueryOf(std::string_view resource = "https://vault.azure.net",
                          Identity identity = {}) {
  TokenQuery query;
  query.resource = resource;
  query.identity = identity;
  query.request_id = "01234567-89ab-cdef-0123-456789abcdef";
  return query;
}

// Values that no header may hold: each could begin another header, or another request.
inline const std::vector<std::string>& BadHeaderValues() {
  static const std::vector<std::string> kValues = {"a\r\nX: y",
                                                   "a\nX: y",
                                                   "a\r",
                                                   "a b",
                                                   " a",
                                                   "a\t",
                                                   "\x7F",
                                                   "\xC3\xA9",
                                                   std::string("a\0b", 3),
                                                   std::string(kSecretHeaderSizeMax + 1, 's')};
  return kValues;
}

struct Shown {
  std::string code;
  std::string description;
};

inline Shown ErrorShown(std::string_view body) {
  std::vector<char> memory(body.begin(), body.end());
  ErrorAnswer error;
  ErrorAnswerRead({memory.data(), memory.size()}, &error);
  return {std::string(error.code_text()), std::string(error.description_text())};
}

inline Status AnswerStatus(std::string_view body, int64_t now_unix_s, TokenAnswer* answer,
                           const Identity* echo = nullptr) {
  static std::vector<char> memory;  // the answer's token stays in it
  memory.assign(body.begin(), body.end());
  return TokenAnswerRead({memory.data(), memory.size()}, {now_unix_s}, answer, echo);
}

constexpr const char* kClientIdExample = "11111111-2222-3333-4444-555555555555";
constexpr const char* kResourceIdExample =
    "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/"
    "userAssignedIdentities/i";
constexpr const char* kResourceIdEncoded =
    "%2Fsubscriptions%2Fs%2FresourceGroups%2Fg%2Fproviders%2FMicrosoft.ManagedIdentity%2F"
    "userAssignedIdentities%2Fi";
constexpr const char* kTail = "Accept: application/json\r\nUser-Agent: miagent\r\n\r\n";

}  // namespace miagent
