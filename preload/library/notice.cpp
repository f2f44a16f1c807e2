#include "preload/library/notice.h"

#include "preload/library/clock.h"
#include "preload/library/raw_syscall.h"

namespace egress {
namespace {

constexpr std::size_t kLineBytes = 1536;
constexpr std::int64_t kLogIntervalMs = 1000;

void write_line(TextLine& line) noexcept {
  constexpr int kStderr = 2;
  line.add("\n");
  raw_syscall(SYS_write, kStderr, line.text(), line.size());  // if nobody takes it, there is nobody to tell
}

// names.h has these as string views that live in a library we do not link.
const char* transport_name(Transport transport) noexcept {
  switch (transport) {
    case Transport::kTcp:
      return "tcp";
    case Transport::kUdp:
      return "udp";
    case Transport::kIcmp:
      return "icmp";
    case Transport::kOther:
      break;
  }
  return "other";
}

const char* reason_name(DenyReason reason) noexcept {
  switch (reason) {
    case DenyReason::kNone:
      return "none";
    case DenyReason::kPolicy:
      return "policy";
    case DenyReason::kAuthRequired:
      return "auth_required";
    case DenyReason::kControlPlane:
      return "control_plane";
    case DenyReason::kRawSocket:
      return "raw_socket";
    case DenyReason::kDnsName:
      return "dns_name";
    case DenyReason::kNoPolicy:
      break;
  }
  return "no_policy";
}

}  // namespace

void show_notice(State& state, NoPolicyCause cause, const TextLine& why) noexcept {
  if (state.notice_shown.exchange(true, std::memory_order_relaxed)) return;
  StackLine<kLineBytes> line;
  line.add("egress: no policy: ");
  line.add(why.size() > 0 ? why.text() : "the agent has none for this workload");
  line.add("; run \"egress status\"");
  if (cause == NoPolicyCause::kUnavailable) {
    line.add(", or set EGRESS_ON_UNAVAILABLE=allow to run without enforcement");
  }
  write_line(line);
}

void log_denial(State& state, const ConnectionFacts& facts, const Decision& decision) noexcept {
  if (!state.log_denials.load(std::memory_order_relaxed)) return;
  const std::int64_t now_ms = monotonic_ms();
  std::int64_t due_ms = state.next_log_ms.load(std::memory_order_relaxed);
  if (now_ms < due_ms || !state.next_log_ms.compare_exchange_strong(due_ms, now_ms + kLogIntervalMs)) return;
  StackLine<256> line;
  line.add("egress: denied ").add_address(facts.address).add(":").add_number(facts.port);
  line.add("/").add(transport_name(facts.transport)).add(" (").add(reason_name(decision.reason)).add(")");
  write_line(line);
}

}  // namespace egress
