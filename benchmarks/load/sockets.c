/* Sockets, epoll, and the client's side of the WebSocket handshake. */
#include "load.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/time.h>

/* The key of RFC 6455, 1.3, and the answer to it. */
static const char KEY[] = "dGhlIHNhbXBsZSBub25jZQ==", ACCEPT[] = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

static int queue(void) {
  static int fd = -1;
  if (fd < 0 && (fd = epoll_create1(0)) < 0) die(CANNOT_START, "epoll_create1: %s", strerror(errno));
  return fd;
}

int wait_for(struct epoll_event *events, int milliseconds) {
  return epoll_wait(queue(), events, EVENTS, opt.busy ? 0 : milliseconds);
}

void make_nonblocking(int fd) { fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK); }

int open_socket(int type, int index, int nonblocking) {
  int one = 1, fd = socket(AF_INET, type | (nonblocking ? SOCK_NONBLOCK : 0), 0);
  if (fd < 0) die(CANNOT_START, "socket: %s", strerror(errno));
  if (type == SOCK_STREAM) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (opt.sources > 1) {
    struct sockaddr_in own = {.sin_family = AF_INET};
    own.sin_addr.s_addr = htonl(0x7f000001u + (unsigned)(index % opt.sources));
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&own, sizeof own)) die(CANNOT_START, "bind: %s", strerror(errno));
  }
  struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons((uint16_t)opt.port)};
  if (inet_pton(AF_INET, opt.host, &server.sin_addr) != 1) die(1, "-h: %s is no IPv4 address", opt.host);
  int failed;
  do failed = connect(fd, (struct sockaddr *)&server, sizeof server);
  while (failed && errno == EINTR);
  if (failed && errno != EINPROGRESS) die(CANNOT_START, "connect: %s", strerror(errno));
  return fd;
}

static void control(int operation, struct conn *c, unsigned events) {
  struct epoll_event event = {.events = events, .data.ptr = c};
  if (epoll_ctl(queue(), operation, c->fd, &event)) die(CANNOT_START, "epoll_ctl: %s", strerror(errno));
}

void watch(struct conn *c, unsigned events) {
  c->wants_out = !!(events & EPOLLOUT);
  control(EPOLL_CTL_ADD, c, events);
}

void rewatch(struct conn *c, int out) {
  if (c->wants_out == out) return;
  c->wants_out = out;
  control(EPOLL_CTL_MOD, c, EPOLLIN | (out ? EPOLLOUT : 0));
}

int handshake_text(char *text, size_t size) {
  const char *name = opt.subprotocol ? "Sec-WebSocket-Protocol: " : "", *end = opt.subprotocol ? "\r\n" : "";
  int length = snprintf(text, size,
                        "GET %s HTTP/1.1\r\nHost: %s:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n%s%s%s\r\n",
                        opt.path, opt.host, opt.port, KEY, name, opt.subprotocol ? opt.subprotocol : "", end);
  if ((size_t)length >= size) die(1, "-u and -q are too long");
  return length;
}

int accepted(const char *head) { return strstr(head, " 101 ") && strstr(head, ACCEPT); }

/* Shake hands on a blocking socket. The answer is read byte by byte, for frames may follow it. */
void handshake(int fd) {
  char head[4096];
  struct timeval patience = {.tv_sec = 10};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  int length = handshake_text(head, sizeof head), got = 0;
  if (write(fd, head, (size_t)length) != length) die(CANNOT_START, "handshake: %s", strerror(errno));
  do {
    if (got >= (int)sizeof head - 1) die(CANNOT_START, "handshake: the answer has over %zu bytes", sizeof head);
    ssize_t r = recv(fd, head + got, 1, 0);
    if (r <= 0) die(CANNOT_START, "handshake: %s", r ? strerror(errno) : "the server closed");
    head[++got] = 0;
  } while (got < 4 || memcmp(head + got - 4, "\r\n\r\n", 4));
  if (!accepted(head)) die(CANNOT_START, "handshake refused: %.80s", head);
}
