#include "agent/json/object.h"

#include "agent/base/check.h"

#define JSMN_STATIC
#define JSMN_STRICT
#define JSMN_PARENT_LINKS
#include "jsmn.h"

namespace miagent {
namespace {

static_assert(sizeof(jsmntok_t) == kJsonPartSize, "JsonObject has room for jsmn's parts");
static_assert(alignof(jsmntok_t) <= alignof(JsonObject), "and they are aligned");
static_assert(kAnswerBodySizeMax <= INT32_MAX, "jsmn's positions are int");

constexpr int kNoPart = -1;
constexpr size_t kStringLongSizeMin = 64;  // shorter than every token, longer than other strings

const jsmntok_t& PartAt(const JsonObject& object, uint32_t index) {
  CHECK(index < object.part_count);
  return reinterpret_cast<const jsmntok_t*>(object.parts)[index];
}

std::string_view DocumentOf(const JsonObject& object) {
  return {object.document.data, object.document.size};
}

std::string_view PartText(const JsonObject& object, uint32_t index) {
  const jsmntok_t& part = PartAt(object, index);
  return Slice(DocumentOf(object), static_cast<size_t>(part.start),
               static_cast<size_t>(part.end - part.start));
}

// ---- the parts ------------------------------------------------------------------------------

// The end of the string that a position is in: its closing quote, or the text's end where it has
// none.
size_t StringEnd(std::string_view text, size_t from) {
  size_t index = from;
  while ((index = SkipPlain(text, index)) < text.size() && text[index] != '"') {
    const bool is_escape = text[index] == '\\' && index + 1 < text.size();
    index += is_escape ? 2 : 1;
  }
  return index;
}

// Gives jsmn what stands before a string, and then the part that it would have made of the string.
// Whatever jsmn didn't take of it, the shape check finds in a gap.
int StringSkip(jsmn_parser& parser, std::string_view text, jsmntok_t* parts, Range string) {
  const uint32_t quote = string.offset - 1;
  const int before = jsmn_parse(&parser, text.data(), quote, parts, kJsonTokenCountMax);
  // In a whole document something is open there, and nothing but a container.
  if (before != JSMN_ERROR_PART) return before < 0 ? before : JSMN_ERROR_INVAL;
  if (parser.toksuper == kNoPart) return JSMN_ERROR_INVAL;
  if (parser.toknext == kJsonTokenCountMax) return JSMN_ERROR_NOMEM;
  jsmntok_t& part = parts[parser.toknext++];
  part.type = JSMN_STRING;
  part.start = static_cast<int>(string.offset);
  part.end = static_cast<int>(string.offset + string.size);
  part.size = 0;
  part.parent = parser.toksuper;
  ++parts[parser.toksuper].size;
  parser.pos = string.offset + string.size + 1;
  return 0;
}

// The first long string of a text, which in a token's answer is the token; size 0: there is none.
struct LongString {
  Range place;
  bool is_plain = false;
};

LongString LongStringFind(std::string_view text) {
  for (size_t quote = Find(text, '"'); quote < text.size(); quote = Find(text, '"', quote)) {
    const size_t begin = quote + 1;
    const size_t plain_end = SkipPlain(text, begin);
    const size_t end = StringEnd(text, plain_end);
    if (end == text.size()) break;
    const Range place{static_cast<uint32_t>(begin), static_cast<uint32_t>(end - begin)};
    if (place.size >= kStringLongSizeMin) return {place, plain_end == end};
    quote = end + 1;
  }
  return {};
}

// Has jsmn find the parts; returns their count, or jsmn's error. jsmn takes a dozen instructions
// for each byte of a string: a faster pass finds the end of the long one, and jsmn goes on behind
// it.
int PartsParse(JsonObject& object, jsmntok_t* parts) {
  const std::string_view text = DocumentOf(object);
  const LongString string = LongStringFind(text);
  jsmn_parser parser;
  jsmn_init(&parser);
  object.plain = string.is_plain ? string.place : Range{};
  if (string.place.size != 0) {
    const int error = StringSkip(parser, text, parts, string.place);
    if (error < 0) return error;
  }
  return jsmn_parse(&parser, text.data(), text.size(), parts, kJsonTokenCountMax);
}

// ---- grammar of the parts -------------------------------------------------------------------

// Takes digits off the front of `text`; false where there are none.
bool DigitsTake(std::string_view& text) {
  size_t count = 0;
  while (count < text.size() && IsDigit(text[count])) ++count;
  text = SliceFrom(text, count);
  return count != 0;
}

// Takes one of two bytes off the front of `text`.
bool ByteTake(std::string_view& text, char a, char b) {
  if (text.empty() || (text[0] != a && text[0] != b)) return false;
  text = SliceFrom(text, 1);
  return true;
}

// number = [ "-" ] ( "0" / digit1-9 *digit ) [ "." 1*digit ] [ e [ sign ] 1*digit ]
bool IsNumber(std::string_view text) {
  ByteTake(text, '-', '-');
  if (!ByteTake(text, '0', '0') && !DigitsTake(text)) return false;
  if (ByteTake(text, '.', '.') && !DigitsTake(text)) return false;
  if (ByteTake(text, 'e', 'E')) {
    ByteTake(text, '+', '-');
    if (!DigitsTake(text)) return false;
  }
  return text.empty();
}

bool IsPrimitive(std::string_view text) {
  return text == "true" || text == "false" || text == "null" || IsNumber(text);
}

// The four hexadecimal digits at the front of `text`; -1 where they aren't.
int32_t HexTake(std::string_view& text) {
  uint32_t value = 0;
  if (text.size() < 4 || !ParseHex(Slice(text, 0, 4), &value)) return -1;
  text = SliceFrom(text, 4);
  return static_cast<int32_t>(value);
}

// The byte that a two-character escape stands for; 0 for none.
char EscapeValue(char letter) {
  switch (letter) {
    case '"':
    case '\\':
    case '/': return letter;
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default: return 0;
  }
}

bool IsPlain(const JsonObject& object, std::string_view text) {
  return !text.empty() && text.data() == object.document.data + object.plain.offset &&
         text.size() == object.plain.size;
}

bool IsString(std::string_view text) {
  for (size_t index = 0; (index = SkipPlain(text, index)) < text.size(); ++index) {
    const char c = text[index];
    if (static_cast<uint8_t>(c) < 0x20 || c == '"') return false;
    if (c != '\\') continue;
    if (++index == text.size()) return false;
    if (text[index] != 'u') {
      if (EscapeValue(text[index]) == 0) return false;
      continue;
    }
    std::string_view digits = SliceFrom(text, index + 1);
    if (HexTake(digits) < 0) return false;
    index += 4;
  }
  return true;
}

// ---- decoding -------------------------------------------------------------------------------

uint32_t Utf8Write(int32_t code_point, char* bytes) {
  const auto byte = [](int32_t value) { return static_cast<char>(value); };
  if (code_point < 0x80) {
    bytes[0] = byte(code_point);
    return 1;
  }
  if (code_point < 0x800) {
    bytes[0] = byte(0xC0 | (code_point >> 6));
    bytes[1] = byte(0x80 | (code_point & 0x3F));
    return 2;
  }
  if (code_point < 0x10000) {
    bytes[0] = byte(0xE0 | (code_point >> 12));
    bytes[1] = byte(0x80 | ((code_point >> 6) & 0x3F));
    bytes[2] = byte(0x80 | (code_point & 0x3F));
    return 3;
  }
  bytes[0] = byte(0xF0 | (code_point >> 18));
  bytes[1] = byte(0x80 | ((code_point >> 12) & 0x3F));
  bytes[2] = byte(0x80 | ((code_point >> 6) & 0x3F));
  bytes[3] = byte(0x80 | (code_point & 0x3F));
  return 4;
}

// Takes one character off the front of a proven string: stores its bytes (1 to 4), returns their
// count. 0 for a lone surrogate or U+0000. Bytes above 0x7F pass one at a time, as they are.
uint32_t CharacterTake(std::string_view& text, char* bytes) {
  const char c = text[0];
  text = SliceFrom(text, 1);
  bytes[0] = c;
  if (c != '\\') return 1;
  CHECK(!text.empty());
  const char letter = text[0];
  text = SliceFrom(text, 1);
  bytes[0] = EscapeValue(letter);
  if (letter != 'u') return 1;
  int32_t code_point = HexTake(text);
  CHECK(code_point >= 0);
  if (code_point == 0 || (code_point >= 0xDC00 && code_point <= 0xDFFF)) return 0;
  if (code_point >= 0xD800 && code_point <= 0xDBFF) {
    if (!StartsWith(text, "\\u")) return 0;
    text = SliceFrom(text, 2);
    const int32_t low = HexTake(text);
    if (low < 0xDC00 || low > 0xDFFF) return 0;
    code_point = 0x10000 + ((code_point - 0xD800) << 10) + (low - 0xDC00);
  }
  return Utf8Write(code_point, bytes);
}

// True where the string's characters, decoded, are those of `name`.
bool NameEquals(std::string_view raw, std::string_view name) {
  while (!raw.empty()) {
    char bytes[4];
    const uint32_t count = CharacterTake(raw, bytes);
    if (count == 0 || !StartsWith(name, {bytes, count})) return false;
    name = SliceFrom(name, count);
  }
  return name.empty();
}

// ---- the shape ------------------------------------------------------------------------------

enum class Expected : uint8_t {
  kRoot,          // nothing was read yet
  kNameOrEnd,     // just behind {
  kName,          // behind , in an object
  kColon,         // behind a name
  kValue,         // behind : or , in an array
  kValueOrEnd,    // just behind [
  kCommaOrEnd,    // behind a value
  kNothing,       // behind the root
};

// Goes through the text from part to part: what stands between two of them has to be white space
// and exactly the punctuation that the grammar wants there.
struct Shape {
  const JsonObject& object;
  uint32_t cursor = 0;         // everything before is proven
  int container = kNoPart;     // the innermost that is open
  Expected expected = Expected::kRoot;
};

// The container that a part is in; kNoPart for the root.
int ContainerOf(const JsonObject& object, uint32_t index) {
  const int parent = PartAt(object, index).parent;
  if (parent == kNoPart) return kNoPart;
  const jsmntok_t& holder = PartAt(object, static_cast<uint32_t>(parent));
  return holder.type == JSMN_STRING ? holder.parent : parent;
}

// Takes the end of the innermost container.
bool EndTake(Shape& shape, char c) {
  const bool may_end = shape.expected == Expected::kCommaOrEnd ||
                       shape.expected == Expected::kNameOrEnd ||
                       shape.expected == Expected::kValueOrEnd;
  if (!may_end) return false;
  const auto index = static_cast<uint32_t>(shape.container);
  const jsmntok_t& part = PartAt(shape.object, index);
  if ((part.type == JSMN_OBJECT) != (c == '}')) return false;
  if (part.end != static_cast<int>(shape.cursor) + 1) return false;
  shape.container = ContainerOf(shape.object, index);
  shape.expected = shape.container == kNoPart ? Expected::kNothing : Expected::kCommaOrEnd;
  return true;
}

// Takes the text up to `end`, where the next part begins.
bool GapTake(Shape& shape, uint32_t end) {
  for (; shape.cursor < end; ++shape.cursor) {
    const char c = shape.object.document.data[shape.cursor];
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') continue;
    if (c == '}' || c == ']') {
      if (!EndTake(shape, c)) return false;
    } else if (c == ',' && shape.expected == Expected::kCommaOrEnd) {
      const jsmntok_t& part = PartAt(shape.object, static_cast<uint32_t>(shape.container));
      shape.expected = part.type == JSMN_OBJECT ? Expected::kName : Expected::kValue;
    } else if (c == ':' && shape.expected == Expected::kColon) {
      shape.expected = Expected::kValue;
    } else {
      return false;
    }
  }
  return shape.cursor == end;
}

// Takes one part, which the gap before has been taken.
bool PartTake(Shape& shape, uint32_t index) {
  const jsmntok_t& part = PartAt(shape.object, index);
  const bool is_name = shape.expected == Expected::kName || shape.expected == Expected::kNameOrEnd;
  const bool is_value = shape.expected == Expected::kRoot || shape.expected == Expected::kValue ||
                        shape.expected == Expected::kValueOrEnd;
  if (!is_name && !is_value) return false;
  if (is_name && (part.type != JSMN_STRING || part.size != 1)) return false;
  if (shape.expected == Expected::kRoot && part.type != JSMN_OBJECT) return false;
  const bool is_member_value =
      shape.expected == Expected::kValue &&
      PartAt(shape.object, static_cast<uint32_t>(shape.container)).type == JSMN_OBJECT;
  if (part.parent != (is_member_value ? static_cast<int>(index) - 1 : shape.container)) {
    return false;
  }
  if (part.type == JSMN_OBJECT || part.type == JSMN_ARRAY) {
    const bool is_object = part.type == JSMN_OBJECT;
    shape.container = static_cast<int>(index);
    shape.expected = is_object ? Expected::kNameOrEnd : Expected::kValueOrEnd;
    shape.cursor = static_cast<uint32_t>(part.start) + 1;
    return true;
  }
  const bool is_string = part.type == JSMN_STRING;
  const std::string_view text = PartText(shape.object, index);
  const bool is_proven = is_string && IsPlain(shape.object, text);
  if (!is_proven && !(is_string ? IsString(text) : IsPrimitive(text))) return false;
  shape.expected = is_name ? Expected::kColon : Expected::kCommaOrEnd;
  shape.cursor = static_cast<uint32_t>(part.end) + (is_string ? 1 : 0);
  return true;
}

bool ShapeProve(const JsonObject& object) {
  Shape shape{object};
  for (uint32_t index = 0; index < object.part_count; ++index) {
    const jsmntok_t& part = PartAt(object, index);
    if (part.start < 0 || part.end < part.start) return false;
    const auto start = static_cast<uint32_t>(part.start);
    CHECK(start < object.document.size);
    // A string's part begins behind its quote.
    if (!GapTake(shape, part.type == JSMN_STRING ? start - 1 : start)) return false;
    if (!PartTake(shape, index)) return false;
  }
  return GapTake(shape, static_cast<uint32_t>(object.document.size)) &&
         shape.expected == Expected::kNothing;
}

// ---- members --------------------------------------------------------------------------------

JsonKind KindOf(const jsmntok_t& part, std::string_view text) {
  if (part.type == JSMN_OBJECT) return JsonKind::kObject;
  if (part.type == JSMN_ARRAY) return JsonKind::kArray;
  if (part.type == JSMN_STRING) return JsonKind::kString;
  if (text[0] == 'n') return JsonKind::kNull;
  return text[0] == 't' || text[0] == 'f' ? JsonKind::kBoolean : JsonKind::kNumber;
}

// Looks names up among the members of the object that is part `container`; a name's value is the
// part at its index (0: absent). False where one of them is there twice; its first value counts.
bool MembersFind(const JsonObject& object, uint32_t container, const std::string_view* names,
                 uint32_t name_count, uint32_t* value_indexes) {
  bool is_once = true;
  const jsmntok_t* const parts = &PartAt(object, 0);
  for (uint32_t index = container + 1; index < object.part_count; ++index) {
    if (parts[index].parent != static_cast<int>(container)) continue;
    const std::string_view member = PartText(object, index);
    const bool is_plain = Find(member, '\\') == member.size();
    for (uint32_t name = 0; name < name_count; ++name) {
      if (is_plain ? member != names[name] : !NameEquals(member, names[name])) continue;
      if (value_indexes[name] != 0) is_once = false;
      // The shape is proven: a name's value follows it.
      if (value_indexes[name] == 0) value_indexes[name] = index + 1;
    }
  }
  return is_once;
}

void ValueRead(const JsonObject& object, uint32_t index, JsonValue* value) {
  value->text = PartText(object, index);
  value->kind = KindOf(PartAt(object, index), value->text);
  value->is_plain = IsPlain(object, value->text);
}

JsonFound ValueFind(const JsonObject& object, uint32_t container, std::string_view name,
                    JsonValue* value) {
  uint32_t index = 0;
  const bool is_once = MembersFind(object, container, &name, 1, &index);
  if (index == 0) return JsonFound::kAbsent;
  ValueRead(object, index, value);
  return is_once ? JsonFound::kOnce : JsonFound::kTwice;
}

}  // namespace

Status JsonParse(Span document, JsonObject* object) {
  CHECK(document.size <= INT32_MAX);
  object->document = document;
  object->part_count = 0;
  const int count = PartsParse(*object, reinterpret_cast<jsmntok_t*>(object->parts));
  if (count == JSMN_ERROR_NOMEM) return {Fault::kJsonTooManyParts};
  if (count <= 0) return {Fault::kJsonSyntax};
  CHECK(static_cast<uint32_t>(count) <= kJsonTokenCountMax);
  object->part_count = static_cast<uint32_t>(count);
  if (ShapeProve(*object)) return kOk;
  object->part_count = 0;
  return {Fault::kJsonSyntax};
}

JsonFound JsonFind(const JsonObject& object, std::string_view name, JsonValue* value) {
  return ValueFind(object, 0, name, value);
}

JsonFound JsonFindIn(const JsonObject& object, std::string_view outer, std::string_view name,
                     JsonValue* value) {
  uint32_t index = 0;
  if (!MembersFind(object, 0, &outer, 1, &index) || index == 0) return JsonFound::kAbsent;
  if (PartAt(object, index).type != JSMN_OBJECT) return JsonFound::kAbsent;
  return ValueFind(object, index, name, value);
}

bool JsonFindAll(const JsonObject& object, const std::string_view* names, uint32_t name_count,
                 JsonValue* values) {
  uint32_t indexes[kJsonNameCountMax] = {};
  CHECK(name_count <= kJsonNameCountMax);
  if (!MembersFind(object, 0, names, name_count, indexes)) return false;
  for (uint32_t name = 0; name < name_count; ++name) {
    if (indexes[name] != 0) ValueRead(object, indexes[name], &values[name]);
  }
  return true;
}

bool JsonUnescape(JsonObject& object, JsonValue value, std::string_view* text) {
  CHECK(value.kind == JsonKind::kString);
  CHECK(value.text.data() >= object.document.data);
  const auto offset = static_cast<size_t>(value.text.data() - object.document.data);
  CHECK(offset <= object.document.size && value.text.size() <= object.document.size - offset);
  char* const begin = object.document.data + offset;
  std::string_view rest = value.text;
  size_t size = SkipPlain(rest, 0);
  rest = SliceFrom(rest, size);
  while (!rest.empty()) {
    char bytes[4];
    const uint32_t count = CharacterTake(rest, bytes);
    if (count == 0) return false;
    for (uint32_t index = 0; index < count; ++index) begin[size + index] = bytes[index];
    size += count;
    CHECK(size <= static_cast<size_t>(rest.data() - begin));
  }
  *text = {begin, size};
  return true;
}

}  // namespace miagent
