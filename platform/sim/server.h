// What simulated servers say: scripts of bytes in time, and answers as IMDS gives them.
//
// Purpose: a server's hook is called for each complete request and writes its answer with the
//          functions below. Shares no HTTP or JSON code with the agent.
// Clock:   an answer has a cursor in time. It begins when the request arrived; SimDelay and
//          SimCut move it. The agent sees each byte `latency` after the cursor.
// Limits:  kSimAnswerSizeMax bytes and kSimSegmentCountMax sends that the agent has not yet taken.
#pragma once

#include <cstdint>
#include <string_view>

#include "platform/sim/world.h"

namespace miagent {

struct SimExchange {
  Platform* world = nullptr;
  SimServer* server = nullptr;
  uint32_t socket_index = 0;
  uint32_t request_index = 0;  // on this connection, from 0
  std::string_view request;    // head and body; of a raw server: all that is there
  uint32_t consumed_size = 0;
  Instant at;
  uint32_t piece_size = 0;
  Duration piece_gap;
};

// Moves the cursor on.
void SimDelay(SimExchange& exchange, Duration delay);

// From now on bytes are sent in pieces, `gap` apart. 0: whole.
void SimCut(SimExchange& exchange, uint32_t piece_size, Duration gap);

void SimSend(SimExchange& exchange, std::string_view bytes);
void SimTruncate(SimExchange& exchange, uint32_t size);  // the last send was only this long
void SimEnd(SimExchange& exchange);                     // the server closes
void SimReset(SimExchange& exchange);                   // the connection breaks
void SimConsume(SimExchange& exchange, uint32_t size);  // raw servers only

// The request line's target, and the value of a header (name without case; empty if missing).
std::string_view SimRequestTarget(const SimExchange& exchange);
std::string_view SimRequestHeader(const SimExchange& exchange, std::string_view name);

// The value of a query's parameter in the target, still encoded; empty if missing.
std::string_view SimRequestParameter(const SimExchange& exchange, std::string_view name);

struct SimAnswer {
  uint32_t status = 200;
  std::string_view content_type = "application/json; charset=utf-8";
  std::string_view headers;  // further lines, each with its CRLF
  std::string_view body;
  uint32_t chunk_size = 0;  // 0: Content-Length
  bool has_date = true;     // by the true clock
  bool closes = false;      // says so, and does it
};
void SimAnswerSend(SimExchange& exchange, const SimAnswer& answer);

enum class SimExpiry : uint8_t { kString, kNumber, kAbsent };

struct SimToken {
  std::string_view access_token;
  std::string_view resource;
  int64_t expires_in_s = 0;
  int64_t expires_on_unix_s = 0;
  int64_t not_before_unix_s = 0;
  SimExpiry expires_in = SimExpiry::kString;
  SimExpiry expires_on = SimExpiry::kString;
  SimExpiry not_before = SimExpiry::kString;
};

// Sends `answer` with the token's JSON object as its body.
void SimTokenSend(SimExchange& exchange, const SimToken& token, SimAnswer answer);

// ---- a ready-made IMDS ----------------------------------------------------------------------

enum class SimStepKind : uint8_t { kToken, kStatus, kSilence, kReset, kEnd, kBytes };

// What happens to the next `count` requests.
struct SimStep {
  SimStepKind kind = SimStepKind::kToken;
  uint32_t count = 1;
  uint32_t status = 500;     // kStatus
  std::string_view headers;  // kStatus: further header lines
  std::string_view body;     // kStatus, and kBytes: the whole answer
};
inline constexpr size_t kSimStepCountMax = 32;
inline constexpr size_t kSimTokenSizeMax = 32 * 1024;

struct SimIssued {
  uint64_t key = 0;  // hash of resource and selectors (SimImdsKey); 0: free
  uint32_t number = 0;
  uint32_t token_size = 0;
  Instant issued_at;
  WallTime
      issued_at_wall;  // the server's clock, which no snapshot of the agent's machine puts back
  WallTime expires_at_wall;
};
inline constexpr size_t kSimIssuedCountMax = 64;  // identities
inline constexpr size_t kSimIssueCountMax = 1024;  // tokens that are remembered, of all identities

// Issues tokens "sim.NUMBER.RESOURCE-HASH.ssss…", NUMBER counting from 1. A request that IMDS would
// refuse gets the 400 that IMDS gives.
struct SimImds {
  Duration lifetime = Seconds(86400);
  Duration delay;
  uint32_t token_size = 1500;
  uint32_t piece_size = 0;
  Duration piece_gap;
  uint32_t chunk_size = 0;
  bool closes = false;
  Duration keeps_token;  // answers with the same token again while it is younger than this
  SimStep steps[kSimStepCountMax];
  uint32_t step_count = 0;

  uint32_t step_index = 0;  // from here on, what happened
  uint32_t step_used = 0;
  uint32_t request_count = 0;
  uint32_t bypass_count = 0;  // with bypass_cache=true
  uint32_t refused_count = 0;
  uint32_t issued_number = 0;
  SimIssued issued[kSimIssuedCountMax];  // the last token of each resource and identity
  SimIssued issues[kSimIssueCountMax];  // the last ones of all, by number % kSimIssueCountMax
  Instant requested_at[64];  // of the last 64 requests, by request_count % 64
};

// The hook; `context` is a SimImds.
void SimImdsAnswer(void* context, SimExchange& exchange);

void SimStepAdd(SimImds& imds, const SimStep& step);

// For servers that answer in ways of their own: the token that IMDS would give now, the last again
// where that is young, and no bypass is asked for.
const SimIssued& SimImdsIssue(SimImds& imds, const SimExchange& exchange);

// What IMDS's answer says of an issued token: to be changed, and sent by SimTokenSend.
SimToken SimImdsAnswerOf(const SimIssued& issued, SimExchange& exchange);

// The issue of that number; nullptr where there was none, or it is too long ago.
const SimIssued* SimImdsIssueFind(const SimImds& imds, uint64_t number);

// What `SimIssued::key` is for a resource and an identity, as they stand in the query.
uint64_t SimImdsKey(std::string_view resource, std::string_view client_id,
                    std::string_view object_id, std::string_view msi_res_id);

// Writes token `number` for `resource` (as it stands in the query) to `bytes`, at least
// kSimTokenSizeMax; returns its text.
std::string_view SimImdsToken(uint32_t number, std::string_view resource, uint32_t size,
                              char* bytes);

}  // namespace miagent
