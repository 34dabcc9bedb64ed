#include "agent/http/request.h"

#include "doctest.h"
#include "tests/unit/stops.h"

namespace miagent {
namespace {

TEST_CASE("a request is written byte for byte") {
  char bytes[512];
  TextWriter writer{bytes, sizeof(bytes)};
  RequestBegin(writer, "GET", "/token");
  RequestQuery(writer, "api-version", "2018-02-01");
  RequestQuery(writer, "resource", "https://a.b/c d&e=f?g#%\r\n\xC3\xA9~-._");
  RequestHost(writer, "169.254.169.254:8080");
  RequestHeader(writer, "Metadata", "true");
  RequestEnd(writer);
  CHECK_FALSE(writer.overflowed);
  CHECK(writer.text() ==
        "GET /token?api-version=2018-02-01&resource=https%3A%2F%2Fa.b%2Fc%20d%26e%3Df%3Fg%23%25%0D"
        "%0A%C3%A9~-._ HTTP/1.1\r\n"
        "Host: 169.254.169.254:8080\r\n"
        "Metadata: true\r\n"
        "\r\n");
}

TEST_CASE("a form: its size, and its fields encoded") {
  char bytes[512];
  TextWriter writer{bytes, sizeof(bytes)};
  const FormField fields[] = {{"a", "x y&", "/.z"}, {"b", {}, {}}, {"c", "\xC3\xA9~", {}}};
  RequestBegin(writer, "POST", "/p");
  RequestHost(writer, "h");
  RequestForm(writer, fields, 3);
  CHECK(writer.text() ==
        "POST /p HTTP/1.1\r\nHost: h\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n"
        "Content-Length: 28\r\n\r\n"
        "a=x%20y%26%2F.z&b=&c=%C3%A9~");
}

TEST_CASE("credentials are written as they are, and none that ends its line") {
  char bytes[128];
  TextWriter writer{bytes, sizeof(bytes)};
  RequestCredentials(writer, "Basic ", {"a b/+=", 6});
  CHECK(writer.text() == "Authorization: Basic a b/+=\r\n");
  CHECK_STOPS(RequestCredentials(writer, "Basic ", {"a\nb", 3}));
}

TEST_CASE("a path that has a query is added to") {
  char bytes[128];
  TextWriter writer{bytes, sizeof(bytes)};
  RequestBegin(writer, "GET", "/p?x=y");
  RequestQuery(writer, "a", "b");
  RequestQuery(writer, "c", "");
  CHECK(writer.text() == "GET /p?x=y&a=b&c=");
}

TEST_CASE("a writer without room says so and writes nothing behind its end") {
  char bytes[16 + 1];
  bytes[16] = '!';
  TextWriter writer{bytes, 16};
  RequestBegin(writer, "GET", "/token");
  RequestQuery(writer, "resource", "https://a");
  CHECK(writer.overflowed);
  CHECK(writer.size == 16);
  CHECK(bytes[16] == '!');
}

TEST_CASE("nothing that could forge a header is written") {
  char bytes[256];
  TextWriter writer{bytes, sizeof(bytes)};
  CHECK_STOPS(RequestHeader(writer, "X", "a\r\nY: b"));
  CHECK_STOPS(RequestHeader(writer, "X", "a\nb"));
  CHECK_STOPS(RequestHeader(writer, "X Y", "a"));
  CHECK_STOPS(RequestHeader(writer, "X", "\xC3\xA9"));
  CHECK_STOPS(RequestBegin(writer, "GET", "/a b"));
  CHECK_STOPS(RequestBegin(writer, "GET", "/a\r\n"));
  CHECK_STOPS(RequestBegin(writer, "GET", ""));
  CHECK_STOPS(RequestBegin(writer, "GET /x", "/"));
  CHECK_STOPS(RequestHost(writer, "a\r\nb"));
}

}  // namespace
}  // namespace miagent
