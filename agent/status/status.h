// How every token and file stands: as JSON for `status`, `wait` and programs, as text for
// Prometheus, and back again.
//
// Purpose: rows of plain data to text, through a small buffer, and lines of the JSON to rows.
// Owns:    nothing; a row's views live until the next row is asked for or read.
// Limits:  one row in memory at a time; a line is at most kStatusLineSizeMax bytes.
// Clock:   instants (`…_boot_ms`, milliseconds since boot) say when a token ends whatever the wall
//          clock does; the wall's times are for people and for a reader after a reboot.
// Errors:  the first fault of a flush; kStatusForm for a text that is no status file.
// Never:   holds a secret.
//
// The schema, version 1. A JSON object, in lines: each line of an array is one object, and can be
// parsed alone once a comma at its end is taken off. Members may be added to it; another meaning of
// one is another version. Times are seconds since 1970 UTC, null where there is none.
//
//   {"schema":1,
//   "agent":{"version","pid","state":running|stopped,"started_at","written_at",
//     "written_boot_ms","boot_id",                       boot_id: "" where the kernel tells none
//     "tls_peak_bytes"},                                 the most of TLS's memory ever in use
//   "tokens":[
//   {"name","source","resource","identity":{} or {KEY:VALUE} as configured,
//     "state":fresh|stale|expired|missing|refused,       stale: 5 minutes before expiry
//     "issued_at","expires_at",                          by the endpoint's clock; the newest
//     token's "expires_boot_ms",                                 of the token in force
//     "next_attempt_in_s",                               from the moment of writing
//     "http_status",                                     of the last answer; null: there was none
//     "failures_in_a_row","requests","successes",
//     "same_answers",                                    successes that brought no newer token
//     "failures","error"},                               of the last try; null after a success
//   ],
//   "files":[
//   {"path","token",
//     "state":current|pending|failed|inherited|expired|missing,
//                    current: holds the token in force; pending: has yet to be written; failed:
//                    can't be; inherited: holds a token of an agent before this one
//     "mode","published_at","published_boot_ms",         null: not by this agent
//     "expires_at","expires_boot_ms",                    of what the file holds; null: no token
//     "published","failures","error",                    since the agent's start
//     "notify":{"runs","failures","last_error"}}         since the agent's start; the error of the
//                                                        last run; null: none is asked for
//   ]}
//
// In texts, what isn't UTF-8 or is a control character is written as `?`.
#pragma once

#include <cstdint>
#include <string_view>

#include "agent/base/bytes.h"
#include "agent/base/status.h"
#include "platform/time.h"

namespace miagent {

inline constexpr size_t kStatusLineSizeMax = 4096;  // a path with every byte escaped, and the rest

enum class TokenCondition : uint8_t { kFresh, kStale, kExpired, kMissing, kRefused };
enum class FileCondition : uint8_t {
  kCurrent,
  kPending,
  kFailed,
  kInherited,
  kExpired,
  kMissing,
};

// Their names, in the order of the enums.
inline constexpr char kTokenConditions[] = "fresh|stale|expired|missing|refused";
inline constexpr char kFileConditions[] = "current|pending|failed|inherited|expired|missing";

struct StatusAgent {
  std::string_view version;
  std::string_view boot_id;
  uint32_t pid = 0;
  uint32_t tls_peak_size = 0;  // bytes of its pool; 0: no https so far
  bool is_stopped = false;
  WallTime started_at_wall;
  WallTime written_at_wall;
  Instant written_at;
};

// Wall times of zero and instants of zero: there is none.
struct StatusToken {
  std::string_view name;
  std::string_view source;
  std::string_view resource;
  std::string_view identity[2];  // as configured, KEY and VALUE; empty: the machine's own
  std::string_view error;  // empty: none
  TokenCondition condition = TokenCondition::kMissing;
  WallTime issued_at_wall;
  WallTime expires_at_wall;
  Instant expires_at;
  Duration next_attempt_in;  // from the moment of writing
  uint32_t http_status = 0;  // 0: none
  uint32_t failures_in_a_row = 0;
  uint32_t request_count = 0;
  uint32_t success_count = 0;
  uint32_t same_count = 0;  // of the successes
  uint32_t failure_count = 0;
};

struct StatusNotify {
  bool is_asked = false;
  uint32_t success_count = 0;
  uint32_t failure_count = 0;
  std::string_view error;  // of the last run; empty: it went well
};

struct StatusFile {
  std::string_view path;
  std::string_view token;
  std::string_view error;  // empty: none
  FileCondition condition = FileCondition::kMissing;
  uint32_t mode = 0;
  WallTime published_at_wall;
  Instant published_at;
  WallTime expires_at_wall;
  Instant expires_at;
  uint32_t published_count = 0;
  uint32_t failure_count = 0;
  StatusNotify notify;
};

// What is to be written: its rows are asked for one by one, perhaps several times.
struct StatusReport {
  StatusAgent agent;
  uint32_t token_count = 0;
  uint32_t file_count = 0;
  void* context = nullptr;
  void (*read_token)(void* context, uint32_t index, StatusToken* token) = nullptr;
  void (*read_file)(void* context, uint32_t index, StatusFile* file) = nullptr;
};

// Text on its way out, in pieces of at most the buffer's size.
struct StatusWriter {
  Status (*flush)(void* context, std::string_view text) = nullptr;
  void* context = nullptr;
  Status status;  // the first fault; nothing is flushed after it
  uint32_t size = 0;
  char bytes[1024];
};

void Put(StatusWriter& writer, std::string_view text);
void PutDecimal(StatusWriter& writer, int64_t value);
// Within quotes of JSON or of a Prometheus label, which escape the same here.
void PutEscaped(StatusWriter& writer, std::string_view text);
// Hands on what is left. The writer's status.
Status StatusFlush(StatusWriter& writer);

// Writes the whole, and flushes.
Status StatusJsonWrite(const StatusReport& report, StatusWriter& writer);
Status MetricsWrite(const StatusReport& report, StatusWriter& writer);

// ---- reading ----------------------------------------------------------------------------------

enum class StatusLineKind : uint8_t { kFrame, kAgent, kToken, kFilesBegin, kFile, kEnd };

// The reading of a status file, line by line; one of `agent`, `token`, `file` is filled by each.
struct StatusReader {
  uint32_t step = 0;  // which line, or lines, may come next
  StatusLineKind kind = StatusLineKind::kFrame;
  StatusAgent agent;
  StatusToken token;
  StatusFile file;
};

// Takes the next line, without its newline, and decodes it where it stands: the rows' views are in
// it. kStatusForm for whatever isn't the next line of a status file; the reading is over then, as
// it is after kEnd.
Status StatusLineRead(StatusReader& reader, Span line);

// The moment of reading.
struct StatusMoment {
  Instant now;
  WallTime now_wall;
  bool is_same_boot = false;  // as that of writing: then the boot clock counts
};

// The time since the agent wrote the file.
Duration StatusAge(const StatusAgent& agent, const StatusMoment& moment);

// What is left of a token at that moment: negative after its end, kTimeMin where there is none.
Duration StatusRemaining(Instant expires_at, WallTime expires_at_wall, const StatusMoment& moment);

// How a token stands at that moment: a state moves on with time, whether its agent runs or not.
TokenCondition StatusTokenJudge(const StatusToken& token, const StatusMoment& moment);
FileCondition StatusFileJudge(const StatusFile& file, const StatusMoment& moment);

// Whether a file's path, as written, is `path`, as configured.
bool StatusPathIs(std::string_view written, std::string_view path);

// Writes a row of the table, under its heading.
void StatusHeadingShow(std::string_view what, StatusWriter& writer);
void StatusTokenShow(const StatusToken& token, const StatusAgent& agent, const StatusMoment& moment,
                     bool is_alive, StatusWriter& writer);
void StatusFileShow(const StatusFile& file, const StatusMoment& moment, StatusWriter& writer);

// Appends a length of time as people read it: 59s, 12m05s, 3h07m, 2d03h, with `-` before one that
// is negative.
void AppendDuration(TextWriter& writer, Duration duration);

}  // namespace miagent
