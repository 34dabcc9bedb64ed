#include "tests/scenarios/self_test.h"

#include <cstdio>
#include <string>

#include "tests/scenarios/scenario.h"

namespace miagent {
namespace {

struct Row {
  const char* text;
  const char* failure;  // what one of the failures has; empty: there must be none
};

constexpr Row kRows[] = {
    {"at 0 start run\nat 1m expect file /run/tokens/storage token 1\n", ""},
    {"at 0 start run\nat 1m expect file /run/tokens/storage absent\n",
     "X:2: expected /run/tokens/storage absent, saw token 1 at 0d00:01:00.000"},
    {"at 0 start run\nat 1m expect file /run/tokens/storage token 2\n", "X:2: expected"},
    {"at 0 start run\nat 1m expect file /run/tokens/storage empty\n", "saw token 1"},
    {"at 0 start run\nat 1m expect file /run/tokens/none fresh\n",
     "X:2: expected /run/tokens/none"},
    {"at 0 start run\nat 1m expect file /run/tokens/storage expired\n", "saw token 1"},
    {"at 0 start run\nfrom 0 to 1m expect file /run/tokens/storage fresh\n", "saw absent at 0d00"},
    {"at 0 imds lifetime 10m\nat 0 start run\nat 1m imds refuse\nat 1h disk freed\n"
     "from 1m to 1h expect file /run/tokens/storage fresh\n",
     "X:5: expected /run/tokens/storage fresh, saw absent"},
    {"at 0 start run\nat 1m expect requests 2..\n", "X:2: expected 2.. requests, saw 1"},
    {"at 0 start run\nfrom 10s to 1m expect requests 1\n", "saw 0"},
    {"at 0 start run\nat 1m expect requests 1 forced\n", "forced requests, saw 0"},
    {"at 0 imds status 503\nat 0 start run\nfrom 0 to 10m expect gap 2s..59s\n",
     "X:3: expected a gap of 2s..59s, saw 6"},
    {"at 0 start run\nfrom 0 to 10m expect gap 2s..59s\n", "less than two requests"},
    {"at 0 start run\nat 1m expect log \"event=fetched\" 0\n", "saw 1"},
    {"at 0 start run\nat 1m expect log nonsense 1..\n", "saw 0"},
    {"at 0 start run\nat 1m expect published /run/tokens/storage 2\n", "publications, saw 1"},
    {"at 0 start run\nat 1m expect connections 0\n", "connections tried, saw 1"},
    {"at 0 start run\nat 1m expect hooks 1\n", "starts of a hook, saw 0"},
    {"at 0 start run\nfrom 1m to 2m expect wakeups 5\n", "wake-ups, saw 0"},
    {"at 0 start once\nat 1m expect exit 75\n", "expected 'exit 75', saw 'exit 0'"},
    {"at 0 start once\nat 1m expect running\n", "expected 'running', saw 'exit 0'"},
    {"at 0 start run\nat 1m expect exit 0\n", "saw 'running'"},
    {"at 0 start run\nat 1m kill\nfrom 0 to 2m expect running\n", "saw 'killed'"},
    // Written wrongly.
    {"at 0 start run\n", "expects nothing"},
    {"at 0 start run\nat 1m expect luck 1\n", "nobody knows how to expect 'luck'"},
    {"at 0 dance\nat 1m expect requests 0\n", "X:1: nobody knows how to 'dance'"},
    {"at 1m start run\nat 0 expect requests 0\n", "X:2: it is before the line above"},
    {"at noon start run\nat 1m expect requests 0\n", "'noon' is no time"},
    {"start run\nat 1m expect requests 0\n", "X:1: expected 'at TIME"},
    {"at 0 start run\nat 1m expect requests many\n", "'many' is no count"},
    {"at 0 signal HUP\nat 1m expect requests 0\n", "no agent runs"},
};

// What holds in every scenario, by files that no agent wrote.
constexpr Row kAlways[] = {
    {"at 0 start run\nat 1m disk put /run/tokens/storage sim.1.torn\n"
     "at 2m expect requests 1\n",
     "X:2: at 0d00:01:00.000, after this line: /run/tokens/storage holds a torn token"},
    {"at 0 start run\nat 1m disk put /run/tokens/storage hello\nat 2m expect requests 1\n",
     "holds what is no token that was given"},
    {"at 0 start run\nat 1m disk put /run/tokens/storage sim.7.x\nat 2m expect requests 1\n",
     "holds what is no token that was given"},
    {"at 0 start run\nat 1m disk keep /run/tokens/storage\nat 2m signal USR1\n"
     "at 3m disk return /run/tokens/storage\nat 4m expect requests 2\n",
     "holds an older token than before"},
};

int Judge(const Row& row) {
  const ScenarioOutcome outcome = ScenarioRun("X", row.text);
  std::string all;
  for (const std::string& failure : outcome.failures) all += failure + "\n";
  const std::string wanted = row.failure;
  const bool is_good = wanted.empty() ? all.empty() : all.find(wanted) != std::string::npos;
  if (is_good) return 0;
  std::printf("of the scenario\n%sexpected the failure '%s', saw\n%s\n", row.text, row.failure,
              all.c_str());
  return 1;
}

}  // namespace

int ScenarioSelfTest() {
  int wrong_count = 0;
  for (const Row& row : kRows) wrong_count += Judge(row);
  for (const Row& row : kAlways) wrong_count += Judge(row);
  std::printf("%d of %zu wrong\n", wrong_count, std::size(kRows) + std::size(kAlways));
  return wrong_count == 0 ? 0 : 1;
}

}  // namespace miagent
