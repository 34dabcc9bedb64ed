// A reference reader of JSON, as plain as RFC 8259 can be read: recursive, copying, slow. Shares
// nothing with agent/json.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace miagent {

struct JsonNode {
  char kind = '?';           // { [ " 0 t n, as the value begins; 0 is a number, t a boolean
  std::string raw;           // its text; of a string, between the quotes
  std::vector<std::pair<std::string, JsonNode>> members;  // names as they stand, not decoded
};

class JsonReference {
 public:
  // Whether `text` is one object and white space.
  bool Read(std::string_view text, JsonNode* root) {
    text_ = text;
    Blank();
    if (at_ >= text_.size() || text_[at_] != '{' || !Value(root)) return false;
    Blank();
    return at_ == text_.size();
  }
  size_t part_count() const { return part_count_; }

  // Decodes a string's escapes; false for what means no character, and for U+0000.
  static bool Decode(std::string_view raw, std::string* text) {
    text->clear();
    for (size_t at = 0; at < raw.size(); ++at) {
      if (raw[at] != '\\') {
        *text += raw[at];
        continue;
      }
      constexpr std::string_view kLetters = "\"\\/bfnrt";
      constexpr std::string_view kMeant = "\"\\/\b\f\n\r\t";
      const size_t letter = kLetters.find(raw[++at]);
      if (letter != kLetters.npos) {
        *text += kMeant[letter];
        continue;
      }
      uint32_t code = Hex(raw.substr(at + 1, 4));
      at += 4;
      if (code >= 0xD800 && code < 0xDC00 && raw.substr(at + 1, 2) == "\\u") {
        const uint32_t low = Hex(raw.substr(at + 3, 4));
        if (low < 0xDC00 || low > 0xDFFF) return false;
        code = 0x10000 + (code - 0xD800) * 0x400 + (low - 0xDC00);
        at += 6;
      }
      if (code == 0 || (code >= 0xD800 && code < 0xE000)) return false;
      const auto put = [text](uint32_t byte) { *text += static_cast<char>(byte); };
      if (code < 0x80) {
        put(code);
        continue;
      }
      if (code < 0x800) {
        put(0xC0 | code >> 6);
      } else if (code < 0x10000) {
        put(0xE0 | code >> 12);
        put(0x80 | (code >> 6 & 0x3F));
      } else {
        put(0xF0 | code >> 18);
        put(0x80 | (code >> 12 & 0x3F));
        put(0x80 | (code >> 6 & 0x3F));
      }
      put(0x80 | (code & 0x3F));
    }
    return true;
  }

 private:
  static uint32_t Hex(std::string_view digits) {
    return static_cast<uint32_t>(std::stoul(std::string(digits), nullptr, 16));
  }
  bool Is(char c) const { return at_ < text_.size() && text_[at_] == c; }
  bool IsOneOf(std::string_view set) const {
    return at_ < text_.size() && set.find(text_[at_]) != set.npos;
  }
  void Blank() {
    while (IsOneOf(" \t\r\n")) ++at_;
  }
  bool Digits() {
    const size_t begin = at_;
    while (IsOneOf("0123456789")) ++at_;
    return at_ != begin;
  }
  bool Number() {
    if (Is('-')) ++at_;
    if (Is('0')) {
      ++at_;
    } else if (!Digits()) {
      return false;
    }
    if (Is('.') && (++at_, !Digits())) return false;
    if (!IsOneOf("eE")) return true;
    ++at_;
    if (IsOneOf("+-")) ++at_;
    return Digits();
  }
  bool String(std::string* raw) {
    const size_t begin = ++at_;
    for (; at_ < text_.size(); ++at_) {
      if (static_cast<unsigned char>(text_[at_]) < 0x20) return false;
      if (text_[at_] == '"') {
        *raw = text_.substr(begin, at_ - begin);
        ++at_;
        return true;
      }
      if (text_[at_] != '\\') continue;
      ++at_;
      if (IsOneOf("\"\\/bfnrt")) continue;
      if (!Is('u')) return false;
      for (int digit = 0; digit < 4; ++digit) {
        ++at_;
        if (!IsOneOf("0123456789abcdefABCDEF")) return false;
      }
    }
    return false;
  }
  bool Members(JsonNode* node, char end) {
    ++at_;
    Blank();
    if (Is(end)) return ++at_, true;
    for (;;) {
      std::string name;
      JsonNode value;
      Blank();
      if (end == '}') {
        if (!Is('"') || !String(&name)) return false;
        ++part_count_;
        Blank();
        if (!Is(':')) return false;
        ++at_;
      }
      if (!Value(&value)) return false;
      node->members.emplace_back(std::move(name), std::move(value));
      Blank();
      if (Is(end)) return ++at_, true;
      if (!Is(',')) return false;
      ++at_;
    }
  }
  bool Value(JsonNode* node) {
    Blank();
    if (at_ >= text_.size() || ++depth_ > 2000) return false;
    ++part_count_;
    const size_t begin = at_;
    bool is_good = false;
    node->kind = text_[at_];
    if (Is('"')) {
      is_good = String(&node->raw);
      return --depth_, is_good;
    }
    if (Is('{') || Is('[')) {
      is_good = Members(node, Is('{') ? '}' : ']');
    } else if (IsOneOf("tfn")) {
      node->kind = Is('n') ? 'n' : 't';
      for (const std::string_view word : {"true", "false", "null"}) {
        if (text_.substr(at_, word.size()) != word) continue;
        at_ += word.size();
        is_good = true;
        break;
      }
    } else {
      node->kind = '0';
      is_good = Number();
    }
    node->raw = text_.substr(begin, at_ - begin);
    return --depth_, is_good;
  }

  std::string_view text_;
  size_t at_ = 0;
  size_t part_count_ = 0;
  size_t depth_ = 0;
};

}  // namespace miagent
