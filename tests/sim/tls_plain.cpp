// An engine for the simulated world, which has no TLS: bytes pass as they are.
//
// Purpose: tests of what the agent does with https endpoints. Only test programs link it.
#include <cerrno>

#include "agent/base/check.h"
#include "agent/tls/tls.h"

namespace miagent {
namespace {

struct Session {
  Platform* platform = nullptr;  // null: none is open
  Socket socket;
  bool has_sent = false;  // a byte went out: the connection stood
};
Session g_session;

TlsProgress ProgressOf(const IoResult& result, TlsWants wants) {
  TlsProgress progress;
  if (result.error == EAGAIN || result.error == EINPROGRESS) {
    progress.wants = wants;
  } else if (!result.ok()) {
    const Fault fault = g_session.has_sent ? Fault::kConnectionLost : Fault::kConnectFailed;
    progress.status = {fault, result.error};
  }
  progress.count = result.ok() ? static_cast<uint32_t>(result.count) : 0;
  return progress;
}

}  // namespace

std::string_view TlsEngineName() { return "none, but for tests"; }

Status TlsOpen(Platform& platform, Socket socket, const TlsTrust&, WallTime) {
  CHECK(g_session.platform == nullptr);
  g_session = {&platform, socket, false};
  return kOk;
}

TlsProgress TlsHandshake() { return {}; }

TlsProgress TlsWrite(const char* bytes, size_t size) {
  const ConstPart part{bytes, size};
  const IoResult written = SocketWrite(*g_session.platform, g_session.socket, &part, 1);
  if (written.ok()) g_session.has_sent = true;
  return ProgressOf(written, TlsWants::kWriting);
}

TlsProgress TlsRead(char* bytes, size_t size) {
  const IoResult read = SocketRead(*g_session.platform, g_session.socket, bytes, size);
  TlsProgress progress = ProgressOf(read, TlsWants::kReading);
  progress.is_end = read.ok() && read.count == 0;
  return progress;
}

bool TlsHasPending() { return false; }
void TlsClose() { g_session.platform = nullptr; }
void TlsNoteTime(WallTime) {}
size_t TlsPoolPeak() { return 0; }

}  // namespace miagent
