// What must hold of an agent whatever happens, checked from outside it.
//
// Purpose: the invariants that `make sim` and the scenarios share. Each looks at the simulated
//          world, and at what its IMDS issued: files, requests, lines, descriptors, the ring.
//            I1 a file is absent or one whole token, issued for its resource and identity
//            I2 it is fresh, while `fresh_from` says that it has to be; expired ones are cleared
//            I3 it is never older than what stood there before
//            I4 requests keep their distance: the retry table, Retry-After, 60 s after a success
//            I5 no byte of a token in a line, a status file, a name, an argument
//            I6 at rest, descriptors, slots and temporary files are back to their baseline, and
//               what isn't in use of the ring is zero
//            I7 a turn calls a bounded number of verbs
//            I9 the status and metrics files say what is so
//          (I8, that it ends only as documented, is for who turns it.)
// Limits:  below.
// Errors:  InvariantBroken, with a sentence; it doesn't return.
// Never:   changes the world or the agent.
#pragma once

#include <cstdint>
#include <string_view>

#include "agent/agent.h"
#include "platform/sim/server.h"
#include "platform/sim/world.h"

namespace miagent {

inline constexpr uint32_t kWatchedTokenCountMax = 4;
inline constexpr uint32_t kWatchedFileCountMax = 8;
inline constexpr uint32_t kVerbsPerTurnMax = 600;  // three tokens, five files, status and metrics
inline constexpr uint32_t kIoVerbsPerTurnMax = 300'000;  // reads and writes of a byte each

// Says what is broken, and ends the test. Each program has its own.
[[noreturn]] void InvariantBroken(std::string_view what);

struct WatchedToken {
  std::string_view resource;  // these two as they stand in a query
  std::string_view client_id;  // empty: the machine's own identity
  // From here on, what happened.
  bool is_requested = false;  // by this process; then the rest says something
  bool was_answered = false;  // something of an answer went out
  bool was_reused = false;  // the request came on a connection that had one before
  uint32_t success_count = 0;  // the agent's own, when it was requested
  uint32_t failure_count = 0;  // in a row, as far as the server can know
  uint32_t excuse_count = 0;  // signals, reloads: each excuses one early request
  int32_t status = 0;  // of the answer; 0: none, or not to be read
  Duration retry_after;  // asked for by the answer, in seconds; what may be expected
  Instant requested_at;
  Instant gone_since = kInstantNever;  // the first failure of the row
};

struct WatchedFile {
  const char* path = nullptr;
  uint32_t token_index = 0;
  std::string_view prefix;  // what stands around the token; the suffix is the text's end
  std::string_view suffix;
  // From here on, what happened.
  bool is_wanted = false;  // by the configuration in force
  uint64_t serial = 0;  // SimFile's; 0: there is no file
  uint32_t number = 0;  // of the token that it holds
  uint32_t judged = 0;  // the last one that it was seen to hold
  uint32_t newest = 0;  // that it held, as far as the agent can know
  Instant expires_at;  // of its token, truly
  bool is_own = false;  // this process published it: so it knows when that expires
};

struct Watch {
  Platform* world = nullptr;
  const Agent* agent = nullptr;
  const SimImds* imds = nullptr;
  WatchedToken tokens[kWatchedTokenCountMax];
  uint32_t token_count = 0;
  WatchedFile files[kWatchedFileCountMax];
  uint32_t file_count = 0;
  Instant fresh_from = kInstantNever;  // from then on every wanted file must hold a good token
  Instant clear_from;  // expired files must be cleared from then on: the disk is well since
  bool may_have_leftovers = false;  // a temporary file could not be removed
  // From here on, what happened.
  uint32_t config_index = UINT32_MAX;
  uint64_t change_count = 0;
  uint64_t verb_count = 0;
  uint64_t io_verb_count = 0;
};

// Begins to watch an agent that has yet to start. Tokens and files are added before.
void WatchStart(Watch& watch, Platform& world, const Agent& agent, const SimImds& imds);

// After each turn: I1, I2, I3, I7.
void WatchTurn(Watch& watch);

// Before and after a server answers a request: I4. WatchedImdsAnswer is SimImdsAnswer between the
// two, with a WatchedImds as its context.
void WatchRequest(Watch& watch, const SimExchange& exchange);
// `retry_after`: what the answer asks for by other means than seconds.
void WatchAnswer(Watch& watch, const SimExchange& exchange, Duration retry_after = Duration{0});
struct WatchedImds {
  Watch* watch;
  SimImds* imds;
};
void WatchedImdsAnswer(void* context, SimExchange& exchange);

// A signal or a reload asks for a request now.
void WatchExcuse(Watch& watch);

// Another process begins. `before`: what was known when a snapshot was taken, to which the machine
// has been put back; else null.
void WatchForget(Watch& watch, const Watch* before);

// Another process can't read the files that stand there: it can't know that they are newer.
void WatchUnread(Watch& watch);

// I5: a line, or another text that the agent wrote or gave away.
void WatchText(std::string_view text);

// When nothing is under way, and nothing has been wrong for a while: I6, and the files of I2.
void WatchAtRest(Watch& watch);

// At rest, I9: what the files of status and metrics say.
void WatchStatus(Watch& watch, const char* status_path, const char* metrics_path);

}  // namespace miagent
