#include "server/startup/signals.h"

#include <csignal>
#include <initializer_list>

namespace egress::server {
namespace {

sigset_t our_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, signal);
  return set;
}

}  // namespace

void take_signals() {
  const sigset_t set = our_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

int wait_for_signal() {
  const sigset_t set = our_signals();
  int signal = 0;
  while (sigwait(&set, &signal) != 0) continue;
  return signal;
}

}  // namespace egress::server
