// What goes wrong in the middle: cuts at every byte, strange records, and memory that runs out.
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "agent/tls/pool.h"
#include "agent/tls/tls.h"
#include "doctest/doctest.h"
#include "tests/tls/fixture.h"

// Of Mbed TLS's public interface, whose headers the seam keeps to itself.
extern "C" int32_t psa_generate_random(uint8_t* bytes, size_t size);

namespace miagent {
namespace {

TEST_CASE("tls: a handshake cut at any byte is a lost connection, and the next one is whole") {
  const TlsTrust trust = TrustIn("ec");
  for (const char* version : {"-tls1_2", "-tls1_3"}) {
    CAPTURE(version);
    const Server server("p256", {version});
    Proxy proxy(server.port);
    int64_t size = 0;
    for (Status status{Fault::kConnectionLost, 0}; !status.ok() && size < 10000; ++size) {
      CAPTURE(size);
      Spoiling cut;
      cut.cut_at = size;
      proxy.Set(cut);
      status = Shake(proxy.port, trust);
      if (!status.ok()) CHECK(status.fault == Fault::kConnectionLost);
      CHECK(TlsPool().used_size == 0);
    }
    MESSAGE("a handshake of " << size - 1 << " bytes of the server's");
    CHECK(size > 500);
    CHECK(size < 10000);
    proxy.Set({});
    CHECK(Shake(proxy.port, trust).ok());
  }
}

TEST_CASE("tls: an answer cut before its end is never taken for whole") {
  const Server server("p256", {"-tls1_3"});
  Proxy proxy(server.port);
  const TlsTrust trust = TrustIn("ec");
  uint32_t good_count = 0;
  for (int64_t size = 1000; size < 20000; size += 1000) {
    Spoiling cut;
    cut.cut_at = size;
    proxy.Set(cut);
    const Outcome outcome = Ask(proxy.port, trust);
    if (outcome.status.ok()) {
      ++good_count;
      CHECK(outcome.body.find("</BODY></HTML>") != std::string::npos);
    } else {
      CHECK(outcome.status.fault == Fault::kConnectionLost);
    }
  }
  CHECK(good_count > 0);
  CHECK(good_count < 19);
}

TEST_CASE("tls: records of one byte, and bytes that come one by one") {
  const TlsTrust trust = TrustIn("ec");
  for (const char* version : {"-tls1_2", "-tls1_3"}) {
    CAPTURE(version);
    const Server server("chain2", {version});
    Proxy proxy(server.port);
    Spoiling spoiling;
    spoiling.first_record_size = 4;
    proxy.Set(spoiling);
    CHECK(Ask(proxy.port, trust).http_status == 200);
    // Mbed TLS wants a message's own head in one piece.
    spoiling.first_record_size = 1;
    proxy.Set(spoiling);
    CHECK(Ask(proxy.port, trust).status.fault == Fault::kTlsProtocol);
    spoiling.first_record_size = 0;
    spoiling.dribbles = true;
    proxy.Set(spoiling);
    CHECK(Ask(proxy.port, trust).http_status == 200);
  }
}

// Refuses one request for memory after the other. A handshake takes thousands: each of the first
// hundreds, then ever more apart.
void RefuseEach(const Server& server, const TlsTrust& trust, bool is_trusted) {
  CHECK(Shake(server.port, trust).ok() == is_trusted);
  uint32_t refused_count = 0;
  for (uint32_t request = 1; request < 1000000; request += 1 + request / 100) {
    CAPTURE(request);
    TlsPool().refused_request = request;
    const Status status = Shake(server.port, trust);
    TlsPool().refused_request = 0;
    CHECK(TlsPool().used_size == 0);
    if (status.fault != Fault::kTlsMemory) {
      // There was no request of this number: the handshake was over before.
      CHECK(status.ok() == is_trusted);
      break;
    }
    ++refused_count;
  }
  MESSAGE("refused " << refused_count << " times");
  CHECK(refused_count > 200);
  CHECK(Shake(server.port, trust).ok() == is_trusted);
}

TEST_CASE("tls: memory that runs out anywhere is told as that, and never lets anybody in") {
  for (const char* version : {"-tls1_2", "-tls1_3"}) {
    CAPTURE(version);
    const Server server("chain2", {version});
    RefuseEach(server, TrustIn("ec"), true);
    RefuseEach(server, TrustIn("ec", "other.host.test"), false);
    RefuseEach(server, TrustIn("rsa"), false);
  }
  const Server rsa("rsa2048", {"-tls1_3"});
  RefuseEach(rsa, TrustIn("rsa"), true);
  RefuseEach(rsa, TrustInThumbprint("p256"), false);
}

TEST_CASE("tls: random numbers that can't be had end the handshake, wherever that is") {
  const TlsTrust trust = TrustIn("ec");
  for (const char* version : {"-tls1_2", "-tls1_3"}) {
    CAPTURE(version);
    const Server server("p256", {version});
    uint32_t number = 0;
    for (Status status{Fault::kTlsProtocol, 0}; !status.ok() && number < 1000;) {
      FailRandomAt(++number);
      status = Shake(server.port, trust);
      FailRandomAt(0);
      if (!status.ok()) CHECK(status.fault == Fault::kTlsProtocol);
      CHECK(TlsPool().used_size == 0);
    }
    CHECK(number > 2);
    CHECK(number < 1000);
    CHECK(Shake(server.port, trust).ok());
  }
}

// A handshake asks for fewer bytes than the platform fills at once. Mbed TLS may ask for more.
TEST_CASE("tls: random numbers of any length are filled to the last byte, or not had") {
  const Server server("p256");
  const Session session(server.port, TrustIn("ec"));
  REQUIRE(session.status.ok());
  for (const size_t size : {256, 257, 600}) {
    CAPTURE(size);
    std::vector<uint8_t> seen(size + 8, 0);
    for (uint32_t turn = 0; turn < 16; ++turn) {  // a byte is 0 in all of them by chance: never
      std::vector<uint8_t> bytes(size + 8, 0);
      REQUIRE(psa_generate_random(bytes.data(), size) == 0);
      for (size_t index = 0; index < bytes.size(); ++index) seen[index] |= bytes[index];
    }
    const auto is_zero = [](uint8_t byte) { return byte == 0; };
    CHECK(std::find_if(seen.begin(), seen.end(), is_zero) - seen.begin() == size);
    CHECK(std::all_of(seen.end() - 8, seen.end(), is_zero));
  }
  // Of 600 bytes the third piece is the last.
  std::vector<uint8_t> bytes(600);
  for (const uint32_t number : {1, 2, 3, 4}) {
    CAPTURE(number);
    FailRandomAt(number);
    CHECK((psa_generate_random(bytes.data(), bytes.size()) == 0) == (number == 4));
    FailRandomAt(0);
  }
}

TEST_CASE("tls: what the socket has no room for goes out later, each byte once") {
  const TlsTrust trust = TrustIn("ec");
  for (const char* version : {"-tls1_2", "-tls1_3"}) {
    CAPTURE(version);
    const Server server("p256", {version});
    Proxy proxy(server.port);
    Session session(proxy.port, trust);
    REQUIRE(session.Shake().ok());
    proxy.Hold(true);
    // Lines that s_server waits behind. A record that came twice, or not, would end the session.
    std::string lines;
    while (lines.size() < 16 * 1024 * 1024) lines += std::string(1000, 'x') + "\r\n";
    CHECK(session.Write(lines, [&] { proxy.Hold(false); }) > 0);
    session.Write("GET / HTTP/1.1\r\n\r\n");
    CHECK(session.ReadOne() == 'H');
  }
}

}  // namespace
}  // namespace miagent
