// The floor of a cold start: one token to the standard output, or to a file and renamed.
//
//   floor [TEMPORARY PATH]
#include "floor.h"

int main(int count, char** arguments) {
  size_t size = 0;
  const int connection = Connect();
  const char* const token = connection < 0 ? NULL : Ask(connection, &size);
  if (!token) return 1;
  if (count < 3) return write(STDOUT_FILENO, token, size) == (ssize_t)size ? 0 : 1;
  return Publish(arguments[1], arguments[2], token, size) == 0 ? 0 : 1;
}
