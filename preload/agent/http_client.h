// An HTTP/1.1 client for one server: one kept-alive connection, one request at a time, every step under a deadline and
// every answer under a size limit. An https server proves who it is (tls_client.h) or nothing is sent to it; there is
// no plain-text fallback. Knows nothing of bundles or records. Use from one thread.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "preload/agent/server_url.h"
#include "shared/base/error.h"
#include "shared/compile/link_stack.h"

namespace egress {

struct HttpRequest {
  std::string method = "GET";
  std::string target;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::size_t max_response_bytes = 1u << 20;
  std::chrono::milliseconds deadline{10'000};
};

struct HttpResponse {
  unsigned status = 0;
  std::string etag;
  std::string next_cursor;  // Egress-Next-Cursor: where a listing that has more goes on, as a query value; else empty
  std::string body;
};

class HttpClient {
 public:
  // `ca`: EGRESS_CA, read anew for each connection; empty: the system's authorities.
  HttpClient(boost::asio::any_io_executor executor, ServerUrl server, std::string ca);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // kUnavailable if there was no whole answer in time, kUntrusted for a certificate that was refused, kInvalidArgument
  // for an EGRESS_CA that cannot be used, kTooLarge if it exceeds the limit (kTooLarge also for its
  // header). A kept-alive connection that the server closed meanwhile is replaced once, without the caller noticing.
  boost::asio::awaitable<Expected<HttpResponse>> send(HttpRequest request);

  // The server's addresses as last resolved; for a server given by address, from the start.
  const std::vector<Endpoint>& endpoints() const;

  // Ends what is in progress and refuses what comes later.
  void close();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Percent-encoding of a query value (RFC 3986 unreserved characters stay).
std::string encode_query(std::string_view value);

}  // namespace egress
