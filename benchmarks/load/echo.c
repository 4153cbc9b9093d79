/* Echo over TCP and WebSocket, and a bulk stream over TCP. */
#include "load.h"

static ssize_t read_from(struct conn *c) {
  ssize_t r = recv(c->fd, inbox, INBOX, 0);
  if (r > 0) {
    if (measuring) bytes += (u64)r;
    return r;
  }
  if (r < 0 && errno == EAGAIN) return 0;
  die(CONNECTION_LOST, "connection lost: %s", r ? strerror(errno) : "the server closed");
}

void run_echo(void) {
  struct epoll_event events[EVENTS];
  make_conns(opt.connections, 1);
  for (int i = 0; i < count; i++) {
    conns[i].fd = open_socket(SOCK_STREAM, i, 0);
    if (opt.websocket) handshake(conns[i].fd);
    make_nonblocking(conns[i].fd);
    watch(&conns[i], EPOLLIN);
  }
  u64 t = now(), from = t + (u64)(opt.warm * 1e9), until = from + (u64)(opt.seconds * 1e9);
  for (int i = 0; i < count; i++) push(&conns[i], (unsigned)opt.depth, t);
  while (t < until) {
    int n = wait_for(events, 50);
    t = now();
    if (!measuring && t >= from) begin();
    for (int i = 0; i < n; i++) {
      struct conn *c = events[i].data.ptr;
      if (events[i].events & EPOLLOUT) flush(c);
      if (!(events[i].events & ~(unsigned)EPOLLOUT)) continue;
      size_t r = (size_t)read_from(c);
      unsigned complete = opt.websocket ? feed(c, inbox, r, WHOLE) : units(c, inbox, r);
      if (c->closed) die(CONNECTION_LOST, "the server sent a close frame");
      if (!complete) continue;
      t = now();
      completed(c, complete, t);
      push(c, complete, t);
    }
  }
  stop();
  finish("messages");
}

void run_bulk(void) {
  struct epoll_event events[EVENTS];
  make_conns(opt.connections, 1);
  for (int i = 0; i < count; i++) {
    conns[i].fd = open_socket(SOCK_STREAM, i, 1);
    watch(&conns[i], EPOLLIN | EPOLLOUT);
  }
  u64 t = now(), from = t + (u64)(opt.warm * 1e9), until = from + (u64)(opt.seconds * 1e9);
  while (t < until) {
    int n = wait_for(events, 50);
    t = now();
    if (!measuring && t >= from) begin();
    for (int i = 0; i < n; i++) {
      struct conn *c = events[i].data.ptr;
      if (events[i].events & ~(unsigned)EPOLLOUT) {
        size_t r = (size_t)read_from(c);
        if (r) same_ends(c->received, inbox, r);
        c->received += r;
        c->messages += r > 0;
        if (measuring) done += r;
      }
      if (c->sent - c->received < opt.window) {
        ssize_t w = send(c->fd, stream + c->sent % (u64)opt.size, (size_t)opt.size, MSG_NOSIGNAL);
        if (w > 0) c->sent += (u64)w;
        else if (w < 0 && errno != EAGAIN) die(CONNECTION_LOST, "send: %s", strerror(errno));
      }
      rewatch(c, c->sent - c->received < opt.window);
    }
  }
  stop();
  finish("bytes");
}
