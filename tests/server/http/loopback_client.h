// A raw TCP client: sends exactly the bytes it is told to and reads responses apart, so that tests can misbehave.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "shared/base/unique_fd.h"

namespace egress::server {

class LoopbackClient {
 public:
  explicit LoopbackClient(std::uint16_t port);

  void send(std::string_view bytes);
  void finish_sending();
  void close() { socket_.reset(); }

  struct Reply {
    int status = 0;  // 0: the connection ended before a whole response
    std::string head;
    std::string body;
  };
  // The next response, by Content-Length. `without_body` for HEAD.
  Reply receive(bool without_body = false);
  // Whether the server has closed; waits for it.
  bool at_end();

 private:
  bool fill();

  UniqueFd socket_;
  std::string pending_;
};

}  // namespace egress::server
