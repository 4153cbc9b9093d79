/* One connection for each request: connect, ask, read the answer to its end, begin anew. */
#include "load.h"

enum { CONNECTING, SHAKING, ASKED, ANSWERED };
enum { HEAD = 4096 };

static char shake[4096];
static int shake_size;
static unsigned char goodbye[16];
static int goodbye_size;

static void restart(struct conn *c) {
  static int index;
  c->fd = open_socket(SOCK_STREAM, index++ & 0xffffff, 1);
  c->state = CONNECTING;
  c->received = 0;
  c->closed = c->replied = 0;
  c->frames = (struct frames){.need = 2};
  c->begun = now();
  watch(c, EPOLLIN | EPOLLOUT);
}

static void ended(struct conn *c, int well) {
  u64 t = now();
  close(c->fd);
  if (measuring && well) {
    done++;
    record(t - c->begun);
  } else if (measuring) {
    errors++;
  }
  c->messages += (u64)well;
  restart(c);
}

static int send_all(struct conn *c, const void *data, int size) {
  return send(c->fd, data, (size_t)size, MSG_NOSIGNAL) == size;
}

/* Take bytes of a WebSocket connection; 0 if it cannot go on. */
static int take_websocket(struct conn *c, unsigned char *data, int size) {
  if (c->state == SHAKING) {
    int before = c->replied, room = HEAD - 1 - before, n = size < room ? size : room;
    memcpy(c->reply + before, data, (size_t)n);
    c->replied += n;
    c->reply[c->replied] = 0;
    char *end = strstr(c->reply, "\r\n\r\n");
    if (!end) return room > n;
    if (!accepted(c->reply) || !send_all(c, stream, unit)) return 0;
    c->state = ASKED;
    int used = (int)(end + 4 - c->reply) - before;
    data += used;
    size -= used;
  }
  int before = c->closed;
  if (feed(c, data, (size_t)size, WHOLE) && c->state == ASKED) c->state = ANSWERED;
  return before || !c->closed || send_all(c, goodbye, goodbye_size);
}

static void take_bytes(struct conn *c, unsigned char *data, int size) {
  if (units(c, data, (size_t)size)) c->state = ANSWERED;
}

static void ready(struct conn *c, unsigned events) {
  if (c->state == CONNECTING && (events & (EPOLLOUT | EPOLLERR | EPOLLHUP))) {
    int sent = opt.websocket ? send_all(c, shake, shake_size) : send_all(c, stream, unit);
    c->state = opt.websocket ? SHAKING : ASKED;
    if (sent) rewatch(c, 0);
    else ended(c, 0);
    return;
  }
  if (!(events & ~(unsigned)EPOLLOUT)) return;
  ssize_t r = recv(c->fd, inbox, INBOX, 0);
  if (r < 0 && errno == EAGAIN) return;
  if (r <= 0) {
    /* The end must come after exactly one answer; a WebSocket server that has said goodbye may reset. */
    int whole = c->state == ANSWERED && (opt.websocket ? c->closed : c->received == (u64)unit);
    ended(c, whole && (!r || opt.websocket));
    return;
  }
  if (measuring) bytes += (u64)r;
  if (!opt.websocket) take_bytes(c, inbox, (int)r);
  else if (!take_websocket(c, inbox, (int)r)) ended(c, 0);
}

void run_oneshot(void) {
  struct epoll_event events[EVENTS];
  static const unsigned char normal[] = {1000 >> 8, 1000 & 255}; /* RFC 6455, 7.4.1 */
  opt.depth = 1;
  make_conns(opt.connections, 1);
  goodbye_size = frame(goodbye, normal, sizeof normal, 8, 0x12345678);
  shake_size = handshake_text(shake, sizeof shake);
  for (int i = 0; i < count; i++) {
    conns[i].reply = take(HEAD, 1);
    restart(&conns[i]);
  }
  u64 t = now(), from = t + (u64)(opt.warm * 1e9), until = from + (u64)(opt.seconds * 1e9);
  while (t < until) {
    int n = wait_for(events, 50);
    t = now();
    if (!measuring && t >= from) begin();
    for (int i = 0; i < n; i++) ready(events[i].data.ptr, events[i].events);
  }
  stop();
  finish("connections");
}
