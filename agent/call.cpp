#include "agent/call.h"

#include "agent/base/address.h"
#include "agent/base/check.h"
#include "agent/call_request.h"
#include "agent/http/challenge.h"
#include "agent/report.h"
#include "agent/tls/trust.h"

namespace miagent {
namespace {

constexpr int32_t kStatusUnauthorized = 401;
constexpr size_t kHeaderShownSizeMax = 200;  // of Location and Retry-After

const CallOptions& OptionsOf(const Agent& agent) { return agent.command->call; }

// ---- the data ---------------------------------------------------------------------------------

// Reads to the end of the file, or of standard input where there is none.
Status DataRead(Platform& platform, const File* file, Span memory, uint32_t* size) {
  char more = 0;
  while (true) {
    const bool is_full = *size == memory.size;
    char* const begin = is_full ? &more : memory.data + *size;
    const size_t room = is_full ? 1 : memory.size - *size;
    const IoResult read =
        file != nullptr ? FileRead(platform, *file, begin, room) : InputRead(platform, begin, room);
    if (!read.ok()) return {Fault::kCallDataRead, read.error};
    if (read.count == 0) return kOk;
    if (is_full) return {Fault::kCallDataTooLarge};
    *size += read.count;
  }
}

Status DataLoad(Agent& agent, Platform& platform, std::string_view data) {
  CallState& call = agent.call;
  const Span memory{call.data, sizeof(call.data)};
  call.body = data;
  if (!StartsWith(data, "@")) {
    return data.size() <= kCallDataSizeMax ? kOk : Status{Fault::kCallDataTooLarge};
  }
  MemoryLock(platform, call.data, sizeof(call.data));
  if (data == "@-") {
    TRY(DataRead(platform, nullptr, memory, &call.data_size));
  } else {
    File file;
    const IoResult opened = FileOpen(platform, data.data() + 1, &file);
    if (!opened.ok()) return {Fault::kCallDataRead, opened.error};
    const Status status = DataRead(platform, &file, memory, &call.data_size);
    FileClose(platform, file);
    TRY(status);
  }
  call.body = {call.data, call.data_size};
  return kOk;
}
static_assert(kCallDataSizeMax == 256 * 1024, "as the message says");

// ---- the end ----------------------------------------------------------------------------------

// Gives the answer's slot back, and the connection.
void Drop(Agent& agent, Platform& platform) {
  CallState& call = agent.call;
  ConnectionClose(agent.connection, platform);
  if (call.slot == kSlotNone) return;
  RingTouch(agent.ring, call.slot, agent.connection.reader.touched_size);
  RingRetire(agent.ring, call.slot);
  call.slot = kSlotNone;
}

void End(Agent& agent, Platform& platform, Status status) {
  Drop(agent, platform);
  agent.call.phase = CallPhase::kOver;
  agent.is_finished = true;
  agent.exit_code = FaultLookUp(status.fault).exit_code;
}

// A header's value out of the answer, as it is shown.
void ShownAppend(TextWriter& text, std::string_view name, std::string_view value) {
  if (value.empty()) return;
  Append(text, name);
  const size_t size = value.size() < kHeaderShownSizeMax ? value.size() : kHeaderShownSizeMax;
  AppendPrintable(text, Slice(value, 0, size));
}

// Tells what the answer is, in one line: status, code and message, and what else helps.
void AnswerTell(Agent& agent, Platform& platform, Status status) {
  const ResponseReader& reader = agent.connection.reader;
  char bytes[kErrorDescriptionSizeMax + 512];
  TextWriter text{bytes, sizeof(bytes)};
  Append(text, "HTTP ");
  AppendDecimal(text, reader.http_status);
  if (agent.error.code_size != 0) Append(text, ' ');
  Append(text, agent.error.code_text());
  if (agent.error.description_size != 0) Append(text, ": ");
  Append(text, agent.error.description_text());
  if (status.fault == Fault::kAnswerRedirect) {
    Append(text, "; redirects are not followed");
    ShownAppend(text, ": ", CallUrlShown(ResponseText(reader, reader.location)));
  } else if (status.fault == Fault::kAnswerUnavailable) {
    Append(text, "; try again later");
    ShownAppend(text, ", Retry-After: ", ResponseText(reader, reader.retry_after));
  } else if (reader.http_status == kStatusUnauthorized) {
    Append(text, "; is --resource right, and may this identity do that?");
  }
  ReportText(agent, platform, CallUrlShown(OptionsOf(agent).url_text), text.text());
}

// Tells what is wrong with an exchange, or with an answer's body.
void FailureTell(Agent& agent, Platform& platform, Status status) {
  const std::string_view url = CallUrlShown(OptionsOf(agent).url_text);
  const bool is_of_body =
      status.fault >= Fault::kJsonSyntax && status.fault <= Fault::kJsonDuplicateName;
  if (status.fault == Fault::kBodyTooLarge || is_of_body) {
    char bytes[256];
    TextWriter text{bytes, sizeof(bytes)};
    Append(text, FaultLookUp(status.fault).what);
    Append(text, "; --key takes a JSON object of up to 32 KiB");
    return ReportText(agent, platform, url, text.text());
  }
  if (status.fault == Fault::kTimeout) {
    return ReportText(agent, platform, url, "silent for 10 seconds; --timeout gives it longer");
  }
  ReportFailure(agent, platform, url, status);
}
static_assert(kRequestTimeoutDefault == Seconds(10), "as the message says");

// ---- the answer -------------------------------------------------------------------------------

Span BodyOf(Agent& agent) {
  const ResponseReader& reader = agent.connection.reader;
  return {reader.slot.data + reader.body.offset, reader.body.size};
}

Status Print(Platform& platform, std::string_view text, std::string_view end) {
  const ConstPart parts[] = {{text.data(), text.size()}, {end.data(), end.size()}};
  const IoResult written = OutputWrite(platform, parts, 2);
  return written.ok() ? kOk : Status{Fault::kOutputWrite, written.error};
}

// The sink of a 2xx answer's body.
Status BodyTake(void* context, std::string_view piece) {
  CallState& call = *static_cast<CallState*>(context);
  call.streamed_size += piece.size();
  return Print(*call.platform, piece, {});
}

// A 401: the token is got anew, past the source's own cache.
void Refuse(Agent& agent, Platform& platform) {
  CallState& call = agent.call;
  const ResponseReader& reader = agent.connection.reader;
  std::string_view claims;
  call.claims_size = 0;
  if (ChallengeClaims(ResponseText(reader, reader.www_authenticate),
                      {call.claims, sizeof(call.claims)}, &claims)) {
    call.claims_size = static_cast<uint32_t>(claims.size());
  }
  Drop(agent, platform);
  TokenState& token = agent.tokens[0];
  call.is_refused = true;
  call.refused_slot = token.slot;
  call.phase = CallPhase::kToken;
  token.is_forced = true;
  token.is_settled = false;
  token.attempt_at = agent.now;
}

// An answer that is no success: its body goes to standard output, its error to standard error.
void ErrorTake(Agent& agent, Platform& platform, Status status) {
  const std::string_view body{BodyOf(agent).data, BodyOf(agent).size};
  agent.error.code_size = 0;
  agent.error.description_size = 0;
  // Where standard output can't be written, what matters is the status.
  if (OptionsOf(agent).key.empty()) static_cast<void>(Print(platform, body, {}).ok());
  ErrorAnswerRead(BodyOf(agent), &agent.error);
  AnswerTell(agent, platform, status);
  End(agent, platform, status);
}

void Answered(Agent& agent, Platform& platform) {
  const ResponseReader& reader = agent.connection.reader;
  Status status = CallStatusJudge(reader.http_status);
  if (reader.http_status == kStatusUnauthorized && !agent.call.is_refused) {
    return Refuse(agent, platform);
  }
  if (!status.ok()) return ErrorTake(agent, platform, status);
  if (!OptionsOf(agent).key.empty()) {
    std::string_view text;
    status = CallExtract(BodyOf(agent), OptionsOf(agent).key, &text);
    if (status.ok()) status = Print(platform, text, "\n");
    if (!status.ok()) FailureTell(agent, platform, status);
  }
  End(agent, platform, status);
}

void OnState(Agent& agent, Platform& platform, ExchangeState state) {
  if (!state.finished) return;
  Status status = state.status;
  if (status.ok()) return Answered(agent, platform);
  ResponseReader& reader = agent.connection.reader;
  if (status.fault == Fault::kBodyTooLarge && reader.http_status / 100 != 2) {
    reader.body.size = 0;  // what the status says counts, and not how it is said
    return Answered(agent, platform);
  }
  if (status.fault == Fault::kTimeout && agent.call.deadline != kInstantNever) {
    status.fault = Fault::kOutOfTime;
  }
  FailureTell(agent, platform, status);
  End(agent, platform, status);
}

// ---- the request ------------------------------------------------------------------------------

Instant DeadlineFrom(const Agent& agent, Instant now) {
  if (agent.call.deadline != kInstantNever) return agent.call.deadline;
  return now + ConfigOf(agent).request_timeout;
}

// Grows with each byte that is sent or received.
uint64_t MovedSize(const Agent& agent) {
  const Connection& connection = agent.connection;
  return agent.call.streamed_size + connection.sent_size + connection.reader.received_size;
}

void PlanMake(Agent& agent, Platform& platform, ExchangePlan* plan) {
  const CallOptions& options = OptionsOf(agent);
  CallState& call = agent.call;
  ActiveRequest& request = agent.request;
  if (!AddressParse(options.url.host, options.url.port, &plan->address)) {
    plan->host = options.url.host;
  }
  plan->port = options.url.port;
  const bool is_made = TlsTrustBundle(options.url.host, ConfigOf(agent).ca_file, &request.trust);
  CHECK(is_made);  // the command line has been judged
  plan->trust = &request.trust;
  TextWriter head{request.bytes, sizeof(request.bytes)};
  size_t token_at = 0;
  CallRequestWrite(options, call.body.size(), head, &token_at);
  CHECK(!head.overflowed);
  const auto head_size = static_cast<uint32_t>(head.size);
  if (head_size > request.touched_size) request.touched_size = head_size;
  const SecretBytes token = RingToken(agent.ring, agent.tokens[0].slot);
  plan->request[0] = {head.data, token_at};
  plan->request[1] = {token.data, token.size};
  plan->request[2] = {head.data + token_at, head.size - token_at};
  plan->request[3] = {call.body.data(), call.body.size()};
  plan->request_part_count = call.body.empty() ? 3 : 4;
  plan->slot = RingSpan(agent.ring, call.slot);
  if (options.key.empty()) plan->sink = {&call, BodyTake};
  plan->is_head_only = options.method == "HEAD";
  plan->deadline = DeadlineFrom(agent, ClockBoot(platform));
}

}  // namespace

Status CallPrepare(Agent& agent, Platform& platform) {
  agent.call.deadline = agent.command_deadline;
  agent.call.platform = &platform;
  if (TlsEngineName().empty()) {
    ReportFailure(agent, platform, "call", {Fault::kTlsMissing, 0});
    return {Fault::kTlsMissing, 0};
  }
  const Status status = DataLoad(agent, platform, OptionsOf(agent).data);
  if (!status.ok()) ReportFailure(agent, platform, "--data", status);
  return status;
}

void CallBegin(Agent& agent, Platform& platform) {
  CallState& call = agent.call;
  if (call.is_refused && agent.tokens[0].slot == call.refused_slot) {
    const Status status{Fault::kCallSameToken};
    FailureTell(agent, platform, status);
    return End(agent, platform, status);
  }
  // A new connection, always: a request on a kept one may be sent twice.
  ConnectionClose(agent.connection, platform);
  call.phase = CallPhase::kAsking;
  call.slot = RingReserve(agent.ring, ConfigOf(agent).token_count);
  ExchangePlan plan;
  PlanMake(agent, platform, &plan);
  OnState(agent, platform, ExchangeBegin(agent.connection, platform, plan));
}

void CallOnEvent(Agent& agent, Platform& platform, const Event& event) {
  const uint64_t moved_size = MovedSize(agent);
  const ExchangeState state = ExchangeOnEvent(agent.connection, platform, event);
  // By a clock of now: standard output may have been waited for.
  if (!state.finished && MovedSize(agent) != moved_size) {
    agent.connection.deadline = DeadlineFrom(agent, ClockBoot(platform));
  }
  OnState(agent, platform, state);
}

void CallOnTick(Agent& agent, Platform& platform) {
  if (agent.call.phase != CallPhase::kAsking) return;
  OnState(agent, platform, ExchangeOnDeadline(agent.connection, platform, agent.now));
}

}  // namespace miagent
