/* A load generator for servers of lines, bytes, WebSocket and UDP on loopback: one thread, one epoll. */
#include "load.h"
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/resource.h>

static const char HELP[] =
    "usage: load MODE -p PORT [options]\n"
    "\n"
    "Drives a server on this machine, and prints one line of JSON.\n"
    "\n"
    "modes\n"
    "  tcp, ws           echo: -n connections, each with -P messages of -s bytes in flight (rate: messages/s)\n"
    "  bulk              echo of a TCP stream: -n connections, writes of -s bytes (65536), -w in flight (MBps)\n"
    "  udp               echo: -n sockets, each with -P datagrams in flight; an answer not there in 0.2 s is lost\n"
    "  oneshot, wsone    connect, one request, one answer, the server closes; -n at once (rate: connections/s)\n"
    "  chat, wschat      -R rooms of -n receivers and -k senders, -P lines in flight for each room. A line is done\n"
    "                    when the receivers together have got that many more (rate: lines received/s by them)\n"
    "  idle, wsidle      open -n connections that say nothing (rate: connections opened/s; kib_each: memory)\n"
    "options\n"
    "  -p PORT           of the server             -h ADDRESS        of the server (127.0.0.1)\n"
    "  -n NUMBER (1)     -s BYTES (64)             -P DEPTH (1)\n"
    "  -R ROOMS (1)      -k SENDERS (1)            -w BYTES (1048576)\n"
    "  -d SECONDS (3)    measured time             -W SECONDS (0.7)  time before, not measured\n"
    "  -t SECONDS (1)    how long idle connections wait before memory is read\n"
    "  -r PORT           where the receivers of a room connect, if not at -p: another node of the same chat\n"
    "  -j TEXT           line that a member of a room sends first; %d in it is the room's number\n"
    "  -x TEXT           line that an idle connection sends, and has answered, before it idles\n"
    "  -u PATH (/)       -q SUBPROTOCOL            -b                binary messages (WebSocket; text otherwise)\n"
    "  -B                one system call for each message (otherwise the answers to one read leave as one)\n"
    "  -a NUMBER (1)     client addresses 127.0.0.1, 127.0.0.2, ...: one alone has 28,000 ports\n"
    "  -m PID[,PID...]   the server's processes: their CPU time and memory are in the output\n"
    "  -y                poll without sleeping: a server then never pays for waking this process up\n"
    "output\n"
    "  rate, MBps (received), p50_us and p99_us (delay of a message), seconds (measured)\n"
    "  server_cpu, load_cpu: CPU seconds per second; per_server_cpu: what `rate` counts, per CPU second of the\n"
    "  server (use it where server_cpu is well below 1: the server was not the limit)\n"
    "  cpu_of_each: of server_cpu, what each process of -m used\n"
    "  bad: answers that are not what was sent; lost: that never came; extra: that nobody waited for\n"
    "  errors: connections that failed; stalled: connections that completed nothing in the measured time\n"
    "status\n"
    "  1 wrong usage, 2 cannot start, 3 the server closed a connection, 4 nothing comes back any more\n"
    "WebSocket pings are not answered: keep a run shorter than the server's ping timeout.\n";

struct options opt = {.host = "127.0.0.1", .path = "/", .connections = 1, .size = 64, .depth = 1, .rooms = 1,
                      .senders = 1, .sources = 1, .seconds = 3, .warm = 0.7, .hold = 1, .window = 1 << 20};

void die(int status, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("load: ", stderr);
  vfprintf(stderr, format, arguments);
  fputs("\n", stderr);
  va_end(arguments);
  exit(status);
}

void *take(size_t number, size_t size) {
  void *memory = calloc(number, size);
  if (!memory) die(CANNOT_START, "no memory for %zu times %zu bytes", number, size);
  return memory;
}

static int whole(int option, const char *text, long least, long most) {
  char *end;
  errno = 0;
  long number = strtol(text, &end, 10);
  if (errno || end == text || *end || number < least || number > most)
    die(1, "-%c: expected an integer from %ld to %ld, got %s", option, least, most, text);
  return (int)number;
}

static double span(int option, const char *text) {
  char *end;
  double number = strtod(text, &end);
  if (end == text || *end || !(number >= 0 && number <= 3600))
    die(1, "-%c: expected seconds from 0 to 3600, got %s", option, text);
  return number;
}

static int read_options(int argc, char **argv) {
  static const struct option names[] = {{"help", no_argument, NULL, 'H'}, {0}};
  int option, sized = 0;
  while ((option = getopt_long(argc, argv, "p:r:h:n:s:P:R:k:w:d:W:t:j:x:u:q:bBa:m:y", names, NULL)) != -1) {
    switch (option) {
    case 'H': fputs(HELP, stdout); exit(0);
    case 'p': opt.port = whole(option, optarg, 1, 65535); break;
    case 'r': opt.receivers = whole(option, optarg, 1, 65535); break;
    case 'h': opt.host = optarg; break;
    case 'n': opt.connections = whole(option, optarg, 1, 1000000); break;
    case 's': opt.size = whole(option, optarg, 1, 1 << 26); sized = 1; break;
    case 'P': opt.depth = whole(option, optarg, 1, 4096); break;
    case 'R': opt.rooms = whole(option, optarg, 1, 100000); break;
    case 'k': opt.senders = whole(option, optarg, 1, 100000); break;
    case 'w': opt.window = (u64)whole(option, optarg, 1, 1 << 30); break;
    case 'd': opt.seconds = span(option, optarg); break;
    case 'W': opt.warm = span(option, optarg); break;
    case 't': opt.hold = span(option, optarg); break;
    case 'j': opt.join = optarg; break;
    case 'x': opt.say = optarg; break;
    case 'u': opt.path = optarg; break;
    case 'q': opt.subprotocol = optarg; break;
    case 'b': opt.binary = 1; break;
    case 'B': opt.single = 1; break;
    case 'a': opt.sources = whole(option, optarg, 1, 65536); break;
    case 'm': opt.pids = optarg; break;
    case 'y': opt.busy = 1; break;
    default: exit(1);
    }
  }
  return sized;
}

int main(int argc, char **argv) {
  static const struct { const char *name; void (*run)(void); int websocket; } modes[] = {
      {"tcp", run_echo, 0},     {"ws", run_echo, 1},       {"bulk", run_bulk, 0},  {"udp", run_udp, 0},
      {"oneshot", run_oneshot, 0}, {"wsone", run_oneshot, 1}, {"chat", run_chat, 0}, {"wschat", run_chat, 1},
      {"idle", run_idle, 0},    {"wsidle", run_idle, 1}};
  int sized = read_options(argc, argv);
  if (optind != argc - 1) die(1, "expected one MODE (load --help lists them)");
  if (!opt.port) die(1, "-p PORT is missing");
  if (opt.rooms > 1 && !opt.join) die(1, "-R above 1 needs -j, or all members are in one room");
  struct rlimit files;
  if (!getrlimit(RLIMIT_NOFILE, &files)) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  signal(SIGPIPE, SIG_IGN);
  inbox = take(INBOX, 1);
  for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
    if (!strcmp(argv[optind], modes[i].name)) {
      opt.websocket = modes[i].websocket;
      if (modes[i].run == run_bulk && !sized) opt.size = 65536;
      modes[i].run();
      return 0;
    }
  die(1, "there is no mode %s (load --help lists them)", argv[optind]);
}
