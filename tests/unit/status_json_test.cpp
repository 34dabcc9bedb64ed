// The status file: as it is written, and what is read back of it.

#include <random>
#include <string>
#include <vector>

#include "agent/status/status.h"
#include "doctest.h"

namespace miagent {
namespace {

struct Rows {
  std::vector<StatusToken> tokens;
  std::vector<StatusFile> files;
  size_t flush_count = 0;
  size_t piece_size_max = 0;
  std::string text;
  Status result;
};

Status Collect(void* context, std::string_view text) {
  Rows& rows = *static_cast<Rows*>(context);
  ++rows.flush_count;
  rows.piece_size_max = std::max(rows.piece_size_max, text.size());
  rows.text += text;
  return rows.result;
}

StatusReport ReportOf(Rows& rows) {
  StatusReport report;
  report.agent.version = "0.1.0";
  report.agent.boot_id = "11111111-2222-3333-4444-555555555555";
  report.agent.tls_peak_size = 41000;
  report.agent.pid = 1234;
  report.agent.started_at_wall = {1750000000};
  report.agent.written_at_wall = {1750000100};
  report.agent.written_at = {160000};
  report.token_count = static_cast<uint32_t>(rows.tokens.size());
  report.file_count = static_cast<uint32_t>(rows.files.size());
  report.context = &rows;
  report.read_token = [](void* context, uint32_t index, StatusToken* token) {
    *token = static_cast<Rows*>(context)->tokens[index];
  };
  report.read_file = [](void* context, uint32_t index, StatusFile* file) {
    *file = static_cast<Rows*>(context)->files[index];
  };
  return report;
}

std::string Write(Rows& rows, const StatusReport& report,
                  Status (*write)(const StatusReport&, StatusWriter&) = StatusJsonWrite) {
  StatusWriter writer;
  writer.flush = Collect;
  writer.context = &rows;
  rows.text.clear();
  CHECK(write(report, writer).fault == rows.result.fault);
  return rows.text;
}

Rows Example() {
  Rows rows;
  StatusToken fresh;
  fresh.name = "storage";
  fresh.source = "imds";
  fresh.resource = "https://storage.azure.com/";
  fresh.identity[0] = "client_id";
  fresh.identity[1] = "99999999-2222-3333-4444-555555555555";
  fresh.condition = TokenCondition::kFresh;
  fresh.issued_at_wall = {1749999700};
  fresh.expires_at_wall = {1750086100};
  fresh.expires_at = {86160000};
  fresh.next_attempt_in = Milliseconds(43000999);
  fresh.http_status = 200;
  fresh.request_count = 5;
  fresh.success_count = 3;
  fresh.same_count = 1;
  fresh.failure_count = 2;
  StatusToken refused;
  refused.name = "vault";
  refused.source = "imds";
  refused.resource = "https://vault.azure.net";
  refused.condition = TokenCondition::kRefused;
  refused.next_attempt_in = Seconds(300);
  refused.http_status = 400;
  refused.failures_in_a_row = 4;
  refused.request_count = 4;
  refused.failure_count = 4;
  refused.error = "refused: HTTP 400 invalid_request: Identity not found";
  rows.tokens = {fresh, refused};
  StatusFile current;
  current.path = "/run/tokens/storage";
  current.token = "storage";
  current.condition = FileCondition::kCurrent;
  current.mode = 0640;
  current.published_at_wall = {1750000001};
  current.published_at = {61000};
  current.expires_at_wall = {1750086100};
  current.expires_at = {86160000};
  current.published_count = 2;
  current.notify.is_asked = true;
  current.notify.success_count = 3;
  current.notify.failure_count = 1;
  current.notify.error = "the hook failed, with exit status 3";
  StatusFile missing;
  missing.path = "/run/to\"k\\ens/\xC3\xA9\xFF\xED\xA0\x80";
  missing.token = "vault";
  missing.mode = 0;
  rows.files = {current, missing};
  return rows;
}

// clang-format off
constexpr const char* kGolden =
    R"({"schema":1,)" "\n"
    R"("agent":{"version":"0.1.0","pid":1234,"state":"running","started_at":1750000000,)"
    R"("written_at":1750000100,"written_boot_ms":160000,)"
    R"("boot_id":"11111111-2222-3333-4444-555555555555","tls_peak_bytes":41000},)" "\n"
    R"("tokens":[)" "\n"
    R"({"name":"storage","source":"imds","resource":"https://storage.azure.com/",)"
    R"("identity":{"client_id":"99999999-2222-3333-4444-555555555555"},"state":"fresh",)"
    R"("issued_at":1749999700,"expires_at":1750086100,"expires_boot_ms":86160000,)"
    R"("next_attempt_in_s":43000,"http_status":200,"failures_in_a_row":0,"requests":5,)"
    R"("successes":3,"same_answers":1,"failures":2,"error":null},)" "\n"
    R"({"name":"vault","source":"imds","resource":"https://vault.azure.net",)"
    R"("identity":{},"state":"refused","issued_at":null,"expires_at":null,)"
    R"("expires_boot_ms":null,"next_attempt_in_s":300,"http_status":400,)"
    R"("failures_in_a_row":4,"requests":4,"successes":0,"same_answers":0,"failures":4,)"
    R"("error":"refused: HTTP 400 invalid_request: Identity not found"})" "\n"
    R"(],)" "\n"
    R"("files":[)" "\n"
    R"({"path":"/run/tokens/storage","token":"storage","state":"current","mode":"0640",)"
    R"("published_at":1750000001,"published_boot_ms":61000,"expires_at":1750086100,)"
    R"("expires_boot_ms":86160000,"published":2,"failures":0,"error":null,)"
    R"("notify":{"runs":4,"failures":1,"last_error":"the hook failed, with exit status 3"}},)" "\n"
    R"({"path":"/run/to\"k\\ens/)"
    "\xC3\xA9"
    R"(????","token":"vault","state":"missing","mode":"00","published_at":null,)"
    R"("published_boot_ms":null,"expires_at":null,"expires_boot_ms":null,"published":0,)"
    R"("failures":0,"error":null,"notify":null})" "\n"
    R"(]})" "\n";
// clang-format on

// What was read back; texts are copied, as they live in the line.
struct ReadBack {
  Status status;
  bool is_whole = false;
  StatusAgent agent;
  std::vector<StatusToken> tokens;
  std::vector<StatusFile> files;
  std::vector<std::string> names;
};

ReadBack Read(std::string_view text) {
  ReadBack back;
  StatusReader reader{};
  while (!text.empty() && back.status.ok()) {
    const size_t end = text.find('\n');
    if (end == std::string_view::npos) break;
    // Exactly as long on the heap, so that the sanitizer sees a step beyond either end.
    std::vector<char> line(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(end));
    text.remove_prefix(end + 1);
    back.status = StatusLineRead(reader, {line.data(), line.size()});
    if (!back.status.ok()) break;
    if (reader.kind == StatusLineKind::kAgent) back.agent = reader.agent;
    if (reader.kind == StatusLineKind::kToken) {
      back.tokens.push_back(reader.token);
      back.names.emplace_back(reader.token.name);
    }
    if (reader.kind == StatusLineKind::kFile) {
      back.files.push_back(reader.file);
      back.names.emplace_back(reader.file.path);
    }
    back.is_whole = reader.kind == StatusLineKind::kEnd;
  }
  if (!text.empty()) back.is_whole = false;
  return back;
}

TEST_CASE("status: the file, word for word") {
  Rows rows = Example();
  CHECK(Write(rows, ReportOf(rows)) == kGolden);
  CHECK(rows.piece_size_max <= sizeof(StatusWriter::bytes));
}

TEST_CASE("status: nothing to tell is a whole file, too") {
  Rows rows;
  StatusReport report = ReportOf(rows);
  report.agent.is_stopped = true;
  const std::string text = Write(rows, report);
  CHECK(text.find("\"state\":\"stopped\"") != std::string::npos);
  CHECK(text.find("\"tokens\":[\n],\n\"files\":[\n]}\n") != std::string::npos);
  CHECK(Read(text).is_whole);
  CHECK(Read(text).agent.is_stopped);
}

TEST_CASE("status: a fault of the flush is told, and nothing follows it") {
  Rows rows = Example();
  rows.result = {Fault::kFileWrite, 28};
  Write(rows, ReportOf(rows));
  CHECK(rows.flush_count == 1);
}

TEST_CASE("status: what is written is read back, every state of it") {
  Rows rows;
  for (uint8_t state = 0; state <= static_cast<uint8_t>(TokenCondition::kRefused); ++state) {
    StatusToken token = Example().tokens[state % 2];
    token.condition = static_cast<TokenCondition>(state);
    rows.tokens.push_back(token);
  }
  for (uint8_t state = 0; state <= static_cast<uint8_t>(FileCondition::kMissing); ++state) {
    StatusFile file = Example().files[state % 2];
    file.condition = static_cast<FileCondition>(state);
    rows.files.push_back(file);
  }
  const ReadBack back = Read(Write(rows, ReportOf(rows)));
  REQUIRE(back.status.ok());
  CHECK(back.is_whole);
  CHECK(back.agent.pid == 1234);
  CHECK(back.agent.written_at == Instant{160000});
  CHECK(back.agent.written_at_wall.unix_s == 1750000100);
  CHECK_FALSE(back.agent.is_stopped);
  REQUIRE(back.tokens.size() == rows.tokens.size());
  for (size_t index = 0; index < rows.tokens.size(); ++index) {
    const StatusToken& wanted = rows.tokens[index];
    const StatusToken& token = back.tokens[index];
    CHECK(back.names[index] == wanted.name);
    CHECK(token.condition == wanted.condition);
    CHECK(token.issued_at_wall.unix_s == wanted.issued_at_wall.unix_s);
    CHECK(token.expires_at_wall.unix_s == wanted.expires_at_wall.unix_s);
    CHECK(token.expires_at == wanted.expires_at);
    CHECK(token.next_attempt_in.ms == wanted.next_attempt_in.ms / 1000 * 1000);
    CHECK(token.http_status == wanted.http_status);
    CHECK(token.failures_in_a_row == wanted.failures_in_a_row);
    CHECK(token.request_count == wanted.request_count);
    CHECK(token.success_count == wanted.success_count);
    CHECK(token.same_count == wanted.same_count);
    CHECK(token.failure_count == wanted.failure_count);
  }
  REQUIRE(back.files.size() == rows.files.size());
  for (size_t index = 0; index < rows.files.size(); ++index) {
    const StatusFile& wanted = rows.files[index];
    const StatusFile& file = back.files[index];
    CHECK(StatusPathIs(back.names[rows.tokens.size() + index], wanted.path));
    CHECK(file.condition == wanted.condition);
    CHECK(file.published_at == wanted.published_at);
    CHECK(file.expires_at == wanted.expires_at);
    CHECK(file.published_count == wanted.published_count);
  }
}

TEST_CASE("status: members may be added; another schema is refused") {
  std::string text = kGolden;
  text.insert(text.find("\"pid\""), "\"colour\":{\"of\":[1,{}]},");
  CHECK(Read(text).is_whole);
  text = kGolden;
  text.replace(text.find(":1,"), 3, ":2,");
  CHECK(Read(text).status.fault == Fault::kStatusForm);
}

TEST_CASE("status: what isn't a status file") {
  const std::string golden = kGolden;
  const auto changed = [&](std::string_view from, std::string_view to) {
    std::string text = golden;
    const size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    text.replace(at, from.size(), to);
    return Read(text).status.fault;
  };
  CHECK(changed("\"state\":\"fresh\"", "\"state\":\"ripe\"") == Fault::kStatusForm);
  CHECK(changed("\"state\":\"running\"", "\"state\":\"asleep\"") == Fault::kStatusForm);
  CHECK(changed("\"pid\":1234", "\"pid\":\"1234\"") == Fault::kStatusForm);
  CHECK(changed("\"pid\":1234", "\"pid\":-1") == Fault::kStatusForm);
  CHECK(changed("\"pid\":1234", "\"pid\":4294967296") == Fault::kStatusForm);
  CHECK(changed("\"pid\":1234", "\"pid\":1,\"pid\":2") == Fault::kStatusForm);
  CHECK(changed("\"pid\":1234,", "") == Fault::kStatusForm);
  CHECK(changed("\"requests\":5", "\"requests\":5.5") == Fault::kStatusForm);
  CHECK(changed("\"state\":\"fresh\"", "\"state\":1") == Fault::kStatusForm);
  CHECK(changed("\"name\":\"storage\"", "\"name\":\"\\ud800\"") == Fault::kStatusForm);
  CHECK(changed("\"name\":\"storage\"", "\"name\":1") == Fault::kStatusForm);
  CHECK(changed("\"boot_id\":\"", "\"boot_id\":1,\"x\":\"") == Fault::kStatusForm);
  CHECK(changed("\"tokens\":[", "\"tokens\": [") == Fault::kStatusForm);
  CHECK(changed("],\n", "]\n") == Fault::kStatusForm);
  CHECK(changed("]}\n", "]}\n\n") == Fault::kStatusForm);
  CHECK(changed("{\"path\"", std::string(5000, ' ') + "{\"path\"") == Fault::kStatusForm);
  CHECK(Read("hello\n").status.fault == Fault::kStatusForm);
  CHECK(Read("\n").status.fault == Fault::kStatusForm);
  CHECK_FALSE(Read("").is_whole);
}

TEST_CASE("status: every truncation and random damage is survived; no part passes for the whole") {
  const std::string golden = kGolden;
  for (size_t size = 0; size < golden.size(); ++size) {
    CHECK_FALSE(Read(std::string_view(golden).substr(0, size)).is_whole);
  }
  std::mt19937 random(7);
  for (int round = 0; round < 20000; ++round) {
    std::string text = golden.substr(0, random() % (golden.size() + 1));
    for (uint32_t count = random() % 4; count != 0 && !text.empty(); --count) {
      text[random() % text.size()] = static_cast<char>(random());
    }
    static_cast<void>(Read(text + (random() % 2 == 0 ? "\n" : "")));
  }
}

// ---- at another moment ------------------------------------------------------------------------

TEST_CASE("status: a token's state moves on with the boot clock, whatever the wall clock says") {
  const StatusToken token = Example().tokens[0];
  StatusMoment moment;
  moment.is_same_boot = true;
  moment.now_wall = {99};
  moment.now = {token.expires_at.boot_ms - 300001};
  CHECK(StatusTokenJudge(token, moment) == TokenCondition::kFresh);
  moment.now = {token.expires_at.boot_ms - 300000};
  CHECK(StatusTokenJudge(token, moment) == TokenCondition::kStale);
  moment.now = {token.expires_at.boot_ms - 1};
  CHECK(StatusTokenJudge(token, moment) == TokenCondition::kStale);
  moment.now = token.expires_at;
  CHECK(StatusTokenJudge(token, moment) == TokenCondition::kExpired);
  // After another boot the wall clock is all there is.
  moment.is_same_boot = false;
  moment.now_wall = {token.expires_at_wall.unix_s - 301};
  CHECK(StatusTokenJudge(token, moment) == TokenCondition::kFresh);
  moment.now_wall = token.expires_at_wall;
  CHECK(StatusTokenJudge(token, moment) == TokenCondition::kExpired);
  CHECK(StatusTokenJudge(Example().tokens[1], moment) == TokenCondition::kRefused);
}

TEST_CASE("status: a file's state moves on, too") {
  StatusFile file = Example().files[0];
  StatusMoment moment;
  moment.is_same_boot = true;
  moment.now = {file.expires_at.boot_ms - 1};
  CHECK(StatusFileJudge(file, moment) == FileCondition::kCurrent);
  moment.now = file.expires_at;
  CHECK(StatusFileJudge(file, moment) == FileCondition::kExpired);
  file.condition = FileCondition::kFailed;
  CHECK(StatusFileJudge(file, moment) == FileCondition::kFailed);
  CHECK(StatusFileJudge(Example().files[1], moment) == FileCondition::kMissing);
}

TEST_CASE("status: a path is found by what is left of it") {
  CHECK(StatusPathIs("/run/t", "/run/t"));
  CHECK_FALSE(StatusPathIs("/run/t", "/run/u"));
  CHECK_FALSE(StatusPathIs("/run/t", "/run/tt"));
  CHECK(StatusPathIs("/run/??", "/run/\xC3\xFF"));
  CHECK(StatusPathIs("/run/?", "/run/?"));
  CHECK_FALSE(StatusPathIs("/run/?", "/run/t"));
  CHECK_FALSE(StatusPathIs("/run/t", "/run/\xC3"));
}

TEST_CASE("status: of a secret, which doesn't expire, no end is shown; of a time unknown, no age") {
  StatusToken token = Example().tokens[0];
  StatusFile file = Example().files[0];
  const StatusAgent agent;
  StatusMoment moment;
  moment.is_same_boot = true;
  const auto shown = [&](Duration remaining) {
    token.expires_at = file.expires_at = moment.now + remaining;
    Rows rows;
    StatusWriter writer;
    writer.flush = Collect;
    writer.context = &rows;
    StatusTokenShow(token, agent, moment, false, writer);
    StatusFileShow(file, moment, writer);
    CHECK(StatusFlush(writer).ok());
    return rows.text;
  };
  moment.now = {file.published_at.boot_ms + 5000};
  token.issued_at_wall = {};
  const Duration year = Seconds(int64_t{365} * 86400);
  CHECK(shown(year) ==
        "fresh    -        -        -        storage\n"
        "current  5s       -                 /run/tokens/storage\n");
  CHECK(shown(year - Seconds(1)) ==
        "fresh    -        364d23h  -        storage\n"
        "current  5s       364d23h           /run/tokens/storage\n");
}

TEST_CASE("status: lengths of time for people") {
  const auto shown = [](Duration duration) {
    char bytes[32];
    TextWriter text{bytes, sizeof(bytes)};
    AppendDuration(text, duration);
    return std::string(text.text());
  };
  CHECK(shown(Duration{0}) == "0s");
  CHECK(shown(Duration{999}) == "0s");
  CHECK(shown(Seconds(59)) == "59s");
  CHECK(shown(Seconds(60)) == "1m00s");
  CHECK(shown(Seconds(3599)) == "59m59s");
  CHECK(shown(Seconds(3600)) == "1h00m");
  CHECK(shown(Seconds(86399)) == "23h59m");
  CHECK(shown(Seconds(86400 * 2 + 3600 * 3)) == "2d03h");
  CHECK(shown(Seconds(-125)) == "-2m05s");
  CHECK(shown(Duration{kTimeMin}).size() < 24);
}

TEST_CASE("status: the table") {
  Rows rows = Example();
  rows.files[1].path = "/run/tokens/vault";
  rows.files[1].error = "can't write the file: no space left";
  const StatusReport report = ReportOf(rows);
  StatusMoment moment;
  moment.is_same_boot = true;
  moment.now = {160000 + 60000};
  StatusWriter writer;
  writer.flush = Collect;
  writer.context = &rows;
  StatusHeadingShow("TOKEN", writer);
  for (const StatusToken& token : rows.tokens) {
    StatusTokenShow(token, report.agent, moment, true, writer);
  }
  StatusTokenShow(rows.tokens[0], report.agent, moment, false, writer);
  for (const StatusFile& file : rows.files) StatusFileShow(file, moment, writer);
  CHECK(StatusFlush(writer).ok());
  CHECK(rows.text ==
        "STATE    AGE      EXPIRES  NEXT     TOKEN\n"
        "fresh    7m40s    23h52m   11h55m   storage\n"
        "refused  -        -        4m00s    vault: refused: HTTP 400 invalid_request: Identity "
        "not found\n"
        "fresh    7m40s    23h52m   -        storage\n"
        "current  2m39s    23h52m            /run/tokens/storage\n"
        "missing  -        -                 /run/tokens/vault: can't write the file: no space "
        "left\n");
}

// ---- metrics ----------------------------------------------------------------------------------

constexpr const char* kMetricsGolden = R"(# HELP miagent_build_info The agent's version, as a label.
# TYPE miagent_build_info gauge
miagent_build_info{version="0.1.0"} 1
# HELP miagent_start_time_seconds When the agent started, in unix time.
# TYPE miagent_start_time_seconds gauge
miagent_start_time_seconds 1750000000
# HELP miagent_token_state How the token stands: 1 for the one state it is in.
# TYPE miagent_token_state gauge
miagent_token_state{token="storage",state="fresh"} 1
miagent_token_state{token="storage",state="stale"} 0
miagent_token_state{token="storage",state="expired"} 0
miagent_token_state{token="storage",state="missing"} 0
miagent_token_state{token="storage",state="refused"} 0
miagent_token_state{token="vault",state="fresh"} 0
miagent_token_state{token="vault",state="stale"} 0
miagent_token_state{token="vault",state="expired"} 0
miagent_token_state{token="vault",state="missing"} 0
miagent_token_state{token="vault",state="refused"} 1
# HELP miagent_token_expiry_timestamp_seconds When the newest token expires, in unix time.
# TYPE miagent_token_expiry_timestamp_seconds gauge
miagent_token_expiry_timestamp_seconds{token="storage"} 1750086100
# HELP miagent_token_issued_timestamp_seconds When the newest token was issued, in unix time.
# TYPE miagent_token_issued_timestamp_seconds gauge
miagent_token_issued_timestamp_seconds{token="storage"} 1749999700
# HELP miagent_token_refresh_total Requests that ended, by their result.
# TYPE miagent_token_refresh_total counter
miagent_token_refresh_total{token="storage",result="success"} 3
miagent_token_refresh_total{token="vault",result="success"} 0
miagent_token_refresh_total{token="storage",result="failure"} 2
miagent_token_refresh_total{token="vault",result="failure"} 4
# HELP miagent_token_same_answers_total Successes that brought no newer token.
# TYPE miagent_token_same_answers_total counter
miagent_token_same_answers_total{token="storage"} 1
miagent_token_same_answers_total{token="vault"} 0
# HELP miagent_token_failures_in_a_row Requests that failed since the last success.
# TYPE miagent_token_failures_in_a_row gauge
miagent_token_failures_in_a_row{token="storage"} 0
miagent_token_failures_in_a_row{token="vault"} 4
# HELP miagent_file_state How the file stands: 1 for the one state it is in.
# TYPE miagent_file_state gauge
miagent_file_state{file="/a\"\\",state="current"} 1
miagent_file_state{file="/a\"\\",state="pending"} 0
miagent_file_state{file="/a\"\\",state="failed"} 0
miagent_file_state{file="/a\"\\",state="inherited"} 0
miagent_file_state{file="/a\"\\",state="expired"} 0
miagent_file_state{file="/a\"\\",state="missing"} 0
# HELP miagent_file_expiry_timestamp_seconds When what the file holds expires, in unix time.
# TYPE miagent_file_expiry_timestamp_seconds gauge
miagent_file_expiry_timestamp_seconds{file="/a\"\\"} 1750086100
# HELP miagent_file_published_timestamp_seconds When the file was last written, in unix time.
# TYPE miagent_file_published_timestamp_seconds gauge
miagent_file_published_timestamp_seconds{file="/a\"\\"} 1750000001
# HELP miagent_file_publish_total Attempts to write the file, by their result.
# TYPE miagent_file_publish_total counter
miagent_file_publish_total{file="/a\"\\",result="success"} 2
miagent_file_publish_total{file="/a\"\\",result="failure"} 0
# HELP miagent_notify_total Notifications of the file that ran, by their result.
# TYPE miagent_notify_total counter
miagent_notify_total{file="/a\"\\",result="success"} 3
miagent_notify_total{file="/a\"\\",result="failure"} 1
)";

TEST_CASE("metrics: the file, word for word") {
  Rows rows = Example();
  rows.files.pop_back();
  rows.files[0].path = "/a\"\\";
  CHECK(Write(rows, ReportOf(rows), MetricsWrite) == kMetricsGolden);
}

TEST_CASE("text: well-formed UTF-8 stays, all else is one ? a byte") {
  const struct {
    std::string text;
    std::string told;
  } rows[] = {
      {" ~", " ~"},
      {"\x1F\x7F\x01", "???"},
      {"\"\\", "\\\"\\\\"},
      {"\xC2\x80\xDF\xBF", "\xC2\x80\xDF\xBF"},
      {"\xC1\xBF", "??"},  // one that fits a byte
      {"\xC2", "?"},
      {"\xC2x", "?x"},
      {"\xC2\xC0", "??"},
      {"\x80\xBF", "??"},
      {"\xE0\xA0\x80", "\xE0\xA0\x80"},
      {"\xE0\x9F\xBF", "???"},  // one that fits two
      {"\xE1\x80\x80", "\xE1\x80\x80"},
      {"\xED\x9F\xBF", "\xED\x9F\xBF"},
      {"\xED\xA0\x80", "???"},  // half of a pair
      {"\xEE\x80\x80\xEF\xBF\xBF", "\xEE\x80\x80\xEF\xBF\xBF"},
      {"\xE1\x80", "??"},
      {"\xE1\x80x", "??x"},
      {"\xF0\x90\x80\x80", "\xF0\x90\x80\x80"},
      {"\xF0\x8F\xBF\xBF", "????"},  // one that fits three
      {"\xF1\x80\x80\x80", "\xF1\x80\x80\x80"},
      {"\xF4\x8F\xBF\xBF", "\xF4\x8F\xBF\xBF"},
      {"\xF4\x90\x80\x80", "????"},  // beyond the last
      {"\xF5\x80\x80\x80", "????"},
      {"\xF1\x80\x80", "???"},
      {"\xF1\x80\x80x", "???x"},
      {"\xFF", "?"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    Rows rows_told;
    StatusWriter writer;
    writer.flush = Collect;
    writer.context = &rows_told;
    PutEscaped(writer, row.text);
    CHECK(StatusFlush(writer).ok());
    CHECK(rows_told.text == row.told);
  }
}

}  // namespace
}  // namespace miagent
