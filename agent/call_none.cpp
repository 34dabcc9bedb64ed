// `call` in a build without TLS: it says so. (A build with TLS has call.cpp in its place.)
#include "agent/base/check.h"
#include "agent/call.h"
#include "agent/report.h"

namespace miagent {

Status CallPrepare(Agent& agent, Platform& platform) {
  const Status missing{Fault::kTlsMissing};
  ReportFailure(agent, platform, "call", missing);
  return missing;
}

void CallBegin(Agent&, Platform&) { CHECK(false); }
void CallOnEvent(Agent&, Platform&, const Event&) { CHECK(false); }
void CallOnTick(Agent&, Platform&) { CHECK(false); }

}  // namespace miagent
