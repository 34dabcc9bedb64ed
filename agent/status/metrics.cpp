// The metrics file: Prometheus' text format, for node_exporter's textfile collector.

#include <cstddef>

#include "agent/config/choice.h"
#include "agent/status/status.h"

namespace miagent {
namespace {

enum class Kind : uint8_t {
  kTokenState,
  kFileState,
  kTime,   // WallTime; no sample where it is 0
  kCount,  // uint32_t
  kNotifyCount,  // the same, where the file has a notification
};

enum class Result : uint8_t { kNone, kSuccess, kFailure };

// Samples of a member; those of kFailure are more of the family above.
struct Metric {
  bool is_file;
  Kind kind;
  uint8_t offset;  // in StatusToken or StatusFile
  Result result;
};

constexpr Metric kMetrics[] = {
    {false, Kind::kTokenState, offsetof(StatusToken, condition), Result::kNone},
    {false, Kind::kTime, offsetof(StatusToken, expires_at_wall), Result::kNone},
    {false, Kind::kTime, offsetof(StatusToken, issued_at_wall), Result::kNone},
    {false, Kind::kCount, offsetof(StatusToken, success_count), Result::kSuccess},
    {false, Kind::kCount, offsetof(StatusToken, failure_count), Result::kFailure},
    {false, Kind::kCount, offsetof(StatusToken, same_count), Result::kNone},
    {false, Kind::kCount, offsetof(StatusToken, failures_in_a_row), Result::kNone},
    {true, Kind::kFileState, offsetof(StatusFile, condition), Result::kNone},
    {true, Kind::kTime, offsetof(StatusFile, expires_at_wall), Result::kNone},
    {true, Kind::kTime, offsetof(StatusFile, published_at_wall), Result::kNone},
    {true, Kind::kCount, offsetof(StatusFile, published_count), Result::kSuccess},
    {true, Kind::kCount, offsetof(StatusFile, failure_count), Result::kFailure},
    {true, Kind::kNotifyCount, offsetof(StatusFile, notify.success_count), Result::kSuccess},
    {true, Kind::kNotifyCount, offsetof(StatusFile, notify.failure_count), Result::kFailure},
};

// Name and help of each family, in the order above.
constexpr std::string_view kTexts =
    "token_state|How the token stands: 1 for the one state it is in.|"
    "token_expiry_timestamp_seconds|When the newest token expires, in unix time.|"
    "token_issued_timestamp_seconds|When the newest token was issued, in unix time.|"
    "token_refresh_total|Requests that ended, by their result.|"
    "token_same_answers_total|Successes that brought no newer token.|"
    "token_failures_in_a_row|Requests that failed since the last success.|"
    "file_state|How the file stands: 1 for the one state it is in.|"
    "file_expiry_timestamp_seconds|When what the file holds expires, in unix time.|"
    "file_published_timestamp_seconds|When the file was last written, in unix time.|"
    "file_publish_total|Attempts to write the file, by their result.|"
    "notify_total|Notifications of the file that ran, by their result.";

void Family(StatusWriter& writer, std::string_view name, std::string_view help) {
  Put(writer, "# HELP miagent_");
  Put(writer, name);
  Put(writer, " ");
  Put(writer, help);
  Put(writer, "\n# TYPE miagent_");
  Put(writer, name);
  Put(writer, EndsWith(name, "_total") ? " counter\n" : " gauge\n");
}

// `miagent_NAME{LABEL="`
void SampleBegin(StatusWriter& writer, std::string_view name, std::string_view label,
                 std::string_view value) {
  Put(writer, "miagent_");
  Put(writer, name);
  Put(writer, "{");
  Put(writer, label);
  Put(writer, "=\"");
  PutEscaped(writer, value);
  Put(writer, "\"");
}

void NumberEnd(StatusWriter& writer, int64_t number) {
  Put(writer, "} ");
  PutDecimal(writer, number);
  Put(writer, "\n");
}

void States(StatusWriter& writer, const Metric& metric, std::string_view name,
            std::string_view value, std::string_view choices, uint32_t state) {
  const std::string_view label = metric.is_file ? "file" : "token";
  for (uint32_t index = 0; !choices.empty(); ++index) {
    SampleBegin(writer, name, label, value);
    Put(writer, ",state=\"");
    Put(writer, ChoiceTake(&choices));
    Put(writer, "\"");
    NumberEnd(writer, index == state ? 1 : 0);
  }
}

// One sample of a row, or one for each state; `row` is a StatusToken or a StatusFile.
void Samples(StatusWriter& writer, const Metric& metric, std::string_view name,
             std::string_view value, const char* row) {
  const char* const place = row + metric.offset;
  int64_t number = 0;
  switch (metric.kind) {
    case Kind::kTokenState:
      return States(writer, metric, name, value, kTokenConditions, static_cast<uint8_t>(*place));
    case Kind::kFileState:
      return States(writer, metric, name, value, kFileConditions, static_cast<uint8_t>(*place));
    case Kind::kTime:
      number = reinterpret_cast<const WallTime*>(place)->unix_s;
      if (number == 0) return;
      break;
    case Kind::kNotifyCount:
      if (!reinterpret_cast<const StatusFile*>(row)->notify.is_asked) return;
      [[fallthrough]];
    case Kind::kCount: number = *reinterpret_cast<const uint32_t*>(place); break;
  }
  SampleBegin(writer, name, metric.is_file ? "file" : "token", value);
  if (metric.result == Result::kSuccess) Put(writer, ",result=\"success\"");
  if (metric.result == Result::kFailure) Put(writer, ",result=\"failure\"");
  NumberEnd(writer, number);
}

}  // namespace

Status MetricsWrite(const StatusReport& report, StatusWriter& writer) {
  Family(writer, "build_info", "The agent's version, as a label.");
  SampleBegin(writer, "build_info", "version", report.agent.version);
  NumberEnd(writer, 1);
  Family(writer, "start_time_seconds", "When the agent started, in unix time.");
  Put(writer, "miagent_start_time_seconds ");
  PutDecimal(writer, report.agent.started_at_wall.unix_s);
  Put(writer, "\n");
  std::string_view name;
  std::string_view texts = kTexts;
  for (const Metric& metric : kMetrics) {
    if (metric.result != Result::kFailure) {
      name = ChoiceTake(&texts);
      Family(writer, name, ChoiceTake(&texts));
    }
    const uint32_t row_count = metric.is_file ? report.file_count : report.token_count;
    for (uint32_t index = 0; index < row_count; ++index) {
      StatusToken token;
      StatusFile file;
      if (metric.is_file) {
        report.read_file(report.context, index, &file);
        Samples(writer, metric, name, file.path, reinterpret_cast<const char*>(&file));
      } else {
        report.read_token(report.context, index, &token);
        Samples(writer, metric, name, token.name, reinterpret_cast<const char*>(&token));
      }
    }
  }
  return StatusFlush(writer);
}

}  // namespace miagent
