// The status file, written and read by one table of its members: status.h has the schema.

#include <cstddef>

#include "agent/base/check.h"
#include "agent/config/choice.h"
#include "agent/json/object.h"
#include "agent/status/status.h"

namespace miagent {
namespace {

constexpr Status kNoForm{Fault::kStatusForm, 0};

enum class Kind : uint8_t {
  kText,
  kTextOrNull,   // null: empty
  kCount,        // uint32_t
  kCountOrNull,  // null: 0
  kTime,         // WallTime or Instant; null: 0
  kSeconds,      // Duration
  kMode,         // uint32_t, in octal; for programs, not read back
  kIdentity,     // two texts, the name and the value of the only member; not read back
  kNotify,       // StatusNotify; not read back
  kAgentState,   // these three: one byte
  kTokenState,
  kFileState,
};

// A member of a row's object, and where in the row it is.
struct Member {
  char name[18];
  Kind kind;
  uint8_t offset;
};

constexpr Member kAgentMembers[] = {
    {"version", Kind::kText, offsetof(StatusAgent, version)},
    {"pid", Kind::kCount, offsetof(StatusAgent, pid)},
    {"state", Kind::kAgentState, offsetof(StatusAgent, is_stopped)},
    {"started_at", Kind::kTime, offsetof(StatusAgent, started_at_wall)},
    {"written_at", Kind::kTime, offsetof(StatusAgent, written_at_wall)},
    {"written_boot_ms", Kind::kTime, offsetof(StatusAgent, written_at)},
    {"boot_id", Kind::kText, offsetof(StatusAgent, boot_id)},
    {"tls_peak_bytes", Kind::kCount, offsetof(StatusAgent, tls_peak_size)},
    {},
};

constexpr Member kTokenMembers[] = {
    {"name", Kind::kText, offsetof(StatusToken, name)},
    {"source", Kind::kText, offsetof(StatusToken, source)},
    {"resource", Kind::kText, offsetof(StatusToken, resource)},
    {"identity", Kind::kIdentity, offsetof(StatusToken, identity)},
    {"state", Kind::kTokenState, offsetof(StatusToken, condition)},
    {"issued_at", Kind::kTime, offsetof(StatusToken, issued_at_wall)},
    {"expires_at", Kind::kTime, offsetof(StatusToken, expires_at_wall)},
    {"expires_boot_ms", Kind::kTime, offsetof(StatusToken, expires_at)},
    {"next_attempt_in_s", Kind::kSeconds, offsetof(StatusToken, next_attempt_in)},
    {"http_status", Kind::kCountOrNull, offsetof(StatusToken, http_status)},
    {"failures_in_a_row", Kind::kCount, offsetof(StatusToken, failures_in_a_row)},
    {"requests", Kind::kCount, offsetof(StatusToken, request_count)},
    {"successes", Kind::kCount, offsetof(StatusToken, success_count)},
    {"same_answers", Kind::kCount, offsetof(StatusToken, same_count)},
    {"failures", Kind::kCount, offsetof(StatusToken, failure_count)},
    {"error", Kind::kTextOrNull, offsetof(StatusToken, error)},
    {},
};

constexpr Member kFileMembers[] = {
    {"path", Kind::kText, offsetof(StatusFile, path)},
    {"token", Kind::kText, offsetof(StatusFile, token)},
    {"state", Kind::kFileState, offsetof(StatusFile, condition)},
    {"mode", Kind::kMode, offsetof(StatusFile, mode)},
    {"published_at", Kind::kTime, offsetof(StatusFile, published_at_wall)},
    {"published_boot_ms", Kind::kTime, offsetof(StatusFile, published_at)},
    {"expires_at", Kind::kTime, offsetof(StatusFile, expires_at_wall)},
    {"expires_boot_ms", Kind::kTime, offsetof(StatusFile, expires_at)},
    {"published", Kind::kCount, offsetof(StatusFile, published_count)},
    {"failures", Kind::kCount, offsetof(StatusFile, failure_count)},
    {"error", Kind::kTextOrNull, offsetof(StatusFile, error)},
    {"notify", Kind::kNotify, offsetof(StatusFile, notify)},
    {},
};
static_assert(sizeof(StatusToken) < 256 && sizeof(StatusFile) < 256, "an offset is a byte");
static_assert(sizeof(WallTime) == sizeof(int64_t) && sizeof(Instant) == sizeof(int64_t) &&
                  sizeof(Duration) == sizeof(int64_t),
              "a time is one number");

std::string_view Choices(Kind kind) {
  if (kind == Kind::kAgentState) return "running|stopped";
  return kind == Kind::kTokenState ? kTokenConditions : kFileConditions;
}

template <typename Value>
Value& At(void* row, const Member& member, uint32_t index = 0) {
  return reinterpret_cast<Value*>(static_cast<char*>(row) + member.offset)[index];
}

void PutText(StatusWriter& writer, std::string_view text) {
  Put(writer, "\"");
  PutEscaped(writer, text);
  Put(writer, "\"");
}

void PutNumber(StatusWriter& writer, int64_t value, bool is_null) {
  if (is_null) return Put(writer, "null");
  PutDecimal(writer, value);
}

void PutMode(StatusWriter& writer, uint32_t mode) {
  char digits[8];
  TextWriter text{digits, sizeof(digits)};
  Append(text, '0');
  AppendOctal(text, mode);
  PutText(writer, text.text());
}

void PutIdentity(StatusWriter& writer, std::string_view key, std::string_view value) {
  Put(writer, "{");
  if (!key.empty()) {
    PutText(writer, key);
    Put(writer, ":");
    PutText(writer, value);
  }
  Put(writer, "}");
}

void PutNotify(StatusWriter& writer, const StatusNotify& notify) {
  if (!notify.is_asked) return Put(writer, "null");
  Put(writer, "{\"runs\":");
  PutDecimal(writer, int64_t{notify.success_count} + notify.failure_count);
  Put(writer, ",\"failures\":");
  PutDecimal(writer, notify.failure_count);
  Put(writer, ",\"last_error\":");
  if (notify.error.empty()) {
    Put(writer, "null");
  } else {
    PutText(writer, notify.error);
  }
  Put(writer, "}");
}

void PutMember(StatusWriter& writer, const Member& member, void* row) {
  switch (member.kind) {
    case Kind::kTextOrNull:
      if (At<std::string_view>(row, member).empty()) return Put(writer, "null");
      [[fallthrough]];
    case Kind::kText: return PutText(writer, At<std::string_view>(row, member));
    case Kind::kCount: return PutNumber(writer, At<uint32_t>(row, member), false);
    case Kind::kCountOrNull: {
      const uint32_t value = At<uint32_t>(row, member);
      return PutNumber(writer, value, value == 0);
    }
    case Kind::kTime: {
      const int64_t value = At<int64_t>(row, member);
      return PutNumber(writer, value, value == 0);
    }
    case Kind::kSeconds: return PutNumber(writer, At<int64_t>(row, member) / 1000, false);
    case Kind::kMode: return PutMode(writer, At<uint32_t>(row, member));
    case Kind::kIdentity:
      return PutIdentity(writer, At<std::string_view>(row, member),
                         At<std::string_view>(row, member, 1));
    case Kind::kNotify: return PutNotify(writer, At<StatusNotify>(row, member));
    case Kind::kAgentState:
    case Kind::kTokenState:
    case Kind::kFileState:
      return PutText(writer, ChoiceAt(Choices(member.kind), At<uint8_t>(row, member)));
  }
}

// The end of the members' list is a row without a name.
void PutObject(StatusWriter& writer, const Member* member, void* row) {
  for (bool is_first = true; member->name[0] != '\0'; ++member, is_first = false) {
    Put(writer, is_first ? "{\"" : ",\"");
    Put(writer, member->name);
    Put(writer, "\":");
    PutMember(writer, *member, row);
  }
  Put(writer, "}");
}

// ---- reading ----------------------------------------------------------------------------------

// What may come next: StatusReader::step.
enum Step : uint32_t { kSchema, kAgent, kTokensBegin, kTokens, kFilesBegin, kFiles, kOver };

// Takes a value; null is as good as zero or nothing. False for one that isn't of its kind.
bool TakeMember(JsonObject& object, const Member& member, void* row) {
  JsonValue value;
  if (JsonFind(object, member.name, &value) != JsonFound::kOnce) {
    return member.kind == Kind::kNotify;  // which came later than the rest
  }
  const bool is_null = value.kind == JsonKind::kNull;
  std::string_view text;
  uint64_t number = 0;
  const bool is_text = value.kind == JsonKind::kString && JsonUnescape(object, value, &text);
  const bool is_number =
      value.kind == JsonKind::kNumber &&
      ParseUnsigned(value.text, member.kind == Kind::kTime ? INT64_MAX : UINT32_MAX, &number);
  uint32_t choice = 0;
  switch (member.kind) {
    case Kind::kText:
    case Kind::kTextOrNull: At<std::string_view>(row, member) = text; return is_text || is_null;
    case Kind::kCount:
    case Kind::kCountOrNull:
      At<uint32_t>(row, member) = static_cast<uint32_t>(number);
      return is_number || is_null;
    case Kind::kTime:
      At<int64_t>(row, member) = static_cast<int64_t>(number);
      return is_number || is_null;
    case Kind::kSeconds:
      At<Duration>(row, member) = Seconds(static_cast<int64_t>(number));
      return is_number;
    case Kind::kMode:
    case Kind::kNotify:
    case Kind::kIdentity: return true;
    case Kind::kAgentState:
    case Kind::kTokenState:
    case Kind::kFileState:
      if (!is_text || !ChoiceFind(text, Choices(member.kind), &choice)) return false;
      At<uint8_t>(row, member) = static_cast<uint8_t>(choice);
      return true;
  }
  return false;
}

// Takes the object of a line, which stands behind `prefix` and before a comma, if there is one.
Status TakeObject(Span line, std::string_view prefix, const Member* member, void* row) {
  const std::string_view text{line.data, line.size};
  if (!StartsWith(text, prefix)) return kNoForm;
  const size_t end = EndsWith(text, ",") ? text.size() - 1 : text.size();
  JsonObject object;
  if (!JsonParse({line.data + prefix.size(), end - prefix.size()}, &object).ok()) return kNoForm;
  for (; member->name[0] != '\0'; ++member) {
    if (!TakeMember(object, *member, row)) return kNoForm;
  }
  return kOk;
}

}  // namespace

Status StatusJsonWrite(const StatusReport& report, StatusWriter& writer) {
  StatusAgent agent = report.agent;
  Put(writer, "{\"schema\":1,\n\"agent\":");
  PutObject(writer, kAgentMembers, &agent);
  Put(writer, ",\n\"tokens\":[\n");
  for (uint32_t index = 0; index < report.token_count; ++index) {
    StatusToken token;
    report.read_token(report.context, index, &token);
    PutObject(writer, kTokenMembers, &token);
    Put(writer, index + 1 < report.token_count ? ",\n" : "\n");
  }
  Put(writer, "],\n\"files\":[\n");
  for (uint32_t index = 0; index < report.file_count; ++index) {
    StatusFile file;
    report.read_file(report.context, index, &file);
    PutObject(writer, kFileMembers, &file);
    Put(writer, index + 1 < report.file_count ? ",\n" : "\n");
  }
  Put(writer, "]}\n");
  return StatusFlush(writer);
}

Status StatusLineRead(StatusReader& reader, Span line) {
  const std::string_view text{line.data, line.size};
  const uint32_t step = reader.step;
  reader.kind = StatusLineKind::kFrame;
  reader.step = kOver;  // unless the line is found right
  if (line.size > kStatusLineSizeMax || step == kOver) return kNoForm;
  if (step == kAgent) {
    TRY(TakeObject(line, "\"agent\":", kAgentMembers, &reader.agent));
    reader.kind = StatusLineKind::kAgent;
  } else if (step == kTokens && text != "],") {
    TRY(TakeObject(line, {}, kTokenMembers, &reader.token));
    reader.kind = StatusLineKind::kToken;
    reader.step = step;
    return kOk;
  } else if (step == kFiles && text != "]}") {
    TRY(TakeObject(line, {}, kFileMembers, &reader.file));
    reader.kind = StatusLineKind::kFile;
    reader.step = step;
    return kOk;
  } else if (step == kSchema ? text != "{\"schema\":1,"
                             : (step == kTokensBegin && text != "\"tokens\":[") ||
                                   (step == kFilesBegin && text != "\"files\":[")) {
    return kNoForm;
  }
  if (step == kFilesBegin) reader.kind = StatusLineKind::kFilesBegin;
  if (step == kFiles) reader.kind = StatusLineKind::kEnd;
  reader.step = step + 1;
  return kOk;
}

}  // namespace miagent
