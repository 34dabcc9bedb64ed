// Runs tests/transcripts/*.txt: what a server sent, and what is to become of it.
//
// Each case is read whole, byte by byte, cut in two at every place and cut at its own marks; all
// ways have to end the same. The transcripts' form is told in tests/transcripts/README.md.
#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/http/response.h"
#include "agent/limits.h"
#include "doctest.h"

namespace miagent {
namespace {

const std::map<std::string, Fault> kFaultNames = {
    {"kConnectionLost", Fault::kConnectionLost},
    {"kHttpSyntax", Fault::kHttpSyntax},
    {"kHttpVersion", Fault::kHttpVersion},
    {"kHttpStatusRange", Fault::kHttpStatusRange},
    {"kHttpInterim", Fault::kHttpInterim},
    {"kHttpHeadTooLarge", Fault::kHttpHeadTooLarge},
    {"kHttpTransferEncoding", Fault::kHttpTransferEncoding},
    {"kHttpTrailingBytes", Fault::kHttpTrailingBytes},
    {"kBodyTooLarge", Fault::kBodyTooLarge},
};

struct Transcript {
  std::string title;
  std::string bytes;
  std::set<size_t> marks;
  bool ends = false;
  std::string outcome;                      // complete, waiting or a fault's name
  std::map<std::string, std::string> facts; // status, body, date, …
};

// Appends a line with its escapes decoded: \r \n \t \\ \xHH, \| a cut, \*COUNT(TEXT) a repetition.
void Decode(const std::string& line, std::string* bytes, std::set<size_t>* marks) {
  for (size_t index = 0; index < line.size(); ++index) {
    if (line[index] != '\\') {
      *bytes += line[index];
      continue;
    }
    REQUIRE(index + 1 < line.size());
    const char letter = line[++index];
    if (letter == 'r')
      *bytes += '\r';
    else if (letter == 'n')
      *bytes += '\n';
    else if (letter == 't')
      *bytes += '\t';
    else if (letter == '\\')
      *bytes += '\\';
    else if (letter == '|')
      marks->insert(bytes->size());
    else if (letter == 'x') {
      *bytes += static_cast<char>(std::stoi(line.substr(index + 1, 2), nullptr, 16));
      index += 2;
    } else if (letter == '*') {
      const size_t open = line.find('(', index);
      const size_t close = line.find(')', open);
      REQUIRE(close != std::string::npos);
      std::string part;
      Decode(line.substr(open + 1, close - open - 1), &part, marks);
      const int count = std::stoi(line.substr(index + 1, open - index - 1));
      for (int turn = 0; turn < count; ++turn) *bytes += part;
      index = close;
    } else {
      FAIL("unknown escape in a transcript: " << line);
    }
  }
}

std::vector<Transcript> TranscriptsRead(const std::filesystem::path& path) {
  std::vector<Transcript> transcripts;
  std::ifstream file(path);
  REQUIRE(file);
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    if (line.rfind("= ", 0) == 0) {
      transcripts.emplace_back();
      transcripts.back().title = path.filename().string() + ": " + line.substr(2);
      continue;
    }
    REQUIRE_MESSAGE(!transcripts.empty(), "a transcript begins with its title: " << path);
    Transcript& current = transcripts.back();
    if (line.rfind("< ", 0) == 0) {
      Decode(line.substr(2), &current.bytes, &current.marks);
    } else if (line == "end") {
      current.ends = true;
    } else if (line.rfind("-> ", 0) == 0) {
      current.outcome = line.substr(3);
    } else {
      const size_t blank = line.find(' ');
      std::string value;
      if (blank != std::string::npos) Decode(line.substr(blank + 1), &value, &current.marks);
      current.facts[line.substr(0, blank)] = value;
    }
  }
  return transcripts;
}

struct Outcome {
  std::string name;
  int32_t status = 0;
  std::string body, date, retry_after;
  bool keep_alive = false;
  uint32_t moved_size = 0;
};

std::string FaultName(Fault fault) {
  for (const auto& [name, value] : kFaultNames) {
    if (value == fault) return name;
  }
  return "a fault that no transcript expects";
}

// Feeds the bytes in pieces that end at `cuts`; each goes where the reader wants it, as recv()
// would put it there.
Outcome Run(const Transcript& transcript, const std::set<size_t>& cuts) {
  static std::unique_ptr<char[]> memory(new char[kSlotSize]);
  ResponseReader reader;
  memset(memory.get(), 0xEE, kSlotSize);
  ResponseBegin(reader, {memory.get(), kSlotSize});
  Status status;
  size_t offset = 0;
  while (status.ok() && offset < transcript.bytes.size()) {
    const auto next = cuts.upper_bound(offset);
    const size_t cut = next == cuts.end() ? transcript.bytes.size() : *next;
    const Span room = ResponseRoom(reader);
    const size_t size = std::min(room.size, cut - offset);
    memcpy(room.data, transcript.bytes.data() + offset, size);
    status = ResponseOnBytes(reader, size);
    offset += size;
  }
  if (transcript.ends && status.ok()) status = ResponseOnEnd(reader);
  Outcome outcome;
  outcome.name = !status.ok() ? FaultName(status.fault) : reader.complete ? "complete" : "waiting";
  outcome.status = reader.http_status;
  if (!status.ok()) return outcome;
  outcome.body = ResponseText(reader, reader.body);
  outcome.date = ResponseText(reader, reader.date);
  outcome.retry_after = ResponseText(reader, reader.retry_after);
  outcome.keep_alive = reader.keep_alive;
  outcome.moved_size = reader.moved_size;
  return outcome;
}

bool Same(const Outcome& a, const Outcome& b) {
  return a.name == b.name && a.status == b.status && a.body == b.body && a.date == b.date &&
         a.retry_after == b.retry_after && a.keep_alive == b.keep_alive;
}

void CheckExpected(const Transcript& transcript, const Outcome& outcome) {
  CHECK(outcome.name == transcript.outcome);
  for (const auto& [name, value] : transcript.facts) {
    if (name == "status")
      CHECK(std::to_string(outcome.status) == value);
    else if (name == "body")
      CHECK(outcome.body == value);
    else if (name == "date")
      CHECK(outcome.date == value);
    else if (name == "retry-after")
      CHECK(outcome.retry_after == value);
    else if (name == "keep-alive")
      CHECK((outcome.keep_alive ? "yes" : "no") == value);
    else if (name == "moved")
      CHECK(std::to_string(outcome.moved_size) == value);
    else
      FAIL("unknown line in a transcript: " << name);
  }
}

// The places to cut a transcript in two: all of them, or some hundreds of a long one.
std::set<size_t> PlacesOf(const Transcript& transcript) {
  std::set<size_t> places;
  const size_t size = transcript.bytes.size();
  const size_t step = size <= 2048 ? 1 : size / 256;
  for (size_t place = 1; place < size; ++place) {
    if (place % step == 0 || place < 64 || place + 64 > size) places.insert(place);
  }
  return places;
}

TEST_CASE("transcripts") {
  // Not by __FILE__, which a compiler's cache may make relative: tests run in the project's folder.
  const std::filesystem::path folder = "tests/transcripts";
  size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".txt") continue;
    for (const Transcript& transcript : TranscriptsRead(entry.path())) {
      CAPTURE(transcript.title);
      ++count;
      const Outcome whole = Run(transcript, {});
      CheckExpected(transcript, whole);
      std::set<size_t> each;
      for (size_t place = 1; place < transcript.bytes.size(); ++place) each.insert(place);
      CHECK_MESSAGE(Same(Run(transcript, each), whole), "byte by byte");
      if (!transcript.marks.empty()) {
        CHECK_MESSAGE(Same(Run(transcript, transcript.marks), whole), "cut at its marks");
      }
      for (const size_t place : PlacesOf(transcript)) {
        if (Same(Run(transcript, {place}), whole)) continue;
        FAIL_CHECK("cut in two at " << place);
        break;
      }
    }
  }
  CHECK(count >= 80);  // the folder was found, and is whole
}

}  // namespace
}  // namespace miagent
