#include <random>

#include "agent/config/config.h"
#include "config_fixture.h"
#include "doctest.h"

namespace miagent {
namespace {

constexpr const char* kGuid = "11111111-2222-3333-4444-555555555555";

// The specification's example, but for what this build lacks.
constexpr const char* kExample = R"([agent]
status_file   =                            ; what `status` and `wait` read
metrics_file  =                            ; Prometheus text
log           = stderr                     ; stderr | syslog
log_level     = warning                    ; error | warning | info | debug
timeout       = 20                         ; seconds, for one request
cloud         = usgov
require_tmpfs = no
ca_file       =

# an identity and a resource
[token storage]
resource      = https://storage.azure.com/
source        = auto
endpoint      = http://127.0.0.1:8080
client_id     = 11111111-2222-3333-4444-555555555555   ; or object_id, or mi_res_id
refresh_at    = 75%

[file /run/tokens/storage]
token         = storage
format        = template
template      = {{"t":"{access_token}"}}
owner         = app
group         = 1000
mode          = 0640
on_expiry     = empty
on_stop       = remove
notify        =
)";

TEST_CASE("config: the whole of an example is taken") {
  const ReadConfig read = ReadText(kExample);
  REQUIRE_MESSAGE(read.status.ok(), read.All());
  const Config& config = *read.config;
  CHECK(config.log_level == LogLevel::kWarning);
  CHECK(config.request_timeout == Seconds(20));
  CHECK(config.cloud == Cloud::kUsGov);
  CHECK_FALSE(config.require_tmpfs);
  REQUIRE(config.token_count == 1);
  const TokenConfig& token = config.tokens[0];
  CHECK(token.name == "storage");
  CHECK(token.resource == "https://storage.azure.com/");
  CHECK(token.source == SourceId::kImds);
  CHECK(token.endpoint_text == "http://127.0.0.1:8080");
  CHECK(token.endpoint.authority == "127.0.0.1:8080");
  CHECK(token.endpoint.address.port == 8080);
  CHECK(token.identity.kind == IdentityKind::kClientId);
  CHECK(token.identity.value == kGuid);
  CHECK(token.refresh_at_percent == 75);
  CHECK(token.line == 12);
  REQUIRE(config.file_count == 1);
  const FileConfig& file = config.files[0];
  CHECK(file.path == "/run/tokens/storage");
  CHECK(file.directory == "/run/tokens");
  CHECK(file.name == "storage");
  CHECK(std::string(file.path.data()) == file.path);
  CHECK(std::string(file.directory.data()) == file.directory);
  CHECK(std::string(file.name.data()) == file.name);
  CHECK(file.token_index == 0);
  CHECK(file.format == Format::kTemplate);
  CHECK(file.template_text == R"({{"t":"{access_token}"}})");
  CHECK(file.owner == "app");
  CHECK(file.group == "1000");
  CHECK(file.mode == 0640);
  CHECK(file.on_expiry == ExpiryPolicy::kEmpty);
  CHECK(file.on_stop == StopPolicy::kRemove);
  CHECK(file.line == 19);
}

TEST_CASE("config: defaults are those of the specification") {
  const ReadConfig read = ReadText("[token t]\nresource=arm\n[file /f]\ntoken=t\n");
  REQUIRE_MESSAGE(read.status.ok(), read.All());
  const Config& config = *read.config;
  CHECK(config.log_level == LogLevel::kInfo);
  CHECK(config.request_timeout == Seconds(10));
  CHECK(config.cloud == Cloud::kPublic);
  CHECK(config.require_tmpfs);
  const TokenConfig& token = config.tokens[0];
  CHECK(token.resource == "https://management.azure.com/");
  CHECK(token.source == SourceId::kImds);
  CHECK(token.endpoint.authority == "169.254.169.254");
  CHECK(token.identity.kind == IdentityKind::kNone);
  CHECK(token.refresh_at_percent == 50);
  const FileConfig& file = config.files[0];
  CHECK(file.directory == "/");
  CHECK(file.name == "f");
  CHECK(file.format == Format::kRaw);
  CHECK(file.owner.empty());
  CHECK(file.group.empty());
  CHECK(file.mode == 0600);
  CHECK(file.on_expiry == ExpiryPolicy::kRemove);
  CHECK(file.on_stop == StopPolicy::kKeep);
}

TEST_CASE("config: nothing of the one before stays") {
  ReadConfig read = ReadText(kExample);
  const ConfigReport report{&read.problems, Remember};
  const std::string text = "[token t]\nresource=arm\n[file /f]\ntoken=t\n";
  REQUIRE(ConfigParse(text, {}, report, read.config.get()).ok());
  CHECK(read.config->token_count == 1);
  CHECK(read.config->log_level == LogLevel::kInfo);
  CHECK(read.config->cloud == Cloud::kPublic);
  CHECK(read.config->require_tmpfs);
  CHECK(read.config->tokens[0].identity.kind == IdentityKind::kNone);
  CHECK(read.config->files[0].template_text.empty());
  CHECK(read.config->files[0].mode == 0600);
}

TEST_CASE("config: the order of the sections doesn't matter") {
  const ReadConfig read = ReadText(
      "[file /f]\ntoken=b\n[token a]\nresource=arm\n[token b]\nresource=vault\n"
      "[agent]\ncloud=china\n");
  REQUIRE_MESSAGE(read.status.ok(), read.All());
  CHECK(read.config->files[0].token_index == 1);
  CHECK(read.config->tokens[0].resource == "https://management.chinacloudapi.cn/");
  CHECK(read.config->tokens[1].resource == "https://vault.azure.cn");
}

TEST_CASE("config: ways to write a line") {
  const std::string body = "[file /f]\ntoken=t\n[token t]\n";
  for (const char* line :
       {"resource=arm", "resource = arm", "  resource\t=\tarm\t ", "resource=arm ; a comment",
        "resource=arm\t# a comment", "resource=arm #", "resource=arm\r", "\xEF\xBB\xBF",
        "resource: arm", "; a comment\nresource=arm", " # a comment\n\n \t \r\nresource=arm"}) {
    const bool is_mark = line[0] == '\xEF';
    const ReadConfig read = ReadText(is_mark ? line + body + "resource=arm" : body + line);
    CHECK_MESSAGE(read.status.ok(), line << "\n" << read.All());
  }
  CHECK(ReadText("[token  t ] ; here\nresource=arm\n [file\t/a b ] # there\ntoken=t").status.ok());
}

TEST_CASE("config: long paths and values are whole") {
  const std::string path = "/run/" + std::string(250, 'a') + "/" + std::string(255, 'b');
  REQUIRE(path.size() == kPathSizeMax - 1);
  const std::string id = "/subscriptions/" + std::string(kIdentitySizeMax - 15, 'x');
  const std::string name(kNameSizeMax, 'n');
  const ReadConfig read = ReadText("[token " + name + "]\nresource=arm\nmi_res_id=" + id +
                                   "\n[file " + path + "]\ntoken=" + name + "\n");
  REQUIRE_MESSAGE(read.status.ok(), read.All());
  CHECK(read.config->tokens[0].name == name);
  CHECK(read.config->tokens[0].identity.value == id);
  CHECK(read.config->files[0].path == path);
  CHECK(read.config->files[0].name == std::string(255, 'b'));
}

struct Wrong {
  const char* text;
  uint32_t line;
  const char* part;
};

// Each has exactly one problem. What stands before a `$` is a good token and file.
TEST_CASE("config: each fault is told once, with its line and what was expected") {
  const std::string good = "[token t]\nresource=arm\n[file /f]\ntoken=t\n";
  const Wrong wrongs[] = {
      // Syntax.
      {"$nonsense", 5, "expected [SECTION], KEY = VALUE or a comment"},
      {"$\n  nonsense ; = x", 6, "expected [SECTION], KEY = VALUE or a comment"},
      {"$[token x", 5, "expected [SECTION]"},
      {"$[token x\nresource=arm\nnonsense=1", 5, "expected [SECTION]"},
      {"$[agent] x", 5, "expected nothing after the section's ]"},
      {"$[agent]]", 5, "expected nothing after the section's ]"},
      {"x = 1\n$", 1, "'x' stands before the first section"},
      {"$= 1", 5, "there is no key ''"},
      // Sections and keys.
      {"$[tokens t]\nx=1\ny=2", 5, "there is no section 'tokens': expected [agent]"},
      {"$[Agent]", 5, "there is no section 'Agent'"},
      {"$[]", 5, "there is no section ''"},
      {"$[agent x]", 5, "[agent]: expected no name"},
      {"$[agent]\n[agent]", 6, "[agent]: given twice"},
      {"$[token]\nresource=arm", 5, "[token]: a name is missing"},
      {"$[token a b]\nresource=arm", 5, "[token]: a name is made of"},
      {"$[token a/b]\nresource=arm", 5, "[token]: a name is made of"},
      {"$[token t]\nresource=vault", 5, "[token]: there is another 't'"},
      {"$[file]\ntoken=t", 5, "[file]: a path is missing"},
      {"$[file run/x]\ntoken=t", 5, "[file]: expected an absolute path"},
      {"$[file /run/]\ntoken=t", 5, "the path ends in '/'"},
      {"$[file /]\ntoken=t", 5, "the path ends in '/'"},
      {"$[file //f]\ntoken=t", 5, "without // . and .."},
      {"$[file /run/./x]\ntoken=t", 5, "without // . and .."},
      {"$[file /run/..]\ntoken=t", 5, "without // . and .."},
      {"$[file /run/.miagent-0000abcd.tmp]\ntoken=t", 5, "temporary"},
      {"$[file /a\x01z]\ntoken=t", 5, "control characters"},
      {"$[file /a\x7Fz]\ntoken=t", 5, "control characters"},
      {"$[file /f]\ntoken=t", 5, "[file]: there is another '/f'"},
      {"$[secret db]\nvalue=1", 5, "[secret]: needs TLS"},
      {"$color=red", 5, "there is no key 'color' in this section"},
      {"$resource=arm", 5, "there is no key 'resource' in this section"},
      {"$co\x1bl=red", 5, "there is no key 'co?l'"},
      {"$mode=0600\nmode=0600", 6, "mode: given twice"},
      {"$[token x]", 5, "resource: missing"},
      {"$[file /g]", 5, "token: missing"},
      {"$[file /g]\ntoken=nobody", 6, "token: there is no section [token 'nobody']"},
      // [agent].
      {"$[agent]\nlog=file", 6, "log: expected 'stderr|syslog'"},
      {"$[agent]\nlog=", 6, "log: a value is missing"},
      {"$[agent]\nlog_level=verbose", 6, "log_level: expected 'error|warning|info|debug'"},
      {"$[agent]\nlog_level=", 6, "log_level: a value is missing"},
      {"$[agent]\ntimeout=0", 6, "timeout: expected 1 to 300 seconds"},
      {"$[agent]\ntimeout=301", 6, "timeout: expected 1 to 300 seconds"},
      {"$[agent]\ntimeout=10s", 6, "timeout: expected 1 to 300 seconds"},
      {"$[agent]\ntimeout=-1", 6, "timeout: expected 1 to 300 seconds"},
      {"$[agent]\ncloud=germany", 6, "cloud: expected 'public|usgov|china'"},
      {"$[agent]\nrequire_tmpfs=true", 6, "require_tmpfs: expected 'no|yes'"},
      {"$[agent]\nstatus_file=s", 6, "status_file: expected an absolute path"},
      {"$[agent]\nstatus_file=/run/", 6, "status_file: expected a file"},
      {"$[agent]\nmetrics_file=/run/../m", 6, "metrics_file: expected a path without"},
      {"$[agent]\nmetrics_file=/run/.miagent-x", 6, "metrics_file: names that begin with"},
      {"$[agent]\nstatus_file=/f", 6, "status_file: another file has this path: '/f'"},
      {"$[agent]\nmetrics_file=/f", 6, "metrics_file: another file has this path: '/f'"},
      {"$[agent]\nstatus_file=/s\nmetrics_file=/s", 6, "status_file: another file has this path"},
      {"$[agent]\nca_file=/etc/ca", 6, "ca_file: needs TLS, which this build doesn't have"},
      {"$[agent]\non_refresh=x", 6, "on_refresh: expected none, restart, or signal and a name"},
      {"$[agent]\non_refresh=signal", 6, "on_refresh: expected none, restart, or signal"},
      {"$[agent]\non_refresh=signal 1", 6, "on_refresh: expected none, restart, or signal"},
      {"$[agent]\non_refresh=restart HUP", 6, "on_refresh: expected none, restart, or signal"},
      // [token].
      {"$[token x]\nresource=", 6, "resource: a value is missing"},
      {"$[token x]\nresource=nobody", 6, "resource: expected a URI, a GUID or a short name"},
      {"$[token x]\nresource=https://a b", 6, "resource: a resource has no blanks"},
      {"$[token x]\nresource=\"https://a\"", 6, "resource: a resource has no blanks"},
      {"$[token x]\nresource=https://\x7F", 6, "resource: a"},
      {"$[token x]\nresource=https://\xC3\xA9", 6, "resource: a resource has no blanks"},
      {"[agent]\ncloud=china\n[token t]\nresource=graph\n[file /f]\ntoken=t", 4,
       "resource: this cloud has no such service"},
      {"$[token x]\nresource=arm\nsource=app-service", 5, "IDENTITY_HEADER: is unset: this source"},
      {"$[token x]\nresource=arm\nsource=moon", 7, "there is no source 'moon'"},
      {"$[token x]\nresource=arm\nendpoint=127.0.0.1", 7, "endpoint: has no scheme"},
      {"$[token x]\nresource=arm\nendpoint=https://127.0.0.1/", 7, "endpoint: needs TLS"},
      {"$[token x]\nresource=arm\nclient_id=1234", 7, "client_id: expected a GUID"},
      {"$[token x]\nresource=arm\nobject_id=11111111-2222-3333-4444-55555555555g", 7,
       "object_id: expected a GUID"},
      {"$[token x]\nresource=arm\nclient_id={11111111-2222-3333-4444-555555555555}", 7,
       "client_id: expected a GUID"},
      {"$[token x]\nresource=arm\nmi_res_id=/resource/x", 7, "mi_res_id: expected the identity's"},
      {"$[token x]\nresource=arm\nmi_res_id=/resourceGroups/of/one", 7, "mi_res_id: expected"},
      {"$[token x]\nresource=arm\nmi_res_id=/subscriptions/", 7, "mi_res_id: expected"},
      {"$[token x]\nresource=arm\nmi_res_id=/subscriptions/a b", 7, "mi_res_id: expected"},
      {"$[token x]\nresource=arm\nclient_id=11111111-2222-3333-4444-555555555555\n"
       "object_id=11111111-2222-3333-4444-555555555555",
       8, "object_id: a token takes one of"},
      {"$[token x]\nresource=arm\nmi_res_id=/subscriptions/1\nclient_id=x", 8,
       "client_id: a token takes one of"},
      {"$[token x]\nresource=arm\nrefresh_at=9%", 7, "refresh_at: expected 10% to 90%"},
      {"$[token x]\nresource=arm\nrefresh_at=91%", 7, "refresh_at: expected 10% to 90%"},
      {"$[token x]\nresource=arm\nrefresh_at=50", 7, "refresh_at: expected 10% to 90%"},
      {"$[token x]\nresource=arm\nrefresh_at=%", 7, "refresh_at: expected 10% to 90%"},
      {"$[token x]\nresource=arm\nrefresh_at=5 0%", 7, "refresh_at: expected 10% to 90%"},
      {"$[token x]\nresource=a\tm", 6, "resource: a value has no control characters"},
      {"$[token x]\nresource=a\xC3\xA4", 6, "resource: a resource has no blanks, quotes"},
      // [file].
      {"$[file /g]\ntoken=", 6, "token: a value is missing"},
      {"$format=yaml", 5, "format: expected 'raw|json|env|header|template'"},
      {"$format=template", 5, "format: expected template = TEXT"},
      {"$format=template\ntemplate=", 5, "format: expected template = TEXT"},
      {"$template={access_token}", 5, "template: expected format = template"},
      {"$format=json\ntemplate={access_token}", 6, "template: expected format = template"},
      {"$format=template\ntemplate={secret}", 6, "template: the placeholders are"},
      {"$format=template\ntemplate={access_token", 6, "template: a brace"},
      {"$format=template\ntemplate=}", 6, "template: a brace"},
      {"$owner=a b", 5, "owner: expected a name or a number"},
      {"$group=a:b", 5, "group: expected a name or a number"},
      {"$owner=4294967295", 5, "owner: expected a number up to 4294967294"},
      {"$mode=600x", 5, "mode: expected an octal mode"},
      {"$mode=4600", 5, "mode: expected an octal mode"},
      {"$mode=0800", 5, "mode: expected an octal mode"},
      {"$mode=00600", 5, "mode: expected an octal mode"},
      {"$mode=-600", 5, "mode: expected an octal mode"},
      {"$mode=0666", 5, "mode: this mode lets everybody write"},
      {"$on_expiry=delete", 5, "on_expiry: expected 'remove|keep|empty'"},
      {"$on_stop=empty", 5, "on_stop: expected 'keep|remove'"},
      {"$notify=signal", 5, "notify: expected signal NAME PIDFILE, or exec PATH ARGUMENT..."},
      {"$notify=signal HUP", 5, "notify: expected signal NAME PIDFILE"},
      {"$notify=signal HUP /run/p 2", 5, "notify: expected signal NAME PIDFILE"},
      {"$notify=signal HUB /run/p", 5, "notify: there is no signal 'HUB'"},
      {"$notify=signal 1 /run/p", 5, "notify: there is no signal '1'"},
      {"$notify=signal HUP p.pid", 5, "notify: expected an absolute path"},
      {"$notify=signal HUP \"\"", 5, "notify: a path is missing"},
      {"$notify=signal HUP /run/../p", 5, "notify: expected a path without // . and .."},
      {"$notify=exec", 5, "notify: expected signal NAME PIDFILE, or exec PATH ARGUMENT..."},
      {"$notify=exec reload", 5, "notify: expected an absolute path"},
      {"$notify=\"exec /bin/true\"", 5, "notify: expected signal NAME PIDFILE"},
      {"$notify=run /bin/true", 5, "notify: expected signal NAME PIDFILE"},
      {"$notify=exec /bin/true \"a b", 5, "notify: a double quote has no end"},
      {"$notify=exec /bin/true a\"b", 5, "notify: double quotes stand around a whole word"},
      {"$notify=exec /bin/true \"a\"b", 5, "notify: double quotes stand around a whole word"},
      {"$notify=exec /b 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17", 5, "more than 16 words"},
      // The whole.
      {"", 0, "nothing to do"},
      {"[token t]\nresource=arm", 0, "nothing to do"},
  };
  for (const Wrong& wrong : wrongs) {
    std::string text = wrong.text;
    const size_t mark = text.find('$');
    if (mark != std::string::npos) text.replace(mark, 1, good);
    const ReadConfig read = ReadText(text);
    INFO(wrong.text, "\n", read.All());
    CHECK(read.status.fault == Fault::kConfig);
    REQUIRE(read.problems.size() == 1);
    CHECK(read.problems[0].line == wrong.line);
    CHECK(read.problems[0].text.find(wrong.part) != std::string::npos);
  }
}

TEST_CASE("config: values that are unset by default may be empty") {
  const ReadConfig read = ReadText(
      "[agent]\nstatus_file=\nmetrics_file=\nca_file=\non_refresh=\n"
      "[token t]\nresource=arm\nendpoint=\nclient_id=\nobject_id=\nmi_res_id= ; none\n"
      "[file /f]\ntoken=t\ntemplate=\nowner=\ngroup=\nnotify=\n");
  CHECK_MESSAGE(read.status.ok(), read.All());
  CHECK(read.config->tokens[0].identity.kind == IdentityKind::kNone);
}

TEST_CASE("config: notify, in words") {
  const ReadConfig read = ReadText(
      "[token t]\nresource=arm\n"
      "[file /a]\ntoken=t\nnotify = signal SIGUSR2 \"/run/my app.pid\"\n"
      "[file /b]\ntoken=t\nnotify=exec  /bin/x one  \"two words\" \"\" it's \n"
      "[file /c]\ntoken=t\nnotify=exec /b 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"
      "[file /d]\ntoken=t\n");
  REQUIRE_MESSAGE(read.status.ok(), read.All());
  const NotifyConfig& signal = read.config->files[0].notify;
  CHECK(signal.kind == NotifyKind::kSignal);
  CHECK(signal.signal_number == 12);
  CHECK(signal.directory == "/run");
  CHECK(std::string(signal.name.data()) == "my app.pid");
  const NotifyConfig& exec = read.config->files[1].notify;
  CHECK(exec.kind == NotifyKind::kExec);
  CHECK(exec.words == std::string_view("/bin/x\0one\0two words\0\0it's", 26));
  CHECK(exec.text == "exec  /bin/x one  \"two words\" \"\" it's");
  CHECK(read.config->files[2].notify.kind == NotifyKind::kExec);
  CHECK(read.config->files[3].notify.kind == NotifyKind::kNone);
}

TEST_CASE("config: on_refresh") {
  struct Row {
    const char* value;
    int32_t number;
    bool restarts;
  };
  for (const Row& row : {Row{"", 0, false}, Row{"none", 0, false}, Row{"restart", 15, true},
                         Row{"signal HUP", 1, false}, Row{"signal  SIGUSR2", 12, false}}) {
    const ReadConfig read = ReadText(std::string("[agent]\non_refresh = ") + row.value +
                                     "\n[token t]\nresource=arm\n[file /f]\ntoken=t\n");
    CAPTURE(row.value);
    CHECK_MESSAGE(read.status.ok(), read.All());
    CHECK(read.config->refresh_signal == row.number);
    CHECK(read.config->refresh_restarts == row.restarts);
  }
}

TEST_CASE("config: status_file and metrics_file, in parts") {
  const ReadConfig read = ReadText(
      "[agent]\nstatus_file=/run/miagent/status.json\nmetrics_file=/m.prom\n"
      "[token t]\nresource=arm\n[file /f]\ntoken=t\n");
  REQUIRE_MESSAGE(read.status.ok(), read.All());
  const OutputConfig& status = read.config->outputs[0];
  CHECK(status.path == "/run/miagent/status.json");
  CHECK(std::string(status.directory.data()) == "/run/miagent");
  CHECK(std::string(status.name.data()) == "status.json");
  const OutputConfig& metrics = read.config->outputs[1];
  CHECK(std::string(metrics.directory.data()) == "/");
  CHECK(std::string(metrics.name.data()) == "m.prom");
}

TEST_CASE("config: every problem is told, not only the first") {
  const ReadConfig read = ReadText(
      "[agent]\ntimeout=0\ncloud=mars\ncolor=red\nnonsense\n"
      "[token t]\nclient_id=x\nrefresh_at=1%\nsource=moon\n"
      "[file rel]\nmode=7777\nformat=template\n[what]\n[file /g]\ntoken=u\n");
  CHECK(read.All() ==
        "2: timeout: expected 1 to 300 seconds\n"
        "3: cloud: expected 'public|usgov|china'\n"
        "4: there is no key 'color' in this section\n"
        "5: expected [SECTION], KEY = VALUE or a comment\n"
        "7: client_id: expected a GUID, as 11111111-2222-3333-4444-555555555555\n"
        "8: refresh_at: expected 10% to 90%, with the %\n"
        "9: source: there is no source 'moon': expected auto, or one that --version lists\n"
        "6: resource: missing: expected a URI or a short name, as arm\n"
        "10: [file]: expected an absolute path\n"
        "11: mode: expected an octal mode from 0000 to 0777\n"
        "10: token: missing: expected a token's name\n"
        "12: format: expected template = TEXT beside it\n"
        "13: there is no section 'what': expected [agent], [token NAME] or [file PATH]\n"
        "15: token: there is no section [token 'u']\n");
}

TEST_CASE("config: lines at the limit pass, longer ones are told, and nothing is cut") {
  const std::string good = "[token t]\nresource=arm\n[file /f]\ntoken=t\n";
  for (const char* end : {"\n", "\r\n", ""}) {
    CHECK(ReadText(good + "#" + std::string(1021, 'x') + end).status.ok());
    const ReadConfig read = ReadText(good + "#" + std::string(1022, 'x') + end);
    REQUIRE(read.problems.size() == 1);
    CHECK(read.problems[0].line == 5);
    CHECK(read.problems[0].text.find("kConfigLineSizeMax") != std::string::npos);
  }
  const ReadConfig read = ReadText(good + std::string(5000, 'y') + "=1\nmode=0640\nmode=x");
  CHECK(read.All().find("5: the line is longer than 1022 bytes") == 0);
  CHECK(read.problems.size() == 2);
  CHECK(read.problems[1].line == 7);
}

TEST_CASE("config: values over their limit are told with it") {
  const std::string head = "[token t]\nresource=arm\n[file /f]\ntoken=t\n[token x]\nresource=";
  const ReadConfig long_resource = ReadText(head + "https://" + std::string(505, 'a'));
  CHECK(long_resource.All() ==
        "6: resource: longer than '512' bytes, the limit of this build (agent/limits.h)\n");
  CHECK(ReadText(head + "https://" + std::string(504, 'a')).status.ok());
  const ReadConfig long_name = ReadText("[token " + std::string(65, 'a') + "]\nresource=arm\n");
  CHECK(long_name.All() == "1: [token]: its name is longer than 64 characters\n");
  const ReadConfig long_path =
      ReadText("[file /" + std::string(254, 'a') + "/" + std::string(256, 'a') + "]\ntoken=t");
  CHECK(long_path.All().find("1: [file]: its path is longer than 511 bytes\n") == 0);
  const ReadConfig long_file_name = ReadText("[file /" + std::string(256, 'a') + "]\ntoken=t");
  CHECK(long_file_name.All().find("1: [file]: a name in the path is longer than 255") == 0);
}

TEST_CASE("config: NUL bytes are told, wherever they stand") {
  const std::string good = "[token t]\nresource=arm\n[file /f]\ntoken=t\n";
  for (const std::string& line : {std::string("\0", 1), std::string("# \0 comment", 11),
                                  std::string("mode=06\00040", 9), std::string("[age\0nt]", 8)}) {
    const ReadConfig read = ReadText(good + line + "\nmode=0640");
    CHECK(read.All() == "5: a NUL byte: expected a text file\n");
    CHECK(read.status.fault == Fault::kConfig);
  }
}

TEST_CASE("config: as many tokens and files as the limits say, and no more") {
  std::string text;
  for (size_t index = 0; index < kTokenCountMax; ++index) {
    text += "[token t" + std::to_string(index) + "]\nresource=arm\n";
  }
  for (size_t index = 0; index < kFileCountMax; ++index) {
    text += "[file /f" + std::to_string(index) + "]\ntoken=t63\n";
  }
  const ReadConfig full = ReadText(text);
  CHECK_MESSAGE(full.status.ok(), full.All());
  CHECK(full.config->files[127].token_index == 63);
  const ReadConfig over = ReadText(
      text + "[token u]\nresource=arm\n[token v]\ncolor=1\n[file /g]\ntoken=u\n[file /h]\n");
  REQUIRE(over.problems.size() == 2);
  CHECK(over.problems[0].text.find("more than 64 tokens") != std::string::npos);
  CHECK(over.problems[0].text.find("kTokenCountMax") != std::string::npos);
  CHECK(over.problems[1].text.find("more than 128 files") != std::string::npos);
}

TEST_CASE("config: a text over the limit, and values that fill the arena") {
  const ReadConfig large = ReadText("[agent]\n#" + std::string(kConfigSizeMax, '\n'));
  REQUIRE(large.problems.size() == 1);
  CHECK(large.problems[0].line == 0);
  CHECK(large.problems[0].text.find("kConfigSizeMax") != std::string::npos);
  // Each path is kept whole, and its directory once more: 120 of them don't fit.
  std::string text = "[token t]\nresource=arm\n";
  const std::string directory = "/" + std::string(250, 'a') + "/" + std::string(200, 'b') + "/";
  for (int index = 0; index < 120; ++index) {
    text += "[file " + directory + std::to_string(index) + "]\ntoken=t\n";
  }
  REQUIRE(text.size() < kConfigSizeMax);
  const ReadConfig full = ReadText(text);
  CHECK(full.status.fault == Fault::kConfig);
  CHECK(full.problems[0].text.find("kConfigSizeMax") != std::string::npos);
}

TEST_CASE("config: `auto` finds the source; one by name is not looked for") {
  const char* const text = "[token t]\nresource=arm\n[file /f]\ntoken=t\n";
  SourceEnvironment environment;
  environment.msi_endpoint = "http://127.0.0.1/msi";
  const ReadConfig read = ReadText(text, environment);
  REQUIRE_MESSAGE(read.status.ok(), read.All());
  CHECK(read.config->tokens[0].source == SourceId::kCloudShell);
  CHECK(read.config->tokens[0].endpoint.path == "/msi");
  const std::string named = "[token t]\nresource=arm\nsource=imds\n[file /f]\ntoken=t\n";
  CHECK(ReadText(named, environment).config->tokens[0].source == SourceId::kImds);
  // A problem of the environment is told once, whatever the number of tokens.
  environment.msi_endpoint = "127.0.0.1/msi";
  const ReadConfig bad = ReadText(std::string("[token u]\nresource=arm\n") + text, environment);
  REQUIRE(bad.problems.size() == 1);
  CHECK(bad.problems[0].text.find("MSI_ENDPOINT: has no scheme") == 0);
}

TEST_CASE("config: a selector that the source doesn't take is refused, with its line") {
  struct Row {
    const char* source;
    const char* key;
    const char* part;  // null: taken
  };
  const Row rows[] = {
      {"imds", "client_id", nullptr},
      {"imds", "object_id", nullptr},
      {"imds", "mi_res_id", nullptr},
      {"azure-arc", "object_id", nullptr},
      {"vm-extension", "client_id", nullptr},
      {"cloud-shell", "client_id", "the source 'cloud-shell' has one identity and takes no"},
      {"cloud-shell", "object_id", "the source 'cloud-shell' has one identity and takes no"},
      {"cloud-shell", "mi_res_id", "the source 'cloud-shell' has one identity and takes no"},
      {"vm-extension", "object_id",
       "the source 'vm-extension' takes no other selector than client_id"},
      {"vm-extension", "mi_res_id",
       "the source 'vm-extension' takes no other selector than client_id"},
  };
  for (const Row& row : rows) {
    const std::string value = row.key == std::string("mi_res_id")
                                  ? "/subscriptions/s"
                                  : "11111111-2222-3333-4444-555555555555";
    const ReadConfig read = ReadText(std::string("[token t]\nresource=arm\n") + row.key + "=" +
                                     value + "\nsource=" + row.source + "\n[file /f]\ntoken=t\n");
    CAPTURE(row.source);
    CAPTURE(row.key);
    if (row.part == nullptr) {
      CHECK_MESSAGE(read.status.ok(), read.All());
      continue;
    }
    REQUIRE(read.problems.size() == 1);
    CHECK(read.problems[0].line == 3);
    CHECK(read.problems[0].text.find(std::string(row.key) + ": " + row.part) == 0);
    CHECK(read.status.fault == Fault::kConfig);
  }
}

TEST_CASE("config: a bad variable is named") {
  SourceEnvironment environment;
  environment.pod_identity_authority_host = "nonsense";
  const ReadConfig read = ReadText("[token t]\nresource=arm\n[file /f]\ntoken=t\n", environment);
  REQUIRE(read.problems.size() == 1);
  CHECK(read.problems[0].line == 1);
  CHECK(read.problems[0].text.find("AZURE_POD_IDENTITY_AUTHORITY_HOST: has no scheme") == 0);
}

// What can be said of any outcome.
void Judge(const ReadConfig& read) {
  CHECK(read.status.ok() == read.problems.empty());
  for (const ToldProblem& problem : read.problems) {
    for (const char c : problem.text) {
      if (c < 0x20 || c > 0x7E) FAIL("a problem isn't printable: " << problem.text);
    }
  }
  if (!read.status.ok()) return;
  for (uint32_t index = 0; index < read.config->file_count; ++index) {
    if (read.config->files[index].token_index >= read.config->token_count) FAIL("no such token");
  }
}

TEST_CASE("config: random bytes and mutations of a good text neither crash nor hang") {
  constexpr int kRoundCount = 4000;
  const std::string pieces[] = {"[token t]\n",
                                "[file /f]\n",
                                "[agent]\n",
                                "[",
                                "]",
                                "=",
                                "\n",
                                ";",
                                "#",
                                "\r",
                                "%",
                                "{",
                                "template={access_token}\n",
                                "\xEF\xBB\xBF",
                                std::string(1, '\0'),
                                std::string(1030, 'a'),
                                "resource=arm\n"};
  for (uint32_t seed = 1; seed <= 3; ++seed) {
    std::mt19937 random(seed);
    for (int round = 0; round < kRoundCount; ++round) {
      std::string text = kExample;
      const uint32_t change_count = 1 + random() % 8;
      for (uint32_t change = 0; change < change_count; ++change) {
        const size_t at = random() % text.size();
        switch (random() % 4) {
          case 0: text[at] = static_cast<char>(random()); break;
          case 1: text.erase(at, random() % 40); break;
          case 2: text.insert(at, pieces[random() % (sizeof(pieces) / sizeof(pieces[0]))]); break;
          default: text.insert(at, text.substr(random() % text.size(), random() % 80)); break;
        }
        if (text.empty()) text = "[";
      }
      Judge(ReadText(text));
    }
    for (int round = 0; round < kRoundCount / 4; ++round) {
      std::string text(random() % 3000, ' ');
      for (char& c : text) c = static_cast<char>(random());
      Judge(ReadText(text));
    }
  }
}

}  // namespace
}  // namespace miagent
