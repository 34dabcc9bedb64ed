// What transcripts can't show: where the bytes lie, and what the reader refuses to be used for.
// Verdicts on answers are in tests/transcripts.
#include "agent/http/response.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <random>
#include <string>

#include "agent/limits.h"
#include "doctest.h"
#include "tests/unit/stops.h"

namespace miagent {
namespace {

struct World {
  std::unique_ptr<char[]> memory{new char[kSlotSize]};  // exact: the sanitizer sees a byte too many
  ResponseReader reader{};

  World() { ResponseBegin(reader, {memory.get(), kSlotSize}); }

  Status Feed(std::string_view bytes, size_t piece_size_max = SIZE_MAX) {
    for (size_t offset = 0; offset < bytes.size();) {
      const Span room = ResponseRoom(reader);
      const size_t size = std::min({room.size, piece_size_max, bytes.size() - offset});
      memcpy(room.data, bytes.data() + offset, size);
      offset += size;
      if (const Status status = ResponseOnBytes(reader, size); !status.ok()) return status;
    }
    return kOk;
  }
};

std::string Chunked(std::string_view body, size_t chunk_size) {
  std::string bytes = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  char line[32];
  for (size_t offset = 0; offset < body.size(); offset += chunk_size) {
    const size_t size = std::min(chunk_size, body.size() - offset);
    snprintf(line, sizeof(line), "%zx\r\n", size);
    bytes += line;
    bytes += body.substr(offset, size);
    bytes += "\r\n";
  }
  return bytes + "0\r\n\r\n";
}

TEST_CASE("a challenge is kept of a 401 alone, the first, without blanks, however it was cut") {
  const std::string headers =
      " HTTP\r\nX: y\r\nwww-AUTHENTICATE: \t Basic realm=/a b \r\n"
      "WWW-Authenticate: Other\r\nContent-Length: 0\r\n\r\n";
  for (const char* status : {"401", "200", "403", "407"}) {
    for (const size_t piece_size : {size_t{1}, size_t{7}, SIZE_MAX}) {
      World world;
      REQUIRE(world
                  .Feed("HTTP/1.1 100 Continue\r\nWWW-Authenticate: Early\r\n\r\nHTTP/1.1 " +
                            std::string(status) + headers,
                        piece_size)
                  .ok());
      REQUIRE(world.reader.complete);
      const std::string_view kept = ResponseText(world.reader, world.reader.www_authenticate);
      CHECK(kept == (std::string(status) == "401" ? "Basic realm=/a b" : ""));
    }
  }
}

TEST_CASE("where a redirect leads is kept of a 3xx alone") {
  for (const char* status : {"300", "302", "399", "200", "401", "503"}) {
    World world;
    REQUIRE(world
                .Feed("HTTP/1.1 " + std::string(status) +
                      " X\r\nlocation: \thttp://b.example/c \r\nContent-Length: 0\r\n\r\n")
                .ok());
    REQUIRE(world.reader.complete);
    CHECK(ResponseText(world.reader, world.reader.location) ==
          (status[0] == '3' ? "http://b.example/c" : ""));
  }
}

TEST_CASE("a body with a length stays where it was received") {
  const std::string head = "HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n";
  const std::string body(20000, 'b');
  for (const size_t piece_size : {size_t{1}, size_t{1448}, SIZE_MAX}) {
    World world;
    REQUIRE(world.Feed(head + body, piece_size).ok());
    REQUIRE(world.reader.complete);
    CHECK(world.reader.moved_size == 0);
    CHECK(world.reader.head_size == head.size());
    CHECK(world.reader.body.offset == head.size());
    CHECK(ResponseText(world.reader, world.reader.body) == body);
  }
}

TEST_CASE("chunks are moved together, each byte at most once") {
  std::string body;
  for (size_t index = 0; index < kAnswerBodySizeMax; ++index) {
    body += static_cast<char>('a' + index % 26);
  }
  for (const size_t chunk_size : {size_t{1}, size_t{2}, size_t{15}, size_t{4096}, body.size()}) {
    for (const size_t piece_size : {size_t{1}, size_t{7}, size_t{1448}, SIZE_MAX}) {
      CAPTURE(chunk_size);
      CAPTURE(piece_size);
      World world;
      REQUIRE(world.Feed(Chunked(body, chunk_size), piece_size).ok());
      REQUIRE(world.reader.complete);
      CHECK(ResponseText(world.reader, world.reader.body) == body);
      CHECK(world.reader.moved_size <= body.size());
    }
  }
}

TEST_CASE("framing that was read makes room") {
  World world;
  const std::string head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  REQUIRE(world.Feed(head + "1;" + std::string(9000, 'x')).ok());
  CHECK(world.reader.received_size == head.size());
  REQUIRE(world.Feed("\r\nA\r\n").ok());
  CHECK(world.reader.received_size == head.size() + 1);
}

TEST_CASE("the last chunk's end comes in when the slot is full") {
  std::string bytes = Chunked(std::string(kAnswerBodySizeMax, 'x'), kAnswerBodySizeMax);
  const size_t head_size = bytes.find("\r\n\r\n") + 4;
  bytes.insert(head_size - 2, "X: " + std::string(kHttpHeadSizeMax - head_size - 5, 'y') + "\r\n");
  World world;
  const size_t end_offset = bytes.size() - 7;  // behind the last byte of body
  REQUIRE(world.Feed(std::string_view(bytes).substr(0, end_offset)).ok());
  CHECK(world.reader.received_size == kSlotSize);
  CHECK(ResponseRoom(world.reader).size > 0);
  REQUIRE(world.Feed(std::string_view(bytes).substr(end_offset), 3).ok());
  CHECK(world.reader.complete);
  CHECK(world.reader.body.size == kAnswerBodySizeMax);
}

TEST_CASE("a byte after the answer is refused in a piece of its own too") {
  World world;
  REQUIRE(world.Feed("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").ok());
  REQUIRE(world.reader.complete);
  CHECK(world.Feed("x").fault == Fault::kHttpTrailingBytes);
  CHECK(ResponseOnEnd(world.reader).fault == Fault::kHttpTrailingBytes);
}

TEST_CASE("the first fault stays") {
  World world;
  CHECK(world.Feed("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n").fault ==
        Fault::kHttpTransferEncoding);
  CHECK(world.Feed("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").fault ==
        Fault::kHttpTransferEncoding);
  CHECK(ResponseOnEnd(world.reader).fault == Fault::kHttpTransferEncoding);
  CHECK_FALSE(world.reader.complete);
}

TEST_CASE("a fault keeps the status that was read before it") {
  World world;
  const Status status = world.Feed("HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n");
  CHECK(status.fault == Fault::kBodyTooLarge);
  CHECK(status.detail == 200);
  World lost;
  REQUIRE(lost.Feed("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n").ok());
  CHECK(ResponseOnEnd(lost.reader).fault == Fault::kConnectionLost);
  CHECK(lost.reader.failure.detail == 0);  // no errno: the peer ended in order
}

TEST_CASE("a reader can be used again") {
  World world;
  CHECK_FALSE(world.Feed("x").ok());
  ResponseBegin(world.reader, {world.memory.get(), kSlotSize});
  REQUIRE(world.Feed("HTTP/1.1 404 x\r\nRetry-After: 1\r\nContent-Length: 2\r\n\r\n{}").ok());
  CHECK(world.reader.complete);
  ResponseBegin(world.reader, {world.memory.get(), kSlotSize});
  CHECK_FALSE(world.reader.complete);
  CHECK(world.reader.http_status == 0);
  CHECK(world.reader.retry_after.size == 0);
  REQUIRE(world.Feed("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]").ok());
  CHECK(ResponseText(world.reader, world.reader.body) == "[]");
}

TEST_CASE("wrong use stops") {
  World world;
  CHECK_STOPS(ResponseOnBytes(world.reader, kSlotSize + 1).ok());
  CHECK_STOPS(ResponseOnBytes(world.reader, 0).ok());
  CHECK_STOPS(ResponseText(world.reader, {static_cast<uint32_t>(kSlotSize), 1}));
  CHECK_STOPS(ResponseBegin(world.reader, {world.memory.get(), 100}));
}

// Random damage to good answers, in random pieces: no CHECK, no sanitizer, no answer that is
// complete without a status and within its limits.
TEST_CASE("damaged answers never break the reader") {
  std::mt19937 random(20260101);
  const std::string seeds[] = {
      "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: "
      "8\r\n\r\n{\"a\":12}",
      Chunked("{\"access_token\":\"abcdefghijklmnopqrstuvwxyz\"}", 5),
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 503 x\r\nRetry-After: 7\r\n\r\ntext",
  };
  using namespace std::string_literals;
  const std::string alphabet = "\r\n\t :;,0123456789abcdefxHTP/.-{}\"\\\x7F\xFF\0"s;
  size_t complete_count = 0;
  for (int round = 0; round < 60000; ++round) {
    std::string bytes = seeds[random() % 3];
    for (uint32_t change = random() % 4; change > 0; --change) {
      const size_t at = random() % bytes.size();
      const char byte = alphabet[random() % alphabet.size()];
      switch (random() % 3) {
        case 0: bytes[at] = byte; break;
        case 1: bytes.insert(at, 1, byte); break;
        default: bytes.erase(at, 1); break;
      }
    }
    World world;
    Status status = world.Feed(bytes, 1 + random() % 100);
    if (status.ok()) status = ResponseOnEnd(world.reader);
    if (!status.ok()) continue;
    ++complete_count;
    REQUIRE(world.reader.complete);
    REQUIRE(world.reader.http_status >= 200);
    REQUIRE(world.reader.http_status <= 599);
    REQUIRE(world.reader.body.size <= bytes.size());
  }
  CHECK(complete_count > 10000);
  CHECK(complete_count < 50000);
}

}  // namespace
}  // namespace miagent
