#include "agent/json/object.h"

#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "doctest.h"

namespace miagent {
namespace {

// A document in memory of exactly its size, so that the sanitizer sees a byte too many, and its
// view.
struct World {
  std::unique_ptr<char[]> memory;
  JsonObject object;
  Status status;

  explicit World(std::string_view text) : memory(new char[text.size()]) {
    if (!text.empty()) memcpy(memory.get(), text.data(), text.size());
    status = JsonParse({memory.get(), text.size()}, &object);
  }
};

bool Accepts(std::string_view text) {
  const World world(text);
  if (!world.status.ok()) CHECK(world.object.part_count == 0);
  return world.status.ok();
}

using Texts = std::vector<std::string>;
using namespace std::string_literals;  // for texts with a NUL

TEST_CASE("documents that are one object") {
  for (const std::string& text :
       Texts{R"({})", R"( { } )", "\t\r\n {}\n", R"({"a":1})", R"({"":0})", R"({"a":{}})",
             R"({"a":[]})", R"({ "a" : [ 1 , 2 ] , "b" : { "c" : null } })", R"({"a":1,"a":2})",
             R"({"a":[[],[[]],{}]})", R"({"a":"b","b":"a"})", "{\"a\":\r\n1\r\n}\r\n",
             R"({"a":[{"b":1},{"b":2}],"c":true})", R"({"a\"b":1})"}) {
    CAPTURE(text);
    CHECK(Accepts(text));
  }
}

TEST_CASE("values that are JSON") {
  for (const std::string& value : Texts{"0",
                                        "-0",
                                        "1",
                                        "-1",
                                        "10",
                                        "1234567890",
                                        "0.5",
                                        "-0.5",
                                        "1.0",
                                        "1e3",
                                        "1E3",
                                        "1e+3",
                                        "1e-3",
                                        "0e0",
                                        "0E+1",
                                        "1.5e10",
                                        "-1.5E-10",
                                        "123456789012345678901234567890",
                                        "true",
                                        "false",
                                        "null",
                                        R"("")",
                                        R"("a")",
                                        R"("\"\\\/\b\f\n\r\t")",
                                        R"("\u0041")",
                                        R"("\uD834\uDD1E")",
                                        R"("\u0000")",
                                        R"("\uABCD\uabcd")",
                                        R"("a/b")",
                                        "\"\x7F\"",
                                        "\"\xC3\xA9\"",
                                        "\"\xE2\x80\xA8\"",
                                        "\"\xF4\x8F\xBF\xBF\"",
                                        R"(",:{}[]")",
                                        R"("//")",
                                        "[]",
                                        "[1]",
                                        "[ 1 ]",
                                        "[1,2,3]",
                                        "[[],{}]",
                                        R"(["a","b"])",
                                        R"([null,true,false,0,"",{},[]])",
                                        "{}",
                                        R"({"x":{"y":{"z":[]}}})",
                                        R"("\\")",
                                        R"("\\\"")",
                                        R"([1 , "a" , {} ])"}) {
    CAPTURE(value);
    CHECK(Accepts("{\"k\":" + value + "}"));
    CHECK(Accepts("{ \"k\" : " + value + " }"));
    CHECK(Accepts("{\"k\":[" + value + ",0],\"l\":" + value + "}"));
  }
}

TEST_CASE("documents that are not one object") {
  for (const std::string& text : Texts{"",
                                       " ",
                                       "{",
                                       "}",
                                       "{}}",
                                       "{{}",
                                       "{}{}",
                                       "{} {}",
                                       "{},",
                                       "{}x",
                                       "{}0",
                                       "{}#",
                                       "{}//x",
                                       "{}/**/",
                                       "/**/{}",
                                       "{}\0"s,
                                       "\0{}"s,
                                       "{\0}"s,
                                       "{}\x01",
                                       "{}\v",
                                       "{}\f",
                                       "\xEF\xBB\xBF{}",
                                       "\xEF\xBB\xBF",
                                       "\xC2\xA0{}",
                                       "{}\xE2\x81\xA0",
                                       "[]",
                                       "[{}]",
                                       "1",
                                       "true",
                                       "null",
                                       R"("a")",
                                       R"("a":1)",
                                       R"({"a"})",
                                       R"({"a":})",
                                       R"({"a" 1})",
                                       R"({"a"::1})",
                                       R"({"a":1:2})",
                                       R"({"a":1,})",
                                       R"({"a":1,,})",
                                       R"({,})",
                                       R"({,"a":1})",
                                       R"({"a":1,,"b":2})",
                                       R"({"a":1 "b":2})",
                                       R"({"a":1;"b":2})",
                                       R"({"a","b"})",
                                       R"({"a","b":1})",
                                       R"({"a":1,"b"})",
                                       R"({"a":1,"b":})",
                                       R"({:1})",
                                       R"({:})",
                                       R"({1:1})",
                                       R"({1})",
                                       R"({null:1})",
                                       R"({true:1})",
                                       R"({[]:1})",
                                       R"({{}:1})",
                                       R"({"a":1)",
                                       R"({"a":)",
                                       R"({"a")",
                                       R"({"a)",
                                       R"({")",
                                       R"({"a":1]})",
                                       R"({"a":[1})",
                                       R"({"a":[1}])",
                                       R"({"a":{"b":1})",
                                       R"({"a":1}})",
                                       R"({"a":1}])",
                                       R"({"a":1},{"b":2})",
                                       R"({'a':1})",
                                       R"({a:1})",
                                       R"({a:"b"})",
                                       R"({"a":'b'})",
                                       R"({"a":b})",
                                       R"({"a":"b"/})",
                                       R"({"a":"b"}/**/)",
                                       R"({"a":"b"}#)",
                                       R"({"a":"b"}//)",
                                       R"({"a":/**/1})",
                                       R"({"a":"b" "c"})",
                                       R"({"a" "b"})",
                                       R"({"a":1 true})",
                                       R"({"id":0,,,,,})",
                                       R"(*)",
                                       R"(<null>)",
                                       R"(<html></html>)",
                                       R"([1,2)",
                                       R"({"x", null})",
                                       R"({"a":1}abc)",
                                       R"(abc)",
                                       R"({"x"::"b"})",
                                       R"({"a":"a" 123})",
                                       R"({"asd":"asd")",
                                       R"({"a": true} "x")",
                                       "{\"a\xE5\":0,}",
                                       "{\"\xB9\":\"0\",}",
                                       R"({"a":"b",)",
                                       R"({"\uD83C\u\uDDE8":0})",
                                       "{\"a\n\":1}",
                                       "{\"a\t\":1}",
                                       "{\"a\0\":1}"s,
                                       R"({"a\":1})",
                                       R"({"\x":1})",
                                       R"(["a":1])",
                                       R"({"a":1,"b":2)",
                                       R"({"a"=1})",
                                       R"({"a"=>1})",
                                       R"({"a":1}{)",
                                       R"({"a":1}[)",
                                       R"({}[])",
                                       R"({"a":[]]})",
                                       R"(}{)",
                                       R"({"a":{"b"}})",
                                       R"({"a":{"b":}})",
                                       R"({"a":{,}})"}) {
    CAPTURE(text);
    CHECK_FALSE(Accepts(text));
  }
}

TEST_CASE("values that are not JSON") {
  for (const std::string& value : Texts{
           // Numbers.
           "01", "-01", "00", "-", "+1", "++1", "--1", "-+1", "+", "1.", "-1.", ".5", "-.5", ".",
           "1.e3", "1.5.2", "1..5", "1e", "1E", "1e+", "1e-", "1E+", "e3", ".e1", "1ee3", "1e3e4",
           "1e3.5", "1eE2", "0e", "0e+", "0E", "0.3e", "0.3e+", "1.0e", "1.0e-", "0x1", "0x",
           "0x42", "1a", "12a", "1,000", "1 000", "1_000", "NaN", "nan", "-NaN", "Infinity",
           "-Infinity", "Inf", "-inf", "+Inf", "infinity", "1+2", "1-2", "- 1", "-foo", "-2.",
           "2.e3", "2.e+3", "2.e-3", "9.e+", "0.1.2", "-1.0.", "1\x00"s, "1\xE5", "123\xE5",
           "1e1\xE5", "0\xE5", "\xEF\xBC\x91", "1:", "-1x", "1.8011670033376514H-308", "0.e1",
           "-012", "-2.a", "1.2a-3", "1 true", "1\v", "0b1", "0o7", "1f", "1L", "1.0f",
           // Literals.
           "tRUE", "True", "TRUE", "tru", "truee", "true1", "fals", "FALSE", "nul", "nulL", "Null",
           "NULL", "nil", "undefined", "t", "f", "n", "truth", "nullnull", "true false", "yes",
           // Strings.
           "\"", "\"a", "a\"", "'a'", "\"\\\"", "\"\\\\\\\"", R"("\x00")", R"("\a")", R"("\v")",
           R"("\0")", R"("\'")", R"("\ ")", R"("\U0041")", R"("\u")", R"("\u1")", R"("\u12")",
           R"("\u123")", R"("\u123g")", R"("\u00A")", R"("\uD834\u")", R"("\uD834\u1")",
           R"("\uD834\u1x")", R"("\uD834\uDd")", R"("\uqqqq")", R"("\u+041")", R"("\u 041")",
           "\"\\\xE5\"", "\"\\u\xE5\"", "\"\\\"\xE5", "\"a\nb\"", "\"\n\"", "\"\r\"", "\"a\tb\"",
           "\"\t\"", "\"\x1F\"", "\"\x01\"", "\"a\0b\""s, "\"\0\""s, "\"\\\0\""s, "\"\\\n\"",
           "\"a\"b", "\"a\" \"b\"", "\"a\"1", "\"\xF0\x9F\x8C\x80", "\\u0020\"a\"", R"(\"a\")", "a",
           "abc", "\xE9", "`a`", "\"\\\t\"", "\"\\", "\"\\\"", "\"\\u00",
           // Arrays.
           "[", "]", "[1", "1]", "[1,]", "[,1]", "[,]", "[1,,2]", "[1,,]", "[1 2]", "[1;2]",
           "[1:2]", "[\"a\":1]", "[1]]", "[[1]", "[1}", "[1,", "[,", "[[", "[\"\"", "[\"\",]",
           "[\"a\",\n4\n,1,", "[1\n1", "[   , \"\"]", "[1,1", "[x", "[x, ]", "[fals]", "[*]",
           "[a\xE5]", "[\x0C]", "[][]", "[]{}", "[3[4]]", "[inner[", "[\"x\"", "[-", "[1,\n1\n,1",
           "[{}", "[\"\\n]", "[\xFF]", "[1]x", "[\v]", "[a\f]", "[\"a\"]]", "[1],",
           "[\xE2\x81\xA0]", "[\xC2\xA0]", "[<null>]", "[\"\": 1]", "[&1]", "[\\u000A\"\"]",
           "[\"asd]", "[ false, nul", "[ false, tru",
           // Objects.
           "{", "{]", "{}}", "{x}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{,}", "{\"a\",1}",
           "{1:1}", "{\"a\" 1}", "{\"a\":1 1}", "{'a':0}", "{a:0}", "{\"a\":{}", "{\"a\":b}",
           "{\"a\"::1}", "{9999E9999:1}", "{\"a\":\"b\"}#{}", "{[: \"x\"}", "{\"x\", null}",
           "{\"a\": true} \"x\"", "{\"a\":1}{", "{key: 'value'}", "{\"a\":1,a}",
           "{null:null,null:null}",
           // Nothing, and what isn't white space.
           "", " ", ",", ":", "\0"s, "\v1", "\f1", "1\f",
           "\xEF\xBB\xBF"
           "1",
           "/**/1", "1/**/", "1//", "#1", "@", "*", "&", "<", "(1)", "1)", ";", "1;"}) {
    CAPTURE(value);
    CHECK_FALSE(Accepts("{\"k\":" + value + "}"));
    CHECK_FALSE(Accepts("{\"j\":0,\"k\":" + value + ",\"l\":0}"));
    CHECK_FALSE(Accepts("{\"k\":[0," + value + "]}"));
    CHECK_FALSE(Accepts(value));
  }
}

const std::string kLong(70, 'x');  // as long as what jsmn doesn't see

TEST_CASE("parts have a limit, and deep nesting is only parts") {
  std::string text = "{\"a\":[";
  for (uint32_t count = 3; count < kJsonTokenCountMax; ++count) text += "0,";
  CHECK(Accepts(text + "0]}") == false);
  text.pop_back();
  CHECK(Accepts(text + "]}"));
  CHECK(World(text + ",0]}").status.fault == Fault::kJsonTooManyParts);
  const std::string quoted = '"' + kLong + '"';
  CHECK(World(text + "," + quoted + "]}").status.fault == Fault::kJsonTooManyParts);
  CHECK(World(text + ",0,0," + quoted + "]}").status.fault == Fault::kJsonTooManyParts);
  text.replace(text.size() - 1, 1, quoted);
  CHECK(Accepts(text + "]}"));

  std::string deep = "{\"a\":" + std::string(kJsonTokenCountMax - 2, '[');
  CHECK(Accepts(deep + std::string(kJsonTokenCountMax - 2, ']') + "}"));
  CHECK_FALSE(Accepts(deep + std::string(kJsonTokenCountMax - 3, ']') + "}"));
  deep = "{\"a\":" + std::string(30000, '[');
  CHECK(World(deep + std::string(30000, ']') + "}").status.fault == Fault::kJsonTooManyParts);
}

TEST_CASE("members are found by name and level") {
  const World world(
      R"({"a":"x","o":{"a":2,"deep":{"a":3},"list":["a"]},"l":["b","c"],"n":null,"t":true,)"
      R"("f":false,"i":-1.5e3,"twice":1,"twice":2,"\u0065scaped":4,"e":{},"":5})");
  REQUIRE(world.status.ok());
  JsonValue value;
  CHECK(JsonFind(world.object, "a", &value) == JsonFound::kOnce);
  CHECK(value.kind == JsonKind::kString);
  CHECK(value.text == "x");
  CHECK(JsonFind(world.object, "b", &value) == JsonFound::kAbsent);
  CHECK(JsonFind(world.object, "x", &value) == JsonFound::kAbsent);  // a value is no name
  CHECK(JsonFind(world.object, "deep", &value) == JsonFound::kAbsent);
  CHECK(JsonFind(world.object, "twice", &value) == JsonFound::kTwice);
  CHECK(value.text == "1");
  CHECK(JsonFind(world.object, "escaped", &value) == JsonFound::kOnce);
  CHECK(value.text == "4");
  CHECK(JsonFind(world.object, "escape", &value) == JsonFound::kAbsent);
  CHECK(JsonFind(world.object, "escaped1", &value) == JsonFound::kAbsent);
  CHECK(JsonFind(world.object, "o", &value) == JsonFound::kOnce);
  CHECK(value.kind == JsonKind::kObject);
  CHECK(JsonFind(world.object, "l", &value) == JsonFound::kOnce);
  CHECK(value.kind == JsonKind::kArray);
  CHECK(JsonFind(world.object, "n", &value) == JsonFound::kOnce);
  CHECK(value.kind == JsonKind::kNull);
  CHECK(JsonFind(world.object, "t", &value) == JsonFound::kOnce);
  CHECK(value.kind == JsonKind::kBoolean);
  CHECK(JsonFind(world.object, "f", &value) == JsonFound::kOnce);
  CHECK(value.kind == JsonKind::kBoolean);
  CHECK(JsonFind(world.object, "i", &value) == JsonFound::kOnce);
  CHECK(value.kind == JsonKind::kNumber);
  CHECK(value.text == "-1.5e3");

  CHECK(JsonFindIn(world.object, "o", "a", &value) == JsonFound::kOnce);
  CHECK(value.text == "2");
  CHECK(JsonFindIn(world.object, "o", "list", &value) == JsonFound::kOnce);
  CHECK(JsonFindIn(world.object, "o", "deep", &value) == JsonFound::kOnce);
  CHECK(JsonFindIn(world.object, "o", "t", &value) == JsonFound::kAbsent);
  CHECK(JsonFindIn(world.object, "l", "b", &value) == JsonFound::kAbsent);
  CHECK(JsonFindIn(world.object, "a", "x", &value) == JsonFound::kAbsent);
  CHECK(JsonFindIn(world.object, "e", "a", &value) == JsonFound::kAbsent);
  CHECK(JsonFindIn(world.object, "absent", "a", &value) == JsonFound::kAbsent);
  CHECK(JsonFindIn(world.object, "twice", "a", &value) == JsonFound::kAbsent);

  // Two backslashes, and one: what the second looks like undecoded is the first one's name.
  World slashes(R"({"\\\\":1,"\\":2})");
  CHECK(JsonFind(slashes.object, "\\\\", &value) == JsonFound::kOnce);
  CHECK(value.text == "1");
}

TEST_CASE("several names are found in one pass, each once") {
  const World world(R"({"b":1,"o":{"a":2},"\u0061bc":"x","ab":3,"twice":1,"twice":2})");
  REQUIRE(world.status.ok());
  constexpr std::string_view kNames[] = {"abc", "absent", "b", "a", "ab"};
  JsonValue values[5];
  CHECK(JsonFindAll(world.object, kNames, 5, values));
  CHECK(values[0].kind == JsonKind::kString);
  CHECK(values[0].text == "x");
  CHECK(values[1].text.data() == nullptr);
  CHECK(values[2].text == "1");
  CHECK(values[3].text.data() == nullptr);  // it is of another object
  CHECK(values[4].text == "3");
  constexpr std::string_view kTwice[] = {"b", "twice"};
  CHECK_FALSE(JsonFindAll(world.object, kTwice, 2, values));
}

TEST_CASE("a name is found twice in whatever way it is spelt") {
  const World world(R"({"name":1,"n\u0061me":2})");
  REQUIRE(world.status.ok());
  JsonValue value;
  CHECK(JsonFind(world.object, "name", &value) == JsonFound::kTwice);
}

std::string Unescaped(std::string_view escaped) {
  World world("{\"k\":\"" + std::string(escaped) + "\",\"after\":\"kept\"}");
  REQUIRE(world.status.ok());
  JsonValue value;
  REQUIRE(JsonFind(world.object, "k", &value) == JsonFound::kOnce);
  std::string_view text;
  if (!JsonUnescape(world.object, value, &text)) return "refused";
  CHECK(text.data() == value.text.data());
  CHECK(text.size() <= value.text.size());
  JsonValue after;
  REQUIRE(JsonFind(world.object, "after", &after) == JsonFound::kOnce);
  CHECK(after.text == "kept");
  return std::string(text);
}

TEST_CASE("a name that stands for no characters is nobody's; what comes after it is found") {
  for (const char* name : {R"(\u0000)", R"(a\u0000)", R"(\ud800)", R"(\ud800\ue000)",
                           R"(\ud800\udbff)", R"(\udc00)"}) {
    CAPTURE(name);
    const World world("{\"" + std::string(name) + "\":1,\"a\":2}");
    REQUIRE(world.status.ok());
    JsonValue value;
    REQUIRE(JsonFind(world.object, "a", &value) == JsonFound::kOnce);
    CHECK(value.text == "2");
    CHECK(JsonFind(world.object, "", &value) == JsonFound::kAbsent);
  }
}

TEST_CASE("escapes are decoded in place") {
  CHECK(Unescaped("") == "");
  CHECK(Unescaped("plain") == "plain");
  CHECK(Unescaped(R"(a\/b\u002bc\\\"\b\f\n\r\t)") == "a/b+c\\\"\b\f\n\r\t");
  CHECK(Unescaped(R"(\u0041\u007f)") == "A\x7F");
  CHECK(Unescaped(R"(\u0080\u07FF)") == "\xC2\x80\xDF\xBF");
  CHECK(Unescaped(R"(\u0800\uFFFD)") == "\xE0\xA0\x80\xEF\xBF\xBD");
  CHECK(Unescaped(R"(\ud800\udc00\uDBFF\uDFFF)") == "\xF0\x90\x80\x80\xF4\x8F\xBF\xBF");
  CHECK(Unescaped("\xC3\xA9\\u00e9") == "\xC3\xA9\xC3\xA9");
  CHECK(Unescaped(R"(\\u0041)") == "\\u0041");
  for (const char* text :
       {R"(\u0000)", R"(a\u0000b)", R"(\ud800)", R"(\ud800x)", R"(\ud800\n)", R"(\ud800\ud800)",
        R"(\ud800\u0041)", R"(\ud800\ue000)", R"(\udc00)", R"(\udfff)", R"(\udc00\ud800)"}) {
    CAPTURE(text);
    CHECK(Unescaped(text) == "refused");
  }
}

// RFC 8259 once more, as a recursive descent that shares nothing with the code under test.
class Reference {
 public:
  explicit Reference(const std::string& text) : text_(text) {}
  bool Accepts() {
    Blank();
    return Peek() == '{' && Value() && (Blank(), at_ == text_.size());
  }

 private:
  int Peek() const { return at_ < text_.size() ? static_cast<unsigned char>(text_[at_]) : -1; }
  bool Take(int c) { return Peek() == c && ++at_; }
  void Blank() {
    while (Peek() == ' ' || Peek() == '\t' || Peek() == '\n' || Peek() == '\r') ++at_;
  }
  bool Word(const std::string& word) {
    if (text_.compare(at_, word.size(), word) != 0) return false;
    at_ += word.size();
    return true;
  }
  bool Digits() {
    const size_t begin = at_;
    while (Peek() >= '0' && Peek() <= '9') ++at_;
    return at_ > begin;
  }
  bool Number() {
    Take('-');
    if (!Take('0') && !Digits()) return false;
    if (Take('.') && !Digits()) return false;
    if (!Take('e') && !Take('E')) return true;
    if (!Take('+')) Take('-');
    return Digits();
  }
  bool String() {
    if (!Take('"')) return false;
    while (!Take('"')) {
      if (Peek() < 0x20) return false;
      if (!Take('\\')) {
        ++at_;
      } else if (Take('u')) {
        for (int digit = 0; digit < 4; ++digit, ++at_) {
          if (Peek() < 0 || !isxdigit(Peek())) return false;
        }
      } else if (Peek() <= 0 || strchr("\"\\/bfnrt", Peek()) == nullptr) {
        return false;
      } else {
        ++at_;
      }
    }
    return true;
  }
  bool Members(int end, bool has_names) {
    Blank();
    if (Take(end)) return true;
    do {
      Blank();
      if (has_names && (!String() || (Blank(), !Take(':')))) return false;
      if (!Value()) return false;
      Blank();
    } while (Take(','));
    return Take(end);
  }
  bool Value() {
    Blank();
    switch (Peek()) {
      case '{': ++at_; return Members('}', true);
      case '[': ++at_; return Members(']', false);
      case '"': return String();
      case 't': return Word("true");
      case 'f': return Word("false");
      case 'n': return Word("null");
      default: return Number();
    }
  }

  const std::string& text_;
  size_t at_ = 0;
};

TEST_CASE("agrees with another reader on mutated documents") {
  const Texts seeds = {
      R"({"access_token":"eyJ0eXAi","expires_in":"86399","expires_on":1700000000,"x":null})",
      R"({"error":{"code":"a","message":"b"},"list":[1,[2,{"c":[]}],"d"],"t":true,"f":false})",
      R"({ "a" : -1.5e+3 , "b" : [ ] , "c" : { } , "d\"\\\u00e9" : "\n\/" })",
      R"({"a":{"b":{"c":{"d":[[[0]]]}}},"e":1,"e":2})",
      // Strings as long as a token, wherever a string may stand.
      R"({"access_token":")" + kLong + R"(","list":[1,")" + kLong + R"(",{")" + kLong +
          R"(":"b"}]})",
      R"({")" + kLong + R"(\"\u00e9":")" + kLong + R"( \\","b":-1,"c":")" + kLong + R"("})",
  };
  const std::string alphabet = "{}[]:,\"\\ \t\n\ru0123456789eE+-.truefalsn'/*a\0\x01\x7F\xC3"s;
  std::mt19937 random(8259);
  size_t accepted_count = 0;
  size_t refused_count = 0;
  for (int round = 0; round < 120000; ++round) {
    std::string text = seeds[random() % seeds.size()];
    for (uint32_t change = 1 + random() % 4; change > 0 && !text.empty(); --change) {
      const size_t at = random() % text.size();
      const size_t size = 1 + random() % 6;
      const char byte = alphabet[random() % alphabet.size()];
      switch (random() % 6) {
        case 0: text[at] = byte; break;
        case 1: text.insert(at, 1, byte); break;
        case 2: text.erase(at, 1); break;
        case 3: text.erase(at, size); break;
        case 4: text.insert(random() % text.size(), text.substr(at, size)); break;
        default: std::swap(text[at], text[random() % text.size()]); break;
      }
    }
    const World world(text);
    if (world.status.fault == Fault::kJsonTooManyParts) continue;
    const bool expected = Reference(text).Accepts();
    (expected ? accepted_count : refused_count) += 1;
    if (world.status.ok() != expected)
      FAIL_CHECK("differs (reference " << expected << "): " << text);
  }
  CHECK(accepted_count > 10000);
  CHECK(refused_count > 10000);
}

TEST_CASE("agrees with another reader on every short document of a few letters") {
  const std::string letters = "{}[]:,\"1 ";
  for (size_t size = 1; size <= 6; ++size) {
    std::vector<size_t> digits(size, 0);
    for (bool more = true; more;) {
      std::string text = "{\"";  // most documents would fail at their first byte
      for (const size_t digit : digits) text += letters[digit];
      text += "}";
      const World world(text);
      if (world.status.ok() != Reference(text).Accepts()) FAIL_CHECK("differs: " << text);
      size_t place = 0;
      while (place < size && ++digits[place] == letters.size()) digits[place++] = 0;
      more = place < size;
    }
  }
}

TEST_CASE("random bytes are never an object, and never break the reader") {
  std::mt19937 random(4);
  const std::string likely = "{}[]:,\"\\ u0123456789eE+-.truefalsn";
  for (int round = 0; round < 100000; ++round) {
    std::string text(random() % 64, '\0');
    const bool is_likely = random() % 2 == 0;
    for (char& c : text) {
      c = is_likely ? likely[random() % likely.size()] : static_cast<char>(random());
    }
    if (random() % 2 == 0) text = "{\"a\":" + text;
    if (World(text).status.ok() && !Reference(text).Accepts()) FAIL_CHECK("accepted: " << text);
  }
}

}  // namespace
}  // namespace miagent
