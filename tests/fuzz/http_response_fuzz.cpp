// The response reader: one verdict however the bytes are cut, a body that a plain reference reader
// finds too, and nothing written outside of what it says it touched.

#include "agent/http/response.h"

#include "agent/limits.h"
#include "tests/fuzz/fuzz.h"

namespace miagent {
namespace {

const std::string kFilled(kSlotSize, '\x5A');

struct Outcome {
  Fault fault = Fault::kNone;
  int32_t http_status = 0;
  bool complete = false;
  bool keep_alive = false;
  uint32_t head_size = 0;
  std::string body;
  std::string headers;

  bool operator==(const Outcome& other) const {
    return fault == other.fault && http_status == other.http_status && complete == other.complete &&
           keep_alive == other.keep_alive && body == other.body && headers == other.headers;
  }
};

// Feeds the answer in pieces; `size_max` 0: as dice fall.
Outcome Receive(std::string_view answer, uint32_t size_max, bool has_end) {
  Bytes slot(kFilled);
  auto reader = std::make_unique<ResponseReader>();
  ResponseBegin(*reader, slot.span());
  Dice dice(answer);
  Status status;
  while (status.ok() && !answer.empty()) {
    const Span room = ResponseRoom(*reader);
    MUST(room.size > 0);
    size_t size = std::min(room.size, answer.size());
    size = std::min<size_t>(size, size_max != 0 ? size_max : 1 + dice.Draw(200));
    std::memcpy(room.data, answer.data(), size);
    answer.remove_prefix(size);
    status = ResponseOnBytes(*reader, size);
  }
  if (status.ok() && has_end) {
    status = ResponseOnEnd(*reader);
    MUST(status.ok() == reader->complete);
  }
  MUST(reader->touched_size <= kSlotSize);
  const size_t untouched_size = kSlotSize - reader->touched_size;
  MUST(std::memcmp(slot.text().data() + reader->touched_size, kFilled.data(), untouched_size) == 0);
  Outcome outcome;
  outcome.fault = status.fault;
  outcome.http_status = reader->http_status;
  outcome.complete = reader->complete && status.ok();
  if (!outcome.complete) return outcome;
  MUST(reader->http_status >= 200 && reader->http_status <= 599);
  MUST(reader->head_size <= kHttpHeadSizeMax && reader->header_count <= kHttpHeaderCountMax);
  MUST(reader->interim_count <= kHttpInterimCountMax);
  MUST(reader->body.size <= kAnswerBodySizeMax);
  MUST(reader->body.offset + reader->body.size <= reader->touched_size || reader->body.size == 0);
  outcome.keep_alive = reader->keep_alive;
  outcome.head_size = reader->head_size;
  outcome.body = ResponseText(*reader, reader->body);
  for (const Range range : {reader->date, reader->retry_after, reader->www_authenticate}) {
    const std::string_view value = ResponseText(*reader, range);
    MUST(value == Trim(value));
    MUST(value.find_first_of("\r\n") == value.npos && value.find('\0') == value.npos);
    outcome.headers += std::string(value) + "\n";
  }
  MUST(outcome.http_status == 401 || reader->www_authenticate.size == 0);
  return outcome;
}

// The body of chunks, read as plainly as can be. False for what is no whole chunked body.
bool ChunksRead(std::string_view raw, std::string* body) {
  for (;;) {
    const size_t line_end = raw.find("\r\n");
    if (line_end == raw.npos) return false;
    const unsigned long long size =
        std::strtoull(std::string(raw.substr(0, line_end)).c_str(), nullptr, 16);
    raw.remove_prefix(line_end + 2);
    if (size == 0) break;
    if (size + 2 > raw.size() || raw.substr(size, 2) != "\r\n") return false;
    body->append(raw.substr(0, size));
    raw.remove_prefix(size + 2);
  }
  return raw.size() >= 2 && raw.substr(raw.size() - 2) == "\r\n";
}

std::string LowerHead(std::string_view answer, size_t head_size) {
  std::string head(answer.substr(0, head_size));
  for (char& c : head) c = ToLower(c);
  return head;
}

}  // namespace
}  // namespace miagent

FUZZ_TARGET(input) {
  const std::string answer = Expand(input, 96 * 1024);
  for (const bool has_end : {false, true}) {
    const Outcome whole = Receive(answer, UINT32_MAX, has_end);
    MUST(Receive(answer, 0, has_end) == whole);
    if (answer.size() < 1500) MUST(Receive(answer, 1, has_end) == whole);
    if (!whole.complete) continue;
    MUST(answer.substr(0, 7) == "HTTP/1.");
    MUST(answer.compare(whole.head_size - 4, 4, "\r\n\r\n") == 0);
    for (size_t at = 0; at < whole.head_size; ++at) {  // lines end with CR LF, and nothing else
      MUST(answer[at] != '\r' || answer[at + 1] == '\n');
      MUST(answer[at] != '\n' || answer[at - 1] == '\r');
    }
    const std::string raw = answer.substr(whole.head_size);
    const std::string head = LowerHead(answer, whole.head_size);
    if (head.find("\ntransfer-encoding:") == head.npos) {
      MUST(whole.body == raw);
    } else {
      std::string body;
      MUST(ChunksRead(raw, &body));
      MUST(whole.body == body);
    }
  }
}
