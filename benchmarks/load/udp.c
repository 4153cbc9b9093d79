/* Echo over UDP. */
#include "load.h"

enum { WINDOW = 256, LONGEST = 4096 };
static const u64 SILENCE = 200000000; /* ns until what is still out is lost, and a new window is sent */

static struct mmsghdr in[WINDOW], out[WINDOW];

/* Send so many more, as the system takes them. */
static void send_more(struct conn *c, unsigned datagrams, u64 at) {
  int sent = datagrams ? sendmmsg(c->fd, out, datagrams, 0) : 0;
  for (int i = 0; i < sent; i++) {
    c->times[c->head] = at;
    c->head = (c->head + 1) % (unsigned)opt.depth;
  }
  c->flying += sent > 0 ? (unsigned)sent : 0;
}

static void receive(struct conn *c) {
  int n = recvmmsg(c->fd, in, (unsigned)opt.depth, MSG_DONTWAIT, NULL);
  if (n <= 0) return;
  u64 t = c->begun = now();
  for (int i = 0; i < n; i++) {
    bad += in[i].msg_len != (unsigned)opt.size || memcmp(in[i].msg_hdr.msg_iov->iov_base, payload, in[i].msg_len);
    if (measuring) bytes += in[i].msg_len;
  }
  completed(c, (unsigned)n, t);
  send_more(c, (unsigned)opt.depth - c->flying, t);
}

void run_udp(void) {
  struct epoll_event events[EVENTS];
  static struct iovec into[WINDOW], from_payload;
  if (opt.depth > WINDOW) die(1, "-P: UDP has at most %d in flight", WINDOW);
  if (opt.size > LONGEST) die(1, "-s: UDP has at most %d bytes", LONGEST);
  make_conns(opt.connections, 1);
  from_payload = (struct iovec){payload, (size_t)opt.size};
  for (int i = 0; i < WINDOW; i++) {
    into[i] = (struct iovec){take(LONGEST, 1), LONGEST};
    in[i].msg_hdr = (struct msghdr){.msg_iov = &into[i], .msg_iovlen = 1};
    out[i].msg_hdr = (struct msghdr){.msg_iov = &from_payload, .msg_iovlen = 1};
  }
  u64 t = now(), from = t + (u64)(opt.warm * 1e9), until = from + (u64)(opt.seconds * 1e9), looked = t;
  for (int i = 0; i < count; i++) {
    conns[i].fd = open_socket(SOCK_DGRAM, i, 1);
    conns[i].begun = t;
    watch(&conns[i], EPOLLIN);
    send_more(&conns[i], (unsigned)opt.depth, t);
  }
  while (t < until) {
    int n = wait_for(events, 20);
    t = now();
    if (!measuring && t >= from) begin();
    for (int i = 0; i < n; i++) receive(events[i].data.ptr);
    if (t - looked < SILENCE / 4) continue;
    looked = t;
    for (int i = 0; i < count; i++) {
      struct conn *c = &conns[i];
      if (t < c->begun + SILENCE) continue;
      lost += c->flying;
      c->head = c->tail = c->flying = 0;
      c->begun = t;
      send_more(c, (unsigned)opt.depth, t);
    }
  }
  stop();
  finish("datagrams");
}
