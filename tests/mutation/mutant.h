// What stands in a mutated source in place of an operator: the operator, or its mutant.
//
// Purpose: all mutants of a program are compiled into it at once, each behind its number; the
//          environment says which one is alive. So that a mutant costs no build, only a test's run.
#pragma once

namespace mutant {

extern unsigned g_alive;
extern unsigned char* g_seen;

inline bool M(unsigned number) {
  g_seen[number] = 1;
  return g_alive == number;
}

// A comparison has two mutants: the bound moved by one, and the opposite.
template <typename A, typename B>
bool Less(unsigned number, const A& a, const B& b) {
  if (M(number)) return a < b || a == b;
  return M(number + 1) != (a < b);
}
template <typename A, typename B>
bool LessEqual(unsigned number, const A& a, const B& b) {
  if (M(number)) return a < b;
  return M(number + 1) != (a <= b);
}
template <typename A, typename B>
bool Greater(unsigned number, const A& a, const B& b) {
  if (M(number)) return a > b || a == b;
  return M(number + 1) != (a > b);
}
template <typename A, typename B>
bool GreaterEqual(unsigned number, const A& a, const B& b) {
  if (M(number)) return a > b;
  return M(number + 1) != (a >= b);
}
template <typename A, typename B>
bool Equal(unsigned number, const A& a, const B& b) {
  return M(number) != (a == b);
}
template <typename A, typename B>
bool NotEqual(unsigned number, const A& a, const B& b) {
  return M(number) != (a != b);
}
template <typename A, typename B>
auto Plus(unsigned number, const A& a, const B& b) {
  return M(number) ? a - b : a + b;
}
template <typename A, typename B>
auto Minus(unsigned number, const A& a, const B& b) {
  return M(number) ? a + b : a - b;
}

}  // namespace mutant
