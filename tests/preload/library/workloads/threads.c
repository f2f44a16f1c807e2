/* Sixteen threads make the process's first connect at the same moment; then says how many arenas are mapped.
 *   threads ALLOWED_PORT
 * Prints "CONNECTED MAPPINGS". */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { THREADS = 16 };
static pthread_barrier_t barrier;
static atomic_int connected;
static int port;

static void *connect_once(void *unused) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  pthread_barrier_wait(&barrier);
  if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0) atomic_fetch_add(&connected, 1);
  close(fd);
  return unused;
}

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  port = atoi(argv[1]);
  pthread_t threads[THREADS];
  pthread_barrier_init(&barrier, NULL, THREADS);
  for (int i = 0; i < THREADS; ++i) pthread_create(&threads[i], NULL, connect_once, NULL);
  for (int i = 0; i < THREADS; ++i) pthread_join(threads[i], NULL);
  FILE *maps = fopen("/proc/self/maps", "r");
  char line[4096];
  int mappings = 0;
  while (fgets(line, sizeof line, maps) != NULL) mappings += strstr(line, "memfd:egress-arena") != NULL;
  fclose(maps);
  printf("%d %d\n", atomic_load(&connected), mappings);
  return 0;
}
