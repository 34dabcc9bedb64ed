// The seam without an engine: https can't be spoken, and no endpoint of it is accepted.
#include "agent/base/check.h"
#include "agent/tls/tls.h"

namespace miagent {

std::string_view TlsEngineName() { return {}; }

Status TlsOpen(Platform&, Socket, const TlsTrust&, WallTime) { return {Fault::kTlsMissing, 0}; }

TlsProgress TlsHandshake() { CHECK(false); }
TlsProgress TlsWrite(const char*, size_t) { CHECK(false); }
TlsProgress TlsRead(char*, size_t) { CHECK(false); }
bool TlsHasPending() { return false; }
void TlsClose() {}
void TlsNoteTime(WallTime) {}
size_t TlsPoolPeak() { return 0; }

}  // namespace miagent
