// Status: how an operation ended, and what each fault means for the user.
//
// Purpose: one closed list of everything that can go wrong. Its table (status.cpp) holds for each
//          fault the exit code, what the schedule does about it, what happened, and what to do.
// Errors:  the first fault wins and keeps its detail.
// Never:   holds text from outside, so that no secret can be carried along.
//
// A new error: one line in the enum, one in the table, in the same order.
#pragma once

#include <cstdint>
#include <string_view>

namespace miagent {

enum class Fault : uint8_t {
  kNone,
  // No answer. `detail` is an errno value, or 0.
  kConnectFailed,
  kConnectForbidden,
  kConnectionLost,
  kTimeout,
  kOutOfTime,
  kStopped,
  // The endpoint's name. `detail` of kNameServerSilent is an errno value, or 0.
  kNameSyntax,
  kNameUnknown,
  kNameNoAddress,
  kNameServerFailed,
  kNameServerRefused,
  kNameServerSilent,
  kNameMalformed,
  // The answer's HTTP. `detail` is the HTTP status where there was one, else 0.
  kHttpSyntax,
  kHttpVersion,
  kHttpStatusRange,
  kHttpInterim,
  kHttpHeadTooLarge,
  kHttpTransferEncoding,
  kHttpTrailingBytes,
  kBodyTooLarge,
  kAnswerRedirect,
  kAnswerRefused,
  kAnswerUnavailable,
  kAnswerUnchallenged,
  kAnswerStatusUnexpected,
  // The answer's content.
  kJsonSyntax,
  kJsonTooManyParts,
  kJsonDuplicateName,
  kAnswerNoToken,
  kAnswerTokenBytes,
  kAnswerNoExpiry,
  kAnswerExpired,
  kAnswerOtherIdentity,
  kAnswerNoSecret,
  // A challenge, and the file that a request must show. `detail` is an errno value, or 0.
  kChallengeForm,
  kChallengePath,
  kKeyOpen,
  kKeyLink,
  kKeyForm,
  kKeyTooLarge,
  kKeyBytes,
  kAssertionRead,
  kAssertionForm,
  // TLS. `detail` of kTlsProtocol is the engine's own error, without its sign; of kTlsBundle an
  // errno value, or 0 where the file has no certificate.
  kTlsProtocol,
  kTlsMemory,
  kTlsBundle,
  kTlsMissing,
  kTlsIssuer,
  kTlsName,
  kTlsPurpose,
  kTlsWeak,
  kTlsExpired,
  kTlsNotYetValid,
  kTlsThumbprint,
  // Files. `detail` is an errno value, or 0.
  kFileWrite,
  kFileRead,
  kDirectoryOpen,
  kDirectoryLink,
  kDirectoryOwner,
  kDirectoryWritable,
  kDirectoryNotMemory,
  kOutputWrite,
  kStatusRead,
  kStatusForm,
  kNotFresh,
  // Of `call`. `detail` of kCallDataRead is an errno value.
  kCallDataRead,
  kCallDataTooLarge,
  kCallKeyAbsent,
  kCallSameToken,
  // The user's input. `detail` of kConfigRead is an errno value.
  kConfigRead,
  kConfig,
  kCommandLine,
  // The machine. `detail` is an errno value.
  kSystem,
  kProgramAbsent,
  kProgramNotExecutable,
  // Notifications. `detail` is an errno value, an exit code or a signal's number, or 0.
  kNotifyStart,
  kNotifyExit,
  kNotifyDied,
  kNotifyTimeout,
  kPidFileDirectory,
  kPidFileOpen,
  kPidFileKind,
  kPidFileWritable,
  kPidFileSize,
  kPidFileForm,
  kPidFileOwn,
  kPidFileOwner,
  kPidFileChanged,
  kPidFileStale,
  kPidFileSend,
  kCount,
};

// What the schedule does after a fault of a request.
enum class Remedy : uint8_t {
  kNone,      // not a fault of a request
  kRetry,     // soon, by the retry table
  kSlowPoll,  // every 5 minutes: only a change from outside can help
};

struct FaultFacts {
  uint8_t exit_code;            // sysexits, spec.md
  Remedy remedy;
  const char* what;             // what happened: completes "<subject>: "
  const char* advice;           // what to do about it; may be empty
};

FaultFacts FaultLookUp(Fault fault);

struct [[nodiscard]] Status {
  Fault fault = Fault::kNone;
  int32_t detail = 0;
  constexpr bool ok() const { return fault == Fault::kNone; }
};

inline constexpr Status kOk{};

}  // namespace miagent

// Leaves the function with the fault, if there is one.
#define TRY(expression)                                                                         \
  do {                                                                                          \
    if (const ::miagent::Status try_status = (expression); !try_status.ok()) return try_status; \
  } while (false)
