/* Time, delays, what the server used, and the line of JSON at the end. */
#include "load.h"
#include <sys/resource.h>
#include <time.h>

int measuring;
u64 done, bytes, bad, errors, lost, extra;

u64 now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (u64)t.tv_sec * 1000000000ull + (u64)t.tv_nsec;
}

/* Delays in nanoseconds, in buckets of which each power of two has 64: within 1.6 %. */
static u64 buckets[64 * 64], recorded;

void record(u64 ns) {
  int power = ns < 64 ? 0 : 63 - __builtin_clzll(ns);
  buckets[ns < 64 ? ns : (u64)(power - 5) * 64 + ((ns >> (power - 6)) & 63)]++;
  recorded++;
}

static double quantile(double part) { /* us */
  u64 wanted = (u64)(part * (double)recorded), seen = 0;
  for (int i = 0; i < 64 * 64; i++)
    if ((seen += buckets[i]) > wanted) {
      int power = i / 64 + 5;
      return (i < 64 ? (double)i : (double)((1ull << power) + ((u64)(i % 64) << (power - 6)))) / 1e3;
    }
  return 0;
}

/* Add up a number of each process of the server, and put the first ones into `of_each`, if that is not NULL. */
#define PROCESSES 16
static int processes;
static double over_processes(double (*number)(const char *), double *of_each) {
  double sum = 0, one;
  char *copy = strdup(opt.pids ? opt.pids : ""), *rest = copy, *pid;
  if (of_each) processes = 0;
  while ((pid = strsep(&rest, ","))) {
    if (!*pid) continue;
    sum += one = number(pid);
    if (of_each && processes < PROCESSES) of_each[processes++] = one;
  }
  free(copy);
  return sum;
}

static FILE *open_of(const char *pid, const char *file) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%s/%s", pid, file);
  return fopen(path, "r");
}

static double cpu(const char *pid) { /* seconds; the system counts them in steps of 10 ms */
  char line[1024];
  unsigned long user = 0, system = 0;
  FILE *f = open_of(pid, "stat");
  if (!f) return 0;
  char *name = fgets(line, sizeof line, f) ? strrchr(line, ')') : NULL; /* a name may hold spaces */
  if (name) sscanf(name + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
  fclose(f);
  return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static double resident(const char *pid) { /* KiB */
  char line[256];
  double size = 0;
  FILE *f = open_of(pid, "status");
  if (!f) return 0;
  while (fgets(line, sizeof line, f))
    if (!strncmp(line, "VmRSS:", 6)) size = atof(line + 6);
  fclose(f);
  return size;
}

double cpu_of_server(void) { return over_processes(cpu, NULL); }
long memory_of_server(void) { return (long)over_processes(resident, NULL); }

static double cpu_of_load(void) {
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
         (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static double server_before, load_before, seconds, server, own, each_before[PROCESSES], each[PROCESSES];
static u64 begun;

void begin(void) {
  memset(buckets, 0, sizeof buckets);
  recorded = done = bytes = extra = lost = 0;
  for (int i = 0; i < count; i++) conns[i].mark = conns[i].messages;
  server_before = over_processes(cpu, each_before);
  load_before = cpu_of_load();
  measuring = 1;
  begun = now();
}

void stop(void) {
  if (!measuring) die(STALLED, "the time was over before anything was measured");
  seconds = (double)(now() - begun) / 1e9;
  server = over_processes(cpu, each) - server_before;
  own = cpu_of_load() - load_before;
  measuring = 0;
}

void finish(const char *name) {
  int stalled = 0;
  for (int i = 0; i < count; i++) stalled += !conns[i].sender && conns[i].messages == conns[i].mark;
  printf("{\"unit\":\"%s\",\"rate\":%.0f,\"MBps\":%.1f,\"p50_us\":%.1f,\"p99_us\":%.1f,\"seconds\":%.3f,"
         "\"server_cpu\":%.3f,\"load_cpu\":%.3f,\"per_server_cpu\":%.0f,\"rss_kib\":%ld,"
         "\"bad\":%llu,\"errors\":%llu,\"lost\":%llu,\"extra\":%llu,\"stalled\":%d,\"cpu_of_each\":[",
         name, (double)done / seconds, (double)bytes / seconds / 1e6, quantile(.5), quantile(.99), seconds,
         server / seconds, own / seconds, server > 0 ? (double)done / server : 0, memory_of_server(),
         (unsigned long long)bad, (unsigned long long)errors, (unsigned long long)lost, (unsigned long long)extra,
         stalled);
  for (int i = 0; i < processes; i++) printf("%s%.4f", i ? "," : "", (each[i] - each_before[i]) / seconds);
  puts("]}");
}
