#include "agent/publication.h"

#include <cerrno>

#include "agent/base/check.h"
#include "agent/notification.h"
#include "agent/refresh/backoff.h"
#include "agent/report.h"

namespace miagent {
namespace {

// Tokens live up to 24 h (protocol.md), and 28 where Entra evaluates access all along; a mark
// beyond that, and an hour, is not believed.
constexpr Duration kMarkLifeMax = Seconds(29 * 3600);

// What an agent before this one left, and has expired by the wall clock, stays this long: the
// clock may be wrong, and the first answers decide.
constexpr Duration kInheritedLifeMin = Seconds(60);

uint64_t HashAdd(uint64_t hash, std::string_view text) {
  for (const char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001B3U;
  return (hash ^ 0xFF) * 0x100000001B3U;  // no text contains this end mark
}

// What a file is for, as a number (FNV-1a): its token's source, resource and identity, its form.
// A file with another fingerprint was written for something else.
uint32_t FingerprintOf(const TokenConfig& token, const FileConfig& file) {
  uint64_t hash = 0xCBF29CE484222325U;
  hash = HashAdd(hash, SourceLookUp(token.source).name);
  hash = HashAdd(hash, token.endpoint_text);
  hash = HashAdd(hash, token.resource);
  hash = HashAdd(hash, token.identity.value);
  if (!token.endpoint.client_id.empty()) hash = HashAdd(hash, token.endpoint.client_id);
  hash = HashAdd(hash, file.template_text);
  const char kinds[] = {static_cast<char>(token.identity.kind), static_cast<char>(file.format)};
  hash = HashAdd(hash, {kinds, sizeof(kinds)});
  return static_cast<uint32_t>(hash % kFingerprintMax);
}

const TokenConfig& TokenOf(const Agent& agent, uint32_t file_index) {
  return ConfigOf(agent).tokens[ConfigOf(agent).files[file_index].token_index];
}

const TokenState& TokenStateOf(const Agent& agent, uint32_t file_index) {
  return agent.tokens[ConfigOf(agent).files[file_index].token_index];
}

uint32_t FingerprintAt(const Agent& agent, uint32_t file_index) {
  return FingerprintOf(TokenOf(agent, file_index), ConfigOf(agent).files[file_index]);
}

TokenFields FieldsOf(const Agent& agent, uint32_t token_index) {
  const TokenConfig& token = ConfigOf(agent).tokens[token_index];
  const TokenState& state = agent.tokens[token_index];
  TokenFields fields{};
  fields.access_token = RingToken(agent.ring, state.slot);
  fields.is_secret = token.is_secret;
  fields.resource = token.resource;
  if (token.identity.kind == IdentityKind::kClientId) fields.client_id = token.identity.value;
  fields.expires_on = state.expires_at_wall;
  fields.not_before = state.not_before_wall;
  fields.remaining = state.expires_at - agent.now;
  return fields;
}

// The content of a file, written by way of the format.
struct Content {
  const FileConfig* file;
  TokenFields fields;
};

Status ContentWrite(void* context, Platform& platform, File file) {
  const Content& content = *static_cast<Content*>(context);
  PartTarget target{&platform, file};
  PartWriter writer;
  writer.flush = PartFlush;
  writer.context = &target;
  return FormatToken(content.file->format, content.file->template_text, content.fields, writer);
}

Status NothingWrite(void*, Platform&, File) { return kOk; }

// Reads what stands in a file's place into the ring's free slot, which the caller gives back.
uint32_t StandingRead(Agent& agent, Platform& platform, uint32_t file_index, Standing* standing) {
  const uint32_t slot = RingReserve(agent.ring, ConfigOf(agent).token_count);
  const Span memory = RingSpan(agent.ring, slot);
  const Status read = FileReadBack(platform, TargetOf(agent, file_index), memory, standing);
  RingTouch(agent.ring, slot, static_cast<uint32_t>(standing->size));
  if (!read.ok()) *standing = Standing{};
  standing->failure = read;
  return slot;
}

// Whether what stands there was published for this very file, in this form.
bool IsForThis(const Agent& agent, uint32_t file_index, const Standing& standing) {
  return standing.size != 0 && standing.is_as_configured &&
         standing.mark.fingerprint == FingerprintAt(agent, file_index);
}

// When what stands in a file expires, `life` from now; never the zero that means nothing.
Instant ExpiryMark(const Agent& agent, Duration life) {
  return Latest(agent.now + life, Instant{1});
}

// The characters of RFC 6750's tokens: next to one of these, a token would be part of a longer one.
bool IsTokenCharacter(char c) {
  constexpr std::string_view kOther = "-._~+/=";
  return IsAlpha(c) || IsDigit(c) || Find(kOther, c) != kOther.size();
}

// Whether a file's text holds this token, and not just a longer one that contains it.
bool HoldsToken(std::string_view text, SecretBytes token) {
  const size_t begin = Find(text, std::string_view(token.data, token.size));
  if (begin == text.size()) return false;
  const size_t end = begin + token.size;
  return (begin == 0 || !IsTokenCharacter(text[begin - 1])) &&
         (end == text.size() || !IsTokenCharacter(text[end]));
}

// What a file would hold, compared with what it does hold.
struct Comparison {
  std::string_view text;
  size_t offset = 0;
};

Status PartCompare(void* context, const FormatPart* parts, size_t part_count) {
  Comparison& comparison = *static_cast<Comparison*>(context);
  for (size_t index = 0; index < part_count; ++index) {
    const std::string_view part(parts[index].data, parts[index].size);
    if (!StartsWith(SliceFrom(comparison.text, comparison.offset), part)) return {Fault::kFileRead};
    comparison.offset += part.size();
  }
  return kOk;
}

// Whether a file's text is this very secret's, which unlike a token could be a part of anything.
bool IsSecretsText(const Agent& agent, uint32_t file_index, std::string_view text) {
  const FileConfig& file = ConfigOf(agent).files[file_index];
  Comparison comparison{text};
  PartWriter writer;
  writer.flush = PartCompare;
  writer.context = &comparison;
  const TokenFields fields = FieldsOf(agent, file.token_index);
  return FormatToken(file.format, file.template_text, fields, writer).ok() &&
         comparison.offset == text.size();
}

// A secret's file stays where it holds the secret in force.
bool SecretMayStay(Agent& agent, Platform& platform, uint32_t file_index) {
  Standing standing;
  const uint32_t slot = StandingRead(agent, platform, file_index, &standing);
  const std::string_view text(RingSpan(agent.ring, slot).data, standing.size);
  const bool is_same =
      IsForThis(agent, file_index, standing) && IsSecretsText(agent, file_index, text);
  RingRetire(agent.ring, slot);
  if (is_same) agent.files[file_index].expires_at = TokenStateOf(agent, file_index).expires_at;
  return is_same;
}

// Whether what stands there may stay: it holds this very token, or one that an agent before us got
// for the same purpose and that lives longer. `failure`: why that can't be told.
bool StandingMayStay(Agent& agent, Platform& platform, uint32_t file_index, Status* failure) {
  if (TokenOf(agent, file_index).is_secret) return SecretMayStay(agent, platform, file_index);
  const TokenState& token = TokenStateOf(agent, file_index);
  Standing standing;
  const uint32_t slot = StandingRead(agent, platform, file_index, &standing);
  *failure = standing.failure;
  const std::string_view text(RingSpan(agent.ring, slot).data, standing.size);
  const bool is_same = HoldsToken(text, RingToken(agent.ring, token.slot));
  RingRetire(agent.ring, slot);
  // Both ends are the endpoint's to know: whatever our wall clock says, they can be compared.
  const Duration longer = standing.mark.expires_at_wall - token.ends_at_wall;
  const bool is_newer = longer.ms > 0 && longer <= kMarkLifeMax;
  const bool is_for_this = IsForThis(agent, file_index, standing);
  // A mark that no token's life can be right about says nothing.
  const bool is_known = is_for_this && (is_same || longer <= kMarkLifeMax);
  agent.files[file_index].expires_at = !is_known ? Instant{}
                                       : is_same ? token.expires_at
                                                 : Latest(token.expires_at + longer, Instant{1});
  return is_for_this && (is_same || is_newer);
}

void Failed(Agent& agent, Platform& platform, uint32_t file_index, Status failure) {
  FileState& state = agent.files[file_index];
  state.failure = failure;
  if (state.failure_count++ == 0) state.failing_since = agent.now;
  ++state.failure_total;
  agent.output.has_news = true;
  // The table of requests serves files too: 2, 6, 14, 30, then every 60 s.
  FailureRun run;
  run.last = {Fault::kConnectFailed, 0};
  run.count = state.failure_count;
  state.attempt_at = agent.now + RetryDelay(run, static_cast<uint32_t>(PrngNext(agent.prng)));
  ReportFileFailure(agent, platform, file_index, failure);
}

void Succeeded(Agent& agent, Platform& platform, uint32_t file_index, bool is_written) {
  FileState& state = agent.files[file_index];
  state.is_current = true;
  state.is_known = true;
  state.failure = kOk;
  agent.output.has_news = true;
  if (is_written) {
    state.expires_at = TokenStateOf(agent, file_index).expires_at;
    state.published_at = agent.now;
    agent.tokens[ConfigOf(agent).files[file_index].token_index].is_published_anew = true;
    ++state.published_count;
    NotificationAdd(agent, file_index);
  }
  ReportFile(agent, LogLevel::kInfo, is_written ? "published" : "unchanged", file_index);
  if (!TokenOf(agent, file_index).is_secret) {
    LogNumber(agent.line, "expires_on", TokenStateOf(agent, file_index).expires_at_wall.unix_s);
  }
  if (state.failure_count != 0) {
    LogNumber(agent.line, "failures", state.failure_count);
    LogNumber(agent.line, "outage_s", (agent.now - state.failing_since).ms / 1000);
  }
  ReportSend(agent, platform);
  state.failure_count = 0;
  ReportForgetFile(agent, file_index);
}

void Publish(Agent& agent, Platform& platform, uint32_t file_index) {
  const FileConfig& file = ConfigOf(agent).files[file_index];
  const TokenState& token = agent.tokens[file.token_index];
  FileState& state = agent.files[file_index];
  // Not by the start, where the directory came by a reload or couldn't be listed.
  if (!state.is_swept) state.is_swept = FileSweep(platform, TargetOf(agent, file_index)).ok();
  if (!state.is_known) {
    Status failure;
    if (StandingMayStay(agent, platform, file_index, &failure)) {
      return Succeeded(agent, platform, file_index, false);
    }
    // What can't be read now may be newer. What can't be read at all is found by the publication.
    if (failure.detail == EMFILE || failure.detail == ENFILE) {
      return Failed(agent, platform, file_index, failure);
    }
  }
  Content content{&file, FieldsOf(agent, file.token_index)};
  const TokenConfig& config = ConfigOf(agent).tokens[file.token_index];
  FileMark mark{ClockWall(platform), token.ends_at_wall, FingerprintAt(agent, file_index)};
  if (config.is_secret) {
    // Fresh for twice the time between two requests, of which `once` asks after the first half.
    mark.expires_at_wall.unix_s =
        mark.published_at_wall.unix_s + (config.refresh + config.refresh).ms / 1000;
  }
  const Status published =
      FilePublish(platform, TargetOf(agent, file_index), mark, {ContentWrite, &content});
  if (published.ok()) {
    Succeeded(agent, platform, file_index, true);
  } else {
    Failed(agent, platform, file_index, published);
  }
}

// Puts an empty file in the file's place, or takes it away.
Status Clear(Agent& agent, Platform& platform, uint32_t file_index, bool leave_empty) {
  FileState& state = agent.files[file_index];
  const FileTarget target = TargetOf(agent, file_index);
  const Status cleared = leave_empty
                             ? FilePublish(platform, target, FileMark{}, {NothingWrite, nullptr})
                             : FileWithdraw(platform, target);
  if (cleared.ok()) {
    state.is_known = true;
    state.is_current = false;
    state.expires_at = Instant{};
  }
  return cleared;
}

// Applies a file's on_expiry, which is not to keep it. False where that failed, which is told.
bool Expire(Agent& agent, Platform& platform, uint32_t file_index) {
  const bool leave_empty = ConfigOf(agent).files[file_index].on_expiry == ExpiryPolicy::kEmpty;
  const Status cleared = Clear(agent, platform, file_index, leave_empty);
  if (!cleared.ok()) {
    ReportFileFailure(agent, platform, file_index, cleared);
    return false;
  }
  ReportFile(agent, LogLevel::kWarning, "expired_file_cleared", file_index);
  ReportSend(agent, platform);
  return true;
}

}  // namespace

FileTarget TargetOf(Agent& agent, uint32_t file_index) {
  CHECK(file_index < ConfigOf(agent).file_count);
  const FileConfig& file = ConfigOf(agent).files[file_index];
  const FileState& state = agent.files[file_index];
  FileTarget target{};
  target.hold = &agent.directory;
  target.directory = file.directory.data();
  target.name = file.name.data();
  target.uid = state.uid;
  target.gid = state.gid;
  target.mode = file.mode;
  target.require_memory_fs = ConfigOf(agent).require_tmpfs;
  return target;
}

void PublicationOnTick(Agent& agent, Platform& platform) {
  for (uint32_t index = 0; index < ConfigOf(agent).file_count; ++index) {
    if (agent.files[index].is_current || PublicationExpiry(agent, index) > agent.now) continue;
    agent.output.has_news = true;
    if (!Expire(agent, platform, index)) {
      agent.files[index].expires_at = agent.now + kRetryDelayMax;
    }
  }
  if (agent.request.token_index != kTokenNone) return;
  for (uint32_t index = 0; index < ConfigOf(agent).file_count; ++index) {
    const FileState& state = agent.files[index];
    if (state.is_current) continue;
    const bool has_token = TokenStateOf(agent, index).slot != kSlotNone;
    const bool is_done = agent.mode != Mode::kRun && state.failure_count != 0;
    if (has_token && !is_done && state.attempt_at <= agent.now) Publish(agent, platform, index);
  }
}

void PublicationInvalidate(Agent& agent, uint32_t token_index, bool forced) {
  for (uint32_t index = 0; index < ConfigOf(agent).file_count; ++index) {
    if (ConfigOf(agent).files[index].token_index != token_index) continue;
    agent.files[index].is_current = false;
    agent.files[index].is_known = agent.files[index].is_known || forced;
    agent.files[index].attempt_at = agent.now;
  }
}

void PublicationReview(Agent& agent, uint32_t token_index) {
  for (uint32_t index = 0; index < ConfigOf(agent).file_count; ++index) {
    if (ConfigOf(agent).files[index].token_index != token_index) continue;
    agent.files[index].is_current = false;
    agent.files[index].is_known = false;
    agent.files[index].attempt_at = agent.now;
  }
}

bool PublicationExpire(Agent& agent, Platform& platform, uint32_t token_index) {
  bool is_done = true;
  for (uint32_t index = 0; index < ConfigOf(agent).file_count; ++index) {
    const FileConfig& file = ConfigOf(agent).files[index];
    if (file.token_index != token_index) continue;
    agent.files[index].is_current = false;
    if (file.on_expiry == ExpiryPolicy::kKeep) continue;
    is_done = Expire(agent, platform, index) && is_done;
  }
  return is_done;
}

Instant PublicationExpiry(const Agent& agent, uint32_t file_index) {
  const FileState& state = agent.files[file_index];
  const bool is_left_behind = agent.mode == Mode::kRun && !state.is_current &&
                              TokenStateOf(agent, file_index).slot != kSlotNone;
  const bool is_kept = ConfigOf(agent).files[file_index].on_expiry == ExpiryPolicy::kKeep;
  // Until it was compared with the token in force, only our wall clock says that it has expired.
  const bool is_compared = state.is_known || state.failure_count != 0;
  if (!is_left_behind || is_kept || !is_compared || state.expires_at.boot_ms == 0) {
    return kInstantNever;
  }
  return state.expires_at;
}

void PublicationStop(Agent& agent, Platform& platform, uint32_t file_index) {
  if (ConfigOf(agent).files[file_index].on_stop != StopPolicy::kRemove) return;
  const Status cleared = Clear(agent, platform, file_index, false);
  if (!cleared.ok()) ReportFileFailure(agent, platform, file_index, cleared);
}

void PublicationInherit(Agent& agent, Platform& platform) {
  for (uint32_t index = 0; index < ConfigOf(agent).file_count; ++index) {
    TokenState& token = agent.tokens[ConfigOf(agent).files[index].token_index];
    if (token.slot != kSlotNone) continue;
    Standing standing;
    RingRetire(agent.ring, StandingRead(agent, platform, index, &standing));
    const Duration life = standing.mark.expires_at_wall - ClockWall(platform);
    if (TokenOf(agent, index).is_secret) {
      // It doesn't expire, whoever published it, and whatever the clock.
      if (IsForThis(agent, index, standing))
        agent.files[index].expires_at = agent.now + kSecretLife;
      continue;
    }
    // Beyond the longest life, the clock has not been set yet.
    if (standing.size == 0 || life > kMarkLifeMax) continue;
    if (IsForThis(agent, index, standing)) agent.files[index].expires_at = ExpiryMark(agent, life);
    token.expires_at = Earliest(token.expires_at, agent.now + Greatest(life, kInheritedLifeMin));
  }
}

bool PublicationIsGood(Agent& agent, Platform& platform, uint32_t file_index) {
  Standing standing;
  RingRetire(agent.ring, StandingRead(agent, platform, file_index, &standing));
  agent.files[file_index].is_known = standing.size == 0;  // there is nothing that might stay
  if (!IsForThis(agent, file_index, standing)) return false;
  // A clock that stands before the publication, or proves a life that no token has, is not set.
  const Duration life = standing.mark.expires_at_wall - standing.mark.published_at_wall;
  const Duration age = ClockWall(platform) - standing.mark.published_at_wall;
  const TokenConfig& token = TokenOf(agent, file_index);
  const Duration life_max = token.is_secret ? token.refresh + token.refresh : kMarkLifeMax;
  if (life.ms <= 0 || life > life_max || age.ms < 0) return false;
  return age.ms < life.ms / 100 * token.refresh_at_percent;
}

Status PublicationPrint(Agent& agent, Platform& platform, uint32_t token_index) {
  PartTarget target{&platform, File{}};
  PartWriter writer;
  writer.flush = PartFlush;
  writer.context = &target;
  // A terminal wants a line's end, which the file of a raw token doesn't have.
  const bool is_raw = agent.command->format == Format::kRaw;
  const Format format = is_raw ? Format::kTemplate : agent.command->format;
  return FormatToken(format, "{access_token}\n", FieldsOf(agent, token_index), writer);
}

}  // namespace miagent
