#include "agent/notify/signal_name.h"

#include "agent/base/bytes.h"
#include "agent/config/choice.h"

namespace miagent {
namespace {

// By number, from 1.
constexpr std::string_view kSignalNames =
    "HUP|INT|QUIT|ILL|TRAP|ABRT|BUS|FPE|KILL|USR1|SEGV|USR2|PIPE|ALRM|TERM|STKFLT|CHLD|CONT|STOP|"
    "TSTP|TTIN|TTOU|URG|XCPU|XFSZ|VTALRM|PROF|WINCH|IO|PWR|SYS";

}  // namespace

bool SignalFind(std::string_view name, int32_t* number) {
  constexpr std::string_view kPrefix = "SIG";
  uint32_t index = 0;
  if (StartsWith(name, kPrefix)) name = SliceFrom(name, kPrefix.size());
  if (!ChoiceFind(name, kSignalNames, &index)) return false;
  *number = static_cast<int32_t>(index) + 1;
  return true;
}

std::string_view SignalNameOf(int32_t number) {
  return ChoiceAt(kSignalNames, static_cast<uint32_t>(number) - 1);
}

}  // namespace miagent
