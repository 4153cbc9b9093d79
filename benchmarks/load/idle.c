/* Connections that say nothing: what each costs the server in memory. */
#include "load.h"
#include <sys/time.h>
#include <time.h>

static void pause_for(double seconds) {
  struct timespec t = {.tv_sec = (time_t)seconds, .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};
  nanosleep(&t, NULL);
}

/* Say one line, and read until something has been answered. */
static void say(int fd) {
  char line[256];
  unsigned char framed[300];
  struct timeval patience = {.tv_sec = 10};
  int n = snprintf(line, 200, "%s\n", opt.say);
  if (n >= 200) die(1, "-x is too long");
  if (opt.websocket) n = frame(framed, (unsigned char *)line, n - 1, 1, 0x11223344);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (write(fd, opt.websocket ? (void *)framed : line, (size_t)n) != n) die(CANNOT_START, "-x: %s", strerror(errno));
  if (recv(fd, inbox, INBOX, 0) <= 0) die(CANNOT_START, "-x: no answer");
}

static void open_some(int *sockets, int from, int until) {
  for (int i = from; i < until; i++) {
    sockets[i] = open_socket(SOCK_STREAM, i, 0);
    if (opt.websocket) handshake(sockets[i]);
    if (opt.say) say(sockets[i]);
  }
}

void run_idle(void) {
  /* The first ones also pay for what the server makes once. */
  int first = 100, all = first + opt.connections, dead = 0;
  int *sockets = take((size_t)all, sizeof *sockets);
  open_some(sockets, 0, first);
  pause_for(opt.hold);
  long before = memory_of_server();
  double used = cpu_of_server();
  u64 t = now();
  open_some(sockets, first, all);
  double opening = (double)(now() - t) / 1e9, cpu_open = cpu_of_server() - used;
  pause_for(opt.hold);
  long after = memory_of_server();
  double used_idle = cpu_of_server();
  pause_for(opt.hold);
  double cpu_idle = cpu_of_server() - used_idle;
  for (int i = 0; i < all; i++) {
    char byte;
    ssize_t r = recv(sockets[i], &byte, 1, MSG_DONTWAIT | MSG_PEEK);
    dead += r == 0 || (r < 0 && errno != EAGAIN);
  }
  printf("{\"unit\":\"connections\",\"rate\":%.0f,\"kib_each\":%.3f,\"rss_before_kib\":%ld,\"rss_kib\":%ld,"
         "\"seconds\":%.3f,\"cpu_open\":%.2f,\"cpu_idle\":%.3f,\"errors\":%d}\n",
         opt.connections / opening, (double)(after - before) / opt.connections, before, after, opening, cpu_open,
         opt.hold > 0 ? cpu_idle / opt.hold : 0, dead);
}
