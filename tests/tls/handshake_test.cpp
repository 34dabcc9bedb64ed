// Whom the engine speaks with, and whom it refuses, against OpenSSL's server.
#include <sys/resource.h>

#include <cerrno>
#include <string>
#include <vector>

#include "agent/limits.h"
#include "agent/tls/pool.h"
#include "agent/tls/tls.h"
#include "doctest/doctest.h"
#include "tests/tls/fixture.h"

namespace miagent {
namespace {

const std::vector<std::string> kVersions = {"-tls1_2", "-tls1_3"};

void CheckPoolIsEmpty() {
  CHECK(TlsPool().used_size == 0);
  CHECK(TlsLeakCount() == 0);
}

// What a handshake with this certificate comes to, by both versions of TLS.
void CheckShake(const std::string& certificate, const TlsTrust& trust, Fault expected) {
  CAPTURE(certificate);
  for (const std::string& version : kVersions) {
    // OpenSSL itself won't sign for TLS 1.3 with a key this short.
    if (certificate == "rsa512" && version == "-tls1_3") continue;
    CAPTURE(version);
    const Server server(certificate, {version});
    CHECK(static_cast<int>(Shake(server.port, trust).fault) == static_cast<int>(expected));
    CheckPoolIsEmpty();
  }
}

TEST_CASE("tls: keys and chains of every kind that is in use") {
  for (const char* name : {"p256", "p384", "chain2", "chain3", "chain4"}) {
    CheckShake(name, TrustIn("ec"), Fault::kNone);
  }
  for (const char* name : {"rsa2048", "rsa4096", "chain4_rsa4096"}) {
    CheckShake(name, TrustIn("rsa"), Fault::kNone);
  }
  // How a root signed itself means nothing.
  CheckShake("below_sha1root", TrustIn("sha1root"), Fault::kNone);
  // A server's own certificate may be the trusted one.
  CheckShake("self_signed", TrustIn(Certificates() + "self_signed.crt"), Fault::kNone);
  CHECK(TlsPoolPeak() < kTlsPoolSize);
  MESSAGE("the pool's peak: " << TlsPoolPeak() << " of " << kTlsPoolSize << " bytes");
}

TEST_CASE("tls: each cipher and each curve that is offered") {
  const TlsTrust trust = TrustIn("ec");
  for (const char* curve : {"X25519", "P-256", "P-384"}) {
    for (const std::string& version : kVersions) {
      CAPTURE(curve);
      const Server server("p256", {version, "-groups", curve});
      CHECK(Shake(server.port, trust).ok());
    }
  }
  for (const char* cipher :
       {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}) {
    CAPTURE(cipher);
    const Server server("p256", {"-tls1_3", "-ciphersuites", cipher});
    CHECK(Shake(server.port, trust).ok());
  }
  for (const char* cipher : {"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
                             "ECDHE-ECDSA-CHACHA20-POLY1305"}) {
    CAPTURE(cipher);
    const Server server("p256", {"-tls1_2", "-cipher", cipher});
    CHECK(Shake(server.port, trust).ok());
  }
}

TEST_CASE("tls: each signature that a server may choose") {
  for (const char* hash : {"SHA256", "SHA384", "SHA512"}) {
    CAPTURE(hash);
    for (const std::string& version : kVersions) {
      CAPTURE(version);
      const Server pss("rsa2048", {version, "-sigalgs", std::string("RSA-PSS+") + hash});
      CHECK(Shake(pss.port, TrustIn("rsa")).ok());
    }
    const Server old("rsa2048", {"-tls1_2", "-sigalgs", std::string("RSA+") + hash});
    CHECK(Shake(old.port, TrustIn("rsa")).ok());
    if (std::string(hash) == "SHA512") continue;  // with P-521, which is not offered
    const Server ecdsa("p256", {"-tls1_2", "-sigalgs", std::string("ECDSA+") + hash});
    CHECK(Shake(ecdsa.port, TrustIn("ec")).ok());
  }
  const Server p384("p384", {"-tls1_3", "-sigalgs", "ECDSA+SHA384"});
  CHECK(Shake(p384.port, TrustIn("ec")).ok());
  // SHA-1 is not offered.
  const Server sha1("rsa2048", {"-tls1_2", "-sigalgs", "RSA+SHA1"});
  CHECK(Shake(sha1.port, TrustIn("rsa")).fault == Fault::kTlsProtocol);
}

TEST_CASE("tls: a server that would like a certificate of ours goes on without, or refuses us") {
  for (const std::string& version : kVersions) {
    CAPTURE(version);
    const Server optional("p256", {version, "-verify", "1"});
    CHECK(Shake(optional.port, TrustIn("ec")).ok());
    // In TLS 1.3 the refusal comes after the handshake, with the first bytes read.
    const Server strict("p256", {version, "-Verify", "1"});
    CHECK(Shake(strict.port, TrustIn("ec")).ok() == (version == "-tls1_3"));
    const Outcome refused = Ask(strict.port, TrustIn("ec"));
    CHECK(refused.status.fault == Fault::kTlsProtocol);
    CHECK(refused.http_status == 0);
    CheckPoolIsEmpty();
  }
}

TEST_CASE("tls: a certificate that is no good is refused, each for its reason") {
  struct Case {
    const char* name;
    const char* root;
    Fault fault;
  };
  const Case cases[] = {
      {"expired", "ec", Fault::kTlsExpired},
      {"future", "ec", Fault::kTlsNotYetValid},
      {"self_signed", "ec", Fault::kTlsIssuer},
      {"forged", "ec", Fault::kTlsIssuer},
      {"forged_with_root", "ec", Fault::kTlsIssuer},

      {"rsa2048", "ec", Fault::kTlsIssuer},
      {"below_leaf", "ec", Fault::kTlsIssuer},
      {"other_name", "ec", Fault::kTlsName},
      {"for_clients", "ec", Fault::kTlsPurpose},
      {"sha1", "rsa", Fault::kTlsWeak},
      {"md5", "rsa", Fault::kTlsWeak},
      {"rsa1024", "rsa", Fault::kTlsWeak},
      {"rsa512", "rsa", Fault::kTlsWeak},
      {"below_weak", "rsa", Fault::kTlsWeak},
      {"below_ed25519", "ec", Fault::kTlsWeak},
      {"below_p521", "ec", Fault::kTlsWeak},
      {"below_expired", "ec", Fault::kTlsExpired},
  };
  for (const Case& each : cases) CheckShake(each.name, TrustIn(each.root), each.fault);
}

TEST_CASE("tls: a certificate is for the names in it, and no other") {
  const Server server("p256");
  struct Case {
    const char* host;
    Fault fault;
  };
  const Case cases[] = {
      {"host.miagent.test", Fault::kNone},
      {"HOST.miagent.TEST", Fault::kNone},
      {"127.0.0.1", Fault::kNone},
      {"::1", Fault::kNone},
      {"0:0:0:0:0:0:0:1", Fault::kNone},
      {"a.wild.test", Fault::kNone},
      {"127.0.0.2", Fault::kTlsName},
      {"::2", Fault::kTlsName},
      {"a.b.wild.test", Fault::kTlsName},
      {"wild.test", Fault::kTlsName},
      {"leaf", Fault::kTlsName},
      {"miagent.test", Fault::kTlsName},
      {"ahost.miagent.test", Fault::kTlsName},
      {"127.0.0.1.miagent.test", Fault::kTlsName},
  };
  for (const Case& each : cases) {
    CAPTURE(each.host);
    const Status status = Shake(server.port, TrustIn("ec", each.host));
    CHECK(static_cast<int>(status.fault) == static_cast<int>(each.fault));
  }
}

TEST_CASE("tls: a thumbprint is that of one certificate, whatever else is wrong with it") {
  for (const char* name : {"p256", "self_signed", "expired", "other_name", "rsa1024"}) {
    CheckShake(name, TrustInThumbprint(name), Fault::kNone);
  }
  // A valid chain of the wrong thumbprint; and one bit less.
  CheckShake("p256", TrustInThumbprint("self_signed"), Fault::kTlsThumbprint);
  // What is sent along with it counts neither for it nor against it.
  CheckShake("chain2", TrustInThumbprint("chain2"), Fault::kNone);
  CheckShake("chain2", TrustInThumbprint("p256"), Fault::kTlsThumbprint);
  TlsTrust trust = TrustInThumbprint("p256");
  trust.thumbprint[19] ^= 1;
  CheckShake("p256", trust, Fault::kTlsThumbprint);
}

TEST_CASE("tls: a clock from before the build forgives what is not yet valid, never what is over") {
  const Server future("future");
  const Server expired("expired");
  const TlsTrust trust = TrustIn("ec");
  const WallTime kUnset{60};
  CHECK(Shake(future.port, trust, kUnset).ok());
  CHECK(Shake(future.port, trust).fault == Fault::kTlsNotYetValid);
  CHECK(Shake(expired.port, trust).fault == Fault::kTlsExpired);
  // A verified server's Date moves the clock on, but for a clock that is later. (It stays so for
  // the tests behind this one, whose certificates mind days.)
  const Server brief("expires_soon");
  CHECK(Shake(brief.port, trust).ok());
  TlsNoteTime({Now().unix_s + 2 * 3600});
  CHECK(Shake(brief.port, trust).fault == Fault::kTlsExpired);
  TlsNoteTime(Now());  // an older one moves nothing
  CHECK(Shake(brief.port, trust).fault == Fault::kTlsExpired);
  CHECK(Shake(expired.port, trust, kUnset).fault == Fault::kTlsExpired);
  const WallTime kIn2100{4102444800};
  const Server good("p256");
  CHECK(Shake(good.port, trust, kUnset).ok());
  CHECK(Shake(good.port, trust, kIn2100).fault == Fault::kTlsExpired);
}

// A file among the certificates; its path.
std::string Write(const std::string& name, const std::string& text) {
  const std::string path = Certificates() + name;
  FILE* const file = fopen(path.c_str(), "w");
  REQUIRE(file != nullptr);
  fwrite(text.data(), 1, text.size(), file);
  fclose(file);
  return path;
}

TEST_CASE("tls: Debian's whole CA bundle is a trust file like any other") {
  const std::string system = TextOf("/etc/ssl/certs/ca-certificates.crt");
  const Server server("chain4");
  const auto write = [](const std::string& text) { Write("bundle.pem", text); };
  const TlsTrust trust = TrustIn(Certificates() + "bundle.pem");
  write(system + TextOf(Certificates() + "ec.pem"));
  CHECK(Shake(server.port, trust).ok());
  // No end of line behind the last line; carriage returns; text between.
  std::string root = TextOf(Certificates() + "ec.pem");
  while (root.back() == '\n') root.pop_back();
  write(system + "A comment\n" + root);
  CHECK(Shake(server.port, trust).ok());
  write(system);
  CHECK(Shake(server.port, trust).fault == Fault::kTlsIssuer);
  write("nothing\n");
  CHECK(Shake(server.port, trust).fault == Fault::kTlsBundle);
  write("");
  const Status empty = Shake(server.port, trust);
  CHECK(empty.fault == Fault::kTlsBundle);
  CHECK(empty.detail == 0);
  const Status missing = Shake(server.port, TrustIn("/nonexistent/ca.pem"));
  CHECK(missing.fault == Fault::kTlsBundle);
  CHECK(missing.detail == ENOENT);
  CHECK(Shake(server.port, TrustIn("/etc")).detail == EISDIR);
  CheckPoolIsEmpty();
}

TEST_CASE("tls: without a trust file it is the system's, and without one of those nobody") {
  const Server server("p256");
  TlsTrust trust;
  REQUIRE(TlsTrustBundle(kHost, "", &trust));
  CHECK(Shake(server.port, trust).fault == Fault::kTlsIssuer);
  Session session(server.port, trust);
  // No file can be opened any more.
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
  const rlimit none{3, before.rlim_max};
  REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
  const Status status = session.Shake();
  REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);
  CHECK(status.fault == Fault::kTlsBundle);
  CHECK(status.detail == ENOENT);
}

TEST_CASE("tls: a root is found among others of its name, and behind what can't be read") {
  const Server server("p256");
  const std::string root = TextOf(Certificates() + "ec.pem");
  std::string older;
  for (const char* number : {"0", "1", "2"}) {
    older += TextOf(Certificates() + "older" + number + ".pem");
  }
  const std::string junk = "-----BEGIN CERTIFICATE-----\nMAAA\n-----END CERTIFICATE-----\n";
  const std::string unreadable = TextOf(Certificates() + "older_p521.pem");
  const auto shake = [&](const std::string& text) {
    return Shake(server.port, TrustIn(Write("roots.pem", text))).fault;
  };
  CHECK(shake(older + root) == Fault::kNone);
  CHECK(shake(junk + unreadable + root) == Fault::kNone);
  CHECK(shake(older + junk + unreadable + root) == Fault::kNone);
  CHECK(shake(unreadable) == Fault::kTlsIssuer);
  // Of one name there may be four.
  CHECK(shake(older + TextOf(Certificates() + "older3.pem") + root) == Fault::kTlsIssuer);
  CHECK(shake(older + root + TextOf(Certificates() + "older3.pem")) == Fault::kNone);
  CheckPoolIsEmpty();
}

TEST_CASE("tls: an exchange through http/connection") {
  for (const std::string& version : kVersions) {
    CAPTURE(version);
    const Server server("rsa2048", {version});
    const Outcome outcome = Ask(server.port, TrustIn("rsa"));
    CHECK(outcome.status.ok());
    CHECK(outcome.http_status == 200);
    CHECK(outcome.body.find("s_server -accept") != std::string::npos);
    const Outcome refused = Ask(server.port, TrustIn("ec"));
    CHECK(refused.status.fault == Fault::kTlsIssuer);
    CHECK(refused.body.empty());
    CheckPoolIsEmpty();
  }
}

TEST_CASE("tls: old versions, and what isn't TLS at all, are told from an untrusted server") {
  const TlsTrust trust = TrustIn("ec");
  {
    const Server server("p256", {"-tls1_1"});
    CHECK(Ask(server.port, trust).status.fault == Fault::kTlsProtocol);
  }
  const Server server("p256", {"-tls1_2"});
  Proxy proxy(server.port);
  Spoiling spoiling;
  spoiling.instead = "HTTP/1.1 400 Bad Request\r\n\r\n";
  proxy.Set(spoiling);
  CHECK(Ask(proxy.port, trust).status.fault == Fault::kTlsProtocol);
  // An end of the session, before there is one.
  spoiling.instead = std::string("\x15\x03\x03\x00\x02\x01\x00", 7);
  proxy.Set(spoiling);
  CHECK(Shake(proxy.port, trust).fault == Fault::kConnectionLost);
  // No certificate was judged, so that nothing is said against one.
  spoiling = Spoiling{};
  spoiling.has_large_certificate = true;
  proxy.Set(spoiling);
  CHECK(Shake(proxy.port, trust).fault == Fault::kTlsProtocol);
  // Nobody listens: port 1 of the loopback.
  CHECK(Ask(1, trust).status.fault == Fault::kConnectFailed);
}

// s_server sends the file in records of 16 KiB: the last one is larger than the room that is left.
// Nothing comes behind it, as from a server that keeps its connections: no event tells of the rest.
TEST_CASE("tls: an answer that fills its slot comes whole, out of a record that it shares") {
  const std::string body(kAnswerBodySizeMax, 'b');
  const auto answer = [&](const std::string& length, const std::string& content) {
    const std::string head = "HTTP/1.1 200 OK\r\n" + length + "\r\nX: ";
    return head + std::string(kHttpHeadSizeMax - head.size() - 4, 'x') + "\r\n\r\n" + content;
  };
  const Server server("p256", {"-HTTP", "-tls1_2"});
  Proxy proxy(server.port);
  Spoiling spoiling;
  spoiling.lacks_end = true;
  proxy.Set(spoiling);
  const auto ask = [&](const std::string& text) {
    Write("answer", text);
    return Ask(proxy.port, TrustIn("ec"), "/answer");
  };
  const std::string length = "Content-Length: " + std::to_string(body.size());
  const Outcome exact = ask(answer(length, body));
  CHECK(exact.body == body);
  CHECK(exact.is_kept);
  // What follows it in the record waits inside, where no event tells of it.
  const Outcome followed = ask(answer(length, body + "more"));
  CHECK(followed.body == body);
  CHECK_FALSE(followed.is_kept);
  const Outcome chunked =
      ask(answer("Transfer-Encoding: chunked", "8000\r\n" + body + "\r\n0\r\n\r\n"));
  CHECK(chunked.body == body);
  CHECK(chunked.is_kept);
}

TEST_CASE(
    "tls: what has been decrypted and not been read is known, and no longer than its session") {
  const Server server("p256");
  const TlsTrust trust = TrustIn("ec");
  {
    Session session(server.port, trust);
    CHECK_FALSE(TlsHasPending());
    REQUIRE(session.Shake().ok());
    session.Write("GET / HTTP/1.1\r\n\r\n");
    CHECK(session.ReadOne() == 'H');
    CHECK(TlsHasPending());
    TlsClose();
    CHECK_FALSE(TlsHasPending());
    // None is open any more: this, and that of the end of the scope, change nothing.
    TlsClose();
  }
  CHECK(Shake(server.port, trust).ok());
  CheckPoolIsEmpty();
}

}  // namespace
}  // namespace miagent
