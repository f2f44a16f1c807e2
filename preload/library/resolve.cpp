#include "preload/library/resolve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>

#include <cstdlib>
#include <cstring>
#include <new>

#include "preload/library/clock.h"
#include "preload/library/lookup.h"
#include "preload/library/notice.h"
#include "preload/library/session.h"

namespace egress {
namespace {

constexpr std::size_t kMaxTypedBytes = 1024;  // NI_MAXHOST - 1: no name is longer, and libc finds none either
constexpr std::size_t kWhyBytes = 1280;
// From 240/4, which is reserved: the connect that follows is refused, and recorded.
constexpr Address kSynthetic = make_ipv4(0xf0000001);

// What the program asked, and how to ask libc.
struct Question {
  State& state;
  GetAddrInfo real;
  const char* node;
  const char* service;
  addrinfo hints;  // as libc understands NULL, if there were none

  int ask(const char* name, int extra_flags, int without_flags, addrinfo** result) const noexcept {
    addrinfo changed = hints;
    changed.ai_flags = (changed.ai_flags | extra_flags) & ~without_flags;
    return real(name, service, &changed, result);
  }
};

addrinfo copy_hints(const addrinfo* hints) noexcept {
  addrinfo copy{};
  if (hints == nullptr) {
    copy.ai_flags = AI_V4MAPPED | AI_ADDRCONFIG;  // getaddrinfo(3)
    return copy;
  }
  copy.ai_flags = hints->ai_flags;
  copy.ai_family = hints->ai_family;
  copy.ai_socktype = hints->ai_socktype;
  copy.ai_protocol = hints->ai_protocol;
  return copy;
}

void format(Address address, char (&text)[INET6_ADDRSTRLEN]) noexcept {
  if (is_ipv4(address)) {
    const in_addr v4{htonl(ipv4_bits(address))};
    inet_ntop(AF_INET, &v4, text, sizeof text);
    return;
  }
  in6_addr v6{};
  for (unsigned i = 0; i < 8; ++i) {
    v6.s6_addr[i] = static_cast<std::uint8_t>(address.high >> (56 - 8 * i));
    v6.s6_addr[8 + i] = static_cast<std::uint8_t>(address.low >> (56 - 8 * i));
  }
  inet_ntop(AF_INET6, &v6, text, sizeof text);
}

// A list of `addresses`, by libc's own numeric parse of each: memory, services, families and mapping are its own.
int answer_with(const Question& question, std::span<const Address> addresses, addrinfo** result) noexcept {
  addrinfo* first = nullptr;
  addrinfo** end = &first;
  for (const Address address : addresses) {
    char text[INET6_ADDRSTRLEN];
    format(address, text);
    const int error = question.ask(text, AI_NUMERICHOST, AI_CANONNAME | AI_ADDRCONFIG, end);
    if (error == EAI_NONAME || error == EAI_ADDRFAMILY) {  // of a family that was not asked for
      *end = nullptr;
      continue;
    }
    if (error != 0) {
      *end = nullptr;
      if (first != nullptr) freeaddrinfo(first);
      return error;
    }
    while (*end != nullptr) end = &(*end)->ai_next;
  }
  if (first == nullptr) return EAI_NONAME;
  if ((question.hints.ai_flags & AI_CANONNAME) != 0) {
    first->ai_canonname = strdup(question.node);
    if (first->ai_canonname == nullptr) {
      freeaddrinfo(first);
      return EAI_MEMORY;
    }
  }
  *result = first;
  return 0;
}

// Without policy there is no lookup: nothing may leave the host.
int answer_unavailable(const Question& question, const TextLine& why, addrinfo** result) noexcept {
  if (is_unenforced(question.state, NoPolicyCause::kUnavailable)) return question.ask(question.node, 0, 0, result);
  show_notice(question.state, NoPolicyCause::kUnavailable, why);
  return answer_with(question, {&kSynthetic, 1}, result);
}

std::size_t collect_addresses(const addrinfo* list, Address (&into)[kMaxLookupAddresses]) noexcept {
  std::size_t count = 0;
  for (; list != nullptr && count < kMaxLookupAddresses; list = list->ai_next) {
    Address address;
    if (list->ai_family == AF_INET) {
      sockaddr_in v4;
      std::memcpy(&v4, list->ai_addr, sizeof v4);
      address = canonical(make_ipv4(ntohl(v4.sin_addr.s_addr)));
    } else if (list->ai_family == AF_INET6) {
      sockaddr_in6 v6;
      std::memcpy(&v6, list->ai_addr, sizeof v6);
      address = canonical(address_from_bytes(v6.sin6_addr.s6_addr));
    } else {
      continue;
    }
    // One entry a socket type: equal neighbours.
    if (count == 0 || into[count - 1] != address) into[count++] = address;
  }
  return count;
}

// The name as it was asked for, without the dot that made it absolute.
void strip_final_dot(addrinfo* list) noexcept {
  if (list->ai_canonname == nullptr) return;
  const std::size_t size = std::strlen(list->ai_canonname);
  if (size > 1 && list->ai_canonname[size - 1] == '.') list->ai_canonname[size - 1] = '\0';
}

// Looks `query` up as an absolute name and has what comes of it bound.
int look_up(const Question& question, const char* query, addrinfo** result) noexcept {
  StackLine<kMaxHostNameBytes + 2> absolute;
  absolute.add(query).add(".");
  const int error = question.ask(absolute.text(), 0, 0, result);
  if (error != 0) return error;
  strip_final_dot(*result);
  Address addresses[kMaxLookupAddresses];
  const std::size_t count = collect_addresses(*result, addresses);
  StackLine<kWhyBytes> why;
  // If the agent is gone by now the addresses are no worse for it: the connect is judged without the name.
  if (bind_name(question.state, query, {addresses, count}, why) == LookupOutcome::kUnavailable &&
      !is_unenforced(question.state, NoPolicyCause::kUnavailable)) {
    show_notice(question.state, NoPolicyCause::kUnavailable, why);
  }
  return 0;
}

int answer_as_told(const Question& question, const LookupReply& reply, addrinfo** result) noexcept {
  int error = EAI_NONAME;
  for (std::size_t i = 0; i < reply.query_count; ++i) {
    error = look_up(question, reply.queries[i], result);
    if (error == 0) return 0;
  }
  if (reply.addresses.empty()) return error;
  return answer_with(question, reply.addresses, result);
}

// Why the session's policy is none, if it is none.
NoPolicyCause find_no_policy(const std::byte* session) noexcept {
  const Judgement judgement = judge(session, {.address = kSynthetic, .port = 0});
  return judgement.decision.reason == DenyReason::kNoPolicy ? judgement.decision.no_policy : NoPolicyCause::kNone;
}

int resolve_name(const Question& question, addrinfo** result) noexcept {
  StackLine<kWhyBytes> why;
  const std::byte* session = current_session(question.state);
  if (session == nullptr) return answer_unavailable(question, why, result);
  if (is_unenforced(question.state, find_no_policy(session))) return question.ask(question.node, 0, 0, result);

  auto* reply = static_cast<LookupReply*>(std::malloc(sizeof(LookupReply)));
  if (reply == nullptr) return EAI_MEMORY;
  new (reply) LookupReply;
  int error = EAI_AGAIN;
  switch (ask_name(question.state, question.node, question.hints.ai_family, *reply, why)) {
    case LookupOutcome::kAnswered:
      error = answer_as_told(question, *reply, result);
      break;
    case LookupOutcome::kRefused:
      break;
    case LookupOutcome::kUnavailable:
      error = answer_unavailable(question, why, result);
      break;
  }
  reply->~LookupReply();
  std::free(reply);
  return error;
}

}  // namespace

int resolve(State& state, GetAddrInfo real, const char* node, const char* service, const addrinfo* hints,
            addrinfo** result) noexcept {
  if (node == nullptr || (hints != nullptr && (hints->ai_flags & AI_NUMERICHOST) != 0)) {
    return real(node, service, hints, result);
  }
  const int before = errno;
  const Question question{state, real, node, service, copy_hints(hints)};
  // A literal is no lookup; and what libc refuses of flags, families and services it refuses first.
  const int numeric = question.ask(node, AI_NUMERICHOST, 0, result);
  if (numeric != EAI_NONAME) return numeric;
  if (strnlen(node, kMaxTypedBytes + 1) > kMaxTypedBytes) return EAI_NONAME;
  const int error = resolve_name(question, result);
  if (error == 0) errno = before;
  return error;
}

}  // namespace egress
