// Every capacity and time limit of the agent, each once, each with its reason.
//
// Limits come from protocol.md's facts about the endpoints or from the machine; those that a user
// can meet (tokens, files, answer size) are printed by `miagent --version`.
#pragma once

#include <cstddef>
#include <cstdint>

#include "platform/time.h"

namespace miagent {

// ---- names of endpoints (agent/dns) -----------------------------------------------------------
inline constexpr size_t kDnsNameSizeMax = 255;  // RFC 1035: on the wire, the root's byte included
inline constexpr size_t kDnsLabelSizeMax = 63;  // RFC 1035
inline constexpr size_t kDnsQuerySizeMax = 12 + kDnsNameSizeMax + 4;  // header, name, type, class
inline constexpr size_t kDnsMessageSizeMax = 4096;  // over TCP; 8 aliases and 100 addresses fit
inline constexpr uint32_t kDnsAddressCountMax = 8;
inline constexpr uint32_t kDnsFamilyCountMax = 4;  // of IPv4 and of IPv6 each
inline constexpr uint32_t kDnsAliasCountMax = 8;  // CNAMEs one behind the other; Azure has 6
inline constexpr uint32_t kDnsServerCountMax = 3;  // these as resolv.conf(5) has them …
inline constexpr uint32_t kDnsSearchCountMax = 6;
inline constexpr size_t kDnsSearchSizeMax = 256;
inline constexpr uint32_t kDnsDotCountMax = 15;
inline constexpr uint32_t kDnsAttemptCountDefault = 2;
inline constexpr uint32_t kDnsAttemptCountMax = 5;
inline constexpr Duration kDnsTimeoutDefault = Seconds(5);
inline constexpr Duration kDnsTimeoutMax = Seconds(30);  // … until here
inline constexpr Duration kDnsExtraTimeout = Seconds(1);  // for IPv6 where IPv4 is there already
inline constexpr uint32_t kDnsStrangerCountMax = 8;  // wrong answers before a try is given up
inline constexpr uint32_t kDnsFileBlockCountMax = 1024;  // of 4 KiB: a hosts file of adverts' hosts
inline constexpr Duration kDnsTtlMin = Seconds(5);  // 64 tokens due at once ask once
inline constexpr Duration kDnsTtlMax = Seconds(300);  // an endpoint that moved is found by then
static_assert(kDnsAddressCountMax == 2 * kDnsFamilyCountMax, "room for both families");

// ---- what a configuration may hold ----------------------------------------------------------
// These three can be set when it is built (cmake -DMIAGENT_TOKENS_MAX=1024); messages show them.
#ifndef MIAGENT_TOKENS_MAX
#define MIAGENT_TOKENS_MAX 64  // identities times resources on one machine
#endif
#ifndef MIAGENT_FILES_MAX
#define MIAGENT_FILES_MAX 128  // two forms of each token
#endif
#ifndef MIAGENT_CONFIG_KIB_MAX
#define MIAGENT_CONFIG_KIB_MAX 64  // 128 file sections of 500 bytes
#endif
#define MIAGENT_TEXT_OF(value) #value
#define MIAGENT_TEXT(setting) MIAGENT_TEXT_OF(setting)
inline constexpr size_t kTokenCountMax = MIAGENT_TOKENS_MAX;
inline constexpr size_t kFileCountMax = MIAGENT_FILES_MAX;
inline constexpr size_t kConfigSizeMax = MIAGENT_CONFIG_KIB_MAX * size_t{1024};
inline constexpr size_t kConfigLineSizeMax = 1024;  // a path and a resource id fit, NUL included
inline constexpr size_t kNameSizeMax = 64;  // a token's name
inline constexpr size_t kPathSizeMax = 512;  // NUL included
inline constexpr size_t kFileNameSizeMax = 255;  // NAME_MAX of every Linux file system
inline constexpr size_t kResourceSizeMax = 512;  // the longest seen is about 100
inline constexpr size_t kIdentitySizeMax = 512;  // an ARM resource id: about 200
inline constexpr size_t kEndpointSizeMax = 512;
inline constexpr size_t kTemplateSizeMax = 512;
inline constexpr uint32_t kNotifyArgumentCountMax = 16;  // a program and what a line has room for

// ---- one exchange ---------------------------------------------------------------------------
inline constexpr size_t kAnswerBodySizeMax = 32 * 1024;  // largest token seen: 10.5 KB
inline constexpr size_t kHttpHeadSizeMax = 8 * 1024;  // raw bytes, interim answers included
inline constexpr uint32_t kHttpHeaderCountMax = 64;
inline constexpr uint32_t kHttpInterimCountMax = 4;  // 1xx answers before the final one
// A body in chunks of one byte is six times as long with its framing.
inline constexpr size_t kHttpBodyRawSizeMax = 8 * kAnswerBodySizeMax;
inline constexpr size_t kSlotSize = kHttpHeadSizeMax + kAnswerBodySizeMax;
inline constexpr size_t kSlotCount = kTokenCountMax + 1;  // every token live, one being received
inline constexpr size_t kSecretHeaderSizeMax = 2048;  // App Service's is a GUID: 36
inline constexpr size_t kKeySizeMax = 4096;  // of Azure Arc's key file, as the SDKs have it
inline constexpr size_t kAssertionSizeMax = 8 * 1024;  // a service account's token: about 1 KB
inline constexpr size_t kSecretSizeMax = 25 * 1024;  // Key Vault's own limit of a secret's value
inline constexpr size_t kSecretNameSizeMax = 127;  // Key Vault's own
inline constexpr size_t kSecretVersionSizeMax = 64;  // they have 32
inline constexpr size_t kTenantSizeMax = 128;  // a GUID, or a domain's name
inline constexpr size_t kClaimsSizeMax = 1024;  // of a claims challenge, decoded; seen: 120
inline constexpr size_t kFileSecretSizeMax = kAssertionSizeMax;  // the larger of the two files'
// Percent-encoding trebles a byte; 640 for the rest of the request line, the headers and the form.
// One request has one secret at most.
inline constexpr size_t kRequestSizeMax = 3 * (kResourceSizeMax + kIdentitySizeMax) +
                                          kEndpointSizeMax + kTenantSizeMax + 640 +
                                          kFileSecretSizeMax + 3 * kClaimsSizeMax;
inline constexpr uint32_t kRequestPartCountMax = 4;  // a head around a token, and a body
inline constexpr uint32_t kJsonTokenCountMax = 128;  // jsmn's work grows with the square of nesting
inline constexpr size_t kErrorCodeSizeMax = 64;  // the longest documented has 25
inline constexpr size_t kErrorDescriptionSizeMax = 256;  // what is shown of a description

// ---- `call` ---------------------------------------------------------------------------------
inline constexpr size_t kCallUrlSizeMax = 4096;  // ARM's $filter is long; its own limit is 8 KiB
inline constexpr size_t kCallMethodSizeMax = 16;
inline constexpr uint32_t kCallHeaderCountMax = 8;
inline constexpr size_t kCallHeaderSizeMax = 1024;  // of one, with its name
inline constexpr size_t kCallDataSizeMax = 256 * 1024;  // of a file or standard input

// ---- notifications --------------------------------------------------------------------------
inline constexpr size_t kHookLineSizeMax = 256;  // of a hook's output, as a log shows it
inline constexpr uint32_t kHookLineCountMax = 64;  // of one run; a hook is no way to fill a log
inline constexpr size_t kPidFileSizeMax = 32;  // ten digits, and what white space there is

// ---- TLS ------------------------------------------------------------------------------------
// 54 KB are the most that was seen: TLS 1.3, RSA-4096, a chain of four.
inline constexpr size_t kTlsPoolSize = 64 * 1024;
inline constexpr size_t kTlsCertificateSizeMax = 8 * 1024;  // in a CA bundle; the usual is 2 KB
inline constexpr size_t kTlsBundleBlockSize = 4096;  // of a CA bundle, read at once
inline constexpr size_t kTlsMemorySize =  // about 2 KB are the session's own
    kTlsPoolSize + kTlsCertificateSizeMax + kTlsBundleBlockSize + 2048;
inline constexpr size_t kHostSizeMax = 255;  // a DNS name's limit
inline constexpr size_t kThumbprintSize = 20;  // SHA-1

// ---- loop and lines -------------------------------------------------------------------------
inline constexpr size_t kEventCountMax = 8;
inline constexpr size_t kLogLineSizeMax = 1024;
inline constexpr uint32_t kReapCountMax = 64;  // children in one turn; the rest in the next
inline constexpr uint32_t kLogEntryCountMax = kTokenCountMax + kFileCountMax;  // one problem each
inline constexpr uint32_t kStillTurnCountMax = 100000;  // turns at one instant: the loop is stuck

// ---- time -----------------------------------------------------------------------------------
inline constexpr Duration kRequestTimeoutDefault = Seconds(10);  // IMDS's longest answer
inline constexpr Duration kRequestTimeoutMax = Seconds(300);
inline constexpr Duration kTimeoutMax = Seconds(86400);  // --timeout of a whole command
inline constexpr Duration kRequestIntervalMin = Seconds(60);  // two requests for one token
inline constexpr Duration kSignalledIntervalMin = Seconds(1);  // a storm of them is no storm
inline constexpr Duration kRetryDelayMax = Seconds(60);
inline constexpr Duration kRetryAfterMax = Seconds(300);
inline constexpr Duration kServerErrorDelayMin = Seconds(1);  // after a 5xx
inline constexpr Duration kGonePatience = Seconds(70);  // a 410 is over within this time
inline constexpr Duration kSlowPollInterval = Seconds(300);  // after a refusal
inline constexpr Duration kNotifyTimeout = Seconds(10);  // spec.md; then SIGKILL
inline constexpr Duration kLogRepeatInterval = Seconds(3600);  // the same problem is told again
inline constexpr Duration kStaleMargin = Seconds(300);  // this close to expiry is stale
inline constexpr Duration kRestartPatience = Seconds(10);  // from SIGTERM to SIGKILL
inline constexpr uint32_t kTryCountMax = 5;  // `once`, `get`: then exit 75
inline constexpr Duration kSecretRefreshMin = Seconds(60);  // of a Key Vault secret
inline constexpr Duration kSecretRefreshMax = Seconds(24 * 3600);
inline constexpr Duration kSecretRefreshDefault = Seconds(3600);
inline constexpr Duration kSecretLife = Seconds(int64_t{10} * 365 * 86400);  // as good as for ever
inline constexpr Duration kExpiryDisagreementMax = Seconds(60);  // of an answer's own fields
inline constexpr uint32_t kRefreshAtPercentMin = 10;
inline constexpr uint32_t kRefreshAtPercentMax = 90;
inline constexpr uint32_t kRefreshAtPercentDefault = 50;
inline constexpr uint32_t kRefreshJitterPermilleMax = 50;  // 0-5 % earlier
inline constexpr uint32_t kRetryJitterPermilleMax = 500;  // 0-50 % later (bench/fleet.md) …
inline constexpr uint32_t kLongRetryJitterPermilleMax = 200;  // … from kRetryDelayMax on 0-20 %
inline constexpr int64_t kUnixTimeMax = 253402300799;  // 9999-12-31T23:59:59Z

static_assert(kSlotSize >= kHttpHeadSizeMax + kAnswerBodySizeMax, "an answer fits a slot");
static_assert(kSlotCount > kTokenCountMax, "a free slot for the answer while all tokens live");
static_assert(kFileSecretSizeMax >= kKeySizeMax && kFileSecretSizeMax >= kSecretHeaderSizeMax,
              "room for any secret");
// The whole head, written where the request for the token was: that one is over.
static_assert(kCallUrlSizeMax + kCallMethodSizeMax + kCallHeaderCountMax * kCallHeaderSizeMax +
                      kHostSizeMax + 256 <=
                  kRequestSizeMax,
              "a head fits the memory of a request");
static_assert(kRequestTimeoutDefault <= kRequestTimeoutMax, "the default is allowed");

}  // namespace miagent
