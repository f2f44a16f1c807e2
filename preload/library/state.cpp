#include "preload/library/state.h"

#include "preload/library/raw_syscall.h"

namespace egress {
namespace {

constinit State the_state;

}  // namespace

State& process_state() noexcept { return the_state; }

std::byte* publish_session(State& state, std::byte* expected, std::byte* session) noexcept {
  if (state.session.compare_exchange_strong(expected, session, std::memory_order_acq_rel)) return session;
  unmap_session(session);
  return expected;
}

void unmap_session(std::byte* session) noexcept { raw_syscall(SYS_munmap, session, kSessionBytes); }

}  // namespace egress
