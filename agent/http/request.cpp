#include "agent/http/request.h"

#include "agent/base/check.h"

namespace miagent {
namespace {

// Nothing that could end a line, and so forge a header, is ever written.
void AppendChecked(TextWriter& writer, std::string_view text, char byte_min) {
  for (const char c : text) CHECK(c >= byte_min && c <= 0x7E);
  Append(writer, text);
}

}  // namespace

void RequestBegin(TextWriter& writer, std::string_view method, std::string_view path) {
  CHECK(StartsWith(path, "/"));
  AppendChecked(writer, method, 'A');
  Append(writer, ' ');
  AppendChecked(writer, path, 0x21);
}

void RequestQuery(TextWriter& writer, std::string_view name, std::string_view value) {
  const bool is_first = Find(writer.text(), '?') == writer.size;
  Append(writer, is_first ? '?' : '&');
  AppendChecked(writer, name, 0x21);
  Append(writer, '=');
  AppendPercentEncoded(writer, value);
}

void RequestHost(TextWriter& writer, std::string_view authority) {
  Append(writer, " HTTP/1.1\r\n");
  RequestHeader(writer, "Host", authority);
}

void RequestHeader(TextWriter& writer, std::string_view name, std::string_view value) {
  AppendChecked(writer, name, 0x21);
  Append(writer, ": ");
  AppendChecked(writer, value, 0x20);
  Append(writer, "\r\n");
}

void RequestEnd(TextWriter& writer) { Append(writer, "\r\n"); }

}  // namespace miagent
