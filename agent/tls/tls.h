// The seam to the TLS engine: one session at a time, on a socket that its caller opened.
//
// Purpose: encrypt and verify what http/connection moves. Two libraries implement it, of which one
//          is chosen at link time: miagent_tls (Mbed TLS, the product) and miagent_tls_none (the
//          simulator, and a product without TLS), whose TlsOpen always fails.
// Owns:    the session and its memory, a static pool of kTlsPoolSize that is empty between
//          sessions: whatever a session leaves behind, the next one begins anew. Nothing of it is
//          touched before the first TlsOpen. The socket stays its caller's, and so does the trust,
//          which must live until TlsClose.
// Clock:   none of its own: the wall clock is a parameter of TlsOpen; deadlines are the caller's.
// Errors:  kConnectFailed and kConnectionLost (errno, or 0), kTlsProtocol (the engine's own error),
//          kTlsMemory, kTlsBundle (errno; 0: no certificate in it), and what is wrong with the
//          server's certificate: kTlsIssuer to kTlsThumbprint. After any error only TlsClose is
//          left. An exhausted pool is never reported as an untrusted certificate.
// Never:   blocks, but to read the CA bundle; hands out a byte of an unverified peer, or sends it
//          one of the request; keeps sessions or tickets.
#pragma once

#include <cstddef>
#include <cstdint>

#include "agent/base/status.h"
#include "agent/tls/trust.h"
#include "platform/platform.h"

namespace miagent {

// What a step is waiting for: the socket is to be watched for it, and the step repeated then.
enum class TlsWants : uint8_t { kNothing, kReading, kWriting };

struct [[nodiscard]] TlsProgress {
  Status status;
  TlsWants wants = TlsWants::kNothing;
  bool is_end = false;  // the peer ended the session in order; nothing more can be read
  uint32_t count = 0;  // bytes moved
};

// Begins a session on a socket that is connected or connecting, as the client. No session may be
// open (CHECK). `now_wall` is the wall clock's time; it is taken for wrong where it lies before
// this program was built.
Status TlsOpen(Platform& platform, Socket socket, const TlsTrust& trust, WallTime now_wall);

// Goes on with the handshake. Wants nothing: it is over, and the peer is the trusted one.
TlsProgress TlsHandshake();

// Sends some of `size` bytes (at least 1). Where it wants something, the next call must be for the
// same bytes. Only after the handshake (CHECK).
TlsProgress TlsWrite(const char* bytes, size_t size);

// Receives up to `size` bytes (at least 1). Only after the handshake (CHECK).
TlsProgress TlsRead(char* bytes, size_t size);

// Whether TlsRead can go on without the socket: bytes wait inside, which no event will tell of.
bool TlsHasPending();

// Ends the session, in order where that takes no waiting, and empties the pool. Changes nothing
// where none is open.
void TlsClose();

// Remembers a verified server's Date: the clock that certificates are judged by never lies before
// it.
void TlsNoteTime(WallTime date);

// The most bytes of the pool that were ever in use at once.
size_t TlsPoolPeak();

}  // namespace miagent
