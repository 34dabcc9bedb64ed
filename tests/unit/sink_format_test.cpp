#include "agent/sink/format.h"

#include <cstring>
#include <string>

#include "doctest.h"

namespace miagent {
namespace {

struct Output {
  std::string text;
  const char* token_data = nullptr;
  bool token_was_copied = true;   // no part pointed into the token itself
  uint32_t flush_count = 0;
  Status result;
};

Status Collect(void* context, const FormatPart* parts, size_t part_count) {
  Output& output = *static_cast<Output*>(context);
  ++output.flush_count;
  for (size_t index = 0; index < part_count; ++index) {
    if (parts[index].data == output.token_data) output.token_was_copied = false;
    output.text.append(parts[index].data, parts[index].size);
  }
  return output.result;
}

Output Write(Format format, std::string_view token, std::string_view template_text = {}) {
  TokenFields fields{};
  fields.access_token = {token.data(), token.size()};
  fields.resource = "https://vault.azure.net";
  fields.client_id = "11111111-2222-3333-4444-555555555555";
  fields.expires_on = {1750086400};
  fields.not_before = {1749999700};
  fields.remaining = Milliseconds(86399999);
  Output output;
  output.token_data = token.data();
  PartWriter writer;
  writer.flush = Collect;
  writer.context = &output;
  output.result = kOk;
  CHECK(FormatToken(format, template_text, fields, writer).ok());
  return output;
}

TEST_CASE("format: raw is the token and nothing else") {
  const Output output = Write(Format::kRaw, "abc.def.ghi");
  CHECK(output.text == "abc.def.ghi");
  CHECK_FALSE(output.token_was_copied);
  CHECK(output.flush_count == 1);
}

TEST_CASE("format: header is what curl -H @FILE takes") {
  CHECK(Write(Format::kHeader, "tok").text == "Authorization: Bearer tok\n");
}

TEST_CASE("format: json has the fields of the endpoint's answer, numbers as strings") {
  const Output output = Write(Format::kJson, "tok");
  CHECK(output.text ==
        "{\"access_token\":\"tok\",\"refresh_token\":\"\",\"expires_in\":\"86399\","
        "\"expires_on\":\"1750086400\",\"not_before\":\"1749999700\","
        "\"resource\":\"https://vault.azure.net\",\"token_type\":\"Bearer\"}\n");
  CHECK_FALSE(output.token_was_copied);
  CHECK(output.flush_count == 1);  // one call of the kernel, too
}

TEST_CASE("format: json escapes what would end a string") {
  CHECK(Write(Format::kJson, "a\"b\\c").text.find("\"a\\\"b\\\\c\"") != std::string::npos);
}

TEST_CASE("format: env is safe to source, whatever the token's characters") {
  CHECK(Write(Format::kEnv, "tok").text ==
        "AZURE_ACCESS_TOKEN='tok'\nAZURE_TOKEN_EXPIRES_ON='1750086400'\n"
        "AZURE_TOKEN_RESOURCE='https://vault.azure.net'\naccess_token='tok'\n");
  CHECK(Write(Format::kEnv, "a'b").text.find("AZURE_ACCESS_TOKEN='a'\\''b'\n") !=
        std::string::npos);
}

TEST_CASE("format: a token of nothing but quotes is written whole, in several batches") {
  const std::string quotes(1000, '\'');
  const Output output = Write(Format::kEnv, quotes);
  std::string expected = "AZURE_ACCESS_TOKEN='";
  for (int index = 0; index < 1000; ++index) expected += "'\\''";
  CHECK(output.text.compare(0, expected.size(), expected) == 0);
  CHECK(output.flush_count > 10);
}

TEST_CASE("format: template") {
  CHECK(Write(Format::kTemplate, "tok", "t={access_token};e={expires_on}").text ==
        "t=tok;e=1750086400");
  CHECK(Write(Format::kTemplate, "tok", "{{{client_id}}}").text ==
        "{11111111-2222-3333-4444-555555555555}");
  CHECK(Write(Format::kTemplate, "tok", "{resource} {{}}").text == "https://vault.azure.net {}");
  std::string many;
  std::string expected;
  for (int index = 0; index < 30; ++index) {
    many += "{expires_on},";
    expected += "1750086400,";
  }
  CHECK(Write(Format::kTemplate, "tok", many).text == expected);
}

TEST_CASE("format: numbers stand where they belong, whatever was written before them") {
  std::string text;
  std::string expected;
  for (int count = 0; count < 100; ++count) {
    CHECK(Write(Format::kTemplate, "tok", text + "{expires_on}{resource}").text ==
          expected + "1750086400https://vault.azure.net");
    text += "{{";
    expected += "{";
  }
}

TEST_CASE("format: numbers side by side, more than are held at once, come whole and in order") {
  for (const size_t before : {0, 1, 14, 15, 16}) {  // parts, before the numbers begin
    for (size_t numbers = 1; numbers <= 12; ++numbers) {
      CAPTURE(before);
      CAPTURE(numbers);
      std::string text;
      std::string expected;
      for (size_t index = 0; index < before; ++index) {
        text += "{access_token}";
        expected += "tok";
      }
      for (size_t index = 0; index < numbers; ++index) {
        text += "{expires_on}";
        expected += "1750086400";
      }
      CHECK(Write(Format::kTemplate, "tok", text).text == expected);
    }
  }
}

TEST_CASE("format: a template that comes to nothing writes nothing") {
  CHECK(Write(Format::kTemplate, "tok", "").flush_count == 0);
  CHECK(Write(Format::kTemplate, "", "{access_token}").flush_count == 0);
}

TEST_CASE("format: json of a token that has expired says 0 seconds, and not less") {
  TokenFields fields{};
  fields.access_token = {"tok", 3};
  for (const int64_t remaining_ms : {int64_t{0}, int64_t{-1000}, int64_t{-86400000}}) {
    fields.remaining = Milliseconds(remaining_ms);
    Output output;
    PartWriter writer;
    writer.flush = Collect;
    writer.context = &output;
    CHECK(FormatToken(Format::kJson, {}, fields, writer).ok());
    CHECK(output.text.find("\"expires_in\":\"0\"") != std::string::npos);
  }
}

TEST_CASE("format: a secret's placeholder is {value}, and a token has none of that name") {
  CHECK(Write(Format::kTemplate, "p4ss", "PASSWORD={value}").text == "PASSWORD=p4ss");
  CHECK(TemplateCheck("{value}", true) == nullptr);
  CHECK(TemplateCheck("{{}}", true) == nullptr);
  const std::string refused = TemplateCheck("{value}{expires_on}", true);
  CHECK(refused == "a secret's placeholder is {value}");
  CHECK(TemplateCheck("{value}", false) != nullptr);
}

TEST_CASE("format: templates that are refused") {
  CHECK(TemplateCheck("{access_token}") == nullptr);
  CHECK(TemplateCheck("{{literal}}") == nullptr);
  CHECK(TemplateCheck("") == nullptr);
  for (const char* wrong :
       {"{", "}", "{access_token", "{unknown}", "{}", "a}b", "{ access_token}", "{{{", "}}}"}) {
    CHECK_MESSAGE(TemplateCheck(wrong) != nullptr, wrong);
  }
  // What lies behind the text is no part of it.
  CHECK(TemplateCheck(std::string_view("a{{", 2)) != nullptr);
}

TEST_CASE("format: the first fault of a flush ends the writing") {
  TokenFields fields{};
  const std::string quotes(100, '\'');
  fields.access_token = {quotes.data(), quotes.size()};
  Output output;
  output.result = {Fault::kFileWrite, 28};
  PartWriter writer;
  writer.flush = Collect;
  writer.context = &output;
  const Status status = FormatToken(Format::kEnv, {}, fields, writer);
  CHECK(status.fault == Fault::kFileWrite);
  CHECK(status.detail == 28);
  CHECK(output.flush_count == 1);
}

}  // namespace
}  // namespace miagent
