// Every bound of the HTTP server in one place.
#pragma once

#include <chrono>
#include <cstddef>

namespace egress::server {

struct HttpLimits {
  std::size_t max_connections = 16'384;
  std::size_t header_bytes = std::size_t{16} << 10;
  std::size_t read_buffer_bytes = std::size_t{64} << 10;
  std::chrono::milliseconds handshake{10'000};  // TLS, from the connection's first moment
  std::chrono::milliseconds idle{75'000};       // a kept-alive connection between requests
  std::chrono::milliseconds header{10'000};     // from a request's first byte to the end of its header
  std::chrono::milliseconds body{60'000};
  std::chrono::milliseconds write{30'000};
  std::chrono::milliseconds max_wait{60'000};  // of a held poll, whatever it asks for
  std::chrono::milliseconds linger{2'000};     // reading on after an early answer, so that the client gets to see it
  std::size_t linger_bytes = std::size_t{8} << 20;
  std::chrono::milliseconds stop{5'000};  // for requests in flight when the server stops
  std::size_t io_threads = 2;
  std::size_t worker_threads = 16;  // they wait for commits, which are shared
};

}  // namespace egress::server
