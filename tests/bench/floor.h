// The least that a program can do to take a token to a file, for the benchmark's lower bound: no
// configuration, no validation, no retries, no limits. A bound and not a product.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char kRequest[] =
    "GET /metadata/identity/oauth2/token?api-version=2018-02-01"
    "&resource=https%3A%2F%2Ffloor.example%2F HTTP/1.1\r\n"
    "Host: 169.254.169.254\r\nMetadata: true\r\n\r\n";
static const char kBefore[] = "\"access_token\":\"";

static char answer[4096];

static int Connect(void) {
  struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(80)};
  server.sin_addr.s_addr = htonl(0xA9FEA9FE);  // 169.254.169.254
  const int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connection < 0) return -1;
  return connect(connection, (struct sockaddr*)&server, sizeof(server)) == 0 ? connection : -1;
}

// Asks on the connection; where the token stands in `answer`, or NULL. The whole answer comes in
// one read: it is smaller than a segment on the loopback interface.
static const char* Ask(int connection, size_t* size) {
  if (write(connection, kRequest, sizeof(kRequest) - 1) != sizeof(kRequest) - 1) return NULL;
  const ssize_t received = read(connection, answer, sizeof(answer));
  if (received <= 0) return NULL;
  const char* token = memmem(answer, (size_t)received, kBefore, sizeof(kBefore) - 1);
  if (!token) return NULL;
  token += sizeof(kBefore) - 1;
  const char* const end = memchr(token, '"', (size_t)(answer + received - token));
  if (!end) return NULL;
  *size = (size_t)(end - token);
  return token;
}

static int Publish(const char* temporary, const char* path, const char* token, size_t size) {
  const int file = open(temporary, O_WRONLY | O_CREAT | O_EXCL, 0600);
  if (file < 0) return -1;
  if (write(file, token, size) != (ssize_t)size || close(file) != 0) return -1;
  return rename(temporary, path);
}
