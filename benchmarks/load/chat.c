/* Chat: senders and pure receivers in rooms. */
#include "load.h"

static u64 *said, *got, *complete, *times; /* of each room: lines sent, received in all, done; when each was sent */
static u64 progress;

/* Send the line that joins a room; %d in it is the room's number. */
static void join(struct conn *c) {
  char line[256];
  unsigned char framed[300];
  const char *mark = strstr(opt.join, "%d");
  int before = mark ? (int)(mark - opt.join) : (int)strlen(opt.join);
  int n = mark ? snprintf(line, 200, "%.*s%d%s", before, opt.join, c->room, mark + 2)
               : snprintf(line, 200, "%s", opt.join);
  if (n >= 200) die(1, "-j is too long");
  if (opt.websocket) n = frame(framed, (unsigned char *)line, n, 1, 0x11223344);
  else line[n++] = '\n';
  if (write(c->fd, opt.websocket ? (void *)framed : line, (size_t)n) != n) die(CANNOT_START, "join failed");
}

static size_t read_from(struct conn *c) {
  ssize_t r = recv(c->fd, inbox, INBOX, 0);
  if (r > 0) {
    progress = now();
    return (size_t)r;
  }
  if (r < 0 && errno == EAGAIN) return 0;
  die(CONNECTION_LOST, "connection lost: %s", r ? strerror(errno) : "the server closed");
}

/* Count the lines; each that is whole in one read must end with what was said. `received` is what has come of
   a line that is not complete. */
static unsigned lines(struct conn *c, const unsigned char *data, size_t size) {
  const unsigned char *begin = data, *end = data + size, *newline;
  size_t length = (size_t)opt.size;
  unsigned found = 0;
  while ((newline = memchr(begin, '\n', (size_t)(end - begin)))) {
    if (begin > data || !c->received)
      bad += (size_t)(newline + 1 - begin) < length || memcmp(newline + 1 - length, payload, length);
    begin = newline + 1;
    c->received = 0;
    found++;
  }
  c->received += (u64)(end - begin);
  return found;
}

/* Read greetings and notices until there have been none for 0.2 s, or for 20 s. */
static void settle(void) {
  struct epoll_event events[EVENTS];
  u64 begun = progress = now();
  while (now() - progress < 200000000ull) {
    if (now() - begun > 20000000000ull) die(STALLED, "the server does not become silent");
    int n = wait_for(events, 50);
    for (int i = 0; i < n; i++) {
      struct conn *c = events[i].data.ptr;
      size_t r = read_from(c);
      if (opt.websocket) feed(c, inbox, r, UNCHECKED);
    }
  }
}

static void take_lines(struct conn *c) {
  size_t r = read_from(c);
  if (measuring) bytes += r;
  unsigned n = opt.websocket ? feed(c, inbox, r, TAIL) : lines(c, inbox, r);
  if (c->closed) die(CONNECTION_LOST, "the server sent a close frame");
  if (c->sender) return;
  u64 *ring = times + (u64)c->room * (u64)opt.depth, all = (u64)opt.connections;
  c->messages += n;
  got[c->room] += n;
  if (measuring) done += n;
  for (; complete[c->room] < said[c->room] && got[c->room] >= (complete[c->room] + 1) * all; complete[c->room]++)
    if (measuring) record(now() - ring[complete[c->room] % (u64)opt.depth]);
}

static void open_rooms(void) {
  int each = opt.connections + opt.senders, port = opt.port;
  make_conns(opt.rooms * each, !opt.websocket);
  said = take((size_t)opt.rooms, sizeof(u64));
  got = take((size_t)opt.rooms, sizeof(u64));
  complete = take((size_t)opt.rooms, sizeof(u64));
  times = take((size_t)opt.rooms * (size_t)opt.depth, sizeof(u64));
  for (int i = 0; i < count; i++) {
    struct conn *c = &conns[i];
    c->room = i / each;
    c->sender = i % each >= opt.connections;
    opt.port = c->sender || !opt.receivers ? port : opt.receivers;
    c->fd = open_socket(SOCK_STREAM, i, 0);
    if (opt.websocket) handshake(c->fd);
    if (opt.join) join(c);
    make_nonblocking(c->fd);
    watch(c, EPOLLIN);
  }
}

/* One turn: say what there is room for, and read. */
static void turn(int speaking) {
  struct epoll_event events[EVENTS];
  int each = opt.connections + opt.senders;
  for (int room = 0; speaking && room < opt.rooms; room++)
    while (said[room] - complete[room] < (u64)opt.depth) {
      struct conn *c = &conns[room * each + opt.connections + (int)(said[room] % (u64)opt.senders)];
      times[(u64)room * (u64)opt.depth + said[room] % (u64)opt.depth] = now();
      said[room]++;
      c->owed += (u64)unit;
      flush(c);
    }
  int n = wait_for(events, 20);
  for (int i = 0; i < n; i++) {
    struct conn *c = events[i].data.ptr;
    if (events[i].events & EPOLLOUT) flush(c);
    if (events[i].events & ~(unsigned)EPOLLOUT) take_lines(c);
  }
  if (now() - progress > 5000000000ull) die(STALLED, "chat stalled: no line in 5 s");
}

static u64 missing(void) {
  u64 sum = 0;
  for (int room = 0; room < opt.rooms; room++) {
    u64 all = said[room] * (u64)opt.connections;
    sum += got[room] < all ? all - got[room] : 0;
  }
  return sum;
}

void run_chat(void) {
  open_rooms();
  settle();
  u64 t = progress = now(), from = t + (u64)(opt.warm * 1e9), until = from + (u64)(opt.seconds * 1e9);
  for (; t < until; t = now()) {
    if (!measuring && t >= from) begin();
    turn(1);
  }
  stop();
  /* All that was said must arrive; a slow server has much of it still to send. */
  while (missing() && now() - progress < 2000000000ull) turn(0);
  lost = missing();
  finish("lines");
}
