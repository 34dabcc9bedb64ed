// What every fuzz target shares.
//
// Purpose: a target is a function of bytes that MUST hold its properties, not only survive. It
//          keeps nothing between two inputs.
// Owns:    Bytes, an exact copy on the heap: the sanitizer sees a step beyond either end.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/bytes.h"

#define MUST(condition)                                                      \
  do {                                                                       \
    if (!(condition)) ::miagent::FuzzBroken(__FILE__, __LINE__, #condition); \
  } while (false)

#define FUZZ_TARGET(input)                                                  \
  namespace miagent {                                                       \
  void FuzzOne(std::string_view input);                                     \
  }                                                                         \
  extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) { \
    miagent::FuzzOne({reinterpret_cast<const char*>(data), size});          \
    return 0;                                                               \
  }                                                                         \
  void miagent::FuzzOne(std::string_view input)

namespace miagent {

[[noreturn]] inline void FuzzBroken(const char* file, int line, const char* condition) {
  std::fprintf(stderr, "BROKEN: %s:%d: %s\n", file, line, condition);
  std::abort();
}

// An exact copy of some bytes.
class Bytes {
 public:
  explicit Bytes(std::string_view text) : size_(text.size()), data_(new char[text.size()]) {
    if (size_ != 0) std::memcpy(data_.get(), text.data(), size_);
  }
  std::string_view text() const { return {data_.get(), size_}; }
  Span span() { return {data_.get(), size_}; }
  bool Holds(std::string_view part) const {
    return part.data() >= data_.get() && part.data() + part.size() <= data_.get() + size_;
  }

 private:
  size_t size_;
  std::unique_ptr<char[]> data_;
};

// Numbers that hang on the input alone: how it is cut, which of several ways is taken.
class Dice {
 public:
  explicit Dice(std::string_view input) {
    for (const char c : input) state_ = (state_ ^ static_cast<uint8_t>(c)) * 0x100000001B3U;
  }
  uint32_t Draw(uint32_t bound) {
    state_ = state_ * 6364136223846793005U + 1442695040888963407U;
    return static_cast<uint32_t>(state_ >> 33) % bound;
  }

 private:
  uint64_t state_ = 0xCBF29CE484222325U;
};

// Long inputs out of short ones: FF N stands for N * 64 more of the byte before it, as long as the
// whole stays below `size_max`.
inline std::string Expand(std::string_view input, size_t size_max) {
  std::string text;
  for (size_t index = 0; index < input.size(); ++index) {
    if (input[index] == '\xFF' && index + 1 < input.size() && !text.empty()) {
      const size_t count = static_cast<uint8_t>(input[++index]) * size_t{64};
      if (text.size() + count < size_max) text.append(count, text.back());
    } else {
      text += input[index];
    }
  }
  return text;
}

// The input's parts between newlines; `count` of them, the missing ones empty, the last the rest.
inline std::vector<std::string> Fields(std::string_view input, size_t count) {
  std::vector<std::string> fields;
  while (fields.size() + 1 < count) {
    const size_t end = std::min(input.find('\n'), input.size());
    fields.emplace_back(input.substr(0, end));
    input.remove_prefix(std::min(end + 1, input.size()));
  }
  fields.emplace_back(input);
  return fields;
}

inline bool IsPrintable(std::string_view text) {
  for (const char c : text) {
    if (c < 0x20 || c > 0x7E) return false;
  }
  return true;
}

}  // namespace miagent
