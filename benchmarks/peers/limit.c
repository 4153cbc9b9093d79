/* What the machine allows: one thread, one epoll, as little work as each task can be done with.
 *
 * usage: limit KIND   (echo, chat, oneshot, udp, ws-echo, ws-chat, ws-oneshot)
 *
 * It prints the port that it listens on. It trusts its peers: there are no limits, no log, and only what the load
 * generator sends is understood (WebSocket: whole, masked data frames). Chat sends each other member the lines of
 * one read at once; it does not gather what several members say in one turn of the loop.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ECHO, CHAT, ONESHOT };
enum { INBOX = 1 << 18 };

struct peer {
  int fd, shaken, place, closing;
  size_t kept, size; /* of an incomplete message, or what could not be sent yet */
  unsigned char *data;
  size_t owed, room;
  unsigned char *out;
};

static int task, websocket, queue;
static struct peer **members;
static int count, allocated;
static unsigned char inbox[INBOX], *outbox;
static size_t outbox_size;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void keep(unsigned char **data, size_t *room, size_t used, const void *more, size_t n) {
  if (used + n > *room) *data = realloc(*data, *room = (used + n) * 2);
  if (!*data) fail("realloc");
  memcpy(*data + used, more, n);
}

static void watch(struct peer *p, unsigned events) {
  struct epoll_event event = {.events = events, .data.ptr = p};
  epoll_ctl(queue, EPOLL_CTL_MOD, p->fd, &event);
}

static void leave(struct peer *p) {
  members[p->place] = members[--count];
  members[p->place]->place = p->place;
  close(p->fd);
  p->fd = -1; /* it is freed at the end of the turn: an event for it may still wait */
}

static void send_to(struct peer *p, const unsigned char *data, size_t size) {
  ssize_t n = 0;
  if (!p->owed && (n = send(p->fd, data, size, MSG_NOSIGNAL)) < 0) n = 0;
  if ((size_t)n == size) return;
  keep(&p->out, &p->room, p->owed, data + n, size - (size_t)n);
  if (!p->owed) watch(p, EPOLLIN | EPOLLOUT);
  p->owed += size - (size_t)n;
}

static void drain(struct peer *p) {
  ssize_t n = send(p->fd, p->out, p->owed, MSG_NOSIGNAL);
  if (n <= 0) return;
  memmove(p->out, p->out + n, p->owed - (size_t)n);
  if (!(p->owed -= (size_t)n)) watch(p, EPOLLIN);
}

static void answer(struct peer *p, const unsigned char *data, size_t size) {
  if (task != CHAT) {
    if (size) send_to(p, data, size);
    return;
  }
  for (int i = 0; size && i < count; i++)
    if (members[i] != p) send_to(members[i], data, size);
}

/* SHA-1 (RFC 3174) of up to 119 bytes. */
static uint32_t turned(uint32_t word, int bits) { return word << bits | word >> (32 - bits); }

static void sha1(const char *text, size_t size, unsigned char *digest) {
  uint32_t h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0}, w[80];
  unsigned char padded[128] = {0};
  size_t blocks = size < 56 ? 1 : 2;
  memcpy(padded, text, size);
  padded[size] = 0x80;
  for (int i = 0; i < 4; i++) padded[blocks * 64 - 1 - (size_t)i] = (unsigned char)(size * 8 >> (8 * i));
  for (size_t block = 0; block < blocks; block++) {
    for (int i = 0; i < 16; i++) {
      const unsigned char *b = padded + block * 64 + i * 4;
      w[i] = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
    }
    for (int i = 16; i < 80; i++) w[i] = turned(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
    for (int i = 0; i < 80; i++) {
      uint32_t f = i < 20   ? ((b & c) | (~b & d)) + 0x5a827999
                   : i < 40 ? (b ^ c ^ d) + 0x6ed9eba1
                   : i < 60 ? ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc
                            : (b ^ c ^ d) + 0xca62c1d6;
      uint32_t next = turned(a, 5) + f + e + w[i];
      e = d, d = c, c = turned(b, 30), b = a, a = next;
    }
    h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e;
  }
  for (int i = 0; i < 20; i++) digest[i] = (unsigned char)(h[i / 4] >> (24 - 8 * (i % 4)));
}

/* Answer the handshake (RFC 6455, 4.2.2), and give how many bytes it has; 0 if it is not complete. */
static size_t shake(struct peer *p, const unsigned char *data, size_t size) {
  static const char LETTERS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  char text[128], out[256], accept[29] = {0};
  unsigned char digest[21] = {0};
  const unsigned char *end = memmem(data, size, "\r\n\r\n", 4), *key = memmem(data, size, "-Key: ", 6);
  if (!end || !key) return 0;
  int n = snprintf(text, sizeof text, "%.24s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", (const char *)key + 6);
  sha1(text, (size_t)n, digest);
  for (int i = 0; i < 28; i++) {
    int bit = i * 6, pair = digest[bit / 8] << 8 | (bit / 8 < 20 ? digest[bit / 8 + 1] : 0);
    accept[i] = LETTERS[pair >> (10 - bit % 8) & 63];
  }
  accept[27] = '=';
  n = snprintf(out, sizeof out,
               "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               "Sec-WebSocket-Accept: %s\r\n\r\n", accept);
  send_to(p, (unsigned char *)out, (size_t)n);
  p->shaken = 1;
  return (size_t)(end + 4 - data);
}

/* Read whole frames; their answers leave together. Gives how many bytes were read. */
static size_t frames(struct peer *p, unsigned char *data, size_t size) {
  static const unsigned char goodbye[] = {0x88, 2, 1000 >> 8, 1000 & 255};
  size_t at = p->shaken ? 0 : shake(p, data, size), owed = 0;
  while (p->shaken && size - at >= 6) {
    unsigned char *f = data + at;
    size_t length = f[1] & 127, head = 2;
    if (length >= 126) {
      size_t wide = length == 126 ? 2 : 8;
      if (size - at < 2 + wide) break;
      length = 0;
      while (head < 2 + wide) length = length << 8 | f[head++];
    }
    if (size - at < head + 4 + length) break;
    at += head + 4 + length;
    if ((f[0] & 15) == 8) {
      p->closing = 1;
      break;
    }
    while (outbox_size < owed + head + length) outbox = realloc(outbox, outbox_size = outbox_size * 2 + 65536);
    unsigned char *out = outbox + owed;
    memcpy(out, f, head);
    out[1] &= 127;
    uint64_t mask = 0, word;
    memcpy(&mask, f + head, 4);
    mask |= mask << 32;
    size_t i = 0;
    for (; i + 8 <= length; i += 8) {
      memcpy(&word, f + head + 4 + i, 8);
      word ^= mask;
      memcpy(out + head + i, &word, 8);
    }
    for (; i < length; i++) out[head + i] = f[head + 4 + i] ^ f[head + (i & 3)];
    owed += head + length;
  }
  answer(p, outbox, owed);
  if (owed && task == ONESHOT) send_to(p, goodbye, sizeof goodbye);
  return at;
}

/* Give how many bytes were handled. */
static size_t handle(struct peer *p, unsigned char *data, size_t size) {
  if (websocket) return frames(p, data, size);
  if (task == CHAT) {
    unsigned char *last = memrchr(data, '\n', size);
    size = last ? (size_t)(last + 1 - data) : 0;
  }
  answer(p, data, size);
  p->closing = task == ONESHOT;
  return size;
}

static int readable(struct peer *p) {
  ssize_t n = recv(p->fd, inbox, sizeof inbox, 0);
  if (n <= 0) return 0;
  if (!p->kept) {
    size_t used = handle(p, inbox, (size_t)n);
    if (used < (size_t)n) keep(&p->data, &p->size, 0, inbox + used, p->kept = (size_t)n - used);
    return !p->closing;
  }
  keep(&p->data, &p->size, p->kept, inbox, (size_t)n);
  p->kept += (size_t)n;
  size_t used = handle(p, p->data, p->kept);
  memmove(p->data, p->data + used, p->kept -= used);
  return !p->closing;
}

static void welcome(int port) {
  int one = 1, fd = accept4(port, NULL, NULL, SOCK_NONBLOCK);
  if (fd < 0) return;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  struct peer *p = calloc(1, sizeof *p);
  if (count == allocated) members = realloc(members, (size_t)(allocated = allocated * 2 + 64) * sizeof *members);
  if (!p || !members) fail("memory");
  p->fd = fd;
  members[p->place = count++] = p;
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = p};
  if (epoll_ctl(queue, EPOLL_CTL_ADD, fd, &event)) fail("epoll_ctl");
}

static void streams(int port) {
  struct epoll_event events[256], event = {.events = EPOLLIN};
  if ((queue = epoll_create1(0)) < 0 || epoll_ctl(queue, EPOLL_CTL_ADD, port, &event)) fail("epoll");
  for (;;) {
    int n = epoll_wait(queue, events, 256, -1);
    for (int i = 0; i < n; i++) {
      struct peer *p = events[i].data.ptr;
      if (!p) {
        for (int k = 0; k < 64; k++) welcome(port);
        continue;
      }
      if (events[i].events & EPOLLOUT) drain(p);
      if ((events[i].events & ~(unsigned)EPOLLOUT) && !readable(p)) leave(p);
    }
    for (int i = 0; i < n; i++) {
      struct peer *p = events[i].data.ptr;
      if (!p || p->fd >= 0) continue;
      free(p->data);
      free(p->out);
      free(p);
    }
  }
}

static void datagrams(int port) {
  struct sockaddr_in from;
  for (;;) {
    socklen_t size = sizeof from;
    ssize_t n = recvfrom(port, inbox, sizeof inbox, 0, (struct sockaddr *)&from, &size);
    if (n >= 0) sendto(port, inbox, (size_t)n, 0, (struct sockaddr *)&from, size);
  }
}

int main(int argc, char **argv) {
  const char *kind = argc == 2 ? argv[1] : "";
  websocket = !strncmp(kind, "ws-", 3);
  const char *name = kind + (websocket ? 3 : 0);
  int udp = !strcmp(kind, "udp");
  task = !strcmp(name, "chat") ? CHAT : !strcmp(name, "oneshot") ? ONESHOT : ECHO;
  struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof own;
  int space = 4 << 20, port = socket(AF_INET, udp ? SOCK_DGRAM : SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (port < 0 || bind(port, (struct sockaddr *)&own, size)) fail("bind");
  if (udp) setsockopt(port, SOL_SOCKET, SO_RCVBUF, &space, sizeof space);
  else if (listen(port, 1024)) fail("listen");
  getsockname(port, (struct sockaddr *)&own, &size);
  printf("port %d\n", ntohs(own.sin_port));
  fflush(stdout);
  if (udp) datagrams(port);
  else streams(port);
}
