#include "server/http/http_server.h"

#include <spdlog/spdlog.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <thread>

#include "server/http/session.h"

namespace egress::server {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
// After a failed accept (out of descriptors): long enough for connections to end, short enough to go unnoticed.
constexpr std::chrono::milliseconds kAcceptPause{100};

asio::awaitable<void> serve(std::shared_ptr<Session> session) { co_await session->run(); }

}  // namespace

class HttpServer::Running {
 public:
  Running(Router router, const HttpLimits& limits, Gate& gate, HttpParts parts)
      : limits_(limits),
        router_(std::move(router)),
        allowed_hosts_(std::move(parts.allowed_hosts)),
        sessions_(std::make_shared<SessionSet>()),
        workers_(limits.worker_threads),
        host_{router_, gate, allowed_hosts_, limits_, workers_, sessions_, std::move(parts.tls), parts.observer},
        io_(static_cast<int>(limits.io_threads)),
        acceptor_(asio::make_strand(io_)),
        pause_(acceptor_.get_executor()),
        stop_timer_(io_) {}

  ~Running() { stop(); }

  Expected<void> accept_from(Listener listener) {
    port_ = listener.port();
    const auto protocol = is_ipv4(listener.address()) ? tcp::v4() : tcp::v6();
    UniqueFd socket = std::move(listener).take_socket();
    boost::system::error_code code;
    acceptor_.assign(protocol, socket.get(), code);
    if (code) {
      return fail(ErrorCode::kUnavailable, "cannot accept on port " + std::to_string(port_) + ": " + code.message());
    }
    socket.release();
    asio::co_spawn(acceptor_.get_executor(), accept_connections(), asio::detached);
    for (std::size_t i = 0; i < limits_.io_threads; ++i) threads_.emplace_back([this] { io_.run(); });
    return {};
  }

  std::uint16_t port() const { return port_; }

  void stop() {
    if (std::exchange(stopped_, true)) return;
    auto begin = [this] { begin_stop(); };
    asio::post(acceptor_.get_executor(), std::move(begin));
    for (std::thread& thread : threads_) thread.join();
    workers_.join();
  }

 private:
  void begin_stop() {
    boost::system::error_code ignored;  // closing is all that is left to do with it
    acceptor_.close(ignored);
    pause_.cancel();
    stop_timer_.expires_after(limits_.stop);
    stop_timer_.async_wait([this](boost::system::error_code code) {
      if (code) return;
      spdlog::warn("some requests did not finish within {} ms and are cut", limits_.stop.count());
      sessions_->cut_all();
    });
    sessions_->stop_all();
    sessions_->notify_when_empty([this] {
      auto done = [this] { stop_timer_.cancel(); };
      asio::post(acceptor_.get_executor(), std::move(done));
    });
  }

  asio::awaitable<void> accept_connections() {
    while (acceptor_.is_open()) {
      auto strand = asio::make_strand(io_);
      auto [code, socket] = co_await acceptor_.async_accept(strand, kTuple);
      if (!acceptor_.is_open()) co_return;
      if (code) {
        spdlog::warn("a connection could not be accepted: {}", code.message());
        pause_.expires_after(kAcceptPause);
        const auto [paused] = co_await pause_.async_wait(kTuple);
        if (paused) co_return;
        continue;
      }
      boost::system::error_code ignored;  // the peer may be gone already; reading will tell
      socket.set_option(tcp::no_delay(true), ignored);
      auto session = std::make_shared<Session>(host_, std::move(socket));
      if (!sessions_->add(*session, limits_.max_connections)) {
        spdlog::warn("a connection is refused: {} are open", limits_.max_connections);
        if (host_.observer != nullptr) host_.observer->connection_refused();
        continue;
      }
      const auto executor = session->strand();
      auto serving = serve(std::move(session));
      asio::co_spawn(executor, std::move(serving), asio::detached);
    }
  }

  const HttpLimits limits_;
  const Router router_;
  const AllowedHosts allowed_hosts_;
  // Sessions refer to what stands above io_, and end at the latest with it.
  std::shared_ptr<SessionSet> sessions_;
  asio::thread_pool workers_;
  const SessionHost host_;
  asio::io_context io_;
  asio::basic_socket_acceptor<tcp, Session::Strand> acceptor_;
  asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, Session::Strand>
      pause_;
  asio::steady_timer stop_timer_;
  std::vector<std::thread> threads_;
  std::uint16_t port_ = 0;
  bool stopped_ = false;
};

Expected<std::unique_ptr<HttpServer>> HttpServer::start(Listener listener, Router router, const HttpLimits& limits,
                                                        Gate& gate, HttpParts parts) {
  auto running = std::make_unique<Running>(std::move(router), limits, gate, std::move(parts));
  if (auto done = running->accept_from(std::move(listener)); !done) return tl::unexpected(done.error());
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(running)));
}

HttpServer::HttpServer(std::unique_ptr<Running> running) : running_(std::move(running)) {}
HttpServer::~HttpServer() = default;
std::uint16_t HttpServer::port() const { return running_->port(); }
void HttpServer::stop() { running_->stop(); }

}  // namespace egress::server
