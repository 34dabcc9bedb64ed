#include "agent/cli/command.h"

#include <list>
#include <random>
#include <string>
#include <vector>

#include "doctest.h"

namespace miagent {
namespace {

struct Parsed {
  std::vector<std::string> words;
  Command command;
  Status status;
  std::string problem;
};

// Parses `miagent` and the words of a line, which single blanks separate; `_` is an empty word.
Parsed Parse(const std::string& line) {
  Parsed parsed;
  parsed.words.push_back("miagent");
  for (size_t at = 0; at < line.size();) {
    const size_t end = std::min(line.find(' ', at), line.size());
    const std::string word = line.substr(at, end - at);
    parsed.words.push_back(word == "_" ? "" : word);
    at = end + 1;
  }
  static std::vector<std::vector<char>> memory;  // argv outlives the command
  static std::list<std::vector<const char*>> all_arguments;  // and so does its table
  std::vector<const char*>& arguments = all_arguments.emplace_back();
  for (const std::string& word : parsed.words) {
    memory.emplace_back(word.c_str(), word.c_str() + word.size() + 1);
    arguments.push_back(memory.back().data());
  }
  char problem[1000];
  TextWriter writer{problem, sizeof(problem)};
  parsed.status = CommandParse(static_cast<uint32_t>(arguments.size()), arguments.data(),
                               &parsed.command, writer);
  parsed.problem = writer.text();
  return parsed;
}

Command Good(const std::string& line) {
  const Parsed parsed = Parse(line);
  INFO(line, ": ", parsed.problem);
  REQUIRE(parsed.status.ok());
  CHECK(parsed.problem.empty());
  return parsed.command;
}

TEST_CASE("command: run, once and check with a file") {
  for (const char* form : {"run -c /x.conf", "run -c/x.conf", "run -c /x.conf --"}) {
    const Command command = Good(form);
    CHECK(command.id == CommandId::kRun);
    CHECK(std::string(command.config_path) == "/x.conf");
    CHECK_FALSE(command.has_token_options);
  }
  CHECK(Good("run").config_path == nullptr);
  CHECK_FALSE(Good("run").has_token_options);
  CHECK(Good("run").ready_descriptor == -1);
  CHECK(Good("run --ready-fd 3").ready_descriptor == 3);
  CHECK(Good("run --ready-fd=1023 -c x").ready_descriptor == 1023);
  CHECK(Good("check -c x").id == CommandId::kCheck);
  const Command once = Good("once -c x --timeout 86400");
  CHECK(once.id == CommandId::kOnce);
  CHECK(once.timeout == Seconds(86400));
  CHECK(Good("once").timeout == Duration{0});
}

TEST_CASE("command: every token option, in both forms") {
  for (const char* line :
       {"get --resource arm --cloud china --source imds --client-id i --endpoint http://e",
        "get --resource=arm --cloud=china --source=imds --client-id=i --endpoint=http://e"}) {
    const Command command = Good(line);
    CHECK(command.id == CommandId::kGet);
    CHECK(command.has_token_options);
    CHECK(command.options.resource == "arm");
    CHECK(command.options.cloud == "china");
    CHECK(command.options.source == "imds");
    CHECK(command.options.client_id == "i");
    CHECK(command.options.endpoint == "http://e");
    CHECK(command.options.object_id.empty());
    CHECK(command.options.file.empty());
    CHECK(command.format == Format::kRaw);
  }
  CHECK(Good("get --resource r --object-id o").options.object_id == "o");
  CHECK(Good("get --resource r --mi-res-id=/subscriptions/a=b").options.mi_res_id ==
        "/subscriptions/a=b");
  CHECK(Good("get --resource r --format json").format == Format::kJson);
  CHECK(Good("get --resource r --format=env").format == Format::kEnv);
  CHECK(Good("get --resource r --format header").format == Format::kHeader);
  CHECK(Good("get --resource r --format raw").format == Format::kRaw);
  for (const char* name : {"run", "once", "check"}) {
    const Command command = Good(std::string(name) + " --file /f --resource r");
    CHECK(command.has_token_options);
    CHECK(command.options.file == "/f");
  }
}

TEST_CASE("command: --timeout bounds the whole of once and get, and a request of run and check") {
  CHECK(Good("get --resource r --timeout 5").timeout == Seconds(5));
  CHECK(Good("get --resource r --timeout 5").options.timeout.empty());
  CHECK(Good("once --resource r --file /f --timeout=7").timeout == Seconds(7));
  for (const char* name : {"run", "check"}) {
    const Command command = Good(std::string(name) + " --resource r --file /f --timeout 300");
    CHECK(command.timeout == Duration{0});
    CHECK(command.options.timeout == "300");
  }
}

TEST_CASE("command: status and wait") {
  const Command status = Good("status -c /x --json");
  CHECK(status.id == CommandId::kStatus);
  CHECK(status.is_json);
  CHECK(std::string(status.config_path) == "/x");
  CHECK_FALSE(status.has_token_options);
  CHECK_FALSE(Good("status").is_json);
  const Command wait = Good("wait -c/x --fresh 86400 --timeout=7");
  CHECK(wait.id == CommandId::kWait);
  CHECK(wait.fresh == Seconds(86400));
  CHECK(wait.timeout == Seconds(7));
  CHECK(Good("wait --fresh=0").fresh == Duration{0});
  CHECK(Good("wait").timeout == Duration{0});
  CHECK(Good("wait").config_path == nullptr);
}

TEST_CASE("command: exec, and a program with its arguments") {
  const Command command = Good("exec -c /x --timeout 9 -- prog -c --timeout -- _ x");
  CHECK(command.id == CommandId::kExec);
  CHECK(std::string(command.config_path) == "/x");
  CHECK(command.timeout == Seconds(9));
  CHECK_FALSE(command.has_token_options);
  const char* const expected[] = {"prog", "-c", "--timeout", "--", "", "x"};
  for (size_t index = 0; index < 6; ++index) {
    CHECK(std::string(command.child_arguments[index]) == expected[index]);
  }
  CHECK(Good("exec -- x").config_path == nullptr);
  CHECK(Good("exec --help").topic == "exec");
}

TEST_CASE("command: help and version") {
  for (const char* line : {"help", "-h", "--help", "help help", "help --help", "help -h"}) {
    const Command command = Good(line);
    CHECK(command.id == CommandId::kHelp);
    CHECK(command.topic.empty());
  }
  for (const char* line :
       {"help get", "get -h", "get --help", "get --resource x --help --nonsense"}) {
    const Command command = Good(line);
    CHECK(command.id == CommandId::kHelp);
    CHECK(command.topic == "get");
  }
  CHECK(Good("help resources").topic == "resources");
  CHECK(Good("--version").id == CommandId::kVersion);
}

struct Wrong {
  const char* line;
  const char* problem;
};

TEST_CASE("command: each fault is one sentence that says what was expected") {
  const Wrong wrongs[] = {
      {"", "expected a command: run, once, get, check, status, wait, exec, call or help"},
      {"_",
       "there is no command '': expected run, once, get, check, status, wait, exec, call or help"},
      {"fetch",
       "there is no command 'fetch': expected run, once, get, check, status, wait, exec, call or "
       "help"},
      {"--nonsense", "there is no command '--nonsense': expected run, once"},
      {"-c x", "there is no command '-c'"},
      {"exec", "exec expects a program to start behind its options: -- CMD ARG..."},
      {"exec --", "exec expects a program to start behind its options: -- CMD"},
      {"exec ls", "exec expects a program to start behind its options: -- CMD"},
      {"exec -c x ls -- ls", "exec expects a program to start behind its options: -- CMD"},
      {"exec -c x --timeout 5", "exec expects a program to start behind its options: -- CMD"},
      {"exec --timeout 0 -- ls", "exec expects --timeout 1 to 86400 seconds"},
      {"exec --timeout -- ls", "exec needs a value for '--timeout'"},
      {"exec -c -- ls", "exec needs a value for '-c'"},
      {"exec --json -- ls", "exec has no option '--json'"},
      {"exec --resource arm -- ls", "exec has no option '--resource'"},
      {"exec --file /f -- ls", "exec has no option '--file'"},
      {"call", "call needs --resource URI (see 'miagent help call')"},
      {"call https://h/", "call needs --resource URI"},
      {"call --resource a", "call needs a URL behind its options"},
      {"call --resource a _", "call needs a URL behind its options"},
      {"call --resource a https://h/ https://h/", "call takes one URL"},
      {"call --resource a -- https://h/ x", "call takes one URL"},
      {"call --resource a http://h/", "call: the URL is plain http: call sends a token, by https"},
      {"call --resource a h/x", "call: the URL has no scheme: begin it with https://"},
      {"call --resource a ftp://h/x", "call: the URL has a scheme that is neither http nor https"},
      {"call --resource a https://h/#f", "call: the URL has a fragment (#)"},
      {"call --resource a https://u@h/", "call: the URL has a user name"},
      {"call --resource a https://h?x", "call: the URL has a query without a path"},
      {"call --resource a https://a..b/", "call: the URL has a host that is neither a name nor"},
      {"call --resource a https://h/\x01", "call: the URL has a blank or another byte"},
      {"call --resource a -c f https://h/", "call has no option '-c'"},
      {"call --resource a --file /f https://h/", "call has no option '--file'"},
      {"call --resource a --format raw https://h/", "call has no option '--format'"},
      {"call --resource a --method get https://h/", "call expects --method in upper-case letters"},
      {"call --resource a --method CONNECT https://h/", "call expects --method as GET, PUT"},
      {"call --resource a --method ABCDEFGHIJKLMNOPQ https://h/", "call expects --method as GET"},
      {"call --resource a --method A --method B https://h/", "call takes '--method' once"},
      {"call --resource a --data x --data y https://h/", "call takes '--data' once"},
      {"call --resource a --data https://h/", "call needs a URL behind its options"},
      {"call --resource a --data= https://h/", "call needs a value for '--data'"},
      {"call --resource a --key= https://h/", "call needs a value for '--key'"},
      {"call --resource a --header x https://h/", "call expects --header 'Name: value'"},
      {"call --resource a --header :x https://h/", "call expects --header 'Name: value'"},
      {"call --resource a --header a(:x https://h/", "call got a --header whose name has"},
      {"call --resource a --header a:x\r\nb:c https://h/", "call got a --header whose value has"},
      {"call --resource a --header a:x\x7F https://h/", "call got a --header whose value has"},
      {"call --resource a --header AUTHORIZATION:x https://h/",
       "call writes itself: Authorization"},
      {"call --resource a --header a:1 --header a:2 --header a:3 --header a:4 --header a:5 "
       "--header "
       "a:6 --header a:7 --header a:8 --header a:9 https://h/",
       "call takes at most 8 times --header"},
      {"call --resource a --timeout 0 https://h/", "call expects --timeout 1 to 86400 seconds"},
      {"get --resource a --key value", "get has no option '--key'"},
      {"run --header a:b", "run has no option '--header'"},
      {"get", "get needs --resource URI (see 'miagent help get')"},
      {"get --cloud china", "get needs --resource URI"},
      {"get arm", "get takes no argument, but got 'arm' (see 'miagent help get')"},
      {"get --resource arm -- x", "get takes no argument, but got 'x'"},
      {"get --resource", "get needs a value for '--resource'"},
      {"get --resource _", "get needs a value for '--resource'"},
      {"get --resource=", "get needs a value for '--resource'"},
      {"get --resource --cloud china", "get needs a value for '--resource'"},
      {"get --resource a --resource b", "get takes '--resource' once"},
      {"get --resource a --resource=a", "get takes '--resource' once"},
      {"get --resource a --color red", "get has no option '--color'"},
      {"get --resource a --color=red", "get has no option '--color'"},
      {"get --resource a --resourc b", "get has no option '--resourc'"},
      {"get --resource a -x", "get has no option '-x'"},
      {"get --resource a -", "get has no option '-'"},
      {"get --resource a -c f", "get has no option '-c'"},
      {"get --resource a --file /f", "get has no option '--file'"},
      {"get --resource a --ca", "get needs a value for '--ca'"},
      {"run --ready-fd 2", "run expects --ready-fd 3 to 1023, an open descriptor"},
      {"run --ready-fd 1024", "run expects --ready-fd 3 to 1023, an open descriptor"},
      {"run --ready-fd x", "run expects --ready-fd 3 to 1023, an open descriptor"},
      {"run --ready-fd", "run needs a value for '--ready-fd'"},
      {"once --ready-fd 3", "once has no option '--ready-fd'"},
      {"get --resource a --format yaml", "get expects --format raw|json|env|header"},
      {"get --resource a --format template", "get expects --format raw|json|env|header"},
      {"get --resource a --timeout 0", "get expects --timeout 1 to 86400 seconds"},
      {"get --resource a --timeout 86401", "get expects --timeout 1 to 86400 seconds"},
      {"get --resource a --timeout 1.5", "get expects --timeout 1 to 86400 seconds"},
      {"get --resource a --timeout -1", "get expects --timeout 1 to 86400 seconds"},
      {"get --resource a --timeout 99999999999999999999", "get expects --timeout 1 to 86400"},
      {"get --resource a --client-id b --object-id c", "get takes one of --client-id"},
      {"get --resource a --object-id b --mi-res-id c", "get takes one of --client-id"},
      {"run --format raw", "run has no option '--format'"},
      {"run -c", "run needs a value for '-c'"},
      {"run -c --", "run needs a value for '-c'"},
      {"run -c a -c b", "run takes '-c' once"},
      {"run x", "run takes no argument, but got 'x'"},
      {"run -c x --resource a --file /f", "run takes -c FILE or --resource and its options"},
      {"run --resource a", "run needs --file PATH beside --resource"},
      {"once --file /f", "once needs --resource URI"},
      {"check --cloud china", "check needs --resource URI"},
      {"run --timeout 5", "run takes --timeout with --resource; a file has its own"},
      {"check -c x --timeout 5", "check takes --timeout with --resource"},
      {"run --resource a --file /f --timeout 301", "run expects --timeout 1 to 300 seconds"},
      {"status x", "status takes no argument, but got 'x' (see 'miagent help status')"},
      {"status --json=yes", "status takes '--json' without a value"},
      {"status --json --json", "status takes '--json' once"},
      {"status --resource a", "status has no option '--resource'"},
      {"status --timeout 5", "status has no option '--timeout'"},
      {"status --fresh 5", "status has no option '--fresh'"},
      {"wait --json", "wait has no option '--json'"},
      {"wait --file /f", "wait has no option '--file'"},
      {"wait --fresh", "wait needs a value for '--fresh'"},
      {"wait --fresh 86401", "wait expects --fresh 0 to 86400 seconds"},
      {"wait --fresh -1", "wait expects --fresh 0 to 86400 seconds"},
      {"wait --fresh 1.5", "wait expects --fresh 0 to 86400 seconds"},
      {"wait --timeout 0", "wait expects --timeout 1 to 86400 seconds"},
      {"wait --timeout 86401", "wait expects --timeout 1 to 86400 seconds"},
      {"get --resource a --json", "get has no option '--json'"},
      {"run --fresh 1", "run has no option '--fresh'"},
      {"help get more", "expected nothing after 'get'"},
      {"help fetch", "expected miagent help run|once|get|check|status|wait|exec|call|resources"},
      {"--version x", "expected nothing after '--version'"},
      {"--help get", "expected nothing after '--help'"},
      {"get\x1b[31m", "there is no command 'get?[31m'"},
  };
  for (const Wrong& wrong : wrongs) {
    const Parsed parsed = Parse(wrong.line);
    INFO(wrong.line, ": ", parsed.problem);
    CHECK(parsed.status.fault == Fault::kCommandLine);
    CHECK(parsed.problem.find(wrong.problem) == 0);
    CHECK(parsed.problem.find('\n') == std::string::npos);
  }
}

TEST_CASE("command: call") {
  const Command plain = Good("call --resource arm https://h.example:8443/a/b?c=d");
  CHECK(plain.id == CommandId::kCall);
  CHECK(plain.has_token_options);
  CHECK(plain.call.method == "GET");
  CHECK(plain.call.url.host == "h.example");
  CHECK(plain.call.url.port == 8443);
  CHECK(plain.call.url.path == "/a/b?c=d");
  CHECK(plain.call.data.empty());
  CHECK(plain.call.key.empty());
  CHECK(plain.timeout == Duration{0});
  const Command full = Good(
      "call HTTPS://[::1] --header a:b --resource=arm --header=c:d --data @x --key k --timeout 5 "
      "--ca f");
  CHECK(full.call.method == "POST");
  CHECK(full.call.url.host == "::1");
  CHECK(full.call.url.path == "/");
  CHECK(full.call.data == "@x");
  CHECK(full.call.key == "k");
  CHECK(full.call.header_count == 2);
  CHECK(std::string(full.call.headers[1]) == "c:d");
  CHECK(full.timeout == Seconds(5));
  CHECK(full.options.ca == "f");
  CHECK(Good("call --resource a --method DELETE --data x -- https://h").call.method == "DELETE");
  CHECK(Good("call --help").topic == "call");
}

TEST_CASE("command: no arguments at all") {
  Command command;
  char problem[100];
  TextWriter writer{problem, sizeof(problem)};
  CHECK(CommandParse(0, nullptr, &command, writer).fault == Fault::kCommandLine);
}

TEST_CASE("command: a huge argument is cut in the message") {
  const Parsed parsed = Parse("get --" + std::string(100000, 'x'));
  CHECK(parsed.problem.size() < 300);
  CHECK(parsed.problem.find("...'") != std::string::npos);
}

TEST_CASE("command: random lines end, with a problem or without") {
  const char* const words[] = {"run",
                               "get",
                               "once",
                               "check",
                               "status",
                               "wait",
                               "--json",
                               "--fresh",
                               "help",
                               "-c",
                               "--resource",
                               "--file",
                               "--timeout",
                               "5",
                               "-",
                               "--",
                               "=",
                               "--=",
                               "-h",
                               "/f",
                               "--format",
                               "json",
                               "--client-id=x",
                               "_",
                               "-c=",
                               "\xff",
                               "--resource=arm"};
  std::mt19937 random(9);
  for (int round = 0; round < 20000; ++round) {
    std::string line;
    const uint32_t word_count = random() % 7;
    for (uint32_t index = 0; index < word_count; ++index) {
      if (index != 0) line += ' ';
      line += words[random() % (sizeof(words) / sizeof(words[0]))];
    }
    const Parsed parsed = Parse(line);
    CHECK(parsed.status.ok() == parsed.problem.empty());
  }
}

}  // namespace
}  // namespace miagent
