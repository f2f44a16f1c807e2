// One connection: requests in sequence, each read under deadlines and limits, checked, handed to its route's handler on
// a worker thread, and answered. All of it runs on the connection's strand. Includes Beast: for http_server.cpp alone.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <memory>
#include <optional>

#include "server/api/gate.h"
#include "server/http/access.h"
#include "server/http/http_limits.h"
#include "server/http/http_observer.h"
#include "server/http/router.h"
#include "server/http/session_set.h"
#include "server/http/transport.h"

namespace egress::server {

// What all sessions share. Outlives them.
struct SessionHost {
  const Router& router;
  Gate& gate;
  const AllowedHosts& allowed_hosts;
  const HttpLimits& limits;
  boost::asio::thread_pool& workers;
  std::shared_ptr<SessionSet> sessions;
  std::shared_ptr<const TlsContext> tls;  // null: plain HTTP
  HttpObserver* observer;                 // null: nobody listens
};

class Session : public std::enable_shared_from_this<Session> {
 public:
  using Strand = Transport::Strand;
  using Socket = Transport::Socket;

  Session(const SessionHost& host, Socket socket);
  ~Session();

  // The connection's coroutine; to be spawned on strand(). Ends when the connection does.
  boost::asio::awaitable<void> run();
  Strand strand() { return stream_.get_executor(); }

  // From any thread: finish what is being answered, then close.
  void request_stop();
  // From any thread: close now, whatever is under way.
  void cut();

 private:
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;

  // What is to be done with the request whose header was read.
  struct Plan {
    std::optional<Response> refusal;
    bool failure_to_record = false;  // before the refusal is sent
    bool ends_connection = false;    // nobody knows where this request ends
    const Route* route = nullptr;
    Request request;
  };

  boost::asio::awaitable<bool> begin();        // TLS, if it is to be; false: close
  boost::asio::awaitable<bool> serve_one();    // false: close
  boost::asio::awaitable<bool> read_header();  // false: close, answered if that made sense
  boost::asio::awaitable<std::optional<Response>> read_body(const Route* route);  // a refusal, if it is too large
  boost::asio::awaitable<bool> send(Response response, bool keep_alive);
  boost::asio::awaitable<Response> answer(const Route* route, Request request);
  boost::asio::awaitable<Result<Response>> hold(const Route* route, const PollStarter* start, Request request);
  boost::asio::awaitable<void> wait_for_wake(std::chrono::steady_clock::time_point deadline);
  boost::asio::awaitable<void> linger();

  Plan plan_request() const;
  std::optional<Response> check_framing() const;
  std::optional<Response> check_access() const;
  void admit(Plan& plan) const;
  boost::asio::awaitable<void> record_failures();
  std::optional<Response> check_body(const Route& route) const;
  std::string_view field(boost::beast::http::field name) const;
  std::string_view sec_fetch_site() const;
  bool is_secure() const { return host_.tls != nullptr; }
  void watch_for_disconnect();
  void wake();
  void begin_request();
  void report(unsigned status) const;

  const SessionHost& host_;
  const Address peer_;
  Transport stream_;
  boost::beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  // The request being answered, as it is reported.
  struct {
    std::chrono::steady_clock::time_point begun;
    std::string id;
    std::string_view pattern;
    std::string principal;
  } current_;
  boost::asio::steady_timer hold_timer_;
  bool reading_header_ = false;  // between requests: stopping may cut the read
  bool woken_ = false;
  bool gone_ = false;
  bool stopping_ = false;
};

}  // namespace egress::server
