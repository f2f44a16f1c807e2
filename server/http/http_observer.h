// What the HTTP server tells of what it does, for logs and metrics. Called on I/O threads: quick, and never throwing.
#pragma once

#include <chrono>
#include <string_view>

namespace egress::server {

struct AnsweredRequest {
  std::string_view method;   // as sent
  std::string_view path;     // as sent, without the query; empty if the request could not be read
  std::string_view pattern;  // of the route that answered; empty: none
  unsigned status = 0;
  std::chrono::steady_clock::duration took{};  // from the header's end to the answer's
  std::string_view principal;                  // who asked, as the audit names them; empty: not known yet
  std::string_view request_id;
};

class HttpObserver {
 public:
  virtual ~HttpObserver() = default;
  virtual void connection_opened() noexcept = 0;
  virtual void connection_closed() noexcept = 0;
  virtual void connection_refused() noexcept = 0;  // there were as many as there may be
  virtual void handshake_failed() noexcept = 0;
  virtual void answered(const AnsweredRequest& request) noexcept = 0;
};

}  // namespace egress::server
