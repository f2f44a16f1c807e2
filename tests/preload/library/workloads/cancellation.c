/* A thread that is blocked in a cancellation point behind a hook is cancelled: a stream connect to an AF_UNIX listener
 * whose backlog is full. Prints "cancelled". */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct sockaddr_un address;
static socklen_t length;

static int connect_once(int flags) {
  int fd = socket(AF_UNIX, SOCK_STREAM | flags, 0);
  return connect(fd, (struct sockaddr *)&address, length);
}

static void *block(void *unused) {
  connect_once(0);
  return unused;
}

int main(void) {
  int listener = socket(AF_UNIX, SOCK_STREAM, 0);
  address.sun_family = AF_UNIX;
  if (bind(listener, (struct sockaddr *)&address, sizeof(sa_family_t)) != 0) return 2; /* an abstract name */
  length = sizeof address;
  if (getsockname(listener, (struct sockaddr *)&address, &length) != 0) return 3;
  if (listen(listener, 0) != 0) return 4;
  while (connect_once(SOCK_NONBLOCK) == 0) {
  }
  pthread_t thread;
  void *result = NULL;
  pthread_create(&thread, NULL, block, NULL);
  pthread_cancel(thread);
  pthread_join(thread, &result);
  puts(result == PTHREAD_CANCELED ? "cancelled" : "not cancelled");
  return 0;
}
