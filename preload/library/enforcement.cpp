#include "preload/library/enforcement.h"

#include <netinet/in.h>

#include <cstring>

#include "preload/library/clock.h"
#include "preload/library/notice.h"
#include "preload/library/raw_syscall.h"
#include "preload/library/session.h"
#include "shared/session/judge.h"
#include "shared/session/ring.h"

namespace egress {
namespace {

constexpr int kMultipathTcp = 262;

// A socket option of SOL_SOCKET, or -errno.
long socket_option(int fd, int option) noexcept {
  int value = 0;
  socklen_t size = sizeof value;
  const long result = raw_syscall(SYS_getsockopt, fd, SOL_SOCKET, option, &value, &size);
  return result < 0 ? result : value;
}

// Whether a socket of this transport takes internet addresses. TCP and UDP do; other numbers mean something else in
// other families (and where netlink's and packet sockets' collide with these two, an internet name is an error anyway).
bool takes_internet_names(int fd, Transport transport) noexcept {
  if (transport == Transport::kTcp || transport == Transport::kUdp) return true;
  const long domain = socket_option(fd, SO_DOMAIN);
  return domain == AF_INET || domain == AF_INET6;
}

Transport transport_of(long protocol) noexcept {
  switch (protocol) {
    case IPPROTO_TCP:
    case kMultipathTcp:
      return Transport::kTcp;
    case IPPROTO_UDP:
    case IPPROTO_UDPLITE:
      return Transport::kUdp;
    case IPPROTO_ICMP:
    case IPPROTO_ICMPV6:
      return Transport::kIcmp;
    default:
      return Transport::kOther;
  }
}

struct Verdicted {
  bool refused = true;
  std::byte* session = nullptr;  // to record in
  std::int64_t now_ns = 0;
  Judgement judgement;
};

Verdicted decide(State& state, ConnectionFacts& facts) noexcept {
  Verdicted result;
  result.session = current_session(state);
  result.now_ns = realtime_ns();
  facts.now_ms = result.now_ns / 1'000'000;
  Decision& decision = result.judgement.decision;  // no_policy unless it is replaced
  if (result.session == nullptr) {
    decision.no_policy = NoPolicyCause::kUnavailable;
  } else if (is_owner_dead(result.session) && !is_still_valid(result.session, facts.now_ms)) {
    decision.no_policy = NoPolicyCause::kUnavailable;
  } else {
    result.judgement = judge(result.session, facts);
  }
  if (decision.reason == DenyReason::kNoPolicy && is_unenforced(state, decision.no_policy)) {
    decision.verdict = Verdict::kWouldDeny;
  }
  result.refused = decision.verdict == Verdict::kDeny;
  return result;
}

// What happened goes to the ring, and to the person at the terminal if there is cause.
void record(State& state, const ConnectionFacts& facts, const Verdicted& result) noexcept {
  const Decision& decision = result.judgement.decision;
  if (result.session != nullptr) {
    RingEvent event;
    event.time_ns = result.now_ns;
    event.generation = result.judgement.generation;
    event.address_high = facts.address.high;
    event.address_low = facts.address.low;
    event.name_id = decision.name_id;
    event.rule = decision.rule;
    event.pid = static_cast<std::uint32_t>(state.pid.get());
    event.layer = decision.layer;
    event.port = facts.port;
    event.transport = static_cast<std::uint8_t>(facts.transport);
    event.verdict = static_cast<std::uint8_t>(decision.verdict);
    event.reason = static_cast<std::uint8_t>(decision.reason);
    record_event(ring_of(result.session), event);
  }
  if (!result.refused) return;
  if (decision.reason == DenyReason::kNoPolicy && !state.notice_shown.load(std::memory_order_relaxed)) {
    show_notice(state, decision.no_policy, StackLine<1>());
  }
  log_denial(state, facts, decision);
}

CallVerdict conclude(State& state, const ConnectionFacts& facts, const Verdicted& result) noexcept {
  record(state, facts, result);
  return result.refused ? CallVerdict::kRefuse : CallVerdict::kProceed;
}

CallVerdict judge_destination(State& state, int fd, int flags, const SockaddrCopy& copy) noexcept {
  ConnectionFacts facts{.address = copy.address, .port = copy.port, .transport = Transport::kUdp};
  const bool fast_open = (flags & MSG_FASTOPEN) != 0;
  bool socket_known = false;
  // Returns false if the name means nothing on this socket.
  const auto look_at_socket = [&]() noexcept {
    socket_known = true;
    const long protocol = socket_option(fd, SO_PROTOCOL);
    facts.transport = transport_of(protocol);
    if (protocol <= 0 || !takes_internet_names(fd, facts.transport)) return false;
    return facts.transport != Transport::kTcp || fast_open;
  };
  if (copy.unspecified_family && socket_option(fd, SO_DOMAIN) != AF_INET) return CallVerdict::kProceed;
  if (fast_open && !look_at_socket()) return CallVerdict::kProceed;

  Verdicted result = decide(state, facts);
  if (result.judgement.decision.verdict != Verdict::kAllow && !socket_known) {
    // Only now is it worth a system call to see what the socket really is.
    if (!look_at_socket()) return CallVerdict::kProceed;
    if (facts.transport != Transport::kUdp) result = decide(state, facts);
  }
  return conclude(state, facts, result);
}

}  // namespace

CallVerdict judge_connect(State& state, int fd, const sockaddr* name, socklen_t length, SockaddrCopy& copy) noexcept {
  const NameKind kind = copy.take(name, length, NameUse::kConnect);
  if (kind != NameKind::kInternet) return kind == NameKind::kNone ? CallVerdict::kPass : CallVerdict::kProceed;
  const long protocol = socket_option(fd, SO_PROTOCOL);
  if (protocol <= 0) return CallVerdict::kProceed;  // no descriptor, no socket, or one without internet protocols
  ConnectionFacts facts{.address = copy.address, .port = copy.port, .transport = transport_of(protocol)};
  const Verdicted result = decide(state, facts);
  if (result.refused && !takes_internet_names(fd, facts.transport)) return CallVerdict::kProceed;
  return conclude(state, facts, result);
}

CallVerdict judge_send(State& state, int fd, int flags, const sockaddr* name, socklen_t length,
                       SockaddrCopy& copy) noexcept {
  if (name == nullptr) return CallVerdict::kPass;
  const NameKind kind = copy.take(name, length, NameUse::kSendTo);
  if (kind != NameKind::kInternet) return kind == NameKind::kNone ? CallVerdict::kPass : CallVerdict::kProceed;
  return judge_destination(state, fd, flags, copy);
}

CallVerdict judge_send_message(State& state, int fd, int flags, const msghdr* message, msghdr& message_copy,
                               SockaddrCopy& copy) noexcept {
  if (!copy_readable(&message_copy, message, sizeof message_copy)) return CallVerdict::kPass;
  const auto* name = static_cast<const sockaddr*>(message_copy.msg_name);
  if (name == nullptr) return CallVerdict::kProceed;
  const NameKind kind = copy.take(name, message_copy.msg_namelen, NameUse::kSendMessage);
  if (kind == NameKind::kNone) return CallVerdict::kProceed;  // the name stays the program's: the kernel refuses it
  message_copy.msg_name = copy.bytes;
  message_copy.msg_namelen = copy.length;
  return kind == NameKind::kInternet ? judge_destination(state, fd, flags, copy) : CallVerdict::kProceed;
}

}  // namespace egress
