// What the TLS tests share: certificates, OpenSSL's s_server, a proxy that spoils, and the client.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "agent/base/status.h"
#include "agent/tls/trust.h"
#include "platform/platform.h"
#include "platform/time.h"

namespace miagent {

// The folder of the certificates (certificates.py), made once; its name ends in "/".
const std::string& Certificates();

std::string TextOf(const std::string& path);

WallTime Now();

constexpr const char* kHost = "host.miagent.test";

// Trust in the root `root` ("ec", "rsa") for a host.
TlsTrust TrustIn(const std::string& root, const std::string& host = kHost);

// Trust in the certificate `name` by its thumbprint.
TlsTrust TrustInThumbprint(const std::string& name);

// An s_server with a certificate, until it goes out of scope.
class Server {
 public:
  explicit Server(const std::string& certificate, std::vector<std::string> options = {});
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  uint16_t port = 0;

 private:
  pid_t pid = -1;
};

// What a proxy does to what the server sends.
struct Spoiling {
  int64_t cut_at = -1;            // ends the connection before this byte; -1: never
  // Puts each byte of the unencrypted handshake into its own record, but for a first of each
  // message with so many.
  size_t first_record_size = 0;  // 0: doesn't
  bool dribbles = false;  // sends byte by byte
  bool has_large_certificate = false;  // one that is said to be of more than 64 KiB (TLS 1.2)
  bool lacks_end = false;  // neither the session's (TLS 1.2) nor the connection's
  std::string instead;  // sent in place of all that the server says; empty: isn't
};

// Between the client and a server. A connection is spoiled as `spoiling` said when it began.
class Proxy {
 public:
  explicit Proxy(uint16_t server_port);
  ~Proxy();
  Proxy(const Proxy&) = delete;
  Proxy& operator=(const Proxy&) = delete;
  void Set(Spoiling spoiling);
  void Hold(bool is_holding);  // takes nothing of the client's for now
  uint16_t port = 0;

 private:
  struct State;
  State* state;
};

// A session on a connection of its own, until it goes out of scope.
class Session {
 public:
  Session(uint16_t port, const TlsTrust& trust, WallTime now_wall = Now());
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  Status Shake();
  // Writes all of it. Returns how often the socket had no room; then, once, calls `on_full`.
  uint32_t Write(const std::string& text, const std::function<void()>& on_full = [] {});
  char ReadOne();  // the next byte; 0: the server ended the session
  Status status;  // of the begin

 private:
  TlsTrust trust;
  Socket socket;
};

// The next of so many requests for random numbers fails; 0: none.
void FailRandomAt(uint32_t number);

// Opens a session, shakes hands, and closes it: what the handshake came to.
Status Shake(uint16_t port, const TlsTrust& trust, WallTime now_wall = Now());

struct Outcome {
  Status status;
  int32_t http_status = 0;
  std::string body;
  bool is_kept = false;  // the connection, for a next one
};

// One exchange of http/connection on a new connection.
Outcome Ask(uint16_t port, const TlsTrust& trust, const std::string& path = "/");

}  // namespace miagent
