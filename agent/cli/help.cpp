// The help texts. They are the contract that users read: what is said here is tested.

#include "agent/cli/command.h"
#include "agent/config/choice.h"
#include "agent/config/resource.h"

namespace miagent {
namespace {

constexpr char kGeneral[] =
    R"(Keeps Azure managed identity tokens fresh in files.

usage: miagent run   [-c FILE]       stay, and keep every file fresh
       miagent once  [-c FILE]       bring every file up to date, then end
       miagent get   --resource URI  print one token
       miagent check [-c FILE]       test a configuration, print the plan
       miagent status [-c FILE]      every token and file, how it stands
       miagent wait  [-c FILE]       return when every file is fresh
       miagent exec  [-c FILE] -- CMD ARG...   start CMD with fresh files
       miagent call  --resource URI URL   a request with the token
       miagent help  [COMMAND|resources]
       miagent --version             what is compiled in, and the limits

'miagent help COMMAND' tells its options: --x V or --x=V. FILE is
/etc/miagent.conf where none is named.

exit codes
   0  done
   1  status: something is stale, expired or missing; wait: out of time
  64  the command line is wrong
  65  the source answered with something that is no token
  69  the source refused for good, or there is no such identity
  73  a file could not be written
  75  try again later: no answer, throttled, or out of time
  77  a directory is unsafe
  78  the configuration is wrong
 126  exec: CMD can't be executed
 127  exec: there is no CMD; else CMD's own, or 128 and its signal's number
)";

constexpr char kRun[] =
    R"(usage: miagent run [-c FILE]
       miagent run --resource URI --file PATH [OPTIONS]

Stays in the foreground and keeps every file fresh, until SIGTERM or SIGINT.
SIGHUP reads the configuration again, SIGUSR1 refreshes every token now,
SIGUSR2 writes status_file and metrics_file now.

  --timeout S       seconds for one request, 1 to 300 (10)
  --ready-fd N      where to write a newline once every file has its token
)";

constexpr char kOnce[] =
    R"(usage: miagent once [-c FILE] [--timeout S]
       miagent once --resource URI --file PATH [OPTIONS]

Brings every file up to date, then ends. A file whose token is still good
needs no request. Several failures: the exit code is the first one's.

  --timeout S       seconds for the whole, 1 to 86400
)";

constexpr char kGet[] =
    R"(usage: miagent get --resource URI [OPTIONS]

Prints one token to standard output, and nothing else.

  --format F        raw | json | env | header (raw)
  --timeout S       seconds for the whole, 1 to 86400
)";

constexpr char kCheck[] =
    R"(usage: miagent check [-c FILE]
       miagent check --resource URI --file PATH [OPTIONS]

Reads the configuration, tests every directory and prints the effective plan.
Every problem is told as FILE:LINE. Nothing is requested or written.

  --timeout S       as of run
)";

constexpr char kStatus[] =
    R"(usage: miagent status [-c FILE] [--json]

Shows every token and file as [agent] status_file tells it, with ages as of
now. Exit 1 where a token is stale (within 5 minutes of its expiry), expired,
missing or refused, or a file holds no good token or can't be written.

  --json            the file as it stands, and a member "read": when it was
                    read, and whether the agent runs, has stopped or is gone
)";

constexpr char kWait[] =
    R"(usage: miagent wait [-c FILE] [--fresh S] [--timeout S]

Returns when every file of the configuration holds a token that is good for S
more seconds, as [agent] status_file tells it. Exit 1 where it doesn't in time.

  --fresh S         0 to 86400 (0)
  --timeout S       seconds for the whole, 1 to 86400; none: as long as it takes
)";

constexpr char kExec[] =
    R"(usage: miagent exec [-c FILE] [--timeout S] -- CMD ARG...

Brings every file up to date, as once does, then starts CMD, and keeps them
fresh while it runs. Where a token isn't to be had CMD isn't started, and the
exit code is once's; then it is CMD's, or 128 and the number of its signal.

Every signal goes on to CMD: HUP, USR1 and USR2 too. CMD has the terminal: ^C,
^Z and pipelines are as without miagent. As PID 1 it reaps every orphan.
[agent] on_refresh says what CMD gets when a token changes: nothing, a signal,
or SIGTERM and a new start.

  --timeout S       seconds for the tokens to be there, 1 to 86400
)";

constexpr char kCall[] =
    R"(usage: miagent call --resource URI [OPTIONS] URL

Sends one https request with a token, and prints the answer's body, however
long. A 401 gets a new token and one more try. Redirects are not followed.
Exit 0 for a 2xx; 75 for 408, 429 and 5xx; 69 for any other answer.

  --method M        GET, or POST with --data
  --header H        'Name: value', up to 8 times
  --data D          the body: text, @FILE, or @- for standard input; 256 KiB;
                    application/json where no header says otherwise
  --key NAME        print this member of a JSON answer (32 KiB) alone
  --timeout S       seconds for the whole, 1 to 86400; none: 10 of silence
)";

// What follows the options of each command's own.
constexpr char kFileOption[] =
    R"(  --file PATH       where the token is written, with mode 0600
)";
constexpr char kTokenOptions[] =
    R"(  --resource URI    what the token is for, or a name ('miagent help resources')
  --cloud NAME      public | usgov | china: what the short names mean (public)
  --source NAME     auto, or one that 'miagent --version' lists (auto)
  --client-id ID    which identity, by one of these three;
  --object-id ID      by none: the machine's own
  --mi-res-id ID
  --endpoint URL    in place of the source's own
  --ca FILE         PEM certificates for https, in place of the system's
)";

// In the order of CommandId; those after them take no token options.
constexpr const char* kCommandTexts[] = {kRun, kOnce, kGet, kCheck};

// The table of short names: `NAME PUBLIC USGOV CHINA`, `-` where a cloud has none.
void ResourcesWrite(TextWriter& writer) {
  constexpr size_t kNameWidth = 14;
  Append(writer, "NAME           PUBLIC USGOV CHINA, as --cloud says; - where it has none\n");
  for (uint32_t index = 0; index < kResourceNameCount; ++index) {
    const ResourceName& row = ResourceNameAt(index);
    Append(writer, row.name);
    for (size_t width = std::string_view(row.name).size(); width < kNameWidth; ++width)
      Append(writer, ' ');
    for (const char* const uri : row.uris) {
      Append(writer, ' ');
      Append(writer, uri == nullptr ? "-" : uri);
    }
    Append(writer, '\n');
  }
}

}  // namespace

void HelpWrite(std::string_view topic, TextWriter& writer) {
  uint32_t index = 0;
  if (topic == "resources") return ResourcesWrite(writer);
  if (!ChoiceFind(topic, "run|once|get|check|status|wait|exec|call", &index))
    return Append(writer, kGeneral);
  if (static_cast<CommandId>(index) == CommandId::kStatus) return Append(writer, kStatus);
  if (static_cast<CommandId>(index) == CommandId::kWait) return Append(writer, kWait);
  if (static_cast<CommandId>(index) == CommandId::kExec) return Append(writer, kExec);
  const bool is_call = static_cast<CommandId>(index) == CommandId::kCall;
  Append(writer, is_call ? kCall : kCommandTexts[index]);
  if (!is_call && static_cast<CommandId>(index) != CommandId::kGet) Append(writer, kFileOption);
  Append(writer, kTokenOptions);
}

}  // namespace miagent
