// What the TLS tests share: certificates, OpenSSL's s_server, a proxy that spoils, and the client.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "agent/base/status.h"
#include "agent/tls/trust.h"
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
};

// Between the client and a server. A connection is spoiled as `spoiling` said when it began.
class Proxy {
 public:
  explicit Proxy(uint16_t server_port);
  ~Proxy();
  Proxy(const Proxy&) = delete;
  Proxy& operator=(const Proxy&) = delete;
  void Set(Spoiling spoiling);
  uint16_t port = 0;

 private:
  struct State;
  State* state;
};

// Opens a session, shakes hands, and closes it: what the handshake came to.
Status Shake(uint16_t port, const TlsTrust& trust, WallTime now_wall = Now());

struct Outcome {
  Status status;
  int32_t http_status = 0;
  std::string body;
};

// One exchange of http/connection on a new connection.
Outcome Ask(uint16_t port, const TlsTrust& trust);

}  // namespace miagent
