// An array whose elements begin their life when they are first assigned.
//
// Purpose: large tables that start as untouched zero pages. A plain array of structs with default
//          values would be written at the start of every process, used or not.
// Limits:  its capacity; every access is checked.
// Errors:  an index beyond the capacity is a programmer's error (CHECK).
// Never:   runs a constructor: assign an element before it is read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace miagent {

// Of check.h, whose macro would meet doctest's in the tests that include this.
[[noreturn]] void CheckFailed(const char* file, uint32_t line);

template <typename Element, size_t kCapacity>
struct Array {
  static_assert(std::is_trivially_copyable_v<Element> && std::is_trivially_destructible_v<Element>,
                "elements live in plain memory");

  Element& operator[](size_t index) {
    if (index >= kCapacity) CheckFailed(__FILE_NAME__, __LINE__);
    return reinterpret_cast<Element*>(memory)[index];
  }
  const Element& operator[](size_t index) const {
    if (index >= kCapacity) CheckFailed(__FILE_NAME__, __LINE__);
    return reinterpret_cast<const Element*>(memory)[index];
  }

  alignas(Element) unsigned char memory[sizeof(Element) * kCapacity];
};

}  // namespace miagent
