#include "agent/http/response.h"

#include <cstring>

#include "agent/base/check.h"
#include "agent/limits.h"

namespace miagent {
namespace {

constexpr int kGoOn = 0;
constexpr int kStop = -1;

ResponseReader& ReaderOf(llhttp_t* parser) { return *static_cast<ResponseReader*>(parser->data); }

// Stops the parser; the first fault wins.
int Fail(ResponseReader& reader, Fault fault) {
  if (reader.failure.ok()) reader.failure = {fault, reader.http_status};
  return kStop;
}

uint32_t PositionOf(const ResponseReader& reader, const char* at) {
  CHECK(at >= reader.slot.data);
  CHECK(at <= reader.slot.data + reader.slot.size);
  return static_cast<uint32_t>(at - reader.slot.data);
}

// A name or a value comes in as many parts as the head was received in. They touch, as the head is
// received in one piece of memory.
void RangeGrow(ResponseReader& reader, Range& range, const char* at, size_t size) {
  const uint32_t offset = PositionOf(reader, at);
  if (range.size == 0) range.offset = offset;
  CHECK(range.offset + range.size == offset);
  range.size += static_cast<uint32_t>(size);
}

int OnHeaderName(llhttp_t* parser, const char* at, size_t size) {
  ResponseReader& reader = ReaderOf(parser);
  if (!reader.head_complete) RangeGrow(reader, reader.header_name, at, size);
  return kGoOn;
}

int OnHeaderValue(llhttp_t* parser, const char* at, size_t size) {
  ResponseReader& reader = ReaderOf(parser);
  if (!reader.head_complete) RangeGrow(reader, reader.header_value, at, size);
  return kGoOn;
}

// Keeps a header's value, without blanks around it, where none was kept before.
void ValueKeep(const ResponseReader& reader, Range* kept) {
  if (kept->size != 0) return;
  const std::string_view value = Trim(ResponseText(reader, reader.header_value));
  const char* const begin = value.data();
  *kept = {PositionOf(reader, begin), static_cast<uint32_t>(value.size())};
}

int OnHeaderComplete(llhttp_t* parser) {
  ResponseReader& reader = ReaderOf(parser);
  if (++reader.header_count > kHttpHeaderCountMax) return Fail(reader, Fault::kHttpHeadTooLarge);
  if (reader.head_complete) return kGoOn;  // a trailer: nothing in it is of use
  const std::string_view name = ResponseText(reader, reader.header_name);
  if (EqualIgnoreCase(name, "transfer-encoding")) {
    // Compared raw: llhttp takes `chunked` with a tab behind it for an encoding that it doesn't
    // know, and the chunks' framing for body.
    const std::string_view value = ResponseText(reader, reader.header_value);
    if (reader.has_transfer_encoding || !EqualIgnoreCase(value, "chunked")) {
      return Fail(reader, Fault::kHttpTransferEncoding);
    }
    reader.has_transfer_encoding = true;
  } else if (EqualIgnoreCase(name, "date")) {
    ValueKeep(reader, &reader.date);
  } else if (EqualIgnoreCase(name, "retry-after")) {
    ValueKeep(reader, &reader.retry_after);
  } else if (parser->status_code / 100 == 3 && EqualIgnoreCase(name, "location")) {
    ValueKeep(reader, &reader.location);
  } else if (parser->status_code == 401 && EqualIgnoreCase(name, "www-authenticate")) {
    ValueKeep(reader, &reader.www_authenticate);
  }
  reader.header_name = {};
  reader.header_value = {};
  return kGoOn;
}

// An interim answer has no body, and the final one follows on the same connection.
int InterimTake(ResponseReader& reader, const llhttp_t& parser) {
  const bool has_body = (parser.flags & (F_CONTENT_LENGTH | F_TRANSFER_ENCODING)) != 0;
  const bool switches = parser.status_code == HTTP_STATUS_SWITCHING_PROTOCOLS;
  if (++reader.interim_count > kHttpInterimCountMax || has_body || switches ||
      parser.http_minor == 0) {
    return Fail(reader, Fault::kHttpInterim);
  }
  reader.date = {};
  reader.retry_after = {};
  return kGoOn;
}

// Whether the body goes to the sink, and not into the slot.
bool IsStreamed(const ResponseReader& reader) {
  return reader.sink.take != nullptr && reader.http_status / 100 == 2;
}

int OnHeadComplete(llhttp_t* parser) {
  ResponseReader& reader = ReaderOf(parser);
  const bool has_size = (parser->flags & F_CONTENT_LENGTH) != 0;
  const bool is_chunked = (parser->flags & F_CHUNKED) != 0;
  if (parser->http_major != 1 || parser->http_minor > 1) return Fail(reader, Fault::kHttpVersion);
  if (parser->status_code >= 100 && parser->status_code < 200) return InterimTake(reader, *parser);
  reader.http_status = parser->status_code;
  if (parser->status_code < 100 || parser->status_code > 599) {
    return Fail(reader, Fault::kHttpStatusRange);
  }
  if (reader.has_transfer_encoding != is_chunked || (is_chunked && has_size) ||
      (is_chunked && parser->http_minor == 0)) {
    return Fail(reader, Fault::kHttpTransferEncoding);
  }
  if (has_size && parser->content_length > kAnswerBodySizeMax && !IsStreamed(reader) &&
      !reader.is_head_only) {
    return Fail(reader, Fault::kBodyTooLarge);
  }
  if (reader.is_head_only) parser->flags |= F_SKIPBODY;
  reader.keep_alive = llhttp_should_keep_alive(parser) != 0;
  reader.head_complete = true;
  return HPE_PAUSED;  // so that the caller learns where the head ends
}

int OnChunkHead(llhttp_t* parser) {
  ResponseReader& reader = ReaderOf(parser);
  CHECK(reader.body.size <= kAnswerBodySizeMax);
  if (IsStreamed(reader)) return kGoOn;
  if (parser->content_length <= kAnswerBodySizeMax - reader.body.size) return kGoOn;
  return Fail(reader, Fault::kBodyTooLarge);
}

int OnBody(llhttp_t* parser, const char* at, size_t size) {
  ResponseReader& reader = ReaderOf(parser);
  CHECK(reader.head_complete);
  CHECK(reader.body.size <= kAnswerBodySizeMax);
  if (IsStreamed(reader)) {
    const Status taken = reader.sink.take(reader.sink.context, {at, size});
    reader.failure = taken;
    return taken.ok() ? kGoOn : kStop;
  }
  if (size > kAnswerBodySizeMax - reader.body.size) return Fail(reader, Fault::kBodyTooLarge);
  const uint32_t end = reader.body.offset + reader.body.size;
  const uint32_t offset = PositionOf(reader, at);
  CHECK(end <= offset);
  CHECK(size <= reader.slot.size - offset);
  if (end != offset) {
    memmove(reader.slot.data + end, at, size);
    reader.moved_size += static_cast<uint32_t>(size);
  }
  reader.body.size += static_cast<uint32_t>(size);
  return kGoOn;
}

int OnMessageComplete(llhttp_t* parser) {
  ResponseReader& reader = ReaderOf(parser);
  if (!reader.head_complete) return kGoOn;  // of an interim answer
  reader.complete = true;
  return HPE_PAUSED;
}

constexpr llhttp_settings_t SettingsMake() {
  llhttp_settings_t settings{};
  settings.on_header_field = OnHeaderName;
  settings.on_header_value = OnHeaderValue;
  settings.on_header_value_complete = OnHeaderComplete;
  settings.on_headers_complete = OnHeadComplete;
  settings.on_chunk_header = OnChunkHead;
  settings.on_body = OnBody;
  settings.on_message_complete = OnMessageComplete;
  return settings;
}

constexpr llhttp_settings_t kSettings = SettingsMake();

Fault ParserFault(const ResponseReader& reader, llhttp_errno_t error) {
  switch (error) {
    case HPE_INVALID_VERSION: return Fault::kHttpVersion;
    case HPE_INVALID_TRANSFER_ENCODING: return Fault::kHttpTransferEncoding;
    case HPE_CLOSED_CONNECTION: return Fault::kHttpInterim;
    case HPE_INVALID_CONTENT_LENGTH:
    case HPE_UNEXPECTED_CONTENT_LENGTH:
      return reader.has_transfer_encoding ? Fault::kHttpTransferEncoding : Fault::kHttpSyntax;
    default: return Fault::kHttpSyntax;
  }
}

// Parses from `begin` to `end`, or to where a callback pauses; stores how far.
Status Parse(ResponseReader& reader, const char* begin, const char* end, const char** position) {
  const llhttp_errno_t error =
      llhttp_execute(&reader.parser, begin, static_cast<size_t>(end - begin));
  if (error != HPE_OK && error != HPE_PAUSED) {
    Fail(reader, ParserFault(reader, error));
    return reader.failure;
  }
  CHECK(reader.failure.ok());
  *position = error == HPE_OK ? end : llhttp_get_error_pos(&reader.parser);
  CHECK(*position >= begin);
  CHECK(*position <= end);
  return kOk;
}

// Whether lines end with CR LF and nothing else does: the first line or, behind interim answers,
// all of them. llhttp takes CR CR for the end of a status line, and LF for an empty line before
// one.
bool LinesEnd(std::string_view head, bool is_first_alone) {
  for (size_t index = 0; index + 1 < head.size(); ++index) {
    const bool is_end = head[index] == '\r';
    if (is_end != (head[index + 1] == '\n')) return false;
    if (is_end && is_first_alone) return true;
  }
  return true;
}

// Parses what came of the head, never past its limit, so that the verdict doesn't hang on how the
// bytes were cut. On a complete head *position is its end.
Status HeadParse(ResponseReader& reader, const char* begin, const char* end,
                 const char** position) {
  const char* const head_end_max = reader.slot.data + kHttpHeadSizeMax;
  if (begin == reader.slot.data && *begin != 'H') {
    Fail(reader, Fault::kHttpSyntax);  // llhttp would skip any count of empty lines
    return reader.failure;
  }
  TRY(Parse(reader, begin, end < head_end_max ? end : head_end_max, position));
  if (!reader.head_complete) {
    if (*position == head_end_max) Fail(reader, Fault::kHttpHeadTooLarge);
    return reader.failure;
  }
  reader.head_size = PositionOf(reader, *position);
  if (!LinesEnd({reader.slot.data, reader.head_size}, reader.interim_count == 0)) {
    Fail(reader, Fault::kHttpSyntax);
    return reader.failure;
  }
  reader.body.offset = reader.head_size;
  llhttp_resume(&reader.parser);
  return kOk;
}

}  // namespace

void ResponseBegin(ResponseReader& reader, Span slot) {
  CHECK(slot.size == kSlotSize);
  reader = ResponseReader{};
  reader.slot = slot;
  llhttp_init(&reader.parser, HTTP_RESPONSE, &kSettings);
  reader.parser.data = &reader;
}

Span ResponseRoom(ResponseReader& reader) {
  CHECK(reader.received_size <= reader.slot.size);
  const size_t room = reader.slot.size - reader.received_size;
  if (room == 0) return {reader.framing, sizeof(reader.framing)};
  return {reader.slot.data + reader.received_size, room};
}

Status ResponseOnBytes(ResponseReader& reader, size_t size) {
  const Span room = ResponseRoom(reader);
  CHECK(size > 0);
  CHECK(size <= room.size);
  const bool is_in_slot = reader.received_size < reader.slot.size;
  const auto received_end = static_cast<uint32_t>(reader.received_size + (is_in_slot ? size : 0));
  if (received_end > reader.touched_size) reader.touched_size = received_end;
  if (reader.complete) Fail(reader, Fault::kHttpTrailingBytes);
  if (!reader.failure.ok()) return reader.failure;
  const char* position = room.data;
  const char* const end = position + size;
  if (!reader.head_complete) {
    TRY(HeadParse(reader, position, end, &position));
    if (!reader.head_complete) {
      reader.received_size += static_cast<uint32_t>(size);
      return kOk;
    }
  }
  if (!IsStreamed(reader)) reader.body_raw_size += static_cast<uint32_t>(end - position);
  if (reader.body_raw_size > kHttpBodyRawSizeMax) Fail(reader, Fault::kBodyTooLarge);
  if (!reader.failure.ok()) return reader.failure;
  TRY(Parse(reader, position, end, &position));
  if (position != end) Fail(reader, Fault::kHttpTrailingBytes);
  // What the body didn't take of the received bytes was framing: the next ones go in its place.
  reader.received_size = reader.body.offset + reader.body.size;
  return reader.failure;
}

Status ResponseOnEnd(ResponseReader& reader) {
  if (!reader.failure.ok()) return reader.failure;
  // llhttp_finish says OK of an empty stream too: only `complete` counts, which it sets for a body
  // that the end of the connection delimits.
  if (!reader.complete) static_cast<void>(llhttp_finish(&reader.parser));
  if (!reader.complete) Fail(reader, Fault::kConnectionLost);
  if (!reader.failure.ok()) reader.failure.detail = 0;
  return reader.failure;
}

std::string_view ResponseText(const ResponseReader& reader, Range range) {
  CHECK(range.offset <= reader.slot.size);
  CHECK(range.size <= reader.slot.size - range.offset);
  return {reader.slot.data + range.offset, range.size};
}

}  // namespace miagent
