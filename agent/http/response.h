// Reading an HTTP response, in the slot that it was received into.
//
// Purpose: llhttp with everything that llhttp leaves to its user: versions, status range, interim
//          answers, sizes, Transfer-Encoding, trailing bytes, completeness.
// Owns:    the parser's state; positions into the slot, never copies. The bytes stay where recv()
//          put them; only bodies in several chunks are moved together, inside the slot (counted).
// Limits:  kHttpHeadSizeMax raw bytes of head (interim answers included), kHttpHeaderCountMax
//          (trailers included), kHttpInterimCountMax, kAnswerBodySizeMax of body, and
//          kHttpBodyRawSizeMax of body with its chunks' framing. With a sink, a body has no limit.
// Errors:  kHttp…, kBodyTooLarge; kConnectionLost for an answer that ends early.
// Never:   looks at what a status means; follows a redirect.
#pragma once

#include <cstdint>
#include <string_view>

#include "agent/base/bytes.h"
#include "agent/base/status.h"
#include "llhttp.h"

namespace miagent {

// Takes the body of a 2xx answer piece by piece, in place of the slot; then it may be of any size.
// Anything but kOk ends the exchange with that.
struct BodySink {
  void* context = nullptr;
  Status (*take)(void* context, std::string_view piece) = nullptr;
};

struct ResponseReader {
  Span slot;                    // where the answer is received
  uint32_t received_size;       // the next byte goes to slot.data + received_size
  uint32_t touched_size;        // bytes of the slot, from its begin, that may have been written
  uint32_t head_size;           // raw bytes of all heads; 0 until the final one is complete
  uint32_t body_raw_size;       // bytes received behind the head, framing included
  uint32_t header_count;
  uint32_t interim_count;
  uint32_t moved_size;          // bytes of body moved to close gaps between chunks
  int32_t http_status;          // of the final answer; 0 until its head is complete
  Range header_name;            // the header being read
  Range header_value;
  Range body;                   // contiguous in the slot
  Range date;                   // value of the first Date header; size 0: none
  Range retry_after;            // value of the first Retry-After
  Range location;               // of a 3xx: value of the first Location
  Range www_authenticate;       // of a 401: value of the first WWW-Authenticate
  Status failure;               // what a callback found
  BodySink sink;                // set after ResponseBegin; take null: none
  bool is_head_only;            // set after ResponseBegin: the request was a HEAD
  bool has_transfer_encoding;   // seen in the head being read
  bool head_complete;
  bool complete;                // the final message is whole: the only sign of success
  bool keep_alive;              // the connection may serve another request
  char framing[8];              // where bytes go once the slot is full: only framing may follow
  llhttp_t parser;
};

// Begins to read an answer into `slot`, which is kSlotSize bytes.
void ResponseBegin(ResponseReader& reader, Span slot);

// Where to receive, and how many bytes at most. Never empty.
Span ResponseRoom(ResponseReader& reader);

// Takes `size` bytes that were received into ResponseRoom. After complete, any further byte is
// kHttpTrailingBytes.
Status ResponseOnBytes(ResponseReader& reader, size_t size);

// The peer ended the connection. Success only where the answer is complete then: a body that is
// delimited by the connection's end, or one that was complete before. Else kConnectionLost.
Status ResponseOnEnd(ResponseReader& reader);

// The text at a range of the slot.
std::string_view ResponseText(const ResponseReader& reader, Range range);

}  // namespace miagent
