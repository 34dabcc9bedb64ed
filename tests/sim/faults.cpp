#include "tests/sim/faults.h"

#include <cerrno>
#include <cstring>

#include "agent/base/bytes.h"
#include "platform/sim/text.h"
#include "tests/sim/swarm.h"

namespace miagent {
namespace {

using Id = FaultKindId;

constexpr uint32_t At(Id id) { return static_cast<uint32_t>(id); }
constexpr uint64_t Bit(Verb verb) { return uint64_t{1} << static_cast<uint32_t>(verb); }
static_assert(kVerbCount <= 64, "a bit for each verb");

constexpr size_t kOversizeBytes = 48 * 1024;  // more than any limit of an answer
constexpr uint32_t kTokenSizeHuge = 32'300;    // its answer is just within the limit
constexpr uint64_t kWritingVerbs = Bit(Verb::kFileCreate) | Bit(Verb::kFileWrite) |
                                   Bit(Verb::kFileRename) | Bit(Verb::kFileRemove) |
                                   Bit(Verb::kFileSetMode) | Bit(Verb::kFileSetOwner) |
                                   Bit(Verb::kFileSetTimes);
constexpr uint64_t kOpeningVerbs = Bit(Verb::kDirectoryOpen) | Bit(Verb::kFileOpenAt) |
                                   Bit(Verb::kDirectoryList) | Bit(Verb::kFileRead);
constexpr uint64_t kDescriptorVerbs = Bit(Verb::kSocketConnect) | Bit(Verb::kFileCreate) |
                                      Bit(Verb::kFileOpen) | Bit(Verb::kFileOpenAt) |
                                      Bit(Verb::kDirectoryOpen) | Bit(Verb::kChildStart);
constexpr uint64_t kNamingVerbs =
    Bit(Verb::kFileCreate) | Bit(Verb::kFileRename) | Bit(Verb::kFileRemove);

char g_oversize[kOversizeBytes];

// A text of `size` bytes that is no token.
std::string_view Padding(size_t size) {
  if (g_oversize[0] == 0) memset(g_oversize, 'x', sizeof(g_oversize));
  return {g_oversize, size};
}

// ---- how kinds are armed ----------------------------------------------------------------------

void ArmGreeting(Swarm& swarm, Id id, Prng& draws) {
  constexpr int32_t kErrors[] = {ENETUNREACH, EHOSTUNREACH, EACCES, EPERM};
  SimServer& server = *swarm.server;
  server.greeting_error = ECONNREFUSED;
  server.greeting = id == Id::kRefuse ? SimGreeting::kRefuse : SimGreeting::kSilent;
  if (id != Id::kUnreachable) return;
  server.greeting = SimGreeting::kDeny;
  server.greeting_error = kErrors[DrawBelow(draws, 4)];
}

void ArmAnswers(Swarm& swarm, Id id, Prng& draws) {
  const uint32_t bound = id == Id::kSilence || id == Id::kDribble ? 3 : 8;
  swarm.answers_left[At(id)] = 1 + DrawBelow(draws, bound);
}

// A Retry-After needs an answer that it can stand on.
void ArmRetryAfter(Swarm& swarm, Id id, Prng& draws) {
  constexpr Id kOn[] = {Id::kStatus429, Id::kStatus5xx, Id::kStatus4xx, Id::kStatus3xx,
                        Id::kStatus404, Id::kStatus408, Id::kStatus410, Id::kStatus2xx};
  ArmAnswers(swarm, id, draws);
  const uint32_t on = At(kOn[DrawBelow(draws, 8)]);
  if (swarm.answers_left[on] < swarm.answers_left[At(id)]) {
    swarm.answers_left[on] = swarm.answers_left[At(id)];
  }
}

void ArmSame(Swarm& swarm, Id, Prng& draws) {
  swarm.imds.keeps_token = Milliseconds(swarm.imds.lifetime.ms / 100 * (1 + DrawBelow(draws, 95)));
}

void ArmChunks(Swarm& swarm, Id, Prng& draws) {
  swarm.imds.chunk_size = 1 + DrawBelow(draws, 700);
  swarm.imds.piece_size = DrawBelow(draws, 2) == 0 ? 0 : 1 + DrawBelow(draws, 300);
  swarm.imds.closes = DrawBelow(draws, 2) == 0;
}

void ArmShortReads(Swarm& swarm, Id, Prng& draws) {
  swarm.world.socket_read_size_max = 1 + DrawBelow(draws, 64);
  swarm.world.file_read_size_max = 1 + DrawBelow(draws, 64);
}

void ArmShortWrites(Swarm& swarm, Id, Prng& draws) {
  swarm.world.socket_write_size_max = 1 + DrawBelow(draws, 64);
  swarm.world.file_write_size_max = 1 + DrawBelow(draws, 64);
}

void ArmWall(Swarm& swarm, Id id, Prng& draws) {
  if (id == Id::kWall1970) {
    SimWallSet(swarm.world, {int64_t{DrawBelow(draws, 100'000)}});
  } else if (id == Id::kWallSecond) {
    SimWallStep(swarm.world, Seconds(DrawBelow(draws, 2) == 0 ? 1 : -1));
  } else if (id == Id::kWallYears) {
    SimWallStep(swarm.world, Seconds((int64_t{DrawBelow(draws, 101)} - 50) * 365 * 86400));
  } else {
    SimWallDrift(swarm.world, int64_t{DrawBelow(draws, 1001)} - 500);
  }
  FaultFired(swarm, id);
}

void ArmSuspend(Swarm& swarm, Id, Prng& draws) {
  const int64_t after_ms = DrawBelow(draws, 2) == 0 ? 0 : DrawBelow(draws, 3'600'000);
  const int64_t most_s = int64_t{1} << (1 + DrawBelow(draws, 21));  // up to 30 days and a bit
  const int64_t seconds = DrawBelow(draws, static_cast<uint32_t>(most_s)) + 1;
  SimSuspendAt(swarm.world, swarm.world.now + Milliseconds(after_ms), Seconds(seconds));
}

void ArmSnapshot(Swarm& swarm, Id, Prng&) {
  if (swarm.is_alive) swarm.has_snapshot = true;
}

void VerbFaultAdd(Swarm& swarm, Id id, uint64_t verbs, int32_t error, Prng& draws) {
  for (VerbFault& fault : swarm.verb_faults) {
    if (fault.count != 0) continue;
    fault.kind = id;
    fault.verbs = verbs;
    fault.error = error;
    fault.skip_count = DrawBelow(draws, 20);
    fault.count = 1 + DrawBelow(draws, DrawBelow(draws, 2) == 0 ? 3 : 40);
    swarm.verbs_at_fault |= verbs;
    return;
  }
}

void NoSpaceSee(void* context, Platform&, Verb verb, IoResult result) {
  Swarm& swarm = *static_cast<Swarm*>(context);
  if (verb == Verb::kFileWrite && result.error == ENOSPC) FaultFired(swarm, Id::kNoSpace);
}

void ArmNoSpace(Swarm& swarm, Id, Prng& draws) {
  swarm.world.space_left = DrawBelow(draws, 3000);
  swarm.world.after_verb = NoSpaceSee;
}

void ArmDisk(Swarm& swarm, Id id, Prng& draws) {
  const uint64_t denied = Bit(Verb::kFileCreate) | Bit(Verb::kFileRename) | Bit(Verb::kFileRemove);
  switch (id) {
    case Id::kDiskEio: return VerbFaultAdd(swarm, id, kWritingVerbs | kOpeningVerbs, EIO, draws);
    case Id::kDiskEdquot: return VerbFaultAdd(swarm, id, kWritingVerbs, EDQUOT, draws);
    case Id::kDiskErofs: return VerbFaultAdd(swarm, id, kWritingVerbs, EROFS, draws);
    default:
      return VerbFaultAdd(swarm, id, denied | Bit(Verb::kFileOpenAt) | Bit(Verb::kDirectoryOpen),
                          EACCES, draws);
  }
}

SimDirectory* TokenDirectory(Swarm& swarm) {
  for (SimDirectory& directory : swarm.world.directories) {
    if (directory.in_use && !directory.is_gone && strcmp(directory.path, kTokenDirectory) == 0) {
      return &directory;
    }
  }
  return nullptr;
}

void ArmReadOnly(Swarm& swarm, Id, Prng&) {
  if (SimDirectory* directory = TokenDirectory(swarm); directory != nullptr) {
    directory->read_only = true;
  }
}

void ArmDirectory(Swarm& swarm, Id id, Prng&) {
  if (TokenDirectory(swarm) == nullptr) return;
  SimDirectoryMove(swarm.world, kTokenDirectory);
  swarm.is_forcing_needed = swarm.is_forcing_needed || id != Id::kUnmounted;
  if (id == Id::kDirectoryReplaced) LifeMount(swarm, true);
  FaultFired(swarm, id);
}

void ArmDescriptors(Swarm& swarm, Id id, Prng& draws) {
  VerbFaultAdd(swarm, id, kDescriptorVerbs, DrawBelow(draws, 2) == 0 ? EMFILE : ENFILE, draws);
}

void ArmInterrupted(Swarm& swarm, Id id, Prng& draws) {
  VerbFaultAdd(swarm, id, Bit(Verb::kWait), EINTR, draws);
}

void ArmAgain(Swarm& swarm, Id id, Prng& draws) {
  const uint64_t verbs = Bit(Verb::kSocketRead) | Bit(Verb::kSocketWrite) | Bit(Verb::kLocalSend);
  VerbFaultAdd(swarm, id, verbs, EAGAIN, draws);
}

void ArmSignal(Swarm& swarm, Id id, Prng& draws) {
  const Signal signal = id == Id::kHangup   ? Signal::kReload
                        : id == Id::kForced ? Signal::kRefresh
                        : id == Id::kReport ? Signal::kReport
                                            : Signal::kStop;
  swarm.signal_kind = id;
  if (DrawBelow(draws, 3) == 0) {
    LifeSignal(swarm, signal);
    FaultFired(swarm, id);
    return;
  }
  swarm.signal = signal;
  swarm.signal_countdown = 1 + DrawBelow(draws, DrawBelow(draws, 2) == 0 ? 60 : 600);
}

void ArmKill(Swarm& swarm, Id, Prng& draws) {
  swarm.kill_countdown = 1 + DrawBelow(draws, DrawBelow(draws, 2) == 0 ? 60 : 2000);
}

void ArmConfig(Swarm& swarm, Id id, Prng&) {
  const uint32_t bit = id == Id::kTokenRemoved ? kConfigLacksVault
                       : id == Id::kTokenAdded ? kConfigHasGraph
                       : id == Id::kFileMoved  ? kConfigMovesStorage
                                               : kConfigIsBroken;
  LifeConfigure(swarm, swarm.config ^ bit);
  swarm.is_reload_needed = true;  // even where the next step takes it back
  LifeSignal(swarm, Signal::kReload);
  if (swarm.is_alive) FaultFired(swarm, id);
}

void ArmHook(Swarm& swarm, Id id, Prng& draws) {
  SimProgram& hook = *swarm.hook;
  hook.exit_code = 0;
  hook.start_error = 0;
  hook.leaves_output_open = DrawBelow(draws, 4) == 0;
  hook.runs = Milliseconds(int64_t{DrawBelow(draws, 9000)} + 1);
  if (id == Id::kHookFails) hook.exit_code = static_cast<uint8_t>(1 + DrawBelow(draws, 255));
  if (id == Id::kHookRefused) hook.start_error = DrawBelow(draws, 2) == 0 ? EAGAIN : EACCES;
  if (id == Id::kHookHangs) hook.runs = Milliseconds(kTimeMax);
}

void ArmSupervisor(Swarm& swarm, Id id, Prng&) {
  (id == Id::kSupervisorGone ? swarm.supervisor->is_gone : swarm.supervisor->is_full) = true;
}

// ---- what a server says -----------------------------------------------------------------------

// The header of the Retry-After that is armed, if one is; each has its own count.
std::string_view RetryAfterMake(Swarm& swarm) {
  constexpr struct {
    Id id;
    const char* header;
    Duration wanted;
  } kHeaders[] = {
      {Id::kRetryAfterSeconds, "Retry-After: 30\r\n", Seconds(30)},
      {Id::kRetryAfterZero, "Retry-After: 0\r\n", Seconds(0)},
      {Id::kRetryAfterHuge, "Retry-After: 99999999999\r\n", Seconds(300)},
      {Id::kRetryAfterDate, "Retry-After: Fri, 31 Dec 9999 23:59:59 GMT\r\n", Seconds(300)},
      {Id::kRetryAfterPast, "Retry-After: Thu, 01 Jan 1998 00:00:00 GMT\r\n", Seconds(0)},
      {Id::kRetryAfterGarbage, "Retry-After: -1.5 fortnights\r\n", Seconds(0)},
  };
  for (const auto& each : kHeaders) {
    if (swarm.answers_left[At(each.id)] == 0) continue;
    --swarm.answers_left[At(each.id)];
    FaultFired(swarm, each.id);
    swarm.retry_after = each.wanted;
    return each.header;
  }
  return {};
}

void StatusAnswer(Swarm& swarm, SimExchange& exchange, Id id) {
  constexpr uint32_t kRefusals[] = {400, 401, 403, 405, 418, 451};
  constexpr uint32_t kServerErrors[] = {500, 501, 502, 503, 504, 599};
  constexpr uint32_t kRedirects[] = {301, 302, 303, 307, 308};
  constexpr uint32_t kUnexpected[] = {201, 202, 204, 206};
  constexpr std::string_view kBodies[] = {
      "{\"error\":\"invalid_request\",\"error_description\":\"Identity not found\"}", "",
      "Required metadata header not specified or not correct",
      "{\"error\":{\"code\":\"x\",\"message\":\"y\"}}", "{\"code\":1,\"message\":[]}"};
  SimAnswer answer;
  switch (id) {
    case Id::kStatus2xx: answer.status = kUnexpected[DrawBelow(swarm.answer_draws, 4)]; break;
    case Id::kStatus3xx: answer.status = kRedirects[DrawBelow(swarm.answer_draws, 5)]; break;
    case Id::kStatus4xx: answer.status = kRefusals[DrawBelow(swarm.answer_draws, 6)]; break;
    case Id::kStatus404: answer.status = 404; break;
    case Id::kStatus408: answer.status = 408; break;
    case Id::kStatus410: answer.status = 410; break;
    case Id::kStatus429: answer.status = 429; break;
    default: answer.status = kServerErrors[DrawBelow(swarm.answer_draws, 6)]; break;
  }
  answer.body = answer.status == 204 ? "" : kBodies[DrawBelow(swarm.answer_draws, 5)];
  answer.headers = RetryAfterMake(swarm);
  answer.closes = DrawBelow(swarm.answer_draws, 3) == 0;
  SimAnswerSend(exchange, answer);
}

bool IsWallRight(const Platform& world) {
  const int64_t error_s = SimWall(world).unix_s - SimTrueTime(world).unix_s;
  return error_s > -30 && error_s < 30;
}

// Fields that contradict each other. One of those that bound the life is right, each time.
void DisagreeingAnswer(Swarm& swarm, SimExchange& exchange) {
  SimToken token = SimImdsAnswerOf(SimImdsIssue(swarm.imds, exchange), exchange);
  SimAnswer answer;
  switch (DrawBelow(swarm.answer_draws, 7)) {
    case 0:
      token.expires_on = SimExpiry::kAbsent;
      token.expires_in = SimExpiry::kNumber;
      answer.has_date = DrawBelow(swarm.answer_draws, 2) == 0;
      break;
    case 1:
      token.expires_in = SimExpiry::kAbsent;
      token.expires_on = SimExpiry::kNumber;
      break;
    case 2: token.expires_in_s += DrawBelow(swarm.answer_draws, 100'000); break;
    case 3:
      // With a wrong clock of its own, too, the agent has nobody to believe.
      if (IsWallRight(swarm.world)) {
        token.expires_on_unix_s += DrawBelow(swarm.answer_draws, 100'000);
      }
      break;
    case 4: answer.has_date = false; break;
    case 5:
      answer.has_date = false;
      answer.headers = "Date: Sun, 15 Jun 2025 15:06:40 GMT\r\n";
      break;
    default:
      token.expires_in = SimExpiry::kAbsent;
      token.not_before = SimExpiry::kAbsent;
      break;
  }
  SimTokenSend(exchange, token, answer);
}

// Every other letter as JSON may have it.
void EscapedAnswer(Swarm& swarm, SimExchange& exchange) {
  static char escaped[kSimFileSizeMax];
  SimToken token = SimImdsAnswerOf(SimImdsIssue(swarm.imds, exchange), exchange);
  const uint32_t every = 2 + DrawBelow(swarm.answer_draws, 40);
  TextWriter writer{escaped, sizeof(escaped)};
  for (size_t index = 0; index < token.access_token.size(); ++index) {
    const char c = token.access_token[index];
    if (index % every != 0 || token.access_token.size() > 5000) {
      Append(writer, c);
      continue;
    }
    Append(writer, "\\u00");
    AppendHex(writer, static_cast<uint8_t>(c), 2);
  }
  token.access_token = writer.text();
  SimTokenSend(exchange, token, SimAnswer{});
}

void BytesAnswer(Swarm& swarm, SimExchange& exchange) {
  char bytes[400];
  const uint32_t size = 1 + DrawBelow(swarm.answer_draws, sizeof(bytes));
  constexpr std::string_view kStart = "HTTP/1.1 200 OK\r\n";
  for (uint32_t index = 0; index < size; ++index) {
    bytes[index] = static_cast<char>(DrawBelow(swarm.answer_draws, 256));
  }
  if (size > kStart.size() && DrawBelow(swarm.answer_draws, 2) == 0) {
    memcpy(bytes, kStart.data(), kStart.size());
  }
  SimSend(exchange, {bytes, size});
  if (DrawBelow(swarm.answer_draws, 2) == 0) SimEnd(exchange);
}

void CutAnswer(Swarm& swarm, SimExchange& exchange) {
  const SimToken token = SimImdsAnswerOf(SimImdsIssue(swarm.imds, exchange), exchange);
  SimAnswer answer;
  answer.chunk_size = swarm.imds.chunk_size;
  SimTokenSend(exchange, token, answer);
  const SimSocket& socket = swarm.world.sockets[exchange.socket_index];
  const SimSegment& sent = socket.segments[socket.segment_first + socket.segment_count - 1];
  const uint32_t size = sent.size;
  SimTruncate(exchange, 1 + DrawBelow(swarm.answer_draws, size - 1));
  if (DrawBelow(swarm.answer_draws, 2) == 0) SimReset(exchange);
  SimEnd(exchange);
}

void TokenAnswer(Swarm& swarm, SimExchange& exchange, Id id) {
  if (id == Id::kTokenHuge) {
    const uint32_t usual = swarm.imds.token_size;
    swarm.imds.token_size = kTokenSizeHuge - DrawBelow(swarm.answer_draws, 16'000);
    const SimIssued& issued = SimImdsIssue(swarm.imds, exchange);
    swarm.imds.token_size = usual;
    return SimTokenSend(exchange, SimImdsAnswerOf(issued, exchange), SimAnswer{});
  }
  SimToken token = SimImdsAnswerOf(SimImdsIssue(swarm.imds, exchange), exchange);
  token.access_token = "a-token-that-must-not-be-taken";
  const int64_t ago_s = DrawBelow(swarm.answer_draws, 100'000);
  token.expires_on_unix_s = SimTrueTime(swarm.world).unix_s - ago_s;
  token.not_before_unix_s = token.expires_on_unix_s - 86400;
  token.expires_in_s = -ago_s;
  SimTokenSend(exchange, token, SimAnswer{});
}

void OversizeAnswer(SimExchange& exchange, Id id) {
  static char header[kOversizeBytes];
  SimAnswer answer;
  if (id == Id::kOversizeBody) {
    answer.body = Padding(kOversizeBytes);
  } else {
    TextWriter writer{header, sizeof(header)};
    Append(writer, "X-Padding: ");
    Append(writer, Padding(9000));
    Append(writer, "\r\n");
    answer.headers = writer.text();
  }
  SimAnswerSend(exchange, answer);
}

void GoodAnswer(Swarm& swarm, SimExchange& exchange) {
  const uint32_t issued_number = swarm.imds.issued_number;
  SimImdsAnswer(&swarm.imds, exchange);
  if (swarm.imds.refused_count != 0) InvariantBroken("a request that IMDS would refuse");
  if (swarm.imds.keeps_token.ms != 0 && swarm.imds.issued_number == issued_number) {
    FaultFired(swarm, Id::kTokenSame);
  }
  if (swarm.imds.chunk_size != 0) FaultFired(swarm, Id::kChunks);
}

// The one before the last, as an endpoint with several caches may have it, where that still lives.
void OlderAnswer(Swarm& swarm, SimExchange& exchange) {
  SimImds& imds = swarm.imds;
  if (SimRequestParameter(exchange, "bypass_cache") == "true") return GoodAnswer(swarm, exchange);
  const Duration keeps_token = imds.keeps_token;
  imds.keeps_token = Milliseconds(kTimeMax);  // no new one for this
  const SimIssued last = SimImdsIssue(imds, exchange);
  imds.keeps_token = keeps_token;
  const int64_t now_s = SimTrueTime(swarm.world).unix_s;
  for (uint32_t back = 1; back < 16 && back < last.number; ++back) {
    const SimIssued* older = SimImdsIssueFind(imds, last.number - back);
    if (older == nullptr || older->key != last.key) continue;
    if (older->expires_at_wall.unix_s <= now_s + 1) break;
    FaultFired(swarm, Id::kTokenOlder);
    return SimTokenSend(exchange, SimImdsAnswerOf(*older, exchange), SimAnswer{});
  }
  GoodAnswer(swarm, exchange);
}

void SpoiledAnswer(Swarm& swarm, SimExchange& exchange, Id id) {
  if (id != Id::kTokenOlder) FaultFired(swarm, id);
  switch (id) {
    case Id::kSilence: return;
    case Id::kReset: return SimReset(exchange);
    case Id::kEarlyEnd: return CutAnswer(swarm, exchange);
    case Id::kDribble:
      SimCut(exchange, 1, Milliseconds(1 + DrawBelow(swarm.answer_draws, 12)));
      return SimImdsAnswer(&swarm.imds, exchange);
    case Id::kGarbage: return BytesAnswer(swarm, exchange);
    case Id::kOversizeHead:
    case Id::kOversizeBody: return OversizeAnswer(exchange, id);
    case Id::kTokenExpired:
    case Id::kTokenHuge: return TokenAnswer(swarm, exchange, id);
    case Id::kTokenOlder: return OlderAnswer(swarm, exchange);
    case Id::kTokenEscaped: return EscapedAnswer(swarm, exchange);
    case Id::kExpiriesDisagree: return DisagreeingAnswer(swarm, exchange);
    default: return StatusAnswer(swarm, exchange, id);
  }
}

constexpr bool IsOfAnswers(Id id) {
  const uint32_t at = At(id);
  const bool is_retry_after = at >= At(Id::kRetryAfterSeconds) && at <= At(Id::kRetryAfterGarbage);
  return at >= At(Id::kSilence) && at <= At(Id::kExpiriesDisagree) && !is_retry_after &&
         id != Id::kTokenSame;
}

// One of the kinds that have an answer left to spoil; kCount for none.
Id SpoilerChoose(Swarm& swarm) {
  uint32_t count = 0;
  for (uint32_t at = 0; at < kFaultKindCount; ++at) {
    if (IsOfAnswers(static_cast<Id>(at)) && swarm.answers_left[at] != 0) ++count;
  }
  if (count == 0) return Id::kCount;
  uint32_t chosen = DrawBelow(swarm.answer_draws, count);
  for (uint32_t at = 0; at < kFaultKindCount; ++at) {
    if (!IsOfAnswers(static_cast<Id>(at)) || swarm.answers_left[at] == 0) continue;
    if (chosen-- != 0) continue;
    --swarm.answers_left[at];
    return static_cast<Id>(at);
  }
  return Id::kCount;
}

// ---- before a verb ----------------------------------------------------------------------------

// Kinds that fire where the agent meets what they set up.
void MeetingsSee(Swarm& swarm, Verb verb) {
  const Platform& world = swarm.world;
  if (verb == Verb::kSocketConnect && swarm.server->greeting != SimGreeting::kAccept) {
    const SimGreeting greeting = swarm.server->greeting;
    FaultFired(swarm, greeting == SimGreeting::kRefuse   ? Id::kRefuse
                      : greeting == SimGreeting::kSilent ? Id::kConnectSilence
                                                         : Id::kUnreachable);
  }
  if (verb == Verb::kSocketRead && world.socket_read_size_max != 0) {
    FaultFired(swarm, Id::kShortReads);
  }
  if (verb == Verb::kFileWrite && world.file_write_size_max != 0) {
    FaultFired(swarm, Id::kShortWrites);
  }
  if (verb == Verb::kLocalSend && swarm.supervisor->is_gone) {
    FaultFired(swarm, Id::kSupervisorGone);
  } else if (verb == Verb::kLocalSend && swarm.supervisor->is_full) {
    FaultFired(swarm, Id::kSupervisorFull);
  }
  if (verb == Verb::kChildStart) {
    if (swarm.hook->start_error != 0) FaultFired(swarm, Id::kHookRefused);
    if (swarm.hook->runs.ms == kTimeMax) FaultFired(swarm, Id::kHookHangs);
    if (swarm.hook->exit_code != 0) FaultFired(swarm, Id::kHookFails);
  }
  if ((kNamingVerbs & Bit(verb)) != 0) {
    const SimDirectory* directory = TokenDirectory(swarm);
    if (directory == nullptr || !directory->read_only) return;
    FaultFired(swarm, Id::kReadOnly);
    if (verb == Verb::kFileRemove) swarm.watch.may_have_leftovers = true;
  }
}

int32_t VerbFaultTake(Swarm& swarm, Verb verb) {
  for (VerbFault& fault : swarm.verb_faults) {
    if (fault.count == 0 || (fault.verbs & Bit(verb)) == 0) continue;
    if (fault.skip_count > 0) {
      --fault.skip_count;
      continue;
    }
    --fault.count;
    FaultFired(swarm, fault.kind);
    // A file that can't be read is as good as none, unless only descriptors are missing.
    const bool is_reading =
        verb == Verb::kFileOpenAt || verb == Verb::kFileRead || verb == Verb::kDirectoryOpen;
    if (is_reading && fault.kind != Id::kDescriptors) WatchUnread(swarm.watch);
    if (verb == Verb::kFileRemove) swarm.watch.may_have_leftovers = true;
    return fault.error;
  }
  return 0;
}

}  // namespace

int32_t FaultsBefore(void* context, Platform&, Verb verb) {
  Swarm& swarm = *static_cast<Swarm*>(context);
  if (swarm.signal_countdown != 0 && --swarm.signal_countdown == 0) {
    FaultFired(swarm, swarm.signal_kind);
    LifeSignal(swarm, swarm.signal);
  }
  if (swarm.kill_countdown != 0 && --swarm.kill_countdown == 0) {
    FaultFired(swarm, Id::kKill);
    std::longjmp(swarm.death, 1);  // no destructor stands in the way
  }
  if (swarm.is_troubled) MeetingsSee(swarm, verb);
  return (swarm.verbs_at_fault & Bit(verb)) == 0 ? 0 : VerbFaultTake(swarm, verb);
}

void FaultsAnswer(void* context, SimExchange& exchange) {
  Swarm& swarm = *static_cast<Swarm*>(context);
  WatchRequest(swarm.watch, exchange);
  const Id id = SpoilerChoose(swarm);
  swarm.retry_after = Duration{0};
  if (id == Id::kCount) {
    GoodAnswer(swarm, exchange);
  } else {
    SpoiledAnswer(swarm, exchange, id);
  }
  WatchAnswer(swarm.watch, exchange, swarm.retry_after);
}

void FaultsHeal(Swarm& swarm) {
  Platform& world = swarm.world;
  swarm.server->greeting = SimGreeting::kAccept;
  for (uint32_t& left : swarm.answers_left) left = 0;
  swarm.imds.keeps_token = Duration{0};
  swarm.imds.chunk_size = 0;
  swarm.imds.piece_size = 0;
  swarm.imds.closes = false;
  world.socket_read_size_max = world.socket_write_size_max = 0;
  world.file_read_size_max = world.file_write_size_max = 0;
  SimWallDrift(world, 0);
  SimWallSet(world, SimTrueTime(world));
  world.space_left = UINT64_MAX;
  world.after_verb = nullptr;
  for (VerbFault& fault : swarm.verb_faults) fault.count = 0;
  swarm.verbs_at_fault = 0;
  LifeMount(swarm, swarm.is_forcing_needed);
  if (SimDirectory* directory = TokenDirectory(swarm); directory != nullptr) {
    directory->read_only = false;
  }
  swarm.kill_countdown = 0;
  swarm.signal_countdown = 0;
  for (SimHappening& planned : world.happenings) {
    if (planned.kind == SimHappeningKind::kSuspend) planned.in_use = false;
  }
  if (swarm.config != 0) {
    LifeConfigure(swarm, 0);
    swarm.is_reload_needed = true;
  }
  SimProgram& hook = *swarm.hook;
  hook.exit_code = 0;
  hook.start_error = 0;
  hook.leaves_output_open = false;
  hook.runs = Milliseconds(5);
  swarm.supervisor->is_gone = swarm.supervisor->is_full = false;
}

// A row: what it is called, what it does, how it heals, how it is armed.
#define ANSWERS "the next answers are good ones"
const FaultKind kFaultKinds[kFaultKindCount] = {
    {Id::kRefuse, "refuse", "the server refuses connections", "it listens again", ArmGreeting},
    {Id::kUnreachable, "unreachable", "no route, or a policy forbids it", "there is one again",
     ArmGreeting},
    {Id::kConnectSilence, "connect-silence", "no connection comes about", "it listens again",
     ArmGreeting},
    {Id::kSilence, "silence", "requests get no answer", ANSWERS, ArmAnswers},
    {Id::kReset, "reset", "the connection breaks in place of an answer", ANSWERS, ArmAnswers},
    {Id::kEarlyEnd, "early-end", "an answer ends or breaks at any byte", ANSWERS, ArmAnswers},
    {Id::kDribble, "dribble", "an answer comes byte by byte, some milliseconds apart", ANSWERS,
     ArmAnswers},
    {Id::kGarbage, "garbage", "random bytes, with a status line or without", ANSWERS, ArmAnswers},
    {Id::kOversizeHead, "oversize-head", "a head of 9 KB", ANSWERS, ArmAnswers},
    {Id::kOversizeBody, "oversize-body", "a body of 48 KB", ANSWERS, ArmAnswers},
    {Id::kStatus2xx, "status-2xx", "201, 202, 204, 206", ANSWERS, ArmAnswers},
    {Id::kStatus3xx, "status-3xx", "a redirect", ANSWERS, ArmAnswers},
    {Id::kStatus4xx, "status-4xx", "400, 401, 403 and others: refused", ANSWERS, ArmAnswers},
    {Id::kStatus404, "status-404", "404", ANSWERS, ArmAnswers},
    {Id::kStatus408, "status-408", "408", ANSWERS, ArmAnswers},
    {Id::kStatus410, "status-410", "410", ANSWERS, ArmAnswers},
    {Id::kStatus429, "status-429", "429", ANSWERS, ArmAnswers},
    {Id::kStatus5xx, "status-5xx", "500 to 599", ANSWERS, ArmAnswers},
    {Id::kRetryAfterSeconds, "retry-after-seconds", "Retry-After: 30, on any status", ANSWERS,
     ArmRetryAfter},
    {Id::kRetryAfterZero, "retry-after-zero", "Retry-After: 0", ANSWERS, ArmRetryAfter},
    {Id::kRetryAfterHuge, "retry-after-huge", "Retry-After: 3,000 years", ANSWERS, ArmRetryAfter},
    {Id::kRetryAfterDate, "retry-after-date", "Retry-After: a date to come", ANSWERS,
     ArmRetryAfter},
    {Id::kRetryAfterPast, "retry-after-past", "Retry-After: a date that is over", ANSWERS,
     ArmRetryAfter},
    {Id::kRetryAfterGarbage, "retry-after-garbage", "Retry-After: nonsense", ANSWERS,
     ArmRetryAfter},
    {Id::kTokenExpired, "token-expired", "a token that has expired", ANSWERS, ArmAnswers},
    {Id::kTokenHuge, "token-huge", "a token of 16 to 32 KB", ANSWERS, ArmAnswers},
    {Id::kTokenSame, "token-same", "the same token again", "a new one each time", ArmSame},
    {Id::kTokenOlder, "token-older", "a token from before the last one", ANSWERS, ArmAnswers},
    {Id::kTokenEscaped, "token-escaped", "a token with JSON escapes", ANSWERS, ArmAnswers},
    {Id::kExpiriesDisagree, "expiries-disagree",
     "expires_on, expires_in, not_before, Date: absent, or they contradict each other", ANSWERS,
     ArmAnswers},
    {Id::kChunks, "chunks", "answers in chunks and pieces of any size", "whole", ArmChunks},
    {Id::kShortReads, "short-reads", "reads of a few bytes", "reads are whole", ArmShortReads},
    {Id::kShortWrites, "short-writes", "writes of a few bytes", "writes are whole", ArmShortWrites},
    {Id::kWall1970, "wall-1970", "the wall clock stands in 1970", "NTP sets it", ArmWall},
    {Id::kWallSecond, "wall-second", "the wall clock steps by a second", "NTP sets it", ArmWall},
    {Id::kWallYears, "wall-years", "the wall clock steps by up to 50 years", "NTP sets it",
     ArmWall},
    {Id::kDrift, "drift", "the wall clock gains or loses up to 0.05 %", "NTP sets it", ArmWall},
    {Id::kSuspend, "suspend", "the machine sleeps, up to 24 days", "it wakes", ArmSuspend},
    {Id::kSnapshot, "snapshot", "the virtual machine is put back to the step's begin",
     "NTP sets its clock, and SIGUSR1 tells it", ArmSnapshot},
    {Id::kNoSpace, "no-space", "ENOSPC after some bytes", "there is room", ArmNoSpace},
    {Id::kDiskEio, "disk-eio", "EIO", "the disk is well", ArmDisk},
    {Id::kDiskEdquot, "disk-edquot", "EDQUOT", "the disk is well", ArmDisk},
    {Id::kDiskErofs, "disk-erofs", "EROFS, in the middle of anything", "the disk is well", ArmDisk},
    {Id::kDiskEacces, "disk-eacces", "EACCES", "the disk is well", ArmDisk},
    {Id::kReadOnly, "read-only", "the directory can't be written", "it can", ArmReadOnly},
    {Id::kDirectoryReplaced, "directory-replaced", "another, empty directory is in its place",
     "SIGUSR1 or SIGHUP tells it", ArmDirectory},
    {Id::kUnmounted, "unmounted", "the directory is gone", "it is mounted again, as it was",
     ArmDirectory},
    {Id::kRemountedEmpty, "remounted-empty", "the directory is gone",
     "an empty one is mounted; SIGUSR1 or SIGHUP tells it", ArmDirectory},
    {Id::kDescriptors, "descriptors", "EMFILE, ENFILE", "there are enough", ArmDescriptors},
    {Id::kInterrupted, "interrupted", "Wait wakes for nothing, as by EINTR", "it doesn't",
     ArmInterrupted},
    {Id::kAgain, "again", "EAGAIN though it was said to be ready", "ready is ready", ArmAgain},
    {Id::kHangup, "hangup", "SIGHUP, between any two verbs", "none comes", ArmSignal},
    {Id::kForced, "forced", "SIGUSR1, between any two verbs", "none comes", ArmSignal},
    {Id::kReport, "report", "SIGUSR2, between any two verbs", "none comes", ArmSignal},
    {Id::kKill, "kill", "SIGKILL at any verb", "another process starts at once", ArmKill},
    {Id::kStop, "stop", "SIGTERM, between any two verbs", "another process starts at once",
     ArmSignal},
    {Id::kTokenRemoved, "token-removed", "a reload without a token and its files",
     "a reload of the first one", ArmConfig},
    {Id::kTokenAdded, "token-added", "a reload with one token more", "a reload of the first one",
     ArmConfig},
    {Id::kFileMoved, "file-moved", "a reload in which a file has another path",
     "a reload of the first one", ArmConfig},
    {Id::kConfigBroken, "config-broken", "a reload of a file that is no configuration",
     "a reload of the first one", ArmConfig},
    {Id::kHookFails, "hook-fails", "the hook exits with an error", "it doesn't", ArmHook},
    {Id::kHookHangs, "hook-hangs", "the hook never ends", "it ends", ArmHook},
    {Id::kHookRefused, "hook-refused", "the hook can't be started", "it can", ArmHook},
    {Id::kSupervisorGone, "supervisor-gone", "nobody is at NOTIFY_SOCKET", "it is there",
     ArmSupervisor},
    {Id::kSupervisorFull, "supervisor-full", "NOTIFY_SOCKET has no room", "it has", ArmSupervisor},
};
#undef ANSWERS

}  // namespace miagent
