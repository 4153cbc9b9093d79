/* What the parts of the load generator share. main.c has the options and what they mean. */
#ifndef LOAD_H
#define LOAD_H
#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

typedef uint64_t u64;

/* How one run of the generator ends when it cannot go on. */
enum { CANNOT_START = 2, CONNECTION_LOST = 3, STALLED = 4 };

struct options {
  const char *host, *path, *subprotocol, *join, *say, *pids;
  int port, receivers, connections, size, depth, rooms, senders, sources, binary, single, busy, websocket;
  double seconds, warm, hold;
  u64 window;
};
extern struct options opt;

/* Where the parser of one connection stands in the WebSocket frames that it receives. */
struct frames {
  unsigned char head[10];
  int have, need, opcode, fin; /* need 0: the head is complete, the payload is being read */
  u64 length, left;
};

struct conn {
  int fd, room, sender, state, wants_out, closed;
  u64 sent, owed;         /* bytes of the stream: sent, and still to be sent */
  u64 received, messages; /* bytes received, and messages that are complete */
  u64 mark;               /* messages at the begin of the measured time */
  u64 begun;              /* when the connection was begun, or when it last heard something (UDP), ns */
  u64 *times;             /* when each message in flight was sent: a ring of opt.depth */
  unsigned head, tail, flying;
  struct frames frames;
  char *reply;            /* the head of the handshake's answer (one-shot) */
  int replied;
};
extern struct conn *conns;
extern int count;

/* What is sent: one message, and a stream of framed ones that can be sent from any message's begin. */
extern unsigned char *payload, *stream, *inbox;
extern int unit;   /* bytes of one framed message */
extern u64 period; /* bytes after which the stream begins anew */
#define INBOX (1 << 20)

/* What is counted while `measuring`. */
extern int measuring;
extern u64 done, bytes, bad, errors, lost, extra;

_Noreturn void die(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));
void *take(size_t number, size_t size);

/* report.c */
u64 now(void);
void record(u64 nanoseconds);
void begin(void);
void stop(void);
void finish(const char *unit);
double cpu_of_server(void);
long memory_of_server(void);

/* sockets.c */
int open_socket(int type, int index, int nonblocking);
void make_nonblocking(int fd);
void watch(struct conn *c, unsigned events);
void rewatch(struct conn *c, int out);
int handshake_text(char *text, size_t size);
int accepted(const char *head);
void handshake(int fd);
int wait_for(struct epoll_event *events, int milliseconds);
enum { EVENTS = 256 };

/* stream.c */
void make_conns(int number, int with_newline);
void flush(struct conn *c);
void push(struct conn *c, unsigned messages, u64 at);
void completed(struct conn *c, unsigned messages, u64 at);
unsigned units(struct conn *c, const unsigned char *data, size_t size);
void same_ends(u64 position, const unsigned char *data, size_t size);

/* frames.c */
enum check { UNCHECKED, WHOLE, TAIL };
int frame(unsigned char *out, const unsigned char *data, int size, int opcode, uint32_t key);
unsigned feed(struct conn *c, const unsigned char *data, size_t size, enum check check);

void run_echo(void);
void run_bulk(void);
void run_udp(void);
void run_oneshot(void);
void run_chat(void);
void run_idle(void);
#endif
