// The agent: all of its state, and the loop that turns it.
//
// Purpose: `run`, `once`, `get` and `exec` are one machine that differs in when it ends and where
//          the token goes.
// Owns:    everything: two configurations (in force, and next), the ring, one connection, the
//          state of each token and file. About 3 MB, of which only what is used is ever touched.
// Clock:   `now` is read once a turn; all deadlines are absolute instants on BOOTTIME.
// Errors:  what fails is told where it is found (report.h) and remembered for the exit code.
// Never:   blocks but in Wait; ends because a source is down while it runs.
//
// The rooms of the machine:
//   plan.cpp         configuration, directories, owners; reload
//   request.cpp      a token's requests: begin, conclude, retry
//   secret.cpp       the files whose content a request must show
//   publication.cpp  a token's files: publish, expire, withdraw
//   notification.cpp a file's notification: due, run, told
//   report.cpp       lines for people
//   output.cpp       status_file and metrics_file
//   supervisor.cpp   readiness and watchdog, for an init system
//   inspect.cpp      `status` and `wait`, which read them
//   wrapper.cpp      `exec`: the program that has the tokens
//   call.cpp         `call`: the request that the token is for (without TLS: call_none.cpp)
#pragma once

#include <cstdint>

#include "agent/base/array.h"
#include "agent/base/prng.h"
#include "agent/cache/ring.h"
#include "agent/cli/command.h"
#include "agent/config/config.h"
#include "agent/http/connection.h"
#include "agent/limits.h"
#include "agent/notify/hook.h"
#include "agent/sink/file.h"
#include "agent/source/answer.h"
#include "agent/status/log.h"
#include "agent/tls/trust.h"
#include "platform/platform.h"

namespace miagent {

enum class Mode : uint8_t { kRun, kOnce, kGet };

inline constexpr uint32_t kTokenNone = UINT32_MAX;

// What the agent knows of one token.
struct TokenState {
  uint32_t slot = kSlotNone;             // the token in force
  Instant attempt_at;                    // when to ask next
  // When it was last asked for, and then answered: a kept connection's request may go out twice.
  Instant requested_at{kTimeMin / 2};
  Instant stale_at = kInstantNever;
  Instant expires_at = kInstantNever;
  WallTime expires_at_wall;              // what its files say
  WallTime ends_at_wall;                 // what it is: TokenAnswer's
  WallTime not_before_wall;
  bool has_not_before = false;
  bool is_forced = false;                // ask past the endpoint's own cache
  bool is_rejected = false;              // a secret: its token was refused, and is asked anew
  bool is_settled = false;               // `once`, `get`: nothing more is to be done
  bool is_stale_told = false;
  bool is_published_anew = false;        // a file of it was written; for wrapper.h
  uint32_t failure_count = 0;            // in a row
  Instant failing_since;
  Status failure;                        // the newest; ok after a success
  uint32_t request_count = 0;            // these five for status/status.h
  uint32_t success_count = 0;
  uint32_t same_count = 0;
  uint32_t failure_total = 0;
  uint32_t http_status = 0;              // of the newest answer; 0: there was none
};

// What the agent knows of one file.
struct FileState {
  uint32_t uid = 0;
  uint32_t gid = 0;
  bool is_current = false;       // holds the token in force
  bool is_known = false;         // what stood there before has been looked at
  bool is_swept = false;         // its directory, of what a killed agent left there
  Instant attempt_at;            // after a failure: when to write again
  uint32_t failure_count = 0;
  Instant failing_since;
  Status failure;
  Instant expires_at;            // of the token that the file holds; zero: it holds none
  Instant published_at;          // these three for status/status.h; zero: not by this agent
  uint32_t published_count = 0;
  uint32_t failure_total = 0;
  NotifyState notify;
};

using TokenTable = Array<TokenState, kTokenCountMax>;
using FileTable = Array<FileState, kFileCountMax>;

// The request that is under way.
struct ActiveRequest {
  uint32_t token_index = kTokenNone;
  uint32_t slot = kSlotNone;
  Instant sent_at;
  bool is_forced = false;        // it asks past the endpoint's own cache
  bool is_challenged = false;    // it answers a challenge, as the second exchange of one try
  uint32_t touched_size = 0;     // the bytes before this position may hold a request's secret
  char bytes[kRequestSizeMax];
  char secret[kFileSecretSizeMax + 1];  // a file's, until the request is written; then wiped
  TlsTrust trust;                // of an https endpoint
};

// What is told about the agent in the files of the configuration's `outputs`.
struct OutputState {
  bool has_news = false;  // a token or file changed: to be written in this turn
  bool is_boot_id_read = false;
  uint32_t boot_id_size = 0;
  char boot_id[36];
  Instant started_at;
  Duration wall_offset;  // of the wall clock's times from the boot clock's instants
  Instant retry_at = kInstantNever;
  Status failures[kOutputCount];  // of each file's last writing
  bool is_swept[kOutputCount] = {};  // each file's directory, of what agents before left there
  // Of each token's last answer, where it has a failure.
  Array<ErrorAnswer, kTokenCountMax> errors;
};

// `exec`: the child.
struct WrapperState {
  uint32_t pid = 0;                 // 0: there is none, or it is over
  bool is_restarting = false;       // asked to end, to be started again
  bool is_end_asked = false;        // somebody asked it to end: it is not to be started again
  uint8_t exit_code = 0;            // of the one that is over; of any other mode: 0
  Instant kill_at = kInstantNever;  // it was asked to end before, and has not
};

enum class CallPhase : uint8_t { kToken, kAsking, kOver };

// `call`: the request to the resource.
struct CallState {
  CallPhase phase = CallPhase::kToken;
  bool is_refused = false;            // a 401 came: the token is a second one, or is on its way
  uint32_t slot = kSlotNone;          // where the answer comes
  uint32_t refused_slot = kSlotNone;  // of the token that got the 401
  Instant deadline = kInstantNever;   // --timeout
  uint64_t streamed_size = 0;         // of the body, so far
  Platform* platform = nullptr;       // for the body's sink
  std::string_view body;              // of the request
  uint32_t data_size = 0;
  uint32_t claims_size = 0;           // that the 401 asked for: JSON
  char claims[kClaimsSizeMax];
  char data[kCallDataSizeMax];
};

// What the supervisor of this process was told (supervisor.h).
struct SupervisorState {
  bool is_asked = false;             // somebody listens
  bool is_ready = false;             // every file has held a token
  bool is_ready_told = false;        // since the start or the last reload
  bool is_reloading_untold = false;  // a reload has begun, and telling that failed
  bool is_reload_refused = false;    // the newest one
  uint32_t status_hash = 0;          // of what was told last
  int32_t error = 0;                 // of the last telling: it is logged once
  std::string_view socket;           // NOTIFY_SOCKET; empty: nobody listens there
  Duration watchdog_interval;        // half of WATCHDOG_USEC
  Instant watchdog_at = kInstantNever;
  Instant retry_at = kInstantNever;
  Instant excused_at;                // nothing counts as overdue before
};

// What is used most stands first: near its begin, code reaches it with a shorter instruction.
struct Agent {
  Mode mode = Mode::kRun;
  const Command* command = nullptr;
  Instant now;
  Instant command_deadline = kInstantNever;   // `once`, `get`: --timeout
  Prng prng;
  uint32_t config_index = 0;                  // which of `configs` is in force
  bool is_stopping = false;
  bool is_reloading = false;
  bool has_ended_child = false;               // there may be one to reap
  bool is_finished = false;
  bool has_notification = false;              // of a file, that has yet to run
  bool is_syslog = false;  // where lines go, once the configuration is in force
  uint8_t exit_code = 0;
  uint32_t still_turn_count = 0;  // turns in a row at one instant
  WrapperState wrapper;
  ActiveRequest request;
  SourceEnvironment environment;
  DirectoryHold directory;  // of files; let go before each Wait, but by `once`, which is short
  TokenTable tokens;
  FileTable files;
  TokenTable next_tokens;  // a reload's, until it is in force
  FileTable next_files;
  Connection connection;
  ErrorAnswer error;  // of the newest answer that was an error
  OutputState output;
  Hook hook;  // a notification's program
  SupervisorState supervisor;
  LogMemory told;  // what needn't be told again
  LogLine line;  // the line being written
  Config configs[2];
  char config_text[kConfigSizeMax];
  Ring ring;
  CallState call;
};

// The configuration in force.
inline const Config& ConfigOf(const Agent& agent) { return agent.configs[agent.config_index]; }

// Loads the configuration and prepares the first turn. A failure has been told when this returns;
// its exit code is in the agent, which is finished then.
void AgentStart(Agent& agent, Platform& platform, const Command& command);

// One turn: waits for the next event or deadline, moves bytes, decides. To be called until the
// agent is finished.
void AgentTurn(Agent& agent, Platform& platform);

// The next instant at which something is to be decided; kInstantNever for none.
Instant AgentNextDeadline(const Agent& agent);

// Wipes every token and closes what is open. The agent is over then.
void AgentEnd(Agent& agent, Platform& platform);

}  // namespace miagent
