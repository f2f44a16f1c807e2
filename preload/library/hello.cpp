#include "preload/library/hello.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>

#include "preload/library/environment.h"
#include "preload/library/raw_syscall.h"
#include "preload/library/state.h"

namespace egress {
namespace {

constexpr std::size_t kReasonBytes = 1024;  // of the agent's line for a person

bool has_size(int fd, std::size_t bytes) noexcept {
  struct stat info {};
  return raw_syscall(SYS_fstat, fd, &info) == 0 && info.st_size >= 0 && static_cast<std::size_t>(info.st_size) == bytes;
}

bool map_over(std::byte* at, std::size_t bytes, int protection, int fd) noexcept {
  return raw_syscall(SYS_mmap, at, bytes, protection, MAP_SHARED | MAP_FIXED, fd, 0) == reinterpret_cast<long>(at);
}

bool is_session(const std::byte* session) noexcept {
  const auto& arena = *reinterpret_cast<const ArenaHeader*>(session);
  const auto& ring = *reinterpret_cast<const RingHeader*>(session + kArenaBytes);
  return arena.magic == kArenaMagic && arena.format == kArenaFormat && arena.total_bytes == kArenaBytes &&
         ring.magic == kRingMagic && ring.format == kRingFormat;
}

// False if a variable is longer than the protocol carries; `why` names it then.
bool add_fields(AgentRequest& request, char** variables, TextLine& why) noexcept {
  std::size_t total = sizeof request.header;
  for (std::size_t i = 0; i < kHelloFieldCount; ++i) {
    const char* value = hello_field(variables, static_cast<HelloField>(i));
    const std::size_t size = std::strlen(value);
    total += size;
    if (size > kMaxFieldBytes || total > kMaxRequestBytes) {
      why.clear();
      why.add("an EGRESS_* variable is too long to send to the agent: ").add_number(static_cast<std::int64_t>(size));
      why.add(" bytes, at most ").add_number(kMaxFieldBytes).add(" each and ").add_number(kMaxRequestBytes);
      why.add(" in all");
      return false;
    }
    request.header.field_bytes[i] = static_cast<std::uint32_t>(size);
    request.add(value, size);
  }
  return true;
}

}  // namespace

std::byte* map_session(int arena_fd, int ring_fd, TextLine& why) noexcept {
  why.clear();
  // A file shorter than its mapping would be a SIGBUS later.
  if (!has_size(arena_fd, kArenaBytes) || !has_size(ring_fd, kRingBytes)) {
    why.add("the agent's shared memory has another size than this library expects: they are of different versions");
    return nullptr;
  }
  const long reserved =
      raw_syscall(SYS_mmap, nullptr, kSessionBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (reserved < 0 && reserved > -4096) {
    const char* description = strerrordesc_np(static_cast<int>(-reserved));
    why.add("no address space for the agent's shared memory (").add(description != nullptr ? description : "").add(")");
    return nullptr;
  }
  auto* session = reinterpret_cast<std::byte*>(reserved);
  const bool mapped = map_over(session, kArenaBytes, PROT_READ, arena_fd) &&
                      map_over(ring_of(session), kRingBytes, PROT_READ | PROT_WRITE, ring_fd);
  if (!mapped || !is_session(session)) {
    raw_syscall(SYS_munmap, session, kSessionBytes);
    why.add(mapped ? "the agent's shared memory is not in this library's format: they are of different versions"
                   : "the agent's shared memory cannot be mapped");
    return nullptr;
  }
  raw_syscall(SYS_madvise, session, kSessionBytes, MADV_DONTDUMP);  // no core file is better for holding it
  return session;
}

HelloResult say_hello(const char* socket_path, char** variables, std::int64_t deadline_ms, TextLine& why) noexcept {
  HelloResult result;
  AgentRequest request;
  request.header.kind = static_cast<std::uint16_t>(RequestKind::kHello);
  if (!add_fields(request, variables, why)) return result;

  AgentReply reply;
  char text[kReasonBytes];
  result.outcome = ask_agent(socket_path, request, deadline_ms, text, sizeof text, reply, why);
  if (result.outcome != AgentOutcome::kReplied) return result;

  const std::size_t text_bytes = std::min<std::size_t>(reply.header.text_bytes, reply.body_bytes);
  result.no_policy = static_cast<NoPolicyCause>(reply.header.no_policy);
  if (reply.header.status != static_cast<std::uint16_t>(ReplyStatus::kOk)) {
    why.clear();
    why.add("the agent refused: ").add_printable(text, text_bytes);
    result.outcome = AgentOutcome::kFailed;
    return result;
  }
  const int arena_fd = reply.descriptors[static_cast<std::size_t>(HelloDescriptor::kArena)].get();
  const int ring_fd = reply.descriptors[static_cast<std::size_t>(HelloDescriptor::kRing)].get();
  result.session = map_session(arena_fd, ring_fd, why);
  if (result.session == nullptr) {
    result.outcome = AgentOutcome::kFailed;
  } else if (result.no_policy != NoPolicyCause::kNone) {
    why.clear();
    why.add_printable(text, text_bytes);
  }
  return result;
}

}  // namespace egress
