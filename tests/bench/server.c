// A metadata server as fast as can be, so that what is measured is the client: one thread, epoll,
// connections kept, and each answer ready before the request comes: 2,032 bytes, a new token in
// each. What it costs itself is not measured.
//
//   server PORT:LIFETIME[:close] …      on 169.254.169.254; LIFETIME in seconds, `close` ends each
//                                       connection after its answer
//
// It prints a line when it listens. GET /counts answers with a line `COUNT RESOURCE` for each
// resource that was asked for, as it stood in the request.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
  kAnswerSize = 2032,
  kPortMax = 8,
  kDescriptorMax = 1024,
  kRequestMax = 8192,
  kResourceMax = 128,
  kNameMax = 128,
  // Where a token differs from the one before: in real ones the header is the same, and the claims
  // before `iat`.
  kSerialOffset = 256
};

struct Port {
  int number;
  long lifetime;
  int closes;
  time_t made_at;
  char answer[kAnswerSize + 1];
  char* serial;  // eight hexadecimal digits in the answer's token
};

struct Client {
  int port_index;  // of `ports`
  int is_listener;
  size_t size;
  char request[kRequestMax];
};

struct Resource {
  char name[kNameMax];
  long count;
};

static struct Port ports[kPortMax];
static struct Client clients[kDescriptorMax];
static struct Resource resources[kResourceMax];
static size_t port_count, resource_count;
static unsigned serial;

static void Die(const char* what) {
  perror(what);
  exit(1);
}

// Composes a port's answer for this second: all but the serial number.
static void Make(struct Port* port, time_t now) {
  // {"alg":"RS256","typ":"JWT"} and {"iss":"bench"}, then a signature of the size that is missing.
  static const char kBegin[] = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJiZW5jaCJ9.";
  static char token[kAnswerSize];
  char date[40];
  char body[kAnswerSize + 1];
  struct tm parts;
  strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &parts));
  size_t fill = 1000;
  for (int pass = 0; pass < 8; ++pass) {
    memcpy(token, kBegin, sizeof(kBegin) - 1);
    memset(token + sizeof(kBegin) - 1, 'q', fill);
    token[sizeof(kBegin) - 1 + fill] = '\0';
    const int body_size =
        snprintf(body, sizeof(body),
                 "{\"access_token\":\"%s\",\"client_id\":\"11111111-2222-3333-4444-555555555555\","
                 "\"expires_in\":\"%ld\",\"expires_on\":\"%lld\",\"ext_expires_in\":\"%ld\","
                 "\"not_before\":\"%lld\",\"resource\":\"https://storage.azure.com/\","
                 "\"token_type\":\"Bearer\"}",
                 token, port->lifetime, (long long)(now + port->lifetime), port->lifetime,
                 (long long)(now - 300));
    const int size = snprintf(port->answer, sizeof(port->answer),
                              "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\n"
                              "Server: bench\r\nDate: %s\r\n%sContent-Length: %d\r\n\r\n%s",
                              date, port->closes ? "Connection: close\r\n" : "", body_size, body);
    if (size == kAnswerSize) break;
    fill += (size_t)(kAnswerSize - size);
  }
  char* const begin = strstr(port->answer, kBegin);
  if (!begin || strlen(port->answer) != kAnswerSize) Die("the answer's size");
  port->serial = begin + kSerialOffset;
  port->made_at = now;
}

static void Count(const char* name) {
  const size_t size = strcspn(name, "& \r\n");
  if (size >= kNameMax) return;
  for (size_t index = 0; index < kResourceMax; ++index) {
    struct Resource* const resource = &resources[index];
    if (index == resource_count) {
      ++resource_count;
      memcpy(resource->name, name, size);
    }
    if (strlen(resource->name) == size && memcmp(resource->name, name, size) == 0) {
      ++resource->count;
      return;
    }
  }
}

static void Send(int descriptor, const char* bytes, size_t size) {
  if (send(descriptor, bytes, size, MSG_NOSIGNAL) < 0) return;  // it has gone: not our matter
}

static void SendCounts(int descriptor) {
  static char body[kResourceMax * (kNameMax + 16)];
  static char text[sizeof(body) + 128];
  size_t size = 0;
  for (size_t index = 0; index < resource_count; ++index) {
    size += (size_t)snprintf(body + size, sizeof(body) - size, "%ld %s\n", resources[index].count,
                             resources[index].name);
  }
  body[size] = '\0';
  const int total =
      snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", size, body);
  Send(descriptor, text, (size_t)total);
}

// Answers one whole request; whether the connection goes on.
static int Answer(int descriptor, struct Client* client) {
  struct Port* const port = &ports[client->port_index];
  if (strncmp(client->request, "GET /counts ", 12) == 0) {
    SendCounts(descriptor);
    return 1;
  }
  if (!strcasestr(client->request, "\r\nMetadata:")) {
    static const char kRefused[] =
        "HTTP/1.1 400 Bad Request\r\nContent-Length: 27\r\n\r\n{\"error\":\"invalid_request\"}";
    Send(descriptor, kRefused, sizeof(kRefused) - 1);
    return 1;
  }
  const time_t now = time(NULL);
  if (now != port->made_at) Make(port, now);
  char digits[9];
  snprintf(digits, sizeof(digits), "%08x", ++serial);
  memcpy(port->serial, digits, 8);
  Send(descriptor, port->answer, kAnswerSize);
  const char* const resource = strstr(client->request, "resource=");
  if (resource) Count(resource + strlen("resource="));
  return !port->closes;
}

static void Receive(int descriptor) {
  struct Client* const client = &clients[descriptor];
  const ssize_t received = recv(descriptor, client->request + client->size,
                                kRequestMax - 1 - client->size, MSG_DONTWAIT);
  if (received > 0) {
    client->size += (size_t)received;
    client->request[client->size] = '\0';
    if (!strstr(client->request, "\r\n\r\n") && client->size < kRequestMax - 1) return;
    client->size = 0;
    if (Answer(descriptor, client)) return;
  }
  close(descriptor);
}

static void Watch(int poller, int descriptor, int port_index, int is_listener) {
  struct epoll_event event = {.events = EPOLLIN, .data.fd = descriptor};
  if (descriptor >= kDescriptorMax) Die("too many connections");
  clients[descriptor].port_index = port_index;
  clients[descriptor].is_listener = is_listener;
  clients[descriptor].size = 0;
  if (epoll_ctl(poller, EPOLL_CTL_ADD, descriptor, &event) != 0) Die("epoll_ctl");
}

static void Listen(int poller, const char* argument) {
  struct Port* const port = &ports[port_count];
  char* end = NULL;
  port->number = (int)strtol(argument, &end, 10);
  port->lifetime = strtol(end + 1, &end, 10);
  port->closes = *end == ':';
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port->number)};
  address.sin_addr.s_addr = htonl(0xA9FEA9FE);  // 169.254.169.254
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int one = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
  setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));  // clients inherit it
  if (bind(listener, (struct sockaddr*)&address, sizeof(address)) != 0) Die("bind");
  if (listen(listener, 128) != 0) Die("listen");
  Make(port, time(NULL));
  Watch(poller, listener, (int)port_count++, 1);
}

int main(int count, char** arguments) {
  const int poller = epoll_create1(EPOLL_CLOEXEC);
  if (poller < 0) Die("epoll_create1");
  if (count < 2 || count > kPortMax + 1) return 64;
  for (int index = 1; index < count; ++index) Listen(poller, arguments[index]);
  printf("listening\n");
  fflush(stdout);
  for (;;) {
    struct epoll_event events[64];
    const int ready = epoll_wait(poller, events, 64, -1);
    for (int index = 0; index < ready; ++index) {
      const int descriptor = events[index].data.fd;
      if (!clients[descriptor].is_listener) {
        Receive(descriptor);
        continue;
      }
      const int client = accept4(descriptor, NULL, NULL, SOCK_CLOEXEC);
      if (client >= 0) Watch(poller, client, clients[descriptor].port_index, 0);
    }
  }
}
