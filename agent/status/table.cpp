// What a status file means at another moment than that of its writing, and the table of it.

#include "agent/config/choice.h"
#include "agent/limits.h"
#include "agent/status/status.h"

namespace miagent {
namespace {

constexpr size_t kColumnWidth = 9;

void PutColumn(StatusWriter& writer, std::string_view text) {
  Put(writer, text);
  for (size_t width = text.size(); width < kColumnWidth; ++width) Put(writer, " ");
}

constexpr Duration kLifeShownMax = Seconds(int64_t{365} * 86400);  // a secret doesn't expire

void PutDurationColumn(StatusWriter& writer, Duration duration, bool is_known) {
  char bytes[24];
  TextWriter text{bytes, sizeof(bytes)};
  if (is_known) {
    AppendDuration(text, duration);
  } else {
    Append(text, '-');
  }
  PutColumn(writer, text.text());
}

void PutError(StatusWriter& writer, std::string_view error) {
  if (!error.empty()) Put(writer, ": ");
  Put(writer, error);
  Put(writer, "\n");
}

}  // namespace

Duration StatusAge(const StatusAgent& agent, const StatusMoment& moment) {
  const Duration age =
      moment.is_same_boot ? moment.now - agent.written_at : moment.now_wall - agent.written_at_wall;
  return Greatest(age, Duration{0});
}

Duration StatusRemaining(Instant expires_at, WallTime expires_at_wall, const StatusMoment& moment) {
  if (expires_at.boot_ms == 0) return {kTimeMin};
  return moment.is_same_boot ? expires_at - moment.now : expires_at_wall - moment.now_wall;
}

TokenCondition StatusTokenJudge(const StatusToken& token, const StatusMoment& moment) {
  if (token.condition != TokenCondition::kFresh && token.condition != TokenCondition::kStale) {
    return token.condition;
  }
  const Duration remaining = StatusRemaining(token.expires_at, token.expires_at_wall, moment);
  if (remaining.ms <= 0) return TokenCondition::kExpired;
  return remaining <= kStaleMargin ? TokenCondition::kStale : token.condition;
}

FileCondition StatusFileJudge(const StatusFile& file, const StatusMoment& moment) {
  if (file.condition == FileCondition::kFailed || file.expires_at.boot_ms == 0) {
    return file.condition;
  }
  const Duration remaining = StatusRemaining(file.expires_at, file.expires_at_wall, moment);
  return remaining.ms <= 0 ? FileCondition::kExpired : file.condition;
}

bool StatusPathIs(std::string_view written, std::string_view path) {
  if (written.size() != path.size()) return false;
  for (size_t index = 0; index < path.size(); ++index) {
    const bool is_hidden = written[index] == '?' && static_cast<uint8_t>(path[index]) >= 0x80;
    if (written[index] != path[index] && !is_hidden) return false;
  }
  return true;
}

void StatusHeadingShow(std::string_view what, StatusWriter& writer) {
  for (uint32_t index = 0; index < 4; ++index) {
    PutColumn(writer, ChoiceAt("STATE|AGE|EXPIRES|NEXT", index));
  }
  Put(writer, what);
  Put(writer, "\n");
}

void StatusTokenShow(const StatusToken& token, const StatusAgent& agent, const StatusMoment& moment,
                     bool is_alive, StatusWriter& writer) {
  const Duration remaining = StatusRemaining(token.expires_at, token.expires_at_wall, moment);
  const bool is_held = token.expires_at.boot_ms != 0;
  const Duration life = token.expires_at_wall - token.issued_at_wall;
  PutColumn(writer,
            ChoiceAt(kTokenConditions, static_cast<uint32_t>(StatusTokenJudge(token, moment))));
  PutDurationColumn(writer, life - remaining, is_held && token.issued_at_wall.unix_s != 0);
  PutDurationColumn(writer, remaining, is_held && remaining < kLifeShownMax);
  PutDurationColumn(writer, Greatest(token.next_attempt_in - StatusAge(agent, moment), Duration{0}),
                    is_alive);
  Put(writer, token.name);
  PutError(writer, token.error);
}

void StatusFileShow(const StatusFile& file, const StatusMoment& moment, StatusWriter& writer) {
  const Duration age = moment.is_same_boot ? moment.now - file.published_at
                                           : moment.now_wall - file.published_at_wall;
  PutColumn(writer,
            ChoiceAt(kFileConditions, static_cast<uint32_t>(StatusFileJudge(file, moment))));
  PutDurationColumn(writer, age, file.published_at.boot_ms != 0);
  const Duration remaining = StatusRemaining(file.expires_at, file.expires_at_wall, moment);
  PutDurationColumn(writer, remaining, file.expires_at.boot_ms != 0 && remaining < kLifeShownMax);
  PutColumn(writer, {});
  Put(writer, file.path);
  PutError(writer, file.error);
}

void AppendDuration(TextWriter& writer, Duration duration) {
  int64_t seconds = duration.ms / 1000;
  if (seconds < 0) {
    Append(writer, '-');
    seconds = -seconds;
  }
  struct Unit {
    int64_t seconds;
    char name;
  };
  constexpr Unit kUnits[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
  uint32_t index = 0;
  while (index < 3 && seconds < kUnits[index].seconds) ++index;
  AppendDecimal(writer, seconds / kUnits[index].seconds);
  Append(writer, kUnits[index].name);
  if (index == 3) return;
  const int64_t rest = seconds % kUnits[index].seconds / kUnits[index + 1].seconds;
  if (rest < 10) Append(writer, '0');
  AppendDecimal(writer, rest);
  Append(writer, kUnits[index + 1].name);
}

}  // namespace miagent
