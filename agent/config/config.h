// The configuration: text to plain data.
//
// Purpose: read INI text (inih) or command-line options into one Config, and report everything
//          that is wrong at once, each with its line.
// Owns:    a Config owns its text: every view in it points into its own arena, to constants or
//          to the environment, so it is never copied. Two of them exist: the one in force and the
//          next.
// Limits:  kTokenCountMax, kFileCountMax, kConfigSizeMax, kConfigLineSizeMax and the sizes of each
//          value; a limit that is passed is reported with its name.
// Errors:  reported through ConfigReport; ConfigParse returns kConfig where there was one.
// Never:   touches the world: owners are names here, directories are not opened.
#pragma once

#include <cstdint>
#include <string_view>

#include "agent/base/array.h"
#include "agent/base/status.h"
#include "agent/limits.h"
#include "agent/source/source.h"
#include "platform/time.h"

namespace miagent {

enum class LogLevel : uint8_t { kError, kWarning, kInfo, kDebug };
enum class LogTarget : uint8_t { kStderr, kSyslog };
enum class Cloud : uint8_t { kPublic, kUsGov, kChina };
enum class Format : uint8_t { kRaw, kJson, kEnv, kHeader, kTemplate };
enum class ExpiryPolicy : uint8_t { kRemove, kKeep, kEmpty };
enum class StopPolicy : uint8_t { kKeep, kRemove };

// Their words in the configuration, in the order of the enums (choice.h).
inline constexpr char kLogLevelChoices[] = "error|warning|info|debug";
inline constexpr char kLogChoices[] = "stderr|syslog";
inline constexpr char kFormatChoices[] = "raw|json|env|header|template";
inline constexpr char kExpiryChoices[] = "remove|keep|empty";
inline constexpr char kStopChoices[] = "keep|remove";

// What is fetched and put in force: a token, or with is_secret, a Key Vault secret.
struct TokenConfig {
  std::string_view name;
  std::string_view resource;         // the URI, short names resolved; of a secret, its URL
  SourceId source = SourceId::kImds; // `auto` resolved
  std::string_view endpoint_text;    // as configured; empty: the source's own; or the vault
  Endpoint endpoint;                 // resolved
  Identity identity;
  uint32_t refresh_at_percent = kRefreshAtPercentDefault;
  bool is_secret = false;            // then these too
  uint32_t parent_index = 0;         // the token that is shown
  Duration refresh = kSecretRefreshDefault;
  std::string_view parent_name;      // as configured
  uint32_t parent_line = 0;          // of its key
  uint32_t line = 0;                 // of its section; 0: from the command line
  uint32_t resource_line = 0;        // of its key, or that of the vault
};

enum class NotifyKind : uint8_t { kNone, kSignal, kExec };

// What is done after a file was published.
struct NotifyConfig {
  NotifyKind kind = NotifyKind::kNone;
  int32_t signal_number = 0;         // kSignal, and of its pid file: both NUL-terminated
  std::string_view directory;
  std::string_view name;
  std::string_view words;            // kExec: the program and its arguments, a NUL between two
  std::string_view text;             // as configured
};

struct FileConfig {
  std::string_view path;             // absolute; NUL-terminated behind its end
  std::string_view directory;        // NUL-terminated behind its end
  std::string_view name;             // NUL-terminated behind its end
  std::string_view token_name;       // of the token or secret, as configured
  uint32_t token_index = 0;
  Format format = Format::kRaw;
  bool is_secret = false;            // the name is a secret's
  std::string_view template_text;
  std::string_view owner;            // name or number; empty: the agent's
  std::string_view group;
  uint32_t mode = 0600;
  ExpiryPolicy on_expiry = ExpiryPolicy::kRemove;
  StopPolicy on_stop = StopPolicy::kKeep;
  NotifyConfig notify;
  uint32_t line = 0;
  uint32_t token_line = 0;           // of its key
};

// A file that tells about the agent; no secret is in it. Unset: the path is empty, and the rest
// says nothing.
struct OutputConfig {
  std::string_view path;             // these three as in FileConfig
  std::string_view directory;
  std::string_view name;
  uint32_t line = 0;                 // of its key
};

enum class OutputId : uint8_t { kStatus, kMetrics };
inline constexpr uint32_t kOutputCount = 2;

struct Config {
  LogTarget log = LogTarget::kStderr;
  LogLevel log_level = LogLevel::kInfo;
  Cloud cloud = Cloud::kPublic;
  Duration request_timeout = kRequestTimeoutDefault;
  bool require_tmpfs = true;
  bool refresh_restarts = false;     // on_refresh: `exec` starts its program again
  int32_t refresh_signal = 0;        // and what it sends for that, or tells it by; 0: nothing
  std::string_view ca_file;          // PEM, for https; empty: the system's
  uint32_t token_count = 0;
  uint32_t file_count = 0;
  uint32_t arena_size = 0;
  Array<TokenConfig, kTokenCountMax> tokens;  // token_count of them
  Array<FileConfig, kFileCountMax> files;     // file_count of them
  Array<OutputConfig, kOutputCount> outputs;  // by OutputId
  char arena[kConfigSizeMax];

  Config() = default;
  Config(const Config&) = delete;
  Config& operator=(const Config&) = delete;
};

// Receives each problem: the line (0: the command line or the file as a whole) and one sentence.
struct ConfigReport {
  void* context = nullptr;
  void (*problem)(void* context, uint32_t line, std::string_view text) = nullptr;
};

// Reads a configuration's text into `config`, which is cleared first. Reports every problem.
// kConfig where there was at least one; then nothing in `config` may be used.
Status ConfigParse(std::string_view text, const SourceEnvironment& environment,
                   const ConfigReport& report, Config* config);

// What the command line says in place of a configuration file: one token, and a file or none.
// Empty views are options that were not given.
struct TokenOptions {
  std::string_view resource;
  std::string_view cloud;
  std::string_view source;
  std::string_view client_id;
  std::string_view object_id;
  std::string_view mi_res_id;
  std::string_view endpoint;
  std::string_view ca;
  std::string_view file;     // run and once: --file
  std::string_view timeout;  // run: --timeout, seconds for one request
};

// Makes a Config with one token (named `cli`) of the options, by the same rules as a
// file's. Problems name the option (`--client-id: …`), with line 0. kCommandLine where an option is
// wrong; kConfig where the environment is, or where the cloud lacks what a short name stands for.
Status ConfigFromOptions(const TokenOptions& options, const SourceEnvironment& environment,
                         const ConfigReport& report, Config* config);

}  // namespace miagent
