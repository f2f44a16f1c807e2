#include "preload/library/lookup.h"

#include <cstring>

#include "preload/library/clock.h"
#include "preload/library/environment.h"
#include "preload/library/session.h"

namespace egress {
namespace {

constexpr std::size_t kPathBytes = 512;

void compose(AgentRequest& request, RequestKind kind, const char* name) noexcept {
  request.header.kind = static_cast<std::uint16_t>(kind);
  const std::size_t size = std::strlen(name);
  request.header.field_bytes[0] = static_cast<std::uint32_t>(size);
  request.add(name, size);
}

// Asks; if the agent does not know this process, introduces it and asks once more.
LookupOutcome ask(State& state, AgentRequest& request, char* body, std::size_t capacity, AgentReply& reply,
                  TextLine& why) noexcept {
  char path[kPathBytes];
  format_agent_socket(environment(), path, sizeof path);
  const std::int64_t deadline_ms = monotonic_ms() + kHelloBudgetMs;
  for (bool introduced = false;; introduced = true) {
    if (ask_agent(path, request, deadline_ms, body, capacity, reply, why) != AgentOutcome::kReplied) {
      return LookupOutcome::kUnavailable;
    }
    const auto status = static_cast<ReplyStatus>(reply.header.status);
    if (status == ReplyStatus::kOk) return LookupOutcome::kAnswered;
    if (status != ReplyStatus::kUnknownProcess) return LookupOutcome::kRefused;
    if (introduced) {
      why.clear();
      why.add("the agent does not know this process although it said hello");
      return LookupOutcome::kUnavailable;
    }
    if (!introduce_again(state, deadline_ms, why)) return LookupOutcome::kUnavailable;
  }
}

}  // namespace

bool decode_lookup(LookupReply& reply) noexcept {
  const ReplyHeader& header = reply.reply.header;
  const std::size_t text_bytes = header.text_bytes;
  if (header.query_count > kMaxLookupQueries || header.address_count > kMaxLookupAddresses) return false;
  if (text_bytes > reply.reply.body_bytes) return false;
  std::size_t offset = 0;
  for (std::size_t i = 0; i < header.query_count; ++i) {
    const std::size_t size = strnlen(reply.body + offset, text_bytes - offset);
    if (size == 0 || size > kMaxHostNameBytes || offset + size == text_bytes) return false;  // no NUL before the end
    reply.queries[i] = reply.body + offset;
    offset += size + 1;
  }
  if (offset != text_bytes) return false;
  reply.query_count = header.query_count;
  const std::size_t addresses_offset = (text_bytes + 7) / 8 * 8;
  const std::size_t addresses_bytes = header.address_count * sizeof(Address);
  if (addresses_bytes > 0 && addresses_offset + addresses_bytes > reply.reply.body_bytes) return false;
  reply.addresses = {reinterpret_cast<const Address*>(reply.body + addresses_offset), header.address_count};
  return true;
}

LookupOutcome ask_name(State& state, const char* name, int family, LookupReply& into, TextLine& why) noexcept {
  AgentRequest request;
  compose(request, RequestKind::kLookup, name);
  request.header.family = family;
  const LookupOutcome outcome = ask(state, request, into.body, sizeof into.body, into.reply, why);
  if (outcome != LookupOutcome::kAnswered || decode_lookup(into)) return outcome;
  why.clear();
  why.add("the agent's answer to a lookup is malformed: it is of another version");
  return LookupOutcome::kUnavailable;
}

LookupOutcome bind_name(State& state, const char* name, std::span<const Address> addresses, TextLine& why) noexcept {
  AgentRequest request;
  compose(request, RequestKind::kBind, name);
  request.header.address_count = static_cast<std::uint32_t>(addresses.size());
  request.add(addresses.data(), addresses.size_bytes());
  AgentReply reply;
  return ask(state, request, nullptr, 0, reply, why);
}

}  // namespace egress
