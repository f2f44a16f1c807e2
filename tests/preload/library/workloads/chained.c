/* Another preload: counts the connects that pass through it and says how many at the end. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <sys/socket.h>

static int calls;

int connect(int fd, const struct sockaddr *address, socklen_t length) {
  int (*real)(int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "connect");
  ++calls;
  return real(fd, address, length);
}

__attribute__((destructor)) static void say(void) { dprintf(2, "chained: %d\n", calls); }
