// A TCP socket that listens and from which nobody accepts yet: its port is known before what depends on it is made.
// Connections that arrive meanwhile wait in the kernel's queue.
#pragma once

#include <cstdint>

#include "shared/base/error.h"
#include "shared/base/unique_fd.h"
#include "shared/net/address.h"

namespace egress::server {

class Listener {
 public:
  // Port 0 takes a free one. kUnavailable if the address cannot be bound.
  static Expected<Listener> open(Address address, std::uint16_t port);

  Address address() const noexcept { return address_; }  // as asked for: 0.0.0.0 and :: stay what they are
  std::uint16_t port() const noexcept { return port_; }
  UniqueFd take_socket() && noexcept { return std::move(socket_); }

 private:
  Listener(UniqueFd socket, Address address, std::uint16_t port) noexcept
      : socket_(std::move(socket)), address_(address), port_(port) {}

  UniqueFd socket_;
  Address address_;
  std::uint16_t port_;
};

}  // namespace egress::server
