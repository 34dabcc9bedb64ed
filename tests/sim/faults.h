// Every kind of fault that the simulator knows: its name, what it does, how it heals.
//
// Purpose: one table. A kind is armed by a step of a life, fires when it really happens to the
//          agent (a refusal that nobody meets is none), and heals at the end of the round.
#pragma once

#include <cstdint>
#include <string_view>

#include "agent/base/prng.h"
#include "platform/sim/server.h"
#include "platform/sim/world.h"

namespace miagent {

struct Swarm;

enum class FaultKindId : uint8_t {
  kRefuse,
  kUnreachable,
  kConnectSilence,
  kSilence,
  kReset,
  kEarlyEnd,
  kDribble,
  kGarbage,
  kOversizeHead,
  kOversizeBody,
  kStatus2xx,
  kStatus3xx,
  kStatus4xx,
  kStatus404,
  kStatus408,
  kStatus410,
  kStatus429,
  kStatus5xx,
  kRetryAfterSeconds,
  kRetryAfterZero,
  kRetryAfterHuge,
  kRetryAfterDate,
  kRetryAfterPast,
  kRetryAfterGarbage,
  kTokenExpired,
  kTokenHuge,
  kTokenSame,
  kTokenOlder,
  kTokenEscaped,
  kExpiriesDisagree,
  kChunks,
  kShortReads,
  kShortWrites,
  kWall1970,
  kWallSecond,
  kWallYears,
  kDrift,
  kSuspend,
  kSnapshot,
  kNoSpace,
  kDiskEio,
  kDiskEdquot,
  kDiskErofs,
  kDiskEacces,
  kReadOnly,
  kDirectoryReplaced,
  kUnmounted,
  kRemountedEmpty,
  kDescriptors,
  kInterrupted,
  kAgain,
  kHangup,
  kForced,
  kReport,
  kKill,
  kStop,
  kTokenRemoved,
  kTokenAdded,
  kFileMoved,
  kConfigBroken,
  kHookFails,
  kHookHangs,
  kHookRefused,
  kSupervisorGone,
  kSupervisorFull,
  kCount,
};
inline constexpr uint32_t kFaultKindCount = static_cast<uint32_t>(FaultKindId::kCount);

struct FaultKind {
  FaultKindId id;
  const char* name;
  const char* does;
  const char* heals;
  void (*arm)(Swarm& swarm, FaultKindId id, Prng& draws);
};
extern const FaultKind kFaultKinds[kFaultKindCount];

// Everything is well again, at once.
void FaultsHeal(Swarm& swarm);

// The server's hook: what the armed kinds make of an answer, or a good one.
void FaultsAnswer(void* context, SimExchange& exchange);

// Before each verb: what the armed kinds make of it.
int32_t FaultsBefore(void* context, Platform& world, Verb verb);

}  // namespace miagent
