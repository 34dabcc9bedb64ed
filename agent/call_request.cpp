#include "agent/call_request.h"

#include "agent/http/request.h"
#include "agent/json/object.h"

namespace miagent {
namespace {

constexpr size_t kUrlShownSizeMax = 256;

bool HasHeader(const CallOptions& options, std::string_view wanted) {
  for (uint32_t index = 0; index < options.header_count; ++index) {
    std::string_view name;
    std::string_view value;
    CallHeaderSplit(options.headers[index], &name, &value);
    if (EqualIgnoreCase(name, wanted)) return true;
  }
  return false;
}

}  // namespace

void CallRequestWrite(const CallOptions& options, size_t data_size, TextWriter& writer,
                      size_t* token_at) {
  RequestBegin(writer, options.method, options.url.path);
  RequestHost(writer, options.url.authority);
  Append(writer, "Authorization: Bearer ");
  *token_at = writer.size;
  Append(writer, "\r\n");
  if (!HasHeader(options, "User-Agent")) RequestHeader(writer, "User-Agent", "miagent");
  if (!HasHeader(options, "Accept")) RequestHeader(writer, "Accept", "*/*");
  for (uint32_t index = 0; index < options.header_count; ++index) {
    std::string_view name;
    std::string_view value;
    CallHeaderSplit(options.headers[index], &name, &value);
    RequestHeader(writer, name, value);
  }
  const std::string_view method = options.method;
  const bool has_body = data_size != 0;
  if (has_body && !HasHeader(options, "Content-Type")) {
    RequestHeader(writer, "Content-Type", "application/json");
  }
  if (has_body || method == "POST" || method == "PUT" || method == "PATCH") {
    Append(writer, "Content-Length: ");
    AppendDecimal(writer, static_cast<int64_t>(data_size));
    Append(writer, "\r\n");
  }
  RequestEnd(writer);
}

Status CallStatusJudge(int32_t http_status) {
  const int32_t kind = http_status / 100;
  if (kind == 2) return kOk;
  if (kind == 3) return {Fault::kAnswerRedirect, http_status};
  const bool may_pass = kind == 5 || http_status == 408 || http_status == 429;
  return {may_pass ? Fault::kAnswerUnavailable : Fault::kAnswerRefused, http_status};
}

Status CallExtract(Span body, std::string_view key, std::string_view* text) {
  JsonObject object;
  JsonValue value;
  TRY(JsonParse(body, &object));
  const JsonFound found = JsonFind(object, key, &value);
  if (found == JsonFound::kTwice) return {Fault::kJsonDuplicateName};
  if (found == JsonFound::kAbsent || value.kind == JsonKind::kNull) return {Fault::kCallKeyAbsent};
  *text = value.text;
  if (value.kind != JsonKind::kString || JsonUnescape(object, value, text)) return kOk;
  return {Fault::kJsonSyntax};
}

std::string_view CallUrlShown(std::string_view url) {
  const size_t end = Find(url, '?');
  return Slice(url, 0, end < kUrlShownSizeMax ? end : kUrlShownSizeMax);
}

}  // namespace miagent
