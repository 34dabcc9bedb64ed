#include "platform/sim/server.h"

#include <cstring>

#include "platform/sim/text.h"

namespace miagent {
namespace {

// Writes text into fixed memory.
struct Pen {
  char* bytes = nullptr;
  size_t capacity = 0;
  size_t size = 0;
  std::string_view text() const { return {bytes, size}; }
};

void Put(Pen& pen, std::string_view text) {
  if (pen.size + text.size() > pen.capacity) SimFailed("an answer too large for the simulator");
  if (!text.empty()) memcpy(pen.bytes + pen.size, text.data(), text.size());
  pen.size += text.size();
}

void PutNumber(Pen& pen, int64_t value, uint32_t digit_count_min = 1) {
  char digits[24];
  size_t first = sizeof(digits);
  uint64_t rest = value < 0 ? ~static_cast<uint64_t>(value) + 1 : static_cast<uint64_t>(value);
  for (uint32_t count = 0; rest != 0 || count < digit_count_min; ++count) {
    digits[--first] = static_cast<char>('0' + rest % 10);
    rest /= 10;
  }
  if (value < 0) Put(pen, "-");
  Put(pen, {digits + first, sizeof(digits) - first});
}

void PutHex(Pen& pen, uint64_t value) {
  char digits[16];
  for (size_t index = 0; index < sizeof(digits); ++index) {
    digits[index] = "0123456789abcdef"[value >> (60 - 4 * index) & 15];
  }
  Put(pen, {digits, sizeof(digits)});
}

// A Date header, RFC 9110 section 5.6.7. Days to civil date: Howard Hinnant's algorithm.
void PutDate(Pen& pen, WallTime at_wall) {
  const int64_t unix_s = at_wall.unix_s < 0 ? 0 : at_wall.unix_s;
  const int64_t days = unix_s / 86400;
  const int64_t shifted = days + 719468;
  const int64_t era = shifted / 146097;
  const int64_t day_of_era = shifted % 146097;
  const int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const int64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t month_shifted = (5 * day_of_year + 2) / 153;
  const int64_t day = day_of_year - (153 * month_shifted + 2) / 5 + 1;
  const int64_t month = month_shifted < 10 ? month_shifted + 3 : month_shifted - 9;
  const int64_t year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);
  constexpr std::string_view kDays = "ThuFriSatSunMonTueWed";
  constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  Put(pen, "Date: ");
  Put(pen, SimTextPart(kDays, static_cast<size_t>(days % 7) * 3, 3));
  Put(pen, ", ");
  PutNumber(pen, day, 2);
  Put(pen, " ");
  Put(pen, SimTextPart(kMonths, static_cast<size_t>(month - 1) * 3, 3));
  Put(pen, " ");
  PutNumber(pen, year, 4);
  Put(pen, " ");
  PutNumber(pen, unix_s / 3600 % 24, 2);
  Put(pen, ":");
  PutNumber(pen, unix_s / 60 % 60, 2);
  Put(pen, ":");
  PutNumber(pen, unix_s % 60, 2);
  Put(pen, " GMT\r\n");
}

SimSegment& SegmentAdd(SimExchange& exchange, SimSegmentKind kind) {
  SimSocket& socket = exchange.world->sockets[exchange.socket_index];
  if (socket.segment_first + socket.segment_count == kSimSegmentCountMax) {
    if (socket.segment_first == 0) SimFailed("an answer in too many parts");
    memmove(socket.segments, socket.segments + socket.segment_first,
            socket.segment_count * sizeof(SimSegment));
    socket.segment_first = 0;
  }
  SimSegment& segment = socket.segments[socket.segment_first + socket.segment_count];
  segment = SimSegment{};
  segment.kind = kind;
  segment.at = exchange.at + exchange.server->latency;
  if (socket.segment_count > 0) segment.at = Latest(segment.at, (&segment - 1)->at);
  ++socket.segment_count;
  return segment;
}

void PutChunks(Pen& pen, std::string_view body, uint32_t chunk_size) {
  for (size_t offset = 0; offset < body.size(); offset += chunk_size) {
    const std::string_view chunk = SimTextPart(body, offset, chunk_size);
    PutHex(pen, chunk.size());
    Put(pen, "\r\n");
    Put(pen, chunk);
    Put(pen, "\r\n");
  }
  Put(pen, "0\r\n\r\n");
}

// The true time at the exchange's cursor.
WallTime TimeOf(const SimExchange& exchange) {
  const int64_t ahead_ms = (exchange.at - exchange.world->now).ms;
  return {SimTrueTime(*exchange.world).unix_s + ahead_ms / 1000};
}

void PutExpiry(Pen& pen, std::string_view name, int64_t value, SimExpiry form) {
  if (form == SimExpiry::kAbsent) return;
  const std::string_view quote = form == SimExpiry::kString ? "\"" : "";
  Put(pen, ",\"");
  Put(pen, name);
  Put(pen, "\":");
  Put(pen, quote);
  PutNumber(pen, value);
  Put(pen, quote);
}

uint64_t HashOf(std::string_view text, uint64_t hash) {
  for (const char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001B3U;
  return hash;
}
constexpr uint64_t kHashStart = 0xCBF29CE484222325U;

// What IMDS itself would refuse; empty for a request that is right.
std::string_view Refusal(const SimExchange& exchange) {
  if (SimRequestHeader(exchange, "metadata") != "true") {
    return "{\"error\":\"bad_request_102\",\"error_description\":\"Required metadata header not "
           "specified\"}";
  }
  const std::string_view target = SimRequestTarget(exchange);
  if (SimTextFind(target, "/metadata/identity/oauth2/token?") != 0 ||
      SimRequestParameter(exchange, "api-version") != "2018-02-01" ||
      SimRequestParameter(exchange, "resource").empty() ||
      !SimRequestHeader(exchange, "x-forwarded-for").empty()) {
    return "{\"error\":\"invalid_request\",\"error_description\":\"malformed\"}";
  }
  return {};
}

void TokenAnswer(SimImds& imds, SimExchange& exchange) {
  const SimToken token = SimImdsAnswerOf(SimImdsIssue(imds, exchange), exchange);
  SimAnswer answer;
  answer.chunk_size = imds.chunk_size;
  answer.closes = imds.closes;
  SimTokenSend(exchange, token, answer);
}

// The step for this request; nullptr when all are used up.
const SimStep* StepTake(SimImds& imds) {
  while (imds.step_index < imds.step_count) {
    const SimStep& step = imds.steps[imds.step_index];
    if (imds.step_used < step.count) {
      ++imds.step_used;
      return &step;
    }
    imds.step_used = 0;
    ++imds.step_index;
  }
  return nullptr;
}

void StatusAnswer(SimExchange& exchange, const SimImds& imds, uint32_t status,
                  std::string_view headers, std::string_view body) {
  SimAnswer answer;
  answer.status = status;
  answer.headers = headers;
  answer.body = body;
  answer.closes = imds.closes;
  SimAnswerSend(exchange, answer);
}

}  // namespace

void SimDelay(SimExchange& exchange, Duration delay) { exchange.at = exchange.at + delay; }

void SimCut(SimExchange& exchange, uint32_t piece_size, Duration gap) {
  exchange.piece_size = piece_size;
  exchange.piece_gap = gap;
}

void SimSend(SimExchange& exchange, std::string_view bytes) {
  if (bytes.empty()) return;
  SimSocket& socket = exchange.world->sockets[exchange.socket_index];
  if (bytes.size() > kSimAnswerSizeMax - socket.answer_size) {
    SimFailed("an answer too large for the simulator");
  }
  SimSegment& segment = SegmentAdd(exchange, SimSegmentKind::kBytes);
  segment.offset = socket.answer_size;
  segment.size = static_cast<uint32_t>(bytes.size());
  segment.piece_size = exchange.piece_size;
  segment.piece_gap = exchange.piece_gap;
  memcpy(exchange.world->answer_bytes[exchange.socket_index] + segment.offset, bytes.data(),
         bytes.size());
  socket.answer_size += segment.size;
  if (segment.piece_size == 0) return;
  const int64_t gap_count = (segment.size - 1) / segment.piece_size;
  SimDelay(exchange, Milliseconds(gap_count * segment.piece_gap.ms));
}

void SimTruncate(SimExchange& exchange, uint32_t size) {
  SimSocket& socket = exchange.world->sockets[exchange.socket_index];
  if (socket.segment_count == 0) SimFailed("nothing was sent that could be cut");
  SimSegment& last = socket.segments[socket.segment_first + socket.segment_count - 1];
  if (last.kind != SimSegmentKind::kBytes || size == 0 || size > last.size) {
    SimFailed("the last send can't be cut there");
  }
  socket.answer_size -= last.size - size;
  last.size = size;
}

void SimEnd(SimExchange& exchange) {
  static_cast<void>(SegmentAdd(exchange, SimSegmentKind::kEnd));
}

void SimReset(SimExchange& exchange) {
  static_cast<void>(SegmentAdd(exchange, SimSegmentKind::kReset));
}

void SimConsume(SimExchange& exchange, uint32_t size) {
  exchange.consumed_size += size;
  if (exchange.consumed_size > exchange.request.size()) SimFailed("consumed more than arrived");
}

std::string_view SimRequestTarget(const SimExchange& exchange) {
  const size_t first = SimTextFind(exchange.request, " ");
  const size_t last = SimTextFind(exchange.request, " ", first + 1);
  return SimTextPart(exchange.request, first + 1, last - first - 1);
}

std::string_view SimRequestHeader(const SimExchange& exchange, std::string_view name) {
  size_t begin = SimTextFind(exchange.request, "\r\n") + 2;
  while (begin < exchange.request.size()) {
    const size_t end = SimTextFind(exchange.request, "\r\n", begin);
    const std::string_view line = SimTextPart(exchange.request, begin, end - begin);
    if (line.empty()) return {};
    const size_t colon = SimTextFind(line, ":");
    if (SimTextEqualIgnoreCase(SimTextPart(line, 0, colon), name)) {
      size_t value = colon + 1;
      while (value < line.size() && line[value] == ' ') ++value;
      return SimTextPart(line, value);
    }
    begin = end + 2;
  }
  return {};
}

std::string_view SimRequestParameter(const SimExchange& exchange, std::string_view name) {
  const std::string_view target = SimRequestTarget(exchange);
  size_t begin = SimTextFind(target, "?") + 1;
  while (begin < target.size()) {
    const size_t end = SimTextFind(target, "&", begin);
    const std::string_view pair = SimTextPart(target, begin, end - begin);
    const size_t equals = SimTextFind(pair, "=");
    if (SimTextPart(pair, 0, equals) == name) return SimTextPart(pair, equals + 1);
    begin = end + 1;
  }
  return {};
}

void SimAnswerSend(SimExchange& exchange, const SimAnswer& answer) {
  Pen pen{exchange.world->scratch_answer, sizeof(exchange.world->scratch_answer)};
  Put(pen, "HTTP/1.1 ");
  PutNumber(pen, answer.status);
  Put(pen, answer.status == 200 ? " OK\r\n" : " Other\r\n");
  if (answer.has_date) PutDate(pen, TimeOf(exchange));
  Put(pen, "Server: sim\r\nContent-Type: ");
  Put(pen, answer.content_type);
  Put(pen, "\r\n");
  Put(pen, answer.headers);
  if (answer.closes) Put(pen, "Connection: close\r\n");
  if (answer.chunk_size != 0) {
    Put(pen, "Transfer-Encoding: chunked\r\n\r\n");
    PutChunks(pen, answer.body, answer.chunk_size);
  } else {
    Put(pen, "Content-Length: ");
    PutNumber(pen, static_cast<int64_t>(answer.body.size()));
    Put(pen, "\r\n\r\n");
    Put(pen, answer.body);
  }
  SimSend(exchange, pen.text());
  if (answer.closes) SimEnd(exchange);
}

void SimTokenSend(SimExchange& exchange, const SimToken& token, SimAnswer answer) {
  Pen pen{exchange.world->scratch_body, sizeof(exchange.world->scratch_body)};
  Put(pen, "{\"access_token\":\"");
  Put(pen, token.access_token);
  Put(pen, "\",\"refresh_token\":\"\"");
  PutExpiry(pen, "expires_in", token.expires_in_s, token.expires_in);
  PutExpiry(pen, "expires_on", token.expires_on_unix_s, token.expires_on);
  PutExpiry(pen, "not_before", token.not_before_unix_s, token.not_before);
  Put(pen, ",\"resource\":\"");
  Put(pen, token.resource);
  Put(pen, "\",\"token_type\":\"Bearer\"}");
  answer.body = pen.text();
  SimAnswerSend(exchange, answer);
}

uint64_t SimImdsKey(std::string_view resource, std::string_view client_id,
                    std::string_view object_id, std::string_view msi_res_id) {
  uint64_t key = kHashStart;
  for (const std::string_view value : {resource, client_id, object_id, msi_res_id}) {
    key = HashOf(value, HashOf(";", key));
  }
  return key == 0 ? 1 : key;
}

const SimIssued& SimImdsIssue(SimImds& imds, const SimExchange& exchange) {
  const uint64_t key = SimImdsKey(
      SimRequestParameter(exchange, "resource"), SimRequestParameter(exchange, "client_id"),
      SimRequestParameter(exchange, "object_id"), SimRequestParameter(exchange, "msi_res_id"));
  const bool bypass = SimRequestParameter(exchange, "bypass_cache") == "true";
  const WallTime now_wall = TimeOf(exchange);
  for (SimIssued& issued : imds.issued) {
    if (issued.key != key && issued.key != 0) continue;
    const bool is_young = issued.key == key && now_wall - issued.issued_at_wall < imds.keeps_token;
    if (is_young && !bypass) return issued;
    issued.key = key;
    issued.number = ++imds.issued_number;
    issued.token_size = imds.token_size;
    issued.issued_at = exchange.at;
    issued.issued_at_wall = now_wall;
    issued.expires_at_wall = {now_wall.unix_s + imds.lifetime.ms / 1000};
    imds.issues[issued.number % kSimIssueCountMax] = issued;
    return issued;
  }
  SimFailed("the simulated IMDS knows too many identities");
}

SimToken SimImdsAnswerOf(const SimIssued& issued, SimExchange& exchange) {
  SimToken token;
  token.resource = SimRequestParameter(exchange, "resource");
  token.access_token =
      SimImdsToken(issued.number, token.resource, issued.token_size, exchange.world->scratch_token);
  token.expires_on_unix_s = issued.expires_at_wall.unix_s;
  token.expires_in_s = issued.expires_at_wall.unix_s - TimeOf(exchange).unix_s;
  token.not_before_unix_s = issued.issued_at_wall.unix_s;
  return token;
}

const SimIssued* SimImdsIssueFind(const SimImds& imds, uint64_t number) {
  const SimIssued& issue = imds.issues[number % kSimIssueCountMax];
  return number != 0 && issue.number == number ? &issue : nullptr;
}

void SimStepAdd(SimImds& imds, const SimStep& step) {
  if (imds.step_count == kSimStepCountMax) SimFailed("too many steps");
  imds.steps[imds.step_count] = step;
  ++imds.step_count;
}

std::string_view SimImdsToken(uint32_t number, std::string_view resource, uint32_t size,
                              char* bytes) {
  Pen pen{bytes, kSimTokenSizeMax};
  Put(pen, "sim.");
  PutNumber(pen, number);
  Put(pen, ".");
  const uint64_t hash = HashOf(resource, kHashStart);
  PutHex(pen, hash);
  Put(pen, ".");
  // Filler that depends on both, so that a mixture of two tokens is none of them.
  uint64_t state = HashOf(pen.text(), hash);
  if (size > pen.capacity - sizeof(state)) SimFailed("a token too large for the simulator");
  for (; pen.size < size; pen.size += sizeof(state)) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    // Eight letters from A to P in one step, as this is most of what a year costs.
    const uint64_t letters = (state >> 4 & 0x0F0F0F0F0F0F0F0FU) + 0x4141414141414141U;
    memcpy(pen.bytes + pen.size, &letters, sizeof(letters));
  }
  pen.size = size;
  return pen.text();
}

void SimImdsAnswer(void* context, SimExchange& exchange) {
  SimImds& imds = *static_cast<SimImds*>(context);
  imds.requested_at[imds.request_count % 64] = exchange.at;
  ++imds.request_count;
  SimDelay(exchange, imds.delay);
  SimCut(exchange, imds.piece_size, imds.piece_gap);
  const bool bypass = SimRequestParameter(exchange, "bypass_cache") == "true";
  if (bypass) ++imds.bypass_count;
  if (const std::string_view refusal = Refusal(exchange); !refusal.empty()) {
    ++imds.refused_count;
    StatusAnswer(exchange, imds, 400, {}, refusal);
    return;
  }
  const SimStep* step = StepTake(imds);
  const SimStepKind kind = step == nullptr ? SimStepKind::kToken : step->kind;
  switch (kind) {
    case SimStepKind::kToken: TokenAnswer(imds, exchange); break;
    case SimStepKind::kStatus:
      StatusAnswer(exchange, imds, step->status, step->headers, step->body);
      break;
    case SimStepKind::kSilence: break;
    case SimStepKind::kReset: SimReset(exchange); break;
    case SimStepKind::kEnd: SimEnd(exchange); break;
    case SimStepKind::kBytes: SimSend(exchange, step->body); break;
  }
}

}  // namespace miagent
