// The keys of a configuration: a table, and a function for each that judges and sets a value.

#include "agent/base/bytes.h"
#include "agent/base/check.h"
#include "agent/config/account.h"
#include "agent/config/choice.h"
#include "agent/config/reading.h"
#include "agent/config/resource.h"
#include "agent/notify/signal_name.h"
#include "agent/sink/format.h"
#include "agent/tls/trust.h"

namespace miagent {
namespace {

constexpr uint32_t kModeMax = 0777;
constexpr uint32_t kModeWritableByAll = 0002;
constexpr size_t kModeDigitCountMax = 4;

TokenConfig& CurrentToken(Reading& reading) {
  CHECK(reading.section == SectionKind::kToken && reading.config->token_count != 0);
  return reading.config->tokens[reading.config->token_count - 1];
}

TokenConfig& CurrentSecret(Reading& reading) {
  CHECK(reading.section == SectionKind::kSecret && reading.config->token_count != 0);
  return reading.config->tokens[reading.config->token_count - 1];
}

FileConfig& CurrentFile(Reading& reading) {
  CHECK(reading.section == SectionKind::kFile && reading.config->file_count != 0);
  return reading.config->files[reading.config->file_count - 1];
}

// A problem of the current key's value.
void Wrong(Reading& reading, const char* sentence, std::string_view outside = {}) {
  Problem(reading, reading.line_number, reading.key_name, sentence, outside);
}

// The position of the value in `choices`; 0, after saying so, where it isn't there.
uint32_t Choose(Reading& reading, std::string_view value, const char* choices) {
  uint32_t index = 0;
  if (!ChoiceFind(value, choices, &index)) Wrong(reading, "expected ~", choices);
  return index;
}

void SetLog(Reading& reading, std::string_view value) {
  reading.config->log = static_cast<LogTarget>(Choose(reading, value, kLogChoices));
}

void SetLogLevel(Reading& reading, std::string_view value) {
  reading.config->log_level = static_cast<LogLevel>(Choose(reading, value, kLogLevelChoices));
}

void SetTimeout(Reading& reading, std::string_view value) {
  uint64_t seconds = 0;
  if (!ParseUnsigned(value, static_cast<uint64_t>(kRequestTimeoutMax.ms / 1000), &seconds) ||
      seconds == 0) {
    return Wrong(reading, "expected 1 to 300 seconds");
  }
  reading.config->request_timeout = Seconds(static_cast<int64_t>(seconds));
}
static_assert(kRequestTimeoutMax == Seconds(300), "as the message says");

void SetCloud(Reading& reading, std::string_view value) {
  reading.config->cloud = static_cast<Cloud>(Choose(reading, value, "public|usgov|china"));
}

void SetRequireTmpfs(Reading& reading, std::string_view value) {
  reading.config->require_tmpfs = Choose(reading, value, "no|yes") == 1;
}

void SetOutput(Reading& reading, OutputId id, std::string_view value) {
  if (value.empty()) return;
  OutputConfig& output = reading.config->outputs[static_cast<uint32_t>(id)];
  const char* const problem = PathCheck(value);
  if (problem != nullptr) return Wrong(reading, problem);
  PathKeep(reading, value, &output.path, &output.directory, &output.name);
  output.line = reading.line_number;
}

void SetStatusFile(Reading& reading, std::string_view value) {
  SetOutput(reading, OutputId::kStatus, value);
}

void SetMetricsFile(Reading& reading, std::string_view value) {
  SetOutput(reading, OutputId::kMetrics, value);
}

void SetOnRefresh(Reading& reading, std::string_view value) {
  constexpr std::string_view kSignal = "signal ";
  Config& config = *reading.config;
  config.refresh_restarts = value == "restart";
  if (config.refresh_restarts) config.refresh_signal = kSignalTerm;
  if (config.refresh_restarts || value.empty() || value == "none") return;
  if (!StartsWith(value, kSignal) ||
      !SignalFind(Trim(SliceFrom(value, kSignal.size())), &config.refresh_signal)) {
    Wrong(reading, "expected none, restart, or signal and a name, as signal HUP");
  }
}
void SetCaFile(Reading& reading, std::string_view value) {
  if (value.empty()) return;
  if (reading.is_command_line) reading.key_name = "ca";
  if (TlsEngineName().empty()) return Wrong(reading, "needs TLS, which this build doesn't have");
  if (value[0] != '/' && !reading.is_command_line)
    return Wrong(reading, "expected an absolute path");
  if (value.size() >= kPathSizeMax) return Wrong(reading, "its path is longer than 511 bytes");
  reading.config->ca_file = Keep(reading, value);
}
static_assert(kPathSizeMax == 512, "as the message says");

void SetResource(Reading& reading, std::string_view value) {
  for (const char c : value) {
    if (c <= 0x20 || c > 0x7E || c == '"' || c == '\\') {
      return Wrong(reading, "a resource has no blanks, quotes, backslashes or non-ASCII letters");
    }
  }
  CurrentToken(reading).resource = Keep(reading, value);
  CurrentToken(reading).resource_line = reading.line_number;
}

void SetSource(Reading& reading, std::string_view value) {
  reading.is_source_chosen = value != "auto";
  if (!reading.is_source_chosen) return;
  if (SourceFind(value, &CurrentToken(reading).source)) return;
  Wrong(reading, "there is no source ~: expected auto, or one that --version lists", value);
}

void SetEndpoint(Reading& reading, std::string_view value) {
  CurrentToken(reading).endpoint_text = Keep(reading, value);
}

// Makes `value` the token's identity; false, and nothing is made, where it is empty or the second.
bool SetIdentity(Reading& reading, IdentityKind kind, std::string_view value) {
  if (value.empty()) return false;
  Identity& identity = CurrentToken(reading).identity;
  if (identity.kind != IdentityKind::kNone) {
    Wrong(reading, "a token takes one of client_id, object_id and mi_res_id, not two");
    return false;
  }
  identity.kind = kind;
  identity.value = Keep(reading, value);
  return true;
}

void SetGuid(Reading& reading, IdentityKind kind, std::string_view value) {
  if (!SetIdentity(reading, kind, value) || IsGuid(value)) return;
  Wrong(reading, "expected a GUID, as 11111111-2222-3333-4444-555555555555");
}

void SetClientId(Reading& reading, std::string_view value) {
  SetGuid(reading, IdentityKind::kClientId, value);
}

void SetObjectId(Reading& reading, std::string_view value) {
  SetGuid(reading, IdentityKind::kObjectId, value);
}

void SetResourceId(Reading& reading, std::string_view value) {
  constexpr std::string_view kPrefix = "/subscriptions/";
  if (!SetIdentity(reading, IdentityKind::kResourceId, value)) return;
  if (value.size() <= kPrefix.size() || Find(value, ' ') != value.size() ||
      !EqualIgnoreCase(Slice(value, 0, kPrefix.size()), kPrefix)) {
    Wrong(reading, "expected the identity's resource id: /subscriptions/... without blanks");
  }
}

void SetRefreshAt(Reading& reading, std::string_view value) {
  uint64_t percent = 0;
  if (!EndsWith(value, "%") ||
      !ParseUnsigned(Slice(value, 0, value.size() - 1), kRefreshAtPercentMax, &percent) ||
      percent < kRefreshAtPercentMin) {
    return Wrong(reading, "expected 10% to 90%, with the %");
  }
  CurrentToken(reading).refresh_at_percent = static_cast<uint32_t>(percent);
}
static_assert(kRefreshAtPercentMin == 10 && kRefreshAtPercentMax == 90, "as the message says");

void SetVault(Reading& reading, std::string_view value) {
  CurrentSecret(reading).endpoint_text = Keep(reading, value);
  CurrentSecret(reading).resource_line = reading.line_number;
}

// Whether a value has but letters, digits and dashes: it goes into a URL as it is.
bool IsSecretWord(std::string_view value) {
  for (const char c : value) {
    if (!IsAlpha(c) && !IsDigit(c) && c != '-') return false;
  }
  return true;
}

void SetSecretName(Reading& reading, std::string_view value) {
  if (!IsSecretWord(value)) return Wrong(reading, "a secret's name has A-Z a-z 0-9 and - alone");
  CurrentSecret(reading).resource = Keep(reading, value);  // until its URL is made
}

void SetVersion(Reading& reading, std::string_view value) {
  if (!IsSecretWord(value))
    return Wrong(reading, "a secret's version has letters and digits alone");
  reading.secret_version = Keep(reading, value);
}

void SetParent(Reading& reading, std::string_view value) {
  CurrentSecret(reading).parent_name = Keep(reading, value);
  CurrentSecret(reading).parent_line = reading.line_number;
}

void SetRefresh(Reading& reading, std::string_view value) {
  uint64_t count = 0;
  int64_t unit_s = 0;
  if (EndsWith(value, "s")) unit_s = 1;
  if (EndsWith(value, "m")) unit_s = 60;
  if (EndsWith(value, "h")) unit_s = 3600;
  const auto count_max = static_cast<uint64_t>(kSecretRefreshMax.ms / 1000);
  const bool is_number =
      unit_s != 0 && ParseUnsigned(Slice(value, 0, value.size() - 1), count_max, &count);
  const Duration refresh = Seconds(static_cast<int64_t>(count) * unit_s);
  if (!is_number || refresh < kSecretRefreshMin || refresh > kSecretRefreshMax) {
    return Wrong(reading, "expected 1m to 24h, with its unit: 90s, 15m or 1h");
  }
  CurrentSecret(reading).refresh = refresh;
}
static_assert(kSecretRefreshMin == Seconds(60) && kSecretRefreshMax == Seconds(24 * 3600),
              "as the message says");

void SetSecret(Reading& reading, std::string_view value) {
  CurrentFile(reading).is_secret = true;
  CurrentFile(reading).token_name = Keep(reading, value);
  CurrentFile(reading).token_line = reading.line_number;
}

void SetToken(Reading& reading, std::string_view value) {
  CurrentFile(reading).token_name = Keep(reading, value);
  CurrentFile(reading).token_line = reading.line_number;
}

void SetFormat(Reading& reading, std::string_view value) {
  CurrentFile(reading).format = static_cast<Format>(Choose(reading, value, kFormatChoices));
}

void SetTemplate(Reading& reading, std::string_view value) {
  CurrentFile(reading).template_text = Keep(reading, value);
}

// An account's name, or its number.
std::string_view Account(Reading& reading, std::string_view value) {
  bool is_number = true;
  bool is_name = true;
  for (const char c : value) {
    if (!IsDigit(c)) is_number = false;
    if (c == ' ' || c == ':' || c == '/') is_name = false;
  }
  uint32_t id = 0;
  if (!value.empty() && is_number && !AccountIdParse(value, &id)) {
    Wrong(reading, "expected a number up to 4294967294, or a name");
  } else if (!is_name) {
    Wrong(reading, "expected a name or a number; no name has a blank, ':' or '/'");
  }
  return Keep(reading, value);
}

void SetOwner(Reading& reading, std::string_view value) {
  CurrentFile(reading).owner = Account(reading, value);
}

void SetGroup(Reading& reading, std::string_view value) {
  CurrentFile(reading).group = Account(reading, value);
}

void SetMode(Reading& reading, std::string_view value) {
  uint32_t mode = 0;
  bool is_octal = value.size() >= 3 && value.size() <= kModeDigitCountMax;
  for (const char c : value) {
    if (c < '0' || c > '7') is_octal = false;
    mode = mode * 8 + (static_cast<uint32_t>(c) & 7);
  }
  if (!is_octal || mode > kModeMax) {
    return Wrong(reading, "expected an octal mode from 0000 to 0777");
  }
  if ((mode & kModeWritableByAll) != 0) {
    return Wrong(reading, "this mode lets everybody write the file: expected one without 0002");
  }
  CurrentFile(reading).mode = mode;
}

void SetOnExpiry(Reading& reading, std::string_view value) {
  CurrentFile(reading).on_expiry =
      static_cast<ExpiryPolicy>(Choose(reading, value, kExpiryChoices));
}

void SetOnStop(Reading& reading, std::string_view value) {
  CurrentFile(reading).on_stop = static_cast<StopPolicy>(Choose(reading, value, kStopChoices));
}

// Takes a word off the front of `rest`: up to a blank, or what stands between double quotes. Null,
// or what is wrong.
const char* WordTake(std::string_view* rest, std::string_view* word) {
  const bool is_quoted = (*rest)[0] == '"';
  const size_t begin = is_quoted ? 1 : 0;
  const size_t end = Find(*rest, is_quoted ? '"' : ' ', begin);
  if (is_quoted && end == rest->size()) return "a double quote has no end";
  *word = Slice(*rest, begin, end - begin);
  *rest = SliceFrom(*rest, end + begin);
  const bool is_apart = rest->empty() || (*rest)[0] == ' ';
  if (!is_apart || (!is_quoted && Find(*word, '"') != word->size())) {
    return "double quotes stand around a whole word: expected \"TWO WORDS\"";
  }
  *rest = Trim(*rest);
  return nullptr;
}

void SetSignal(Reading& reading, std::string_view signal, std::string_view path) {
  NotifyConfig& notify = CurrentFile(reading).notify;
  if (!SignalFind(signal, &notify.signal_number)) {
    return Wrong(reading, "there is no signal ~: expected a name, as HUP", signal);
  }
  std::string_view whole;
  PathKeep(reading, path, &whole, &notify.directory, &notify.name);
  notify.kind = NotifyKind::kSignal;
}

void SetProgram(Reading& reading, const std::string_view* words, uint32_t word_count) {
  NotifyConfig& notify = CurrentFile(reading).notify;
  char bytes[kConfigLineSizeMax];
  TextWriter writer{bytes, sizeof(bytes)};
  for (uint32_t index = 0; index < word_count; ++index) {
    if (index != 0) Append(writer, '\0');
    Append(writer, words[index]);
  }
  CHECK(!writer.overflowed);
  notify.words = Keep(reading, writer.text());
  notify.kind = NotifyKind::kExec;
}

void SetNotify(Reading& reading, std::string_view value) {
  if (value.empty()) return;
  std::string_view words[kNotifyArgumentCountMax + 1];  // and `exec` itself
  uint32_t count = 0;
  for (std::string_view rest = value; !rest.empty(); ++count) {
    if (count == sizeof(words) / sizeof(words[0])) {
      return Wrong(reading,
                   "more than 16 words after exec, the limit of this build "
                   "(kNotifyArgumentCountMax, agent/limits.h)");
    }
    const char* const problem = WordTake(&rest, &words[count]);
    if (problem != nullptr) return Wrong(reading, problem);
  }
  const bool is_signal = words[0] == "signal" && count == 3;
  if (!is_signal && (words[0] != "exec" || count < 2)) {
    return Wrong(reading, "expected signal NAME PIDFILE, or exec PATH ARGUMENT...");
  }
  const std::string_view path = words[is_signal ? 2 : 1];
  const char* const problem = path.empty() ? "a path is missing" : PathCheck(path);
  if (problem != nullptr) return Wrong(reading, problem);
  CurrentFile(reading).notify.text = Keep(reading, value);
  if (is_signal) return SetSignal(reading, words[1], path);
  SetProgram(reading, words + 1, count - 1);
}
static_assert(kNotifyArgumentCountMax == 16, "as the message says");

enum class Empty : uint8_t { kRefused, kUnset };  // what an empty value means

struct Key {
  char name[14];
  SectionKind section;
  Empty empty;
  uint16_t size_max;  // of a value
  void (*set)(Reading& reading, std::string_view value);
};

constexpr uint16_t kWordSizeMax = 32;

constexpr Key kKeys[] = {
    {"log", SectionKind::kAgent, Empty::kRefused, kWordSizeMax, SetLog},
    {"log_level", SectionKind::kAgent, Empty::kRefused, kWordSizeMax, SetLogLevel},
    {"timeout", SectionKind::kAgent, Empty::kRefused, kWordSizeMax, SetTimeout},
    {"cloud", SectionKind::kAgent, Empty::kRefused, kWordSizeMax, SetCloud},
    {"require_tmpfs", SectionKind::kAgent, Empty::kRefused, kWordSizeMax, SetRequireTmpfs},
    {"status_file", SectionKind::kAgent, Empty::kUnset, kConfigLineSizeMax, SetStatusFile},
    {"metrics_file", SectionKind::kAgent, Empty::kUnset, kConfigLineSizeMax, SetMetricsFile},
    {"ca_file", SectionKind::kAgent, Empty::kUnset, kConfigLineSizeMax, SetCaFile},
    {"on_refresh", SectionKind::kAgent, Empty::kUnset, kWordSizeMax, SetOnRefresh},
    {"resource", SectionKind::kToken, Empty::kRefused, kResourceSizeMax, SetResource},
    {"source", SectionKind::kToken, Empty::kRefused, kWordSizeMax, SetSource},
    {"endpoint", SectionKind::kToken, Empty::kUnset, kEndpointSizeMax, SetEndpoint},
    {"client_id", SectionKind::kToken, Empty::kUnset, kIdentitySizeMax, SetClientId},
    {"object_id", SectionKind::kToken, Empty::kUnset, kIdentitySizeMax, SetObjectId},
    {"mi_res_id", SectionKind::kToken, Empty::kUnset, kIdentitySizeMax, SetResourceId},
    {"refresh_at", SectionKind::kToken, Empty::kRefused, kWordSizeMax, SetRefreshAt},
    {"vault", SectionKind::kSecret, Empty::kRefused, kEndpointSizeMax, SetVault},
    {"name", SectionKind::kSecret, Empty::kRefused, kSecretNameSizeMax, SetSecretName},
    {"version", SectionKind::kSecret, Empty::kUnset, kSecretVersionSizeMax, SetVersion},
    {"token", SectionKind::kSecret, Empty::kRefused, kNameSizeMax, SetParent},
    {"refresh", SectionKind::kSecret, Empty::kRefused, kWordSizeMax, SetRefresh},
    {"secret", SectionKind::kFile, Empty::kRefused, kNameSizeMax, SetSecret},
    {"token", SectionKind::kFile, Empty::kRefused, kNameSizeMax, SetToken},
    {"format", SectionKind::kFile, Empty::kRefused, kWordSizeMax, SetFormat},
    {"template", SectionKind::kFile, Empty::kUnset, kTemplateSizeMax, SetTemplate},
    {"owner", SectionKind::kFile, Empty::kUnset, kNameSizeMax, SetOwner},
    {"group", SectionKind::kFile, Empty::kUnset, kNameSizeMax, SetGroup},
    {"mode", SectionKind::kFile, Empty::kRefused, kWordSizeMax, SetMode},
    {"on_expiry", SectionKind::kFile, Empty::kRefused, kWordSizeMax, SetOnExpiry},
    {"on_stop", SectionKind::kFile, Empty::kRefused, kWordSizeMax, SetOnStop},
    {"notify", SectionKind::kFile, Empty::kUnset, kConfigLineSizeMax, SetNotify},
};

constexpr uint32_t kKeyCount = sizeof(kKeys) / sizeof(kKeys[0]);
static_assert(kKeyCount < kConfigKeyCountMax, "each key has its bit, and no key too");

// The position of a key of the current section; kKeyCount where there is none of that name.
uint32_t KeyFind(const Reading& reading, std::string_view name) {
  uint32_t index = 0;
  while (index < kKeyCount &&
         (kKeys[index].section != reading.section || !IsName(name, kKeys[index].name))) {
    ++index;
  }
  return index;
}

bool HasControlCharacter(std::string_view value) {
  for (const char c : value) {
    if (static_cast<uint8_t>(c) < 0x20 || c == 0x7F) return true;
  }
  return false;
}

void TellTooLong(Reading& reading, size_t size_max) {
  char digits[20];
  TextWriter writer{digits, sizeof(digits)};
  AppendDecimal(writer, static_cast<int64_t>(size_max));
  Wrong(reading, "longer than ~ bytes, the limit of this build (agent/limits.h)", writer.text());
}

// What holds for the value of every key.
void ValueSet(Reading& reading, const Key& key, std::string_view value) {
  if (value.empty() && key.empty == Empty::kRefused) return Wrong(reading, "a value is missing");
  if (HasControlCharacter(value)) return Wrong(reading, "a value has no control characters");
  if (value.size() > key.size_max) return TellTooLong(reading, key.size_max);
  key.set(reading, value);
}

}  // namespace

void KeySet(Reading& reading, std::string_view name, std::string_view value) {
  if (reading.section == SectionKind::kRefused) return;
  if (reading.section == SectionKind::kNone) {
    return Problem(reading, reading.line_number, nullptr,
                   "~ stands before the first section: expected [agent], [token NAME] or "
                   "[file PATH] above it",
                   name);
  }
  const uint32_t index = KeyFind(reading, name);
  if (index == kKeyCount) {
    return Problem(reading, reading.line_number, nullptr, "there is no key ~ in this section",
                   name);
  }
  const uint32_t bit = 1U << index;
  reading.key_name = kKeys[index].name;
  if ((reading.keys_given & bit) != 0) return Wrong(reading, "given twice in this section");
  reading.keys_given |= bit;
  reading.key_lines[index] = reading.line_number;
  const uint32_t problem_count = reading.problem_count;
  ValueSet(reading, kKeys[index], value);
  if (reading.problem_count != problem_count) reading.keys_failed |= bit;
}

bool KeyIsGiven(const Reading& reading, const char* name) {
  return (reading.keys_given >> KeyFind(reading, name) & 1) != 0;
}

bool KeyIsFailed(const Reading& reading, const char* name) {
  return reading.keys_failed != 0 && (reading.keys_failed >> KeyFind(reading, name) & 1) != 0;
}

uint32_t KeyLine(const Reading& reading, const char* name) {
  const uint32_t line = reading.key_lines[KeyFind(reading, name)];
  return KeyIsGiven(reading, name) ? line : reading.section_line;
}

}  // namespace miagent
