// The forms in which a token is written: each can be read back to the token that went in, and a
// template renders as a plain reference renders it.

#include "agent/sink/format.h"

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/json_reference.h"

namespace miagent {
namespace {

Status Take(void* context, const FormatPart* parts, size_t part_count) {
  MUST(part_count > 0 && part_count <= kFormatPartCountMax);
  for (size_t index = 0; index < part_count; ++index) {
    MUST(parts[index].size > 0);
    static_cast<std::string*>(context)->append(parts[index].data, parts[index].size);
  }
  return kOk;
}

std::string Write(Format format, std::string_view form, const TokenFields& fields) {
  std::string text;
  PartWriter writer;
  writer.flush = Take;
  writer.context = &text;
  MUST(FormatToken(format, form, fields, writer).ok());
  return text;
}

// What the template comes to; false where it is wrong.
bool Render(std::string_view form, const TokenFields& fields, std::string* text) {
  const std::pair<std::string_view, std::string> kHolders[] = {
      {"{access_token}", {fields.access_token.data, fields.access_token.size}},
      {"{expires_on}", std::to_string(fields.expires_on.unix_s)},
      {"{resource}", std::string(fields.resource)},
      {"{client_id}", std::string(fields.client_id)},
      {"{{", "{"},
      {"}}", "}"}};
  while (!form.empty()) {
    bool is_holder = false;
    for (const auto& [holder, value] : kHolders) {
      if (form.substr(0, holder.size()) != holder) continue;
      *text += value;
      form.remove_prefix(holder.size());
      is_holder = true;
      break;
    }
    if (is_holder) continue;
    if (form[0] == '{' || form[0] == '}') return false;
    *text += form[0];
    form.remove_prefix(1);
  }
  return true;
}

// What a shell makes of words in single quotes.
std::string Unquote(std::string_view text) {
  std::string plain;
  bool is_quoted = false;
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '\'') {
      is_quoted = !is_quoted;
    } else if (text[at] == '\\' && !is_quoted) {
      plain += text[++at];
    } else {
      MUST(is_quoted || text[at] == '=' || text[at] == '_' || text[at] == '\n' ||
           std::isalpha(text[at]) != 0);
      plain += text[at];
    }
  }
  MUST(!is_quoted);
  return plain;
}

void JsonJudge(const std::string& text, const std::string& token, const std::string& resource) {
  JsonNode root;
  MUST(JsonReference().Read(text, &root));
  for (const auto& [name, node] : root.members) {
    std::string value;
    MUST(node.kind == '"' && JsonReference::Decode(node.raw, &value));
    MUST(name != "access_token" || value == token);
    MUST(name != "resource" || value == resource);
  }
  MUST(root.members.size() == 7);
}

}  // namespace
}  // namespace miagent

FUZZ_TARGET(input) {
  const std::vector<std::string> parts = Fields(input, 4);
  std::string token;  // as the reader of answers lets them pass
  for (const char c : parts[1]) {
    if (c >= 0x21 && c <= 0x7E) token += c;
  }
  std::string resource;  // as the configuration does
  for (const char c : parts[2]) {
    if (c > 0x20 && c <= 0x7E && c != '"' && c != '\\') resource += c;
  }
  TokenFields fields{};
  fields.access_token = {token.data(), token.size()};
  fields.resource = resource;
  fields.client_id = parts[3];
  Dice dice(input);
  fields.expires_on = {static_cast<int64_t>(dice.Draw(UINT32_MAX)) << dice.Draw(30)};
  fields.not_before = {static_cast<int64_t>(dice.Draw(UINT32_MAX))};
  fields.remaining = Milliseconds(static_cast<int64_t>(dice.Draw(UINT32_MAX)) - 1000);
  const Bytes form(parts[0]);
  std::string expected;
  const bool is_good = Render(form.text(), fields, &expected);
  MUST((TemplateCheck(form.text()) == nullptr) == is_good);
  if (is_good) MUST(Write(Format::kTemplate, form.text(), fields) == expected);
  MUST(Write(Format::kRaw, {}, fields) == token);
  MUST(Write(Format::kHeader, {}, fields) == "Authorization: Bearer " + token + "\n");
  JsonJudge(Write(Format::kJson, {}, fields), token, resource);
  const std::string expires_on = std::to_string(fields.expires_on.unix_s);
  MUST(Unquote(Write(Format::kEnv, {}, fields)) ==
       "AZURE_ACCESS_TOKEN=" + token + "\nAZURE_TOKEN_EXPIRES_ON=" + expires_on +
           "\nAZURE_TOKEN_RESOURCE=" + resource + "\naccess_token=" + token + "\n");
}
