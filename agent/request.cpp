#include "agent/request.h"

#include "agent/base/check.h"
#include "agent/base/sha256.h"
#include "agent/http/date.h"
#include "agent/output.h"
#include "agent/publication.h"
#include "agent/refresh/backoff.h"
#include "agent/refresh/schedule.h"
#include "agent/report.h"
#include "agent/secret.h"
#include "agent/tls/tls.h"

namespace miagent {
namespace {

constexpr size_t kUuidSize = 36;
constexpr int32_t kStatusUnauthorized = 401;

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

Span SecretMemory(Agent& agent) { return {agent.request.secret, sizeof(agent.request.secret)}; }

// Plans the next try and tells the failure.
void Fail(Agent& agent, Platform& platform, uint32_t token_index, Status failure,
          Duration retry_after) {
  TokenState& token = agent.tokens[token_index];
  token.requested_at = agent.now;
  if (token.failure_count++ == 0) token.failing_since = agent.now;
  ++token.failure_total;
  OutputRemember(agent, token_index);
  token.failure = failure;
  const SourceFacts& source = SourceLookUp(ConfigOf(agent).tokens[token_index].source);
  const FailureRun run{failure, token.failure_count, agent.now - token.failing_since, retry_after,
                       source.throttle == ThrottleRule::kDoubling};
  const Duration delay = RetryDelay(run, Random(agent));
  token.attempt_at = agent.now + delay;
  // Forced while this request, which was not, was under way: that is still to be done.
  if (token.is_forced && !agent.request.is_forced) {
    token.attempt_at = agent.now + kSignalledIntervalMin;
  }
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
  if (ConfigOf(agent).tokens[agent.request.token_index].is_secret) return false;
  if (token.expires_at <= agent.now) return false;
  if (token.has_not_before && answer.has_not_before) {
    return answer.not_before_wall.unix_s < token.not_before_wall.unix_s;
  }
  return answer.ends_at_wall.unix_s < token.ends_at_wall.unix_s;
}

bool IsSame(const Agent& agent, const TokenState& token, const TokenAnswer& answer) {
  if (token.slot == kSlotNone) return false;
  const SecretBytes current = RingToken(agent.ring, token.slot);
  return EqualFromEnd({current.data, current.size}, answer.access_token);
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
  TokenLife life{request.sent_at, answer.remaining,
                 answer.has_refresh_in ? answer.refresh_in : Duration{0}};
  const TokenConfig& config = ConfigOf(agent).tokens[token_index];
  const uint32_t percent = config.refresh_at_percent;
  // Of a secret, which may be a short word, a log has no hash either.
  const uint32_t fingerprint = config.is_secret ? 0 : ReportFingerprint(agent, answer.access_token);
  const bool is_older = IsOlder(agent, token, answer);
  const bool is_same = IsSame(agent, token, answer);
  Recover(agent, platform, token_index);
  token.requested_at = agent.now;
  // The one in force stays, and has to be replaced before its end, whatever the other one's is.
  if (is_older) life = {life.sent_at, Least(life.remaining, token.expires_at - life.sent_at)};
  token.attempt_at = RefreshAt(life, percent, Random(agent));
  token.is_settled = true;
  if (request.is_forced) token.is_forced = false;
  // Forced while this request, which was not, was under way: ask once more.
  if (token.is_forced) token.attempt_at = agent.now + kSignalledIntervalMin;
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
    token.ends_at_wall = answer.ends_at_wall;
    token.not_before_wall = answer.not_before_wall;
    token.has_not_before = answer.has_not_before;
    token.is_stale_told = false;
  }
  if (config.is_secret) {
    token.is_rejected = false;
    token.stale_at = ExpiresAt(life);
    token.expires_at = request.sent_at + kSecretLife;
  }
  ReportToken(agent, LogLevel::kInfo, "fetched", token_index);
  LogText(agent.line, "result", is_same ? "same" : is_older ? "older" : "new");
  if (!config.is_secret) LogNumber(agent.line, "remaining_s", answer.remaining.ms / 1000);
  LogNumber(agent.line, "refresh_in_s", (token.attempt_at - agent.now).ms / 1000);
  if (fingerprint != 0) {
    char bytes[8];
    TextWriter digits{bytes, sizeof(bytes)};
    AppendHex(digits, fingerprint, sizeof(bytes));
    LogText(agent.line, "resource", config.resource);
    LogNumber(agent.line, "expires_on", answer.expires_at_wall.unix_s);
    LogText(agent.line, "sha256", digits.text());
  }
  ReportSend(agent, platform);
}

// A verified server's Date is worth more than a clock that may never have been set.
void NoteTime(const Agent& agent) {
  if (!agent.connection.is_secure) return;
  const ResponseReader& reader = agent.connection.reader;
  WallTime time;
  if (HttpDateParse(ResponseText(reader, reader.date), &time)) TlsNoteTime(time);
}

// An endpoint may say a later expires_on than its other fields allow. Where its clock and ours
// agree, neither is to blame for that: then no agent after this one is to believe it of the files.
void EndCorrect(const Agent& agent, Platform& platform, WallTime answer_time, TokenAnswer* answer) {
  const ResponseReader& reader = agent.connection.reader;
  if (ResponseText(reader, reader.date).empty()) return;
  const WallTime ends_at{SaturatedAdd(answer_time.unix_s, answer->remaining.ms / 1000)};
  if (answer->expires_at_wall - ends_at <= kExpiryDisagreementMax) return;
  const Duration ahead = ClockWall(platform) - answer_time;
  const Duration behind = Duration{0} - ahead;
  if (Greatest(ahead, behind) <= kExpiryDisagreementMax) answer->ends_at_wall = ends_at;
}

// Reads a vault's answer as if its secret were a token: fresh for twice the time between requests.
Status SecretRead(Span body, const TokenConfig& config, WallTime now, TokenAnswer* answer) {
  TRY(KeyVaultRead(body, &answer->access_token));
  answer->remaining = config.refresh + config.refresh;
  answer->expires_at_wall.unix_s = now.unix_s + kSecretLife.ms / 1000;
  answer->ends_at_wall = answer->expires_at_wall;
  answer->not_before_wall = now;
  return kOk;
}

// A vault refuses the token: asks for another, once, past the endpoint's cache. False where that
// was tried already.
bool RejectionTake(Agent& agent, uint32_t token_index) {
  TokenState& secret = agent.tokens[token_index];
  TokenState& parent = agent.tokens[ConfigOf(agent).tokens[token_index].parent_index];
  if (secret.is_rejected) return false;
  secret.is_rejected = true;
  secret.attempt_at = agent.now;
  // Newer than what was shown, or asked for: then it is the one to be tried.
  if (parent.is_forced) return true;
  parent.is_forced = true;
  parent.is_settled = false;
  parent.attempt_at = Latest(agent.now, parent.requested_at + kRequestIntervalMin);
  return true;
}

// Reads a complete answer.
void Read(Agent& agent, Platform& platform, uint32_t token_index) {
  const ResponseReader& reader = agent.connection.reader;
  const Span slot = RingSpan(agent.ring, agent.request.slot);
  const Span body{slot.data + reader.body.offset, reader.body.size};
  const WallTime answer_time = AnswerTime(agent, platform);
  const TokenConfig& config = ConfigOf(agent).tokens[token_index];
  const SourceFacts& source = SourceLookUp(config.source);
  NoteTime(agent);
  Status status = HttpStatusJudge(reader.http_status, source.is_404_final);
  Duration retry_after{0};
  if (status.ok()) {
    TokenAnswer answer;
    const Identity* const echo = source.must_echo ? &config.identity : nullptr;
    status = config.is_secret ? SecretRead(body, config, answer_time, &answer)
                              : TokenAnswerRead(body, answer_time, &answer, echo);
    if (status.ok()) {
      if (!config.is_secret) EndCorrect(agent, platform, answer_time, &answer);
      Accept(agent, platform, token_index, answer);
      return;
    }
  } else {
    ErrorAnswerRead(body, &agent.error);
    const std::string_view text = ResponseText(reader, reader.retry_after);
    if (!RetryAfterParse(text, answer_time, &retry_after)) retry_after = Duration{0};
    if (config.is_secret && status.detail == kStatusUnauthorized &&
        RejectionTake(agent, token_index)) {
      return;
    }
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
      status.ok() || request.is_challenged
          ? static_cast<uint32_t>(agent.connection.reader.http_status)
          : 0;
  if (status.ok()) {
    Read(agent, platform, token_index);
  } else {
    Fail(agent, platform, token_index, status, Duration{0});
  }
  if (request.slot != kSlotNone) RingRetire(agent.ring, request.slot);
  request.slot = kSlotNone;
  request.token_index = kTokenNone;
}

// The SHA-256 of the token in force, in hexadecimal digits.
void DigestWrite(const Agent& agent, uint32_t slot, TextWriter& digits) {
  const SecretBytes token = RingToken(agent.ring, slot);
  Sha256 hash;
  Sha256Feed(hash, {token.data, token.size});
  uint8_t digest[kSha256Size];
  Sha256End(hash, digest);
  SecretWipe(&hash, sizeof(hash));
  for (const uint8_t byte : digest) AppendHex(digits, byte, 2);
}

// Whom to ask: the server's address or name, and over https whom it must prove to be.
void ServerChoose(Agent& agent, const Endpoint& endpoint, ExchangePlan* plan) {
  plan->address = endpoint.address;
  if (endpoint.is_named) plan->host = endpoint.host;
  plan->port = endpoint.port;
  if (!endpoint.is_https) return;
  TlsTrust* const trust = &agent.request.trust;
  const bool is_made = endpoint.thumbprint.empty()
                           ? TlsTrustBundle(endpoint.host, ConfigOf(agent).ca_file, trust)
                           : TlsTrustThumbprint(endpoint.thumbprint, trust);
  CHECK(is_made);  // the source has judged both
  plan->trust = trust;
}

// Writes the request for a token, with `secret` where a file has one.
void TokenRequestWrite(Agent& agent, std::string_view request_id, SecretBytes secret,
                       TextWriter& writer) {
  const ActiveRequest& request = agent.request;
  const TokenConfig& config = ConfigOf(agent).tokens[request.token_index];
  TokenQuery query;
  query.resource = config.resource;
  query.identity = config.identity;
  query.bypass_cache = request.is_forced;
  query.request_id = request_id;
  query.file_secret = secret;
  query.claims = {agent.call.claims, agent.call.claims_size};
  char digest[2 * kSha256Size];
  const uint32_t refused_slot = agent.tokens[request.token_index].slot;
  if (request.is_forced && refused_slot != kSlotNone && config.source == SourceId::kServiceFabric) {
    TextWriter digits{digest, sizeof(digest)};
    DigestWrite(agent, refused_slot, digits);
    query.rejected_sha256 = digits.text();
  }
  SourceWrite(config.source, config.endpoint, query, writer);
}

// Writes the request, with `secret` where a file has one, and begins its exchange.
ExchangeState Send(Agent& agent, Platform& platform, SecretBytes secret, Instant deadline) {
  ActiveRequest& request = agent.request;
  const TokenConfig& config = ConfigOf(agent).tokens[request.token_index];
  char uuid[kUuidSize];
  UuidWrite(agent.prng, uuid);
  TextWriter writer{request.bytes, sizeof(request.bytes)};
  size_t token_at = 0;
  if (config.is_secret) {
    token_at = KeyVaultWrite(config.endpoint, {uuid, sizeof(uuid)}, writer);
  } else {
    TokenRequestWrite(agent, {uuid, sizeof(uuid)}, secret, writer);
  }
  CHECK(!writer.overflowed);
  if (secret.size != 0) SecretWipe(request.secret, sizeof(request.secret));
  const auto size = static_cast<uint32_t>(writer.size);
  if (size > request.touched_size) request.touched_size = size;
  request.sent_at = agent.now;
  ReportRequest(agent, platform, writer.text());
  ExchangePlan plan;
  ServerChoose(agent, config.endpoint, &plan);
  plan.request[0] = {writer.data, writer.size};
  plan.request_part_count = 1;
  if (config.is_secret) {
    // The token goes out from where it is kept.
    const SecretBytes token = RingToken(agent.ring, agent.tokens[config.parent_index].slot);
    plan.request[0].size = token_at;
    plan.request[1] = {token.data, token.size};
    plan.request[2] = {writer.data + token_at, writer.size - token_at};
    plan.request_part_count = 3;
  }
  plan.slot = RingSpan(agent.ring, request.slot);
  plan.deadline = deadline;
  return ExchangeBegin(agent.connection, platform, plan);
}

// Takes the first answer of a source that begins with a challenge: the same request again, with
// what the challenge asks for, in the same try and time. What is no challenge is the answer.
ExchangeState ChallengeTake(Agent& agent, Platform& platform, ExchangeState state) {
  ActiveRequest& request = agent.request;
  const ResponseReader& reader = agent.connection.reader;
  const TokenConfig& config = ConfigOf(agent).tokens[request.token_index];
  if (!SourceLookUp(config.source).is_challenging || request.is_challenged) return state;
  request.is_challenged = true;
  if (reader.http_status == 200) return {true, {Fault::kAnswerUnchallenged, reader.http_status}};
  if (reader.http_status != kStatusUnauthorized) return state;
  KeyFile key_file;
  SecretBytes key;
  const std::string_view header = ResponseText(reader, reader.www_authenticate);
  Status status = SourceJudgeChallenge(config.source, header, &key_file);
  if (status.ok()) status = KeyRead(platform, key_file, SecretMemory(agent), &key);
  if (!status.ok()) return {true, status};
  RingTouch(agent.ring, request.slot, reader.touched_size);
  return Send(agent, platform, key, agent.connection.deadline);
}

void OnState(Agent& agent, Platform& platform, ExchangeState state) {
  if (state.finished && state.status.ok()) state = ChallengeTake(agent, platform, state);
  if (state.finished) Conclude(agent, platform, state.status);
}

void Begin(Agent& agent, Platform& platform, uint32_t token_index) {
  const TokenConfig& config = ConfigOf(agent).tokens[token_index];
  TokenState& token = agent.tokens[token_index];
  ActiveRequest& request = agent.request;
  request.token_index = token_index;
  request.slot = RingReserve(agent.ring, ConfigOf(agent).token_count);
  request.sent_at = agent.now;
  request.is_forced = token.is_forced;
  request.is_challenged = false;
  token.requested_at = agent.now;
  ++token.request_count;
  SecretBytes assertion;
  if (!config.endpoint.assertion_path.empty()) {
    const Status read = AssertionRead(platform, config.endpoint.assertion_path.data(),
                                      SecretMemory(agent), &assertion);
    if (!read.ok()) return OnState(agent, platform, {true, read});
  }
  const Instant deadline =
      Earliest(agent.now + ConfigOf(agent).request_timeout, agent.command_deadline);
  OnState(agent, platform, Send(agent, platform, assertion, deadline));
}

// `once`: a secret whose token is not to be had is settled by the token's failure.
void SettleOrphans(Agent& agent) {
  for (uint32_t index = 0; index < ConfigOf(agent).token_count; ++index) {
    const TokenConfig& config = ConfigOf(agent).tokens[index];
    if (!config.is_secret || !agent.tokens[config.parent_index].is_settled) continue;
    if (SecretIsWaiting(agent, index)) agent.tokens[index].is_settled = true;
  }
}

}  // namespace

bool SecretIsWaiting(const Agent& agent, uint32_t token_index) {
  const TokenConfig& config = ConfigOf(agent).tokens[token_index];
  if (!config.is_secret) return false;
  const TokenState& parent = agent.tokens[config.parent_index];
  if (parent.slot == kSlotNone) return true;
  // While that fails, the token in force is still as good as it was, unless the vault refuses it.
  const bool is_hopeful = parent.failure_count == 0 || agent.tokens[token_index].is_rejected;
  return parent.is_forced && is_hopeful;
}

void RequestForgetToken(Agent& agent, Platform& platform, uint32_t token_index) {
  const uint32_t active = agent.request.token_index;
  if (active == kTokenNone) return;
  const TokenConfig& config = ConfigOf(agent).tokens[active];
  if (config.is_secret && config.parent_index == token_index) RequestAbandon(agent, platform);
}

void RequestBeginDue(Agent& agent, Platform& platform) {
  if (agent.request.token_index != kTokenNone) return;
  if (agent.mode != Mode::kRun) SettleOrphans(agent);
  uint32_t due = kTokenNone;
  for (uint32_t index = 0; index < ConfigOf(agent).token_count; ++index) {
    const TokenState& token = agent.tokens[index];
    if (token.is_settled && agent.mode != Mode::kRun) continue;
    if (token.attempt_at > agent.now || SecretIsWaiting(agent, index)) continue;
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
    token.attempt_at = Latest(agent.now, token.requested_at + kSignalledIntervalMin);
  }
}

}  // namespace miagent
