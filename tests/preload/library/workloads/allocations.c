/* Counts what is allocated during network calls, the hello included.
 *   allocations ALLOWED_PORT DENIED_PORT
 * Prints the number of allocations. */
#include <arpa/inet.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);

static volatile int counting, allocations;

void *malloc(size_t size) {
  allocations = allocations + counting;
  return __libc_malloc(size);
}
void *calloc(size_t count, size_t size) {
  allocations = allocations + counting;
  return __libc_calloc(count, size);
}
void *realloc(void *memory, size_t size) {
  allocations = allocations + counting;
  return __libc_realloc(memory, size);
}

static void call(int port) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int stream = socket(AF_INET, SOCK_STREAM, 0), datagram = socket(AF_INET, SOCK_DGRAM, 0);
  struct iovec part = {"x", 1};
  struct msghdr message = {&to, sizeof to, &part, 1, NULL, 0, 0};
  counting = 1;
  if (connect(stream, (struct sockaddr *)&to, sizeof to) != 0) counting = 1;
  if (sendto(datagram, "x", 1, 0, (struct sockaddr *)&to, sizeof to) != 1) counting = 1;
  if (sendmsg(datagram, &message, 0) != 1) counting = 1;
  counting = 0;
  close(stream);
  close(datagram);
}

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  for (int i = 0; i < 20; ++i) {
    call(atoi(argv[1]));
    call(atoi(argv[2]));
  }
  void *volatile counted; /* or the compiler sees that nobody needs it */
  counting = 1;
  counted = malloc(1); /* proves that the counter counts */
  counting = 0;
  free(counted);
  printf("%d\n", allocations - 1);
  return 0;
}
