// What one try of a non-blocking operation came to: finished (well or not), or to be repeated when the socket is ready.
#pragma once

#include <boost/system/error_code.hpp>
#include <cerrno>
#include <cstddef>
#include <cstdint>

namespace egress::server {

struct IoStep {
  enum class Wait : std::uint8_t { kNothing, kRead, kWrite };
  Wait wait = Wait::kNothing;
  boost::system::error_code code{};
  std::size_t bytes = 0;
};

// After a system call that failed with `error`.
inline IoStep failed_step(int error, IoStep::Wait wait) {
  if (error == EAGAIN || error == EWOULDBLOCK || error == EINTR) return {wait};
  return {IoStep::Wait::kNothing, {error, boost::system::system_category()}};
}

}  // namespace egress::server
