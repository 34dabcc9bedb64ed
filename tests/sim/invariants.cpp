#include "tests/sim/invariants.h"

#include <cstring>

#include "agent/base/bytes.h"
#include "platform/sim/text.h"

namespace miagent {
namespace {

constexpr Duration kWithin = Milliseconds(100);  // from a decision to the request's arrival
constexpr Duration kClearedWithin = Seconds(75);  // a file that could not be is tried again
constexpr Duration kGoneWithin = Seconds(70);
constexpr Duration kRetryTable[] = {Seconds(2), Seconds(6), Seconds(14), Seconds(30), Seconds(60)};
constexpr uint32_t kRetryTableSize = 5;

// ---- files ------------------------------------------------------------------------------------

// The token in a file's text; I1 where that isn't of the file's form.
std::string_view TokenText(const WatchedFile& file, std::string_view text) {
  if (text.size() < file.prefix.size() + file.suffix.size() || !StartsWith(text, file.prefix) ||
      !EndsWith(text, file.suffix)) {
    InvariantBroken("I1: a file that isn't of its form");
  }
  std::string_view rest = SimTextPart(text, file.prefix.size());
  if (file.suffix.empty()) return rest;
  size_t end = 0;
  while (end < rest.size() && rest[end] != '"' && rest[end] != '\'' && rest[end] != '\n') ++end;
  return SimTextPart(rest, 0, end);
}

// What a file holds: 0 where there is none.
void FileLook(Watch& watch, WatchedFile& file) {
  static char expected[kSimTokenSizeMax];
  SimFile* found = SimFileFind(*watch.world, file.path);
  const uint64_t serial = found == nullptr ? 0 : found->serial;
  if (serial == file.serial) return;
  file.serial = serial;
  file.number = 0;
  if (found == nullptr) return;
  const std::string_view token = TokenText(file, SimFileContent(*watch.world, *found));
  if (!StartsWith(token, "sim.")) InvariantBroken("I1: a file that is no token");
  uint64_t number = 0;
  const std::string_view digits = SimTextPart(token, 4, SimTextFind(token, ".", 4) - 4);
  if (!ParseUnsigned(digits, UINT32_MAX, &number)) InvariantBroken("I1: a token without number");
  const SimIssued* issue = SimImdsIssueFind(*watch.imds, number);
  if (issue == nullptr && number != 0 && number == file.judged) {
    // Judged when it came, and of a file that the configuration had forgotten since.
    file.number = file.judged;
    file.expires_at = Instant{};
    return;
  }
  if (issue == nullptr) InvariantBroken("I1: a token that was not issued, or long ago");
  const WatchedToken& asked = watch.tokens[file.token_index];
  if (issue->key != SimImdsKey(asked.resource, asked.client_id, {}, {})) {
    InvariantBroken("I1: a token of another resource or identity");
  }
  const std::string_view whole =
      SimImdsToken(issue->number, asked.resource, issue->token_size, expected);
  if (!SimTextEqual(whole, token)) InvariantBroken("I1: a token that is torn");
  file.number = file.judged = issue->number;
  file.expires_at = watch.world->now + (issue->expires_at_wall - SimTrueTime(*watch.world));
}

// Whether a file's token and its newest were issued in one second: nobody can tell which is newer.
bool IsTie(const Watch& watch, const WatchedFile& file) {
  const SimIssued* here = SimImdsIssueFind(*watch.imds, file.number);
  const SimIssued* newest = SimImdsIssueFind(*watch.imds, file.newest);
  return here != nullptr && newest != nullptr &&
         here->issued_at_wall.unix_s == newest->issued_at_wall.unix_s;
}

void FilesLook(Watch& watch) {
  for (uint32_t index = 0; index < watch.file_count; ++index) {
    WatchedFile& file = watch.files[index];
    const uint32_t before = file.number;
    if (!file.is_wanted) continue;
    FileLook(watch, file);
    if (file.number == before) continue;
    // Of a file that an agent before had published, only the wall clock told when it expires: it
    // may go before its time.
    if (file.number == 0 && !file.is_own) file.newest = 0;
    file.is_own = true;
    if (file.number != 0 && file.number < file.newest && !IsTie(watch, file)) {
      InvariantBroken("I3: an older token than before");
    }
    if (file.number > file.newest) file.newest = file.number;
  }
}

void FilesJudge(const Watch& watch) {
  const Instant now = watch.world->now;
  for (uint32_t index = 0; index < watch.file_count; ++index) {
    const WatchedFile& file = watch.files[index];
    if (!file.is_wanted) continue;
    const bool is_good = file.number != 0 && file.expires_at > now;
    if (!is_good && now >= watch.fresh_from) {
      InvariantBroken(file.number == 0 ? "I2: a file is missing though all is well"
                                       : "I2: a token has expired though all is well");
    }
    const Instant clear_at = Latest(watch.clear_from, file.expires_at) + kClearedWithin;
    if (file.number != 0 && file.is_own && now > clear_at) {
      InvariantBroken("I2: an expired token stays in its file");
    }
  }
}

// ---- requests ---------------------------------------------------------------------------------

WatchedToken* TokenOf(Watch& watch, const SimExchange& exchange) {
  const std::string_view resource = SimRequestParameter(exchange, "resource");
  const std::string_view client_id = SimRequestParameter(exchange, "client_id");
  for (uint32_t index = 0; index < watch.token_count; ++index) {
    WatchedToken& token = watch.tokens[index];
    if (token.resource == resource && token.client_id == client_id) return &token;
  }
  InvariantBroken("I4: a request for a token that nobody wants");
}

// What the agent knows of a token; nullptr where its configuration hasn't it.
const TokenState* StateOf(const Watch& watch, const WatchedToken& token) {
  const Config& config = ConfigOf(*watch.agent);
  for (uint32_t index = 0; index < config.token_count; ++index) {
    char bytes[kResourceSizeMax];
    TextWriter resource{bytes, sizeof(bytes)};
    AppendPercentEncoded(resource, config.tokens[index].resource);
    if (resource.text() == token.resource &&
        config.tokens[index].identity.value == token.client_id) {
      return &watch.agent->tokens[index];
    }
  }
  return nullptr;
}

// Begins anew with a token that the agent knows nothing of.
void TokenForget(WatchedToken& token) {
  WatchedToken unknown;
  unknown.resource = token.resource;
  unknown.client_id = token.client_id;
  token = unknown;
}

// What the configuration in force asks for.
void ConfigLook(Watch& watch) {
  const Config& config = ConfigOf(*watch.agent);
  for (uint32_t index = 0; index < watch.file_count; ++index) {
    WatchedFile& file = watch.files[index];
    bool is_wanted = false;
    for (uint32_t other = 0; other < config.file_count && !is_wanted; ++other) {
      is_wanted = config.files[other].path == file.path;
    }
    if (is_wanted && !file.is_wanted) file.is_own = false;
    file.is_wanted = is_wanted;
  }
  for (uint32_t index = 0; index < watch.token_count; ++index) {
    if (StateOf(watch, watch.tokens[index]) == nullptr) TokenForget(watch.tokens[index]);
  }
}

// The least time between the last request and the next, after a failure.
Duration RetryDistance(const WatchedToken& token, Instant now) {
  const uint32_t row =
      token.failure_count < kRetryTableSize ? token.failure_count : kRetryTableSize;
  Duration distance = row == 0 ? Seconds(1) : kRetryTable[row - 1];
  if (token.status == 410 && now - token.gone_since < kGoneWithin + kRetryDelayMax) {
    distance = Seconds(1);
  }
  const bool is_refusal = token.status >= 300 && token.status < 500 && token.status != 404 &&
                          token.status != 408 && token.status != 410 && token.status != 429;
  if (is_refusal) distance = kSlowPollInterval;
  return Greatest(distance, Least(token.retry_after, kRetryAfterMax));
}

// What the bytes say that a server has just sent.
void AnswerRead(WatchedToken& token, std::string_view answer) {
  constexpr std::string_view kStart = "HTTP/1.1 ";
  constexpr std::string_view kRetryAfter = "\r\nRetry-After: ";
  token.was_answered = !answer.empty();
  token.status = 0;
  token.retry_after = Duration{0};
  uint64_t status = 0;
  if (!StartsWith(answer, kStart)) return;
  if (!ParseUnsigned(SimTextPart(answer, kStart.size(), 3), 999, &status)) return;
  const size_t head_size = SimTextFind(answer, "\r\n\r\n");
  if (head_size == answer.size()) return;
  token.status = static_cast<int32_t>(status);
  const std::string_view head = SimTextPart(answer, 0, head_size);
  const size_t at = SimTextFind(head, kRetryAfter);
  if (at == head.size()) return;
  const size_t begin = at + kRetryAfter.size();
  const size_t end = SimTextFind(head, "\r\n", begin);
  uint64_t seconds = 0;
  if (ParseUnsigned(SimTextPart(head, begin, end - begin), INT64_MAX / 1000, &seconds)) {
    token.retry_after = Seconds(static_cast<int64_t>(seconds));
  }
}

// ---- memory and descriptors -------------------------------------------------------------------

bool IsZero(const char* bytes, size_t size) {
  return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

void RingJudge(const Watch& watch) {
  const Ring& ring = watch.agent->ring;
  uint32_t live_count = 0;
  for (uint32_t slot = 0; slot < kSlotCount; ++slot) {
    if (ring.states[slot] == SlotState::kReserved)
      InvariantBroken("I6: a slot is never given back");
    if (ring.states[slot] == SlotState::kLive) ++live_count;
    if (slot >= ring.used_count || ring.states[slot] == SlotState::kLive) continue;
    const auto* words = reinterpret_cast<const uint64_t*>(ring.slots[slot]);
    uint64_t bits = 0;
    for (size_t word = 0; word < kSlotSize / sizeof(uint64_t); ++word) bits |= words[word];
    if (bits != 0) InvariantBroken("I6: a retired slot still holds something");
  }
  const Config& config = ConfigOf(*watch.agent);
  for (uint32_t index = 0; index < config.token_count; ++index) {
    if (watch.agent->tokens[index].slot != kSlotNone) --live_count;
  }
  if (live_count != 0) InvariantBroken("I6: slots in force and tokens in force are not as many");
  if (!IsZero(watch.agent->request.secret, sizeof(watch.agent->request.secret))) {
    InvariantBroken("I6: a file's secret stays in memory");
  }
}

void LeftoversJudge(const Watch& watch) {
  if (watch.may_have_leftovers) return;
  for (const SimFile& file : watch.world->files) {
    if (file.is_named && EndsWith(file.name, ".tmp") &&
        !watch.world->directories[file.directory_index].is_gone) {
      char bytes[128];
      TextWriter what{bytes, sizeof(bytes)};
      Append(what, "I6: a temporary file is left behind: ");
      Append(what, watch.world->directories[file.directory_index].path);
      Append(what, '/');
      AppendPrintable(what, file.name);
      InvariantBroken(what.text());
    }
  }
}

// ---- status -----------------------------------------------------------------------------------

std::string_view ContentOf(const Watch& watch, const char* path) {
  SimFile* file = SimFileFind(*watch.world, path);
  if (file == nullptr) InvariantBroken("I9: a status or metrics file is missing");
  return SimFileContent(*watch.world, *file);
}

// The text of a member behind `from`, up to a comma or an end; empty where there is none.
std::string_view MemberOf(std::string_view text, std::string_view quoted_name, size_t from) {
  const size_t at = SimTextFind(text, quoted_name, from);
  if (at == text.size()) return {};
  const size_t begin = at + quoted_name.size() + 1;
  size_t end = begin;
  while (end < text.size() && text[end] != ',' && text[end] != '}') ++end;
  return SimTextPart(text, begin, end - begin);
}

void MemberExpect(std::string_view text, std::string_view quoted_name, size_t from,
                  std::string_view wanted) {
  if (MemberOf(text, quoted_name, from) != wanted) {
    InvariantBroken("I9: the status file says something else than what is so");
  }
}

// Whether a token may be stale: its source gave one that was old already.
bool IsNearExpiry(const Watch& watch) {
  for (uint32_t index = 0; index < watch.file_count; ++index) {
    const WatchedFile& file = watch.files[index];
    if (file.is_wanted && file.expires_at - watch.world->now <= kStaleMargin + Seconds(1)) {
      return true;
    }
  }
  return false;
}

void StatusJudge(const Watch& watch, std::string_view text) {
  const bool is_near = IsNearExpiry(watch);
  MemberExpect(text, "\"state\"", SimTextFind(text, "\"agent\""), "\"running\"");
  const size_t files_at = SimTextFind(text, "\"files\":");
  for (size_t at = SimTextFind(text, "\n{\"name\""); at < files_at;
       at = SimTextFind(text, "\n{\"name\"", at + 1)) {
    if (!is_near) MemberExpect(text, "\"state\"", at, "\"fresh\"");
    MemberExpect(text, "\"failures_in_a_row\"", at, "0");
    MemberExpect(text, "\"error\"", at, "null");
  }
  for (uint32_t index = 0; index < watch.file_count; ++index) {
    const WatchedFile& file = watch.files[index];
    if (!file.is_wanted) continue;
    char bytes[kSimPathSizeMax];
    TextWriter row{bytes, sizeof(bytes)};
    Append(row, "\"path\":\"");
    Append(row, file.path);
    Append(row, '"');
    const size_t at = SimTextFind(text, row.text(), files_at);
    if (at == text.size()) InvariantBroken("I9: a file is missing in the status file");
    MemberExpect(text, "\"state\"", at, "\"current\"");
    uint64_t expires_boot_ms = 0;
    const std::string_view number = MemberOf(text, "\"expires_boot_ms\"", at);
    if (!ParseUnsigned(number, INT64_MAX, &expires_boot_ms)) InvariantBroken("I9: no expiry");
    const Duration late = Instant{static_cast<int64_t>(expires_boot_ms)} - file.expires_at;
    // Whole seconds, of the mark and of both clocks.
    if (late > Seconds(2)) InvariantBroken("I9: a file's expiry is told too late");
  }
}

void VerbsCount(Watch& watch) {
  const Platform& world = *watch.world;
  watch.verb_count = 0;
  for (const uint64_t count : world.verb_counts) watch.verb_count += count;
  watch.io_verb_count =
      SimVerbCount(world, Verb::kFileWrite) + SimVerbCount(world, Verb::kFileRead) +
      SimVerbCount(world, Verb::kSocketRead) + SimVerbCount(world, Verb::kSocketWrite);
}

}  // namespace

void WatchStart(Watch& watch, Platform& world, const Agent& agent, const SimImds& imds) {
  watch.world = &world;
  watch.agent = &agent;
  watch.imds = &imds;
}

void WatchTurn(Watch& watch) {
  if (watch.agent->config_index != watch.config_index) ConfigLook(watch);
  watch.config_index = watch.agent->config_index;
  const Platform& world = *watch.world;
  const uint64_t change_count =
      SimVerbCount(world, Verb::kFileRename) + SimVerbCount(world, Verb::kFileRemove);
  if (change_count != watch.change_count) FilesLook(watch);
  watch.change_count = change_count;
  FilesJudge(watch);
  const uint64_t other_before = watch.verb_count - watch.io_verb_count;
  const uint64_t io_before = watch.io_verb_count;
  VerbsCount(watch);
  const uint64_t other_count = watch.verb_count - watch.io_verb_count - other_before;
  if (other_count > kVerbsPerTurnMax || watch.io_verb_count - io_before > kIoVerbsPerTurnMax) {
    InvariantBroken("I7: one turn does too much");
  }
}

void WatchRequest(Watch& watch, const SimExchange& exchange) {
  WatchedToken& token = *TokenOf(watch, exchange);
  const TokenState* state = StateOf(watch, token);
  if (state == nullptr) InvariantBroken("I4: a request for a token that nobody wants now");
  const uint32_t success_count = state->success_count;
  const Duration distance = exchange.at - token.requested_at + kWithin;
  const bool was_success = success_count != token.success_count;
  const bool is_resent = token.was_reused && !token.was_answered && exchange.request_index == 0;
  if (token.is_requested && !is_resent) {
    token.failure_count = was_success ? 0 : token.failure_count + 1;
    if (was_success) token.gone_since = token.requested_at;
    // Between the two requests: what comes while the machine sleeps is read when it wakes.
    if (token.failure_count == 1) {
      token.gone_since = Latest(token.requested_at, Earliest(state->failing_since, exchange.at));
    }
    const Duration wanted = was_success ? kRequestIntervalMin : RetryDistance(token, exchange.at);
    if (distance < Seconds(1)) InvariantBroken("I4: two requests for a token within a second");
    if (distance < wanted) {
      if (token.excuse_count == 0) InvariantBroken("I4: a request that comes too soon");
      --token.excuse_count;
    }
  }
  token.is_requested = true;
  token.was_reused = exchange.request_index > 0 && !is_resent;
  token.success_count = success_count;
  token.requested_at = exchange.at;
}

void WatchAnswer(Watch& watch, const SimExchange& exchange, Duration retry_after) {
  WatchedToken& token = *TokenOf(watch, exchange);
  const SimSocket& socket = exchange.world->sockets[exchange.socket_index];
  if (socket.segment_count == 0) return AnswerRead(token, {});
  const SimSegment& first = socket.segments[socket.segment_first];
  AnswerRead(token,
             {exchange.world->answer_bytes[exchange.socket_index] + first.offset, first.size});
  token.retry_after = Greatest(token.retry_after, retry_after);
}

void WatchedImdsAnswer(void* context, SimExchange& exchange) {
  const WatchedImds& watched = *static_cast<WatchedImds*>(context);
  WatchRequest(*watched.watch, exchange);
  SimImdsAnswer(watched.imds, exchange);
  WatchAnswer(*watched.watch, exchange);
}

void WatchExcuse(Watch& watch) {
  for (uint32_t index = 0; index < watch.token_count; ++index) ++watch.tokens[index].excuse_count;
}

void WatchForget(Watch& watch, const Watch* before) {
  watch.config_index = UINT32_MAX;
  watch.may_have_leftovers = before != nullptr && before->may_have_leftovers;
  VerbsCount(watch);
  for (uint32_t index = 0; index < watch.token_count; ++index) {
    TokenForget(watch.tokens[index]);
    // Signals that had come, and were not yet heard, come again.
    if (before != nullptr) watch.tokens[index].excuse_count = before->tokens[index].excuse_count;
  }
  for (uint32_t index = 0; index < watch.file_count; ++index) {
    WatchedFile& file = watch.files[index];
    file.serial = UINT64_MAX;
    if (before != nullptr) file.newest = before->files[index].newest;
    if (before != nullptr) file.judged = before->files[index].judged;
    if (before != nullptr) file.is_wanted = before->files[index].is_wanted;
    if (file.is_wanted) FileLook(watch, file);
    // Where nothing is on file, another process knows nothing of what was.
    if (file.is_wanted && file.number == 0) file.newest = 0;
    file.is_own = false;
  }
}

void WatchUnread(Watch& watch) {
  for (uint32_t index = 0; index < watch.file_count; ++index) {
    if (!watch.files[index].is_own) watch.files[index].newest = 0;
  }
}

void WatchText(std::string_view text) {
  // Sixteen of a token's letters in a row: no word is like that. One in sixteen is looked at first.
  constexpr size_t kRow = 16;
  const auto is_letter = [&](size_t at) { return text[at] >= 'A' && text[at] <= 'P'; };
  for (size_t at = kRow - 1; at < text.size(); at += kRow) {
    if (!is_letter(at)) continue;
    size_t begin = at;
    size_t end = at + 1;
    while (begin > 0 && is_letter(begin - 1)) --begin;
    while (end < text.size() && is_letter(end)) ++end;
    if (end - begin >= kRow) InvariantBroken("I5: bytes of a token where people can read them");
  }
}

void WatchAtRest(Watch& watch) {
  const Agent& agent = *watch.agent;
  if (agent.request.token_index != kTokenNone || agent.hook.pid != 0) {
    InvariantBroken("I6: something is under way though nothing is to be done");
  }
  const uint32_t kept_count = agent.connection.socket.handle >= 0 ? 1 : 0;
  if (watch.world->open_handle_count != kept_count) InvariantBroken("I6: a descriptor is lost");
  RingJudge(watch);
  LeftoversJudge(watch);
  for (uint32_t index = 0; index < watch.token_count; ++index) watch.tokens[index].excuse_count = 0;
}

void WatchStatus(Watch& watch, const char* status_path, const char* metrics_path) {
  if (status_path != nullptr) {
    const std::string_view status = ContentOf(watch, status_path);
    WatchText(status);
    StatusJudge(watch, status);
  }
  if (metrics_path == nullptr) return;
  const std::string_view metrics = ContentOf(watch, metrics_path);
  WatchText(metrics);
  if (SimTextFind(metrics, "state=\"fresh\"} 1") == metrics.size() ||
      (SimTextFind(metrics, "state=\"stale\"} 1") != metrics.size() && !IsNearExpiry(watch)) ||
      SimTextFind(metrics, "state=\"failed\"} 1") != metrics.size()) {
    InvariantBroken("I9: the metrics say something else than what is so");
  }
}

}  // namespace miagent
