#include "agent/sink/format.h"

#include "agent/base/check.h"

namespace miagent {
namespace {

void Flush(PartWriter& writer) {
  if (writer.part_count != 0 && writer.status.ok()) {
    writer.status = writer.flush(writer.context, writer.parts, writer.part_count);
  }
  writer.part_count = 0;
  writer.scratch_size = 0;
}

void Put(PartWriter& writer, std::string_view text) {
  if (text.empty()) return;
  if (writer.part_count == kFormatPartCountMax) Flush(writer);
  writer.parts[writer.part_count++] = {text.data(), text.size()};
}

void PutDecimal(PartWriter& writer, int64_t value) {
  constexpr uint32_t kDecimalSizeMax = 20;
  // A flush empties the scratch, so it comes before the number is written there, not after.
  if (writer.part_count == kFormatPartCountMax ||
      sizeof(writer.scratch) - writer.scratch_size < kDecimalSizeMax) {
    Flush(writer);
  }
  TextWriter digits{writer.scratch + writer.scratch_size, kDecimalSizeMax};
  AppendDecimal(digits, value);
  CHECK(!digits.overflowed);
  writer.scratch_size += static_cast<uint32_t>(digits.size);
  Put(writer, digits.text());
}

// Puts `text` with `escape` before each quote and backslash (JSON), or with each quote closed,
// escaped and opened again (shell, within single quotes). Everything else goes as it stands.
enum class Quoting : uint8_t { kJson, kShell };

void PutQuoted(PartWriter& writer, std::string_view text, Quoting quoting) {
  size_t begin = 0;
  for (size_t index = 0; index < text.size(); ++index) {
    const char c = text[index];
    const bool is_special = quoting == Quoting::kJson ? c == '"' || c == '\\' : c == '\'';
    if (!is_special) continue;
    Put(writer, Slice(text, begin, index - begin));
    Put(writer, quoting == Quoting::kJson ? "\\" : "'\\'");
    begin = index;
  }
  Put(writer, SliceFrom(text, begin));
}

std::string_view TokenText(const TokenFields& fields) {
  return {fields.access_token.data, fields.access_token.size};
}

void WriteRaw(std::string_view, const TokenFields& fields, PartWriter& writer) {
  Put(writer, TokenText(fields));
}

void WriteJson(std::string_view, const TokenFields& fields, PartWriter& writer) {
  Put(writer, "{\"access_token\":\"");
  PutQuoted(writer, TokenText(fields), Quoting::kJson);
  Put(writer, "\",\"refresh_token\":\"\",\"expires_in\":\"");
  PutDecimal(writer, fields.remaining.ms > 0 ? fields.remaining.ms / 1000 : 0);
  Put(writer, "\",\"expires_on\":\"");
  PutDecimal(writer, fields.expires_on.unix_s);
  Put(writer, "\",\"not_before\":\"");
  PutDecimal(writer, fields.not_before.unix_s);
  Put(writer, "\",\"resource\":\"");
  PutQuoted(writer, fields.resource, Quoting::kJson);
  Put(writer, "\",\"token_type\":\"Bearer\"}\n");
}

void WriteEnv(std::string_view, const TokenFields& fields, PartWriter& writer) {
  if (fields.is_secret) {
    Put(writer, "AZURE_SECRET_VALUE='");
    PutQuoted(writer, TokenText(fields), Quoting::kShell);
    return Put(writer, "'\n");
  }
  Put(writer, "AZURE_ACCESS_TOKEN='");
  PutQuoted(writer, TokenText(fields), Quoting::kShell);
  Put(writer, "'\nAZURE_TOKEN_EXPIRES_ON='");
  PutDecimal(writer, fields.expires_on.unix_s);
  Put(writer, "'\nAZURE_TOKEN_RESOURCE='");
  PutQuoted(writer, fields.resource, Quoting::kShell);
  Put(writer, "'\naccess_token='");
  PutQuoted(writer, TokenText(fields), Quoting::kShell);
  Put(writer, "'\n");
}

void WriteHeader(std::string_view, const TokenFields& fields, PartWriter& writer) {
  Put(writer, "Authorization: Bearer ");
  Put(writer, TokenText(fields));
  Put(writer, "\n");
}

enum class Placeholder : uint8_t {
  kAccessToken,
  kExpiresOn,
  kResource,
  kClientId,
  kValue,
  kUnknown,
};

Placeholder PlaceholderFind(std::string_view name) {
  if (name == "access_token") return Placeholder::kAccessToken;
  if (name == "expires_on") return Placeholder::kExpiresOn;
  if (name == "resource") return Placeholder::kResource;
  if (name == "client_id") return Placeholder::kClientId;
  if (name == "value") return Placeholder::kValue;
  return Placeholder::kUnknown;
}

void PutPlaceholder(PartWriter& writer, Placeholder placeholder, const TokenFields& fields) {
  switch (placeholder) {
    case Placeholder::kAccessToken:
    case Placeholder::kValue: Put(writer, TokenText(fields)); break;
    case Placeholder::kExpiresOn: PutDecimal(writer, fields.expires_on.unix_s); break;
    case Placeholder::kResource: Put(writer, fields.resource); break;
    case Placeholder::kClientId: Put(writer, fields.client_id); break;
    case Placeholder::kUnknown: CHECK(false);
  }
}

// One step through a template, the same for checking and for writing it.
struct TemplateStep {
  std::string_view literal;                            // to write as it is; may be empty
  Placeholder placeholder = Placeholder::kUnknown;  // to write after it, where has_placeholder
  bool has_placeholder = false;
  const char* problem = nullptr;
  size_t next = 0;
};

TemplateStep TemplateNext(std::string_view text, size_t from) {
  TemplateStep step;
  size_t at = from;
  while (at < text.size() && text[at] != '{' && text[at] != '}') ++at;
  step.literal = Slice(text, from, at - from);
  step.next = at;
  if (at == text.size()) return step;
  const bool is_doubled = at + 1 < text.size() && text[at + 1] == text[at];
  if (is_doubled) {
    step.literal = Slice(text, from, at + 1 - from);  // with the first of the two braces
    step.next = at + 2;
    return step;
  }
  const size_t end = Find(text, '}', at);
  if (text[at] == '}' || end == text.size()) {
    step.problem = "a brace that stands for itself is written twice: {{ or }}";
    return step;
  }
  step.placeholder = PlaceholderFind(Slice(text, at + 1, end - at - 1));
  step.has_placeholder = true;
  step.next = end + 1;
  return step;
}

void WriteTemplate(std::string_view text, const TokenFields& fields, PartWriter& writer) {
  for (size_t at = 0; at < text.size();) {
    const TemplateStep step = TemplateNext(text, at);
    CHECK(step.problem == nullptr && step.next > at);
    Put(writer, step.literal);
    if (step.has_placeholder) PutPlaceholder(writer, step.placeholder, fields);
    at = step.next;
  }
}

using WriteFormat = void (*)(std::string_view, const TokenFields&, PartWriter&);

constexpr WriteFormat kFormats[] = {WriteRaw, WriteJson, WriteEnv, WriteHeader, WriteTemplate};
static_assert(sizeof(kFormats) / sizeof(kFormats[0]) == static_cast<size_t>(Format::kTemplate) + 1,
              "each format has its function, in the order of the enum");

}  // namespace

Status FormatToken(Format format, std::string_view template_text, const TokenFields& fields,
                   PartWriter& writer) {
  CHECK(writer.flush != nullptr && writer.part_count == 0);
  kFormats[static_cast<size_t>(format)](template_text, fields, writer);
  Flush(writer);
  return writer.status;
}

const char* TemplateCheck(std::string_view template_text, bool is_secret) {
  for (size_t at = 0; at < template_text.size();) {
    const TemplateStep step = TemplateNext(template_text, at);
    if (step.problem != nullptr) return step.problem;
    const bool is_value = step.placeholder == Placeholder::kValue;
    if (step.has_placeholder && is_secret && !is_value) return "a secret's placeholder is {value}";
    if (step.has_placeholder && !is_secret &&
        (is_value || step.placeholder == Placeholder::kUnknown)) {
      return "the placeholders are {access_token} {expires_on} {resource} {client_id}";
    }
    at = step.next;
  }
  return nullptr;
}

}  // namespace miagent
