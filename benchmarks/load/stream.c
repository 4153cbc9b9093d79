/* The messages that are sent, and how many of them have come back on a stream. */
#include "load.h"

struct conn *conns;
int count;
unsigned char *payload, *stream, *inbox;
int unit;
u64 period;

/* Printable ASCII; a WebSocket message needs no end of line, and one in it may split it. */
static void make_stream(int with_newline) {
  size_t size = (size_t)opt.size;
  payload = take(size, 1);
  for (size_t i = 0; i < size; i++) payload[i] = (unsigned char)(33 + (i * 7 + i / 64) % 90);
  if (with_newline) payload[size - 1] = '\n';
  /* At least 8, each with a mask of its own; so many that all in flight can leave as one. */
  int messages = opt.depth < 8 ? 8 : opt.depth;
  stream = take(2 * (size_t)messages, size + 16);
  unsigned char *end = stream;
  uint32_t key = 0x9e3779b9;
  for (int i = 0; i < messages; i++, end += unit) {
    key = key * 1664525u + 1013904223u;
    unit = opt.size;
    if (opt.websocket) unit = frame(end, payload, opt.size, opt.binary ? 2 : 1, key);
    else memcpy(end, payload, size);
  }
  period = (u64)messages * (u64)unit;
  memcpy(stream + period, stream, period);
}

void make_conns(int number, int with_newline) {
  conns = take((size_t)number, sizeof *conns);
  count = number;
  for (int i = 0; i < number; i++) {
    conns[i].times = take((size_t)opt.depth, sizeof(u64));
    conns[i].frames.need = 2;
  }
  make_stream(with_newline);
}

void flush(struct conn *c) {
  while (c->owed) {
    u64 at = c->sent % period, n = c->owed < period ? c->owed : period;
    if (opt.single && n > (u64)unit - c->sent % (u64)unit) n = (u64)unit - c->sent % (u64)unit;
    ssize_t sent = send(c->fd, stream + at, n, MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN) {
      rewatch(c, 1);
      return;
    }
    if (sent < 0) die(CONNECTION_LOST, "send: %s", strerror(errno));
    c->sent += (u64)sent;
    c->owed -= (u64)sent;
  }
  rewatch(c, 0);
}

void push(struct conn *c, unsigned messages, u64 at) {
  for (unsigned i = 0; i < messages; i++) {
    c->times[c->head] = at;
    c->head = (c->head + 1) % (unsigned)opt.depth;
  }
  c->flying += messages;
  c->owed += (u64)messages * (u64)unit;
  flush(c);
}

/* So many answers have come; those that nobody waited for are extra. */
void completed(struct conn *c, unsigned messages, u64 at) {
  if (messages > c->flying) {
    extra += messages - c->flying;
    messages = c->flying;
  }
  for (unsigned i = 0; i < messages; i++) {
    if (measuring) record(at - c->times[c->tail]);
    c->tail = (c->tail + 1) % (unsigned)opt.depth;
  }
  if (measuring) done += messages;
  c->flying -= messages;
  c->messages += messages;
}

/* Compare the bytes of an echoed TCP stream, and give how many messages they complete. */
unsigned units(struct conn *c, const unsigned char *data, size_t size) {
  u64 before = c->received / (u64)unit;
  size_t offset = c->received % (u64)unit;
  c->received += size;
  while (size) {
    size_t n = (size_t)unit - offset < size ? (size_t)unit - offset : size;
    bad += !!memcmp(data, payload + offset, n);
    data += n;
    size -= n;
    offset = 0;
  }
  return (unsigned)(c->received / (u64)unit - before);
}

/* Compare both ends of what was read at a position of an echoed stream: a loss or a shift shows there, and
   comparing all of it would cost as much as it costs the server to send it. */
void same_ends(u64 position, const unsigned char *data, size_t size) {
  size_t n = size < 64 ? size : 64;
  size_t last = (position + size - n) % period;
  bad += memcmp(data, stream + position % period, n) || memcmp(data + size - n, stream + last, n);
}
