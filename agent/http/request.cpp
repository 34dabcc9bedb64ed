#include "agent/http/request.h"

#include "agent/base/check.h"

namespace miagent {
namespace {

// Nothing that could end a line, and so forge a header, is ever written.
void AppendChecked(TextWriter& writer, std::string_view text, char byte_min) {
  for (const char c : text) CHECK(c >= byte_min && c <= 0x7E);
  Append(writer, text);
}

// The bytes that AppendPercentEncoded writes.
size_t EncodedSize(std::string_view text) {
  size_t size = text.size();
  for (const char c : text) {
    if (!IsUnreserved(c)) size += 2;
  }
  return size;
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

void RequestCredentials(TextWriter& writer, std::string_view scheme, SecretBytes secret) {
  Append(writer, "Authorization: ");
  AppendChecked(writer, scheme, 0x20);
  AppendChecked(writer, {secret.data, secret.size}, 0x20);
  Append(writer, "\r\n");
}

void RequestEnd(TextWriter& writer) { Append(writer, "\r\n"); }

void RequestForm(TextWriter& writer, const FormField* fields, uint32_t field_count) {
  size_t size = 0;
  for (uint32_t index = 0; index < field_count; ++index) {
    const FormField& field = fields[index];
    size += (index == 0 ? 0 : 1) + field.name.size() + 1 + EncodedSize(field.value) +
            EncodedSize(field.suffix);
  }
  RequestHeader(writer, "Content-Type", "application/x-www-form-urlencoded");
  Append(writer, "Content-Length: ");
  AppendDecimal(writer, static_cast<int64_t>(size));
  Append(writer, "\r\n\r\n");
  const size_t begin = writer.size;
  for (uint32_t index = 0; index < field_count; ++index) {
    if (index != 0) Append(writer, '&');
    AppendChecked(writer, fields[index].name, 0x21);
    Append(writer, '=');
    AppendPercentEncoded(writer, fields[index].value);
    AppendPercentEncoded(writer, fields[index].suffix);
  }
  CHECK(writer.overflowed || writer.size - begin == size);
}

}  // namespace miagent
