#include "agent/request.h"

#include "agent/base/check.h"
#include "agent/http/date.h"
#include "agent/output.h"
#include "agent/publication.h"
#include "agent/refresh/backoff.h"
#include "agent/refresh/schedule.h"
#include "agent/report.h"

namespace miagent {
namespace {

constexpr Duration kForcedIntervalMin = Seconds(1);  // a storm of SIGUSR1 is no storm of requests
constexpr size_t kUuidSize = 36;

// A random UUID (RFC 9562 version 4).
void UuidWrite(Prng& prng, char (&uuid)[kUuidSize]) {
  const uint64_t high = (PrngNext(prng) & ~uint64_t{0xF000}) | 0x4000;
  const uint64_t low = (PrngNext(prng) >> 2) | (uint64_t{1} << 63);
  TextWriter writer{uuid, sizeof(uuid)};
  AppendHex(writer, high >> 32, 8);
  Append(writer, '-');
  AppendHex(writer, high >> 16, 4);
  Append(writer, '-');
  AppendHex(writer, high, 4);
  Append(writer, '-');
  AppendHex(writer, low >> 48, 4);
  Append(writer, '-');
  AppendHex(writer, low, 12);
  CHECK(!writer.overflowed);
}

uint32_t Random(Agent& agent) { return static_cast<uint32_t>(PrngNext(agent.prng)); }

// The time that the answer's dates are compared with.
WallTime AnswerTime(const Agent& agent, Platform& platform) {
  const ResponseReader& reader = agent.connection.reader;
  WallTime time;
  if (HttpDateParse(ResponseText(reader, reader.date), &time)) return time;
  return ClockWall(platform);
}

// Plans the next try and tells the failure.
void Fail(Agent& agent, Platform& platform, uint32_t token_index, Status failure,
          Duration retry_after) {
  TokenState& token = agent.tokens[token_index];
  if (token.failure_count++ == 0) token.failing_since = agent.now;
  ++token.failure_total;
  OutputRemember(agent, token_index);
  token.failure = failure;
  const FailureRun run{failure, token.failure_count, agent.now - token.failing_since, retry_after};
  const Duration delay = RetryDelay(run, Random(agent));
  token.attempt_at = agent.now + delay;
  if (agent.mode == Mode::kRun) {
    ReportTokenFailure(agent, platform, token_index, failure, delay);
    return;
  }
  if (RetryIsWorthwhile(run) && token.attempt_at < agent.command_deadline) return;
  token.is_settled = true;
  ReportTokenFailure(agent, platform, token_index, failure, delay);
}

// Whether the token in force was issued after the one that was just received: an endpoint with
// several caches may hand out an older one.
bool IsOlder(const Agent& agent, const TokenState& token, const TokenAnswer& answer) {
  if (token.slot == kSlotNone || agent.request.is_forced) return false;
  if (token.expires_at <= agent.now) return false;
  if (token.has_not_before && answer.has_not_before) {
    return answer.not_before_wall.unix_s < token.not_before_wall.unix_s;
  }
  return answer.expires_at_wall.unix_s < token.expires_at_wall.unix_s;
}

bool IsSame(const Agent& agent, const TokenState& token, const TokenAnswer& answer) {
  if (token.slot == kSlotNone) return false;
  const SecretBytes current = RingToken(agent.ring, token.slot);
  return std::string_view(current.data, current.size) == answer.access_token;
}

void Recover(Agent& agent, Platform& platform, uint32_t token_index) {
  TokenState& token = agent.tokens[token_index];
  if (token.failure_count == 0) return;
  ReportToken(agent, LogLevel::kInfo, "recovered", token_index);
  LogNumber(agent.line, "failures", token.failure_count);
  LogNumber(agent.line, "outage_s", (agent.now - token.failing_since).ms / 1000);
  ReportSend(agent, platform);
  token.failure_count = 0;
  token.failure = kOk;
  ReportForgetToken(agent, token_index);
}

// Puts a token in force, in the slot that it was received into.
void Accept(Agent& agent, Platform& platform, uint32_t token_index, const TokenAnswer& answer) {
  TokenState& token = agent.tokens[token_index];
  ActiveRequest& request = agent.request;
  const TokenLife life{request.sent_at, answer.remaining,
                       answer.has_refresh_in ? answer.refresh_in : Duration{0}};
  const uint32_t percent = ConfigOf(agent).tokens[token_index].refresh_at_percent;
  const uint32_t fingerprint = ReportFingerprint(agent, answer.access_token);
  Recover(agent, platform, token_index);
  token.attempt_at = RefreshAt(life, percent, Random(agent));
  token.is_settled = true;
  if (request.is_forced) token.is_forced = false;
  // Forced while this request, which was not, was under way: ask once more.
  if (token.is_forced) token.attempt_at = token.requested_at + kForcedIntervalMin;
  const bool is_older = IsOlder(agent, token, answer);
  const bool is_same = IsSame(agent, token, answer);
  agent.output.has_news = true;
  ++token.success_count;
  if (is_same || is_older) {
    ++token.same_count;
    RingRetire(agent.ring, request.slot);
    PublicationReview(agent, token_index);
  } else {
    const char* const begin = RingSpan(agent.ring, request.slot).data;
    const Range place{static_cast<uint32_t>(answer.access_token.data() - begin),
                      static_cast<uint32_t>(answer.access_token.size())};
    RingCommit(agent.ring, request.slot, place);
    if (token.slot != kSlotNone) RingRetire(agent.ring, token.slot);
    token.slot = request.slot;
    ReportForgetToken(agent, token_index);
    PublicationInvalidate(agent, token_index, request.is_forced);
  }
  request.slot = kSlotNone;
  if (!is_older) {
    token.stale_at = StaleAt(life);
    token.expires_at = ExpiresAt(life);
    token.expires_at_wall = answer.expires_at_wall;
    token.not_before_wall = answer.not_before_wall;
    token.has_not_before = answer.has_not_before;
    token.is_stale_told = false;
  }
  ReportToken(agent, LogLevel::kInfo, "fetched", token_index);
  LogText(agent.line, "result", is_same ? "same" : is_older ? "older" : "new");
  LogNumber(agent.line, "remaining_s", answer.remaining.ms / 1000);
  LogNumber(agent.line, "refresh_in_s", (token.attempt_at - agent.now).ms / 1000);
  if (fingerprint != 0) {
    char bytes[8];
    TextWriter digits{bytes, sizeof(bytes)};
    AppendHex(digits, fingerprint, sizeof(bytes));
    LogText(agent.line, "resource", ConfigOf(agent).tokens[token_index].resource);
    LogNumber(agent.line, "expires_on", answer.expires_at_wall.unix_s);
    LogText(agent.line, "sha256", digits.text());
  }
  ReportSend(agent, platform);
}

// Reads a complete answer.
void Read(Agent& agent, Platform& platform, uint32_t token_index) {
  const ResponseReader& reader = agent.connection.reader;
  const Span slot = RingSpan(agent.ring, agent.request.slot);
  const Span body{slot.data + reader.body.offset, reader.body.size};
  const WallTime answer_time = AnswerTime(agent, platform);
  Status status = HttpStatusJudge(reader.http_status);
  Duration retry_after{0};
  if (status.ok()) {
    TokenAnswer answer;
    status = TokenAnswerRead(body, answer_time, &answer);
    if (status.ok()) {
      Accept(agent, platform, token_index, answer);
      return;
    }
  } else {
    ErrorAnswerRead(body, &agent.error);
    const std::string_view text = ResponseText(reader, reader.retry_after);
    if (!RetryAfterParse(text, answer_time, &retry_after)) retry_after = Duration{0};
  }
  Fail(agent, platform, token_index, status, retry_after);
}

// Ends the request under way, with what its exchange came to.
void Conclude(Agent& agent, Platform& platform, Status status) {
  ActiveRequest& request = agent.request;
  const uint32_t token_index = request.token_index;
  CHECK(token_index < ConfigOf(agent).token_count);
  agent.error.code_size = 0;
  agent.error.description_size = 0;
  RingTouch(agent.ring, request.slot, agent.connection.reader.touched_size);
  ReportAnswer(agent, platform, status);
  agent.tokens[token_index].http_status =
      status.ok() ? static_cast<uint32_t>(agent.connection.reader.http_status) : 0;
  if (status.ok()) {
    Read(agent, platform, token_index);
  } else {
    Fail(agent, platform, token_index, status, Duration{0});
  }
  if (request.slot != kSlotNone) RingRetire(agent.ring, request.slot);
  request.slot = kSlotNone;
  request.token_index = kTokenNone;
}

void OnState(Agent& agent, Platform& platform, ExchangeState state) {
  if (state.finished) Conclude(agent, platform, state.status);
}

void Begin(Agent& agent, Platform& platform, uint32_t token_index) {
  const TokenConfig& config = ConfigOf(agent).tokens[token_index];
  TokenState& token = agent.tokens[token_index];
  ActiveRequest& request = agent.request;
  char uuid[kUuidSize];
  UuidWrite(agent.prng, uuid);
  TokenQuery query;
  query.resource = config.resource;
  query.identity = config.identity;
  query.bypass_cache = token.is_forced;
  query.request_id = {uuid, sizeof(uuid)};
  TextWriter writer{request.bytes, sizeof(request.bytes)};
  SourceLookUp(config.source).write_request(config.endpoint, query, writer);
  CHECK(!writer.overflowed);
  const auto size = static_cast<uint32_t>(writer.size);
  if (size > request.touched_size) request.touched_size = size;
  request.token_index = token_index;
  request.slot = RingReserve(agent.ring, ConfigOf(agent).token_count);
  request.sent_at = agent.now;
  request.is_forced = token.is_forced;
  token.requested_at = agent.now;
  ++token.request_count;
  ReportRequest(agent, platform, writer.text());
  const Instant deadline =
      Earliest(agent.now + ConfigOf(agent).request_timeout, agent.command_deadline);
  OnState(agent, platform,
          ExchangeBegin(agent.connection, platform, config.endpoint.address, writer.text(),
                        RingSpan(agent.ring, request.slot), deadline));
}

}  // namespace

void RequestBeginDue(Agent& agent, Platform& platform) {
  if (agent.request.token_index != kTokenNone) return;
  uint32_t due = kTokenNone;
  for (uint32_t index = 0; index < ConfigOf(agent).token_count; ++index) {
    const TokenState& token = agent.tokens[index];
    if (token.is_settled && agent.mode != Mode::kRun) continue;
    if (token.attempt_at > agent.now) continue;
    if (due == kTokenNone || token.attempt_at < agent.tokens[due].attempt_at) due = index;
  }
  if (due != kTokenNone) Begin(agent, platform, due);
}

void RequestOnEvent(Agent& agent, Platform& platform, const Event& event) {
  OnState(agent, platform, ExchangeOnEvent(agent.connection, platform, event));
}

void RequestOnTick(Agent& agent, Platform& platform) {
  if (agent.request.token_index == kTokenNone) return;
  OnState(agent, platform, ExchangeOnDeadline(agent.connection, platform, agent.now));
}

void RequestAbandon(Agent& agent, Platform& platform) {
  ActiveRequest& request = agent.request;
  if (request.token_index == kTokenNone) return;
  ConnectionClose(agent.connection, platform);
  RingTouch(agent.ring, request.slot, agent.connection.reader.touched_size);
  RingRetire(agent.ring, request.slot);
  request.slot = kSlotNone;
  request.token_index = kTokenNone;
}

void RequestForceAll(Agent& agent) {
  for (uint32_t index = 0; index < ConfigOf(agent).token_count; ++index) {
    TokenState& token = agent.tokens[index];
    token.is_forced = true;
    token.attempt_at = Latest(agent.now, token.requested_at + kForcedIntervalMin);
  }
}

}  // namespace miagent
