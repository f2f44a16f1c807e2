// One request to the agent and its reply (shared/session/protocol.h), by raw system calls and stack memory only: from a
// signal handler, a vfork child, a thread with a small stack. Bounded in time; leaves no descriptor behind.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "preload/library/text_line.h"
#include "shared/session/protocol.h"

namespace egress {

// Owns a descriptor that raw calls made.
class RawFd {
 public:
  explicit RawFd(int fd = -1) noexcept : fd_(fd) {}
  RawFd(RawFd&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  RawFd& operator=(RawFd&& other) noexcept;
  ~RawFd();

  int get() const noexcept { return fd_; }

 private:
  int fd_;
};

// A request's parts, to be sent as they lie in memory.
struct AgentRequest {
  RequestHeader header;
  // The header, the fields, the addresses. The first is filled in when it is sent.
  std::array<iovec, 2 + kHelloFieldCount> parts{};
  std::size_t part_count = 1;

  void add(const void* data, std::size_t size) noexcept { parts[part_count++] = {const_cast<void*>(data), size}; }
};

struct AgentReply {
  ReplyHeader header;
  std::size_t body_bytes = 0;  // received after the header, cut at the caller's capacity
  std::array<RawFd, static_cast<std::size_t>(HelloDescriptor::kCount)> descriptors;
};

enum class AgentOutcome {
  kReplied,
  kAbsent,  // nobody listens: an agent may be started
  kFailed,  // somebody does, and it went wrong
};

// Connects to `path`, checks that the agent runs as root or as this user, sends, and waits for the reply until
// `deadline_ms` (monotonic). `body` takes what follows the reply's header. `why` says what went wrong, for a person.
AgentOutcome ask_agent(const char* path, AgentRequest& request, std::int64_t deadline_ms, char* body,
                       std::size_t body_capacity, AgentReply& reply, TextLine& why) noexcept;

}  // namespace egress
