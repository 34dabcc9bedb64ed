// JSON: accepted if and only if a reference reader of RFC 8259 accepts it, and the same members
// found, with the same values.

#include "agent/json/object.h"

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/json_reference.h"

namespace miagent {
namespace {

JsonKind KindOf(const JsonNode& node) {
  switch (node.kind) {
    case '{': return JsonKind::kObject;
    case '[': return JsonKind::kArray;
    case '"': return JsonKind::kString;
    case 't': return JsonKind::kBoolean;
    case 'n': return JsonKind::kNull;
    default: return JsonKind::kNumber;
  }
}

// The members of that name: the first, and how often.
JsonFound Look(const JsonNode& object, const std::string& name, const JsonNode** value) {
  JsonFound found = JsonFound::kAbsent;
  for (const auto& [raw, node] : object.members) {
    std::string decoded;
    if (!JsonReference::Decode(raw, &decoded) || decoded != name) continue;
    if (found == JsonFound::kAbsent) *value = &node;
    found = found == JsonFound::kAbsent ? JsonFound::kOnce : JsonFound::kTwice;
  }
  return found;
}

void Compare(JsonFound found, const JsonValue& value, JsonFound expected, const JsonNode* node) {
  MUST(found == expected);
  if (found == JsonFound::kAbsent) return;
  MUST(value.kind == KindOf(*node));
  MUST(value.text == node->raw);
}

void MembersCompare(std::string_view input, const JsonNode& root) {
  std::vector<std::string> names = {"access_token", "expires_on", "error", "code"};
  for (const auto& [raw, node] : root.members) {
    std::string name;
    if (names.size() < 12 && JsonReference::Decode(raw, &name) && !name.empty()) {
      names.push_back(name);
    }
  }
  for (const std::string& name : names) {
    Bytes document(input);
    auto object = std::make_unique<JsonObject>();
    MUST(JsonParse(document.span(), object.get()).ok());
    const JsonNode* node = nullptr;
    JsonValue value;
    const JsonFound expected = Look(root, name, &node);
    Compare(JsonFind(*object, name, &value), value, expected, node);
    const std::string_view wanted = name;
    JsonValue all;
    MUST(JsonFindAll(*object, &wanted, 1, &all) == (expected != JsonFound::kTwice));
    const JsonNode* inner = nullptr;
    JsonValue inner_value;
    const bool has_inner = expected == JsonFound::kOnce && node->kind == '{';
    Compare(JsonFindIn(*object, name, "code", &inner_value), inner_value,
            has_inner ? Look(*node, "code", &inner) : JsonFound::kAbsent, inner);
    if (expected == JsonFound::kAbsent || value.kind != JsonKind::kString) continue;
    std::string decoded;
    std::string_view text;
    const bool is_text = JsonReference::Decode(node->raw, &decoded);
    MUST(JsonUnescape(*object, value, &text) == is_text);
    MUST(!is_text || text == decoded);
  }
}

}  // namespace
}  // namespace miagent

FUZZ_TARGET(input) {
  JsonNode root;
  JsonReference reference;
  const bool is_good = reference.Read(input, &root);
  Bytes document(input);
  auto object = std::make_unique<JsonObject>();
  const Status status = JsonParse(document.span(), object.get());
  MUST(document.text() == input);
  if (!is_good) {
    MUST(!status.ok());
  } else if (reference.part_count() > kJsonTokenCountMax) {
    MUST(status.fault == Fault::kJsonTooManyParts);
  } else {
    MUST(status.ok());
    MembersCompare(input, root);
  }
}
