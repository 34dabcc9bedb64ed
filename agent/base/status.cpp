#include "agent/base/status.h"

#include <utility>

#include "agent/base/check.h"

namespace miagent {
namespace {

constexpr uint8_t kExitOk = 0;
constexpr uint8_t kExitNotFresh = 1;
constexpr uint8_t kExitUsage = 64;
constexpr uint8_t kExitData = 65;
constexpr uint8_t kExitRefused = 69;
constexpr uint8_t kExitCantCreate = 73;
constexpr uint8_t kExitTryAgain = 75;
constexpr uint8_t kExitUnsafe = 77;
constexpr uint8_t kExitConfig = 78;
constexpr uint8_t kExitNotExecutable = 126;
constexpr uint8_t kExitNoProgram = 127;

constexpr const char* kAdviceNotAnEndpoint = "is the URL that of a token endpoint?";
constexpr const char* kAdviceKeyFile = "no Azure Arc agent writes such a file: who did?";
constexpr const char* kAdviceCertificate = "its owner has to renew it";
constexpr const char* kAdviceTransient = "this may pass by itself";

constexpr const char* kAdviceNameServer = "mend the nameserver lines of /etc/resolv.conf";

constexpr FaultFacts kFaults[] = {
    {kExitOk, Remedy::kNone, "done", ""},
    {kExitTryAgain, Remedy::kRetry, "can't connect",
     "is this an Azure machine, and the endpoint's address right?"},
    {kExitTryAgain, Remedy::kRetry, "not allowed to connect",
     "a route, firewall or agent on this machine forbids the endpoint: allow it for this user"},
    {kExitTryAgain, Remedy::kRetry, "the connection ended before the answer was whole",
     kAdviceTransient},
    {kExitTryAgain, Remedy::kRetry, "no answer in time", "raise timeout, or see why it is slow"},
    {kExitTryAgain, Remedy::kRetry, "out of time", "raise --timeout, or try again later"},
    {kExitTryAgain, Remedy::kRetry, "stopped by a signal before all was done", "start it again"},
    // Of names, only what is wrong in itself is for good: "no such name" is also what a machine
    // hears whose network, VPN or search list isn't up yet, or from a captive portal.
    {kExitRefused, Remedy::kSlowPoll, "the host is no name that DNS can have", "mend the URL"},
    {kExitTryAgain, Remedy::kRetry, "no such host", "is the URL's host right?"},
    {kExitTryAgain, Remedy::kRetry, "the host has no address", "is the URL's host right?"},
    {kExitTryAgain, Remedy::kRetry, "the name server failed", kAdviceTransient},
    {kExitTryAgain, Remedy::kRetry, "the name server refused", kAdviceNameServer},
    {kExitTryAgain, Remedy::kRetry, "no name server answered", kAdviceNameServer},
    {kExitTryAgain, Remedy::kRetry, "the name server's answer is malformed", kAdviceNameServer},
    {kExitData, Remedy::kSlowPoll, "the answer is not HTTP", kAdviceNotAnEndpoint},
    {kExitData, Remedy::kSlowPoll, "the answer is neither HTTP/1.0 nor HTTP/1.1",
     kAdviceNotAnEndpoint},
    {kExitData, Remedy::kSlowPoll, "the HTTP status is out of range", kAdviceNotAnEndpoint},
    {kExitData, Remedy::kSlowPoll, "unexpected interim HTTP answers", kAdviceNotAnEndpoint},
    {kExitData, Remedy::kSlowPoll, "the answer's HTTP head is too large", kAdviceNotAnEndpoint},
    {kExitData, Remedy::kSlowPoll, "the answer's transfer encoding is not supported",
     kAdviceNotAnEndpoint},
    {kExitData, Remedy::kSlowPoll, "bytes follow the answer", kAdviceNotAnEndpoint},
    {kExitData, Remedy::kSlowPoll, "the answer is larger than 32 KiB",
     "a token with that many claims needs a build with a larger kAnswerBodySizeMax"},
    {kExitRefused, Remedy::kSlowPoll, "redirects, which is never followed",
     "set endpoint to the URL that answers itself"},
    {kExitRefused, Remedy::kSlowPoll, "refused", ""},
    {kExitTryAgain, Remedy::kRetry, "not available now", kAdviceTransient},
    {kExitData, Remedy::kSlowPoll, "an answer without the challenge that has to come first",
     "something that isn't the Azure Arc agent listens there"},
    {kExitData, Remedy::kSlowPoll, "an HTTP status that carries no token", kAdviceNotAnEndpoint},
    {kExitData, Remedy::kSlowPoll, "the answer is not one JSON object", kAdviceNotAnEndpoint},
    {kExitData, Remedy::kSlowPoll, "the answer's JSON has too many parts", kAdviceNotAnEndpoint},
    {kExitData, Remedy::kSlowPoll, "the answer's JSON has a name twice", kAdviceNotAnEndpoint},
    {kExitData, Remedy::kSlowPoll, "the answer has no access_token", kAdviceNotAnEndpoint},
    {kExitData, Remedy::kSlowPoll, "the access_token has bytes that no token has",
     kAdviceNotAnEndpoint},
    {kExitData, Remedy::kSlowPoll, "the answer has no usable expiry", kAdviceNotAnEndpoint},
    {kExitData, Remedy::kSlowPoll, "the token has expired already",
     "compare the clocks of this machine and of the endpoint"},
    {kExitData, Remedy::kSlowPoll, "the token is not said to be of the identity asked for",
     "this endpoint doesn't know identity selectors: update the Azure Arc agent"},
    {kExitData, Remedy::kSlowPoll, "the answer has no value of 1 to 25600 bytes without a NUL",
     "a file holds no other"},
    {kExitData, Remedy::kSlowPoll, "the challenge is not 'Basic realm=PATH'", kAdviceNotAnEndpoint},
    {kExitData, Remedy::kSlowPoll,
     "the challenge names another file than a .key in /var/opt/azcmagent/tokens",
     kAdviceNotAnEndpoint},
    {kExitData, Remedy::kSlowPoll, "can't open the key file that the challenge names",
     "make this user a member of the group himds"},
    {kExitData, Remedy::kSlowPoll, "the key file or its directory is a symbolic link",
     kAdviceKeyFile},
    {kExitData, Remedy::kSlowPoll, "the key file is no regular file", kAdviceKeyFile},
    {kExitData, Remedy::kSlowPoll, "the key file is larger than 4096 bytes", kAdviceKeyFile},
    {kExitData, Remedy::kSlowPoll, "the key file is empty or has bytes that no header has",
     kAdviceKeyFile},
    {kExitTryAgain, Remedy::kRetry, "can't read the file of AZURE_FEDERATED_TOKEN_FILE",
     "is it mounted, and may this user read it?"},
    {kExitTryAgain, Remedy::kRetry, "the file of AZURE_FEDERATED_TOKEN_FILE holds no assertion",
     "it must be a token of up to 8192 bytes"},
    {kExitTryAgain, Remedy::kRetry, "TLS failed", "does the endpoint speak https, TLS 1.2 or 1.3?"},
    {kExitTryAgain, Remedy::kRetry, "TLS ran out of its memory",
     "certificates that large need a build with a larger kTlsPoolSize"},
    {kExitConfig, Remedy::kSlowPoll, "no CA certificates to judge the server by",
     "install ca-certificates, or name a PEM file with ca_file or --ca"},
    {kExitConfig, Remedy::kSlowPoll, "https needs TLS, which this build doesn't have", ""},
    {kExitRefused, Remedy::kSlowPoll,
     "the server's certificate is self-signed or of an unknown issuer",
     "if it is the right one, name its CA with ca_file or --ca"},
    {kExitRefused, Remedy::kSlowPoll, "the server's certificate is for another name",
     "is the endpoint's host name right?"},
    {kExitRefused, Remedy::kSlowPoll, "the server's certificate is not for servers",
     kAdviceCertificate},
    {kExitRefused, Remedy::kSlowPoll,
     "the server's certificate, or one of its issuers', has a weak or unknown key or signature",
     kAdviceCertificate},
    {kExitRefused, Remedy::kSlowPoll,
     "the server's certificate, or one of its issuers', has expired",
     "is this machine's clock right?"},
    {kExitRefused, Remedy::kSlowPoll,
     "the server's certificate, or one of its issuers', is not yet valid",
     "is this machine's clock right?"},
    {kExitRefused, Remedy::kSlowPoll, "the server's certificate doesn't have the thumbprint",
     "IDENTITY_SERVER_THUMBPRINT is another's: has the certificate changed?"},
    {kExitCantCreate, Remedy::kNone, "can't write the file", "free room or mend its directory"},
    {kExitCantCreate, Remedy::kNone, "can't read the file", "mend its mode or owner"},
    {kExitCantCreate, Remedy::kNone, "can't open the directory",
     "create it, owned by root or this user, mode 0755 or less"},
    {kExitUnsafe, Remedy::kNone, "the directory is a symbolic link, or no directory",
     "name the directory itself"},
    {kExitUnsafe, Remedy::kNone, "the directory belongs to another user",
     "make root or this user its owner"},
    {kExitUnsafe, Remedy::kNone, "the directory is writable by group or others", "chmod go-w it"},
    {kExitUnsafe, Remedy::kNone, "the directory is not on tmpfs or ramfs",
     "choose one below /run, or set require_tmpfs = no"},
    {kExitCantCreate, Remedy::kNone, "can't write to standard output", ""},
    {kExitTryAgain, Remedy::kNone, "can't read the status file",
     "is 'miagent run' at work with this configuration, and may this user read the file?"},
    {kExitData, Remedy::kNone, "no status file of schema 1",
     "is the 'miagent run' that writes it of this version?"},
    {kExitNotFresh, Remedy::kNone, "no token that is good for so long, within the time",
     "'miagent status' shows why"},
    {kExitUsage, Remedy::kNone, "can't read the data", "name a file with --data @FILE"},
    {kExitUsage, Remedy::kNone, "the data is larger than 256 KiB",
     "larger data needs a build with a larger kCallDataSizeMax"},
    {kExitData, Remedy::kNone, "the answer has no such member, or it is null",
     "see the whole answer without --key"},
    {kExitRefused, Remedy::kNone, "refuses the token, and the source has no other",
     "try again when it expires"},
    {kExitConfig, Remedy::kNone, "can't read the configuration",
     "name one with -c FILE ('miagent help' shows the options)"},
    {kExitConfig, Remedy::kNone, "the configuration has errors", ""},
    {kExitUsage, Remedy::kNone, "the command line has an error", ""},
    {kExitTryAgain, Remedy::kNone, "the system refused a call at start", ""},
    {kExitNoProgram, Remedy::kNone, "can't start it",
     "name a program by its path, or one that is in PATH"},
    {kExitNotExecutable, Remedy::kNone, "can't start it",
     "is it a program, for this machine, that this user may execute?"},
    {kExitTryAgain, Remedy::kNone, "can't start the hook", "mend the program of notify = exec"},
    {kExitTryAgain, Remedy::kNone, "the hook failed, with exit status", ""},
    {kExitTryAgain, Remedy::kNone, "the hook was ended by signal", ""},
    {kExitTryAgain, Remedy::kNone, "the hook took more than 10 seconds and was killed", ""},
    {kExitTryAgain, Remedy::kNone, "can't open the pid file's directory",
     "name it by its own path: links, as /var/run, are not followed"},
    {kExitTryAgain, Remedy::kNone, "can't open the pid file", "is its writer running?"},
    {kExitTryAgain, Remedy::kNone, "the pid file is not a regular file", ""},
    {kExitTryAgain, Remedy::kNone, "the pid file is writable by group or others", "chmod go-w it"},
    {kExitTryAgain, Remedy::kNone, "the pid file is larger than 32 bytes", ""},
    {kExitTryAgain, Remedy::kNone, "the pid file is not one decimal number above 1", ""},
    {kExitTryAgain, Remedy::kNone, "the pid file names the agent itself", ""},
    {kExitTryAgain, Remedy::kNone,
     "the pid file belongs to a user who is neither root, nor the agent's, nor the process's", ""},
    {kExitTryAgain, Remedy::kNone, "the pid file changed while it was read", ""},
    {kExitTryAgain, Remedy::kNone, "the pid file is stale: its process is gone", ""},
    {kExitTryAgain, Remedy::kNone, "can't signal the process of the pid file", ""},
};

static_assert(sizeof(kFaults) / sizeof(kFaults[0]) == static_cast<uint32_t>(Fault::kCount),
              "each fault has its row, in the order of the enum");

// The rows, a table for each column: of texts alone, the compiler keeps distances and not
// addresses, which would each be relocated at every start.
template <size_t... kIndex>
FaultFacts RowOf(uint32_t index, std::index_sequence<kIndex...>) {
  static constexpr uint8_t kExitCodes[] = {kFaults[kIndex].exit_code...};
  static constexpr Remedy kRemedies[] = {kFaults[kIndex].remedy...};
  static constexpr const char* kWhats[] = {kFaults[kIndex].what...};
  static constexpr const char* kAdvices[] = {kFaults[kIndex].advice...};
  return {kExitCodes[index], kRemedies[index], kWhats[index], kAdvices[index]};
}

}  // namespace

FaultFacts FaultLookUp(Fault fault) {
  CHECK(fault < Fault::kCount);
  return RowOf(static_cast<uint32_t>(fault),
               std::make_index_sequence<static_cast<size_t>(Fault::kCount)>());
}

}  // namespace miagent
