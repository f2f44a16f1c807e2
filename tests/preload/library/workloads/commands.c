/* A workload that makes one network call for each line it reads and answers with what came of it: "ok" or the errno.
 *   connect|__connect ADDR PORT      tcp          udpconnect ADDR PORT
 *   sendto|sendmsg|fastopen ADDR PORT  udp, udp, tcp with MSG_FASTOPEN
 *   unspec PORT       sendto to 127.0.0.1 with the family AF_UNSPEC, which IPv4 datagram sockets take for AF_INET
 *   unix              connect to an AF_UNIX socket that does not exist
 *   resolve NAME FAMILY FLAGS   the EAI code, the addresses, the canonical name
 *   fork COMMAND...   the command in a forked child
 *   exhaust           opens descriptors until none is left
 *   descriptors, mappings, children, clearenv, blocksignals, oddsignals */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

int __connect(int, const struct sockaddr *, socklen_t);

static volatile sig_atomic_t child_signals;
static void on_child(int signal) {
  (void)signal;
  ++child_signals;
}

static int reserved_stream = -1, reserved_datagram = -1;

struct destination {
  struct sockaddr_storage storage;
  socklen_t length;
};

static struct destination parse(const char *text, const char *port) {
  struct destination d;
  memset(&d, 0, sizeof d);
  struct sockaddr_in *v4 = (struct sockaddr_in *)&d.storage;
  struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&d.storage;
  if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons((unsigned short)atoi(port));
    d.length = sizeof *v6;
  } else {
    inet_pton(AF_INET, text, &v4->sin_addr);
    v4->sin_family = AF_INET;
    v4->sin_port = htons((unsigned short)atoi(port));
    d.length = sizeof *v4;
  }
  return d;
}

static int open_socket(int family, int type) {
  int fd = socket(family, type | SOCK_CLOEXEC, 0);
  if (fd < 0 && errno == EMFILE) fd = dup2(type == SOCK_STREAM ? reserved_stream : reserved_datagram, 3);
  return fd;
}

static void report(long result) {
  if (result >= 0)
    puts("ok");
  else
    printf("%s\n", strerrorname_np(errno));
}

static void call(const char *verb, const char *address, const char *port) {
  struct destination d = parse(address, port);
  const struct sockaddr *to = (const struct sockaddr *)&d.storage;
  int stream = strstr(verb, "connect") == verb || strcmp(verb, "__connect") == 0 || strcmp(verb, "fastopen") == 0;
  int fd = open_socket(to->sa_family, stream ? SOCK_STREAM : SOCK_DGRAM);
  struct iovec part = {"x", 1};
  struct msghdr message = {(void *)to, d.length, &part, 1, NULL, 0, 0};
  long result;
  if (strcmp(verb, "__connect") == 0)
    result = __connect(fd, to, d.length);
  else if (strcmp(verb, "sendto") == 0)
    result = sendto(fd, "x", 1, 0, to, d.length);
  else if (strcmp(verb, "sendmsg") == 0)
    result = sendmsg(fd, &message, 0);
  else if (strcmp(verb, "fastopen") == 0)
    result = sendto(fd, "x", 1, MSG_FASTOPEN, to, d.length);
  else
    result = connect(fd, to, d.length);
  report(result);
  close(fd);
}

static void send_unspec(const char *port) {
  struct destination d = parse("127.0.0.1", port);
  d.storage.ss_family = AF_UNSPEC;
  int fd = open_socket(AF_INET, SOCK_DGRAM);
  report(sendto(fd, "x", 1, 0, (const struct sockaddr *)&d.storage, d.length));
  close(fd);
}

static void connect_unix(void) {
  struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/nonexistent/socket"};
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  report(connect(fd, (struct sockaddr *)&address, sizeof address));
  close(fd);
}

static void resolve(const char *name, int family, int flags) {
  struct addrinfo hints = {.ai_family = family, .ai_flags = flags, .ai_socktype = SOCK_STREAM}, *list = NULL;
  int error = getaddrinfo(name, "80", &hints, &list);
  printf("%d", error);
  for (struct addrinfo *at = list; error == 0 && at != NULL; at = at->ai_next) {
    char text[64];
    getnameinfo(at->ai_addr, at->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST);
    printf(" %s", text);
  }
  if (error == 0 && list->ai_canonname != NULL) printf(" =%s", list->ai_canonname);
  puts("");
  if (error == 0) freeaddrinfo(list);
}

static int count_descriptors(void) {
  DIR *directory = opendir("/proc/self/fd");
  int count = -3; /* ".", ".." and the directory itself */
  while (readdir(directory) != NULL) ++count;
  closedir(directory);
  return count;
}

static int count_mappings(void) {
  FILE *maps = fopen("/proc/self/maps", "r");
  char line[4096];
  int count = 0;
  while (fgets(line, sizeof line, maps) != NULL) count += strstr(line, "memfd:egress-arena") != NULL;
  fclose(maps);
  return count;
}

static void run(char *line) {
  char *words[5] = {"", "", "", "", ""};
  if (strncmp(line, "fork ", 5) == 0) {
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
      run(line + 5);
      fflush(stdout);
      _exit(0);
    }
    waitpid(child, NULL, 0);
    return;
  }
  int count = 0;
  for (char *word = strtok(line, " \n"); word != NULL && count < 5; word = strtok(NULL, " \n")) words[count++] = word;
  const char *verb = words[0];
  if (strcmp(verb, "unix") == 0) {
    connect_unix();
  } else if (strcmp(verb, "unspec") == 0) {
    send_unspec(words[1]);
  } else if (strcmp(verb, "udpconnect") == 0) {
    struct destination d = parse(words[1], words[2]);
    int fd = open_socket(d.storage.ss_family, SOCK_DGRAM);
    report(connect(fd, (struct sockaddr *)&d.storage, d.length));
    close(fd);
  } else if (strcmp(verb, "resolve") == 0) {
    resolve(words[1], atoi(words[2]), atoi(words[3]));
  } else if (strcmp(verb, "exhaust") == 0) {
    reserved_stream = socket(AF_INET, SOCK_STREAM, 0);
    reserved_datagram = socket(AF_INET, SOCK_DGRAM, 0);
    int last = -1;
    for (int fd; (fd = dup(0)) >= 0;) last = fd;
    printf("%d\n", last > 0);
  } else if (strcmp(verb, "descriptors") == 0) {
    printf("%d\n", count_descriptors());
  } else if (strcmp(verb, "mappings") == 0) {
    printf("%d\n", count_mappings());
  } else if (strcmp(verb, "children") == 0) {
    int found = waitpid(-1, NULL, WNOHANG | __WALL);
    printf("%s %d\n", found < 0 ? strerrorname_np(errno) : "found", (int)child_signals);
  } else if (strcmp(verb, "blocksignals") == 0) {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    puts("ok");
  } else if (strcmp(verb, "oddsignals") == 0) {
    sigset_t some;
    sigemptyset(&some);
    sigaddset(&some, SIGUSR2);
    sigprocmask(SIG_BLOCK, &some, NULL);
    signal(SIGPIPE, SIG_IGN);
    puts("ok");
  } else if (strcmp(verb, "clearenv") == 0) {
    clearenv();
    puts("ok");
  } else {
    call(verb, words[1], words[2]);
  }
}

int main(void) {
  struct sigaction action = {.sa_handler = on_child};
  sigaction(SIGCHLD, &action, NULL);
  char line[512];
  while (fgets(line, sizeof line, stdin) != NULL) {
    run(line);
    fflush(stdout);
  }
  return 0;
}
