/* Calls every hook from one of the places where POSIX lets it be called and libraries go wrong.
 *   everywhere WHERE ALLOWED_PORT DENIED_PORT
 * WHERE: preinit, constructor, main, handler, vfork, thread, atexit. Prints "WHERE ok", or what differed. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

int __connect(int, const struct sockaddr *, socklen_t);

static const char *where = "";
static int allowed_port, denied_port;

/* Neither stdio nor malloc: not everywhere do they work. */
static void say(const char *text) {
  if (write(1, text, strlen(text)) < 0) _exit(3);
}

static int to_number(const char *text) {
  int value = 0;
  while (*text >= '0' && *text <= '9') value = value * 10 + (*text++ - '0');
  return value;
}

static int expect(const char *what, long result, int error, int expected) {
  int got = result < 0 ? error : 0;
  if (got == expected) return 0;
  say(where);
  say(": unexpected result of ");
  say(what);
  say("\n");
  return 1;
}

enum hook { CONNECT, DUNDER_CONNECT, SENDTO, SENDMSG };

static int call(enum hook hook, const char *what, int port, int expected) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int fd = socket(AF_INET, hook <= DUNDER_CONNECT ? SOCK_STREAM : SOCK_DGRAM, 0);
  struct iovec part = {"x", 1};
  struct msghdr message = {&to, sizeof to, &part, 1, NULL, 0, 0};
  long result = -1;
  errno = 0;
  switch (hook) {
    case CONNECT: result = connect(fd, (struct sockaddr *)&to, sizeof to); break;
    case DUNDER_CONNECT: result = __connect(fd, (struct sockaddr *)&to, sizeof to); break;
    case SENDTO: result = sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof to); break;
    case SENDMSG: result = sendmsg(fd, &message, 0); break;
  }
  int error = errno;
  close(fd);
  return expect(what, result, error, expected);
}

static int probe(void) {
  int wrong = 0;
  wrong += call(CONNECT, "an allowed connect", allowed_port, 0);
  wrong += call(CONNECT, "a denied connect", denied_port, ECONNREFUSED);
  wrong += call(DUNDER_CONNECT, "an allowed __connect", allowed_port, 0);
  wrong += call(DUNDER_CONNECT, "a denied __connect", denied_port, ECONNREFUSED);
  wrong += call(SENDTO, "an allowed sendto", allowed_port, 0);
  wrong += call(SENDTO, "a denied sendto", denied_port, ECONNREFUSED);
  wrong += call(SENDMSG, "an allowed sendmsg", allowed_port, 0);
  wrong += call(SENDMSG, "a denied sendmsg", denied_port, ECONNREFUSED);
  struct addrinfo hints = {.ai_flags = AI_NUMERICHOST}, *list = NULL;
  int error = getaddrinfo("127.0.0.1", NULL, &hints, &list);
  if (error == 0) freeaddrinfo(list);
  wrong += expect("getaddrinfo", error == 0 ? 0 : -1, error, 0);
  if (wrong == 0) {
    say(where);
    say(" ok\n");
  }
  return wrong;
}

static void start_in(const char *place, int argc, char **argv) {
  if (argc < 4 || strcmp(argv[1], place) != 0) return;
  where = argv[1];
  allowed_port = to_number(argv[2]);
  denied_port = to_number(argv[3]);
  probe();
}

static void at_preinit(int argc, char **argv, char **envp) {
  (void)envp;
  start_in("preinit", argc, argv);
}
__attribute__((section(".preinit_array"), used)) static void (*const preinit)(int, char **, char **) = at_preinit;

__attribute__((constructor(101))) static void at_construction(int argc, char **argv, char **envp) {
  (void)envp;
  start_in("constructor", argc, argv);
}

static void on_signal(int signal) {
  (void)signal;
  probe();
}
static void *in_thread(void *unused) {
  probe();
  return unused;
}
static void at_end(void) { probe(); }

int main(int argc, char **argv) {
  if (argc < 4 || where[0] != '\0') return 0;
  where = argv[1];
  allowed_port = to_number(argv[2]);
  denied_port = to_number(argv[3]);
  if (strcmp(where, "main") == 0) return probe();
  if (strcmp(where, "handler") == 0) {
    signal(SIGUSR1, on_signal);
    raise(SIGUSR1);
  } else if (strcmp(where, "vfork") == 0) {
    pid_t child = vfork();
    if (child == 0) _exit(probe());
    waitpid(child, NULL, 0);
  } else if (strcmp(where, "thread") == 0) {
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    if (pthread_attr_setstacksize(&attributes, 16384) != 0) return 4;
    if (pthread_create(&thread, &attributes, in_thread, NULL) != 0) return 5;
    pthread_join(thread, NULL);
  } else if (strcmp(where, "atexit") == 0) {
    atexit(at_end);
  }
  return 0;
}
