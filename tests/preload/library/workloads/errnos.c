/* Makes every malformed call that the kernel has an errno for and prints what it was: the same text is expected with
 * the library and without. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static int tcp, udp, udp6, unix_socket, file, closed;
static struct sockaddr_in to;

static void show(const char *call, const char *what, long result) {
  printf("%-8s %-28s %s\n", call, what, result >= 0 ? "ok" : strerrorname_np(errno));
}

static void all(const char *what, int stream, int datagram, const void *name, socklen_t length) {
  struct iovec part = {"x", 1};
  struct msghdr message = {(void *)name, length, &part, 1, NULL, 0, 0};
  show("connect", what, connect(stream, name, length));
  show("sendto", what, sendto(datagram, "x", 1, MSG_NOSIGNAL, name, length));
  show("sendmsg", what, sendmsg(datagram, &message, MSG_NOSIGNAL));
}

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  to.sin_family = AF_INET;
  to.sin_port = htons((unsigned short)atoi(argv[1]));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  tcp = socket(AF_INET, SOCK_STREAM, 0);
  udp = socket(AF_INET, SOCK_DGRAM, 0);
  udp6 = socket(AF_INET6, SOCK_DGRAM, 0);
  unix_socket = socket(AF_UNIX, SOCK_DGRAM, 0);
  file = open("/dev/null", O_RDWR);
  closed = dup(file);
  close(closed);
  char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(pages + 4096, 4096);
  char *unreadable = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  all("a NULL name", tcp, udp, NULL, sizeof to);
  all("no name and no length", tcp, udp, NULL, 0);
  all("length 0", tcp, udp, &to, 0);
  all("length 1", tcp, udp, &to, 1);
  all("length 15", tcp, udp, &to, 15);
  char large[512];
  memset(large, 0, sizeof large);
  memcpy(large, &to, sizeof to);
  all("length 129", tcp, udp, large, 129);
  all("length 512", tcp, udp, large, 512);
  all("a negative length", tcp, udp, &to, (socklen_t)-1);
  all("the least negative length", tcp, udp, &to, (socklen_t)INT32_MIN);
  all("an unmapped name", tcp, udp, pages + 4096, sizeof to);
  all("an unreadable name", tcp, udp, unreadable, sizeof to);
  all("a name at address 8", tcp, udp, (void *)8, sizeof to);
  all("a name at the top of memory", tcp, udp, (void *)~(uintptr_t)7, sizeof to);
  memcpy(pages + 4096 - 8, &to, 8);
  all("a name that ends too early", tcp, udp, pages + 4096 - 8, sizeof to);
  all("an unaligned name", tcp, udp, memcpy(pages + 4096 - 17, &to, sizeof to), sizeof to);
  close(tcp);
  tcp = socket(AF_INET, SOCK_STREAM, 0);
  all("a closed descriptor", closed, closed, &to, sizeof to);
  all("a negative descriptor", -1, -1, &to, sizeof to);
  all("a descriptor of a file", file, file, &to, sizeof to);
  all("an AF_UNIX socket", unix_socket, unix_socket, &to, sizeof to);
  to.sin_family = 255;
  all("an unknown family", tcp, udp, &to, sizeof to);
  to.sin_family = AF_INET6;
  all("AF_INET6 that is too short", tcp, udp6, &to, sizeof to);
  to.sin_family = AF_UNSPEC;
  show("connect", "AF_UNSPEC", connect(udp, (struct sockaddr *)&to, sizeof to));
  show("sendmsg", "an unmapped message", sendmsg(udp, (struct msghdr *)(void *)(pages + 4096), 0));
  show("sendmsg", "a NULL message", sendmsg(udp, NULL, 0));
  show("sendmsg", "a message that ends too early", sendmsg(udp, (struct msghdr *)(void *)(pages + 4096 - 16), 0));
  show("sendto", "no destination", sendto(udp, "x", 1, 0, NULL, 0));
  return 0;
}
