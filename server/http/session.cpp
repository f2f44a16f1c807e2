#include "server/http/session.h"

#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>

#include "server/http/errors.h"
#include "server/http/target.h"

// Coroutine style of this file, because g++ 12.2 destroys owning temporaries in a co_await expression twice: whatever
// is handed to an operation is named on the line above, and parameters are taken by value or are pointers that outlive
// the session's coroutine.
namespace egress::server {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

Method method_of(http::verb verb) {
  switch (verb) {
    case http::verb::get:
      return Method::kGet;
    case http::verb::head:
      return Method::kHead;
    case http::verb::post:
      return Method::kPost;
    case http::verb::delete_:
      return Method::kDelete;
    default:
      return Method::kOther;
  }
}

std::string_view view_of(beast::string_view text) { return {text.data(), text.size()}; }

bool is_json_type(std::string_view content_type) {
  std::string_view type = content_type.substr(0, content_type.find(';'));
  while (!type.empty() && (type.back() == ' ' || type.back() == '\t')) type.remove_suffix(1);
  return beast::iequals(beast::string_view(type.data(), type.size()), "application/json");
}

// The other end; "::" if it is gone already, whose requests end by themselves.
Address peer_of(const Session::Socket& socket) {
  beast::error_code code;
  const auto endpoint = socket.remote_endpoint(code);
  if (code) return {};
  return parse_address(endpoint.address().to_string()).value_or(Address{});
}

// What a worker thread runs. A handler that throws (out of memory) fails its own request only.
template <typename Work>
asio::awaitable<std::invoke_result_t<Work&>> run_work(Work work) {
  try {
    co_return work();
  } catch (const std::exception& exception) {
    spdlog::error("a request failed: {}", exception.what());
    co_return refuse(ErrorCode::kInternal, "internal_error", "the server failed; its log says why");
  }
}

}  // namespace

Session::Session(const SessionHost& host, Socket socket)
    : host_(host),
      peer_(peer_of(socket)),
      stream_(std::move(socket)),
      buffer_(host.limits.read_buffer_bytes),
      hold_timer_(stream_.get_executor()) {}

Session::~Session() { host_.sessions->remove(*this); }

void Session::request_stop() {
  auto stop = [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->stopping_ = true;
    self->hold_timer_.cancel();
    if (self->reading_header_) self->stream_.cancel();
  };
  asio::post(stream_.get_executor(), std::move(stop));
}

void Session::cut() {
  auto close = [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->stopping_ = true;
    self->gone_ = true;
    self->hold_timer_.cancel();
    self->stream_.close();
  };
  asio::post(stream_.get_executor(), std::move(close));
}

asio::awaitable<void> Session::run() {
  bool keep_alive = true;
  while (keep_alive && !stopping_) keep_alive = co_await serve_one();
  beast::error_code ignored;  // the peer may have closed first
  stream_.socket().shutdown(asio::ip::tcp::socket::shutdown_both, ignored);
}

asio::awaitable<bool> Session::serve_one() {
  const bool readable = co_await read_header();
  if (!readable) co_return false;
  Plan plan = plan_request();
  if (plan.failure_to_record) co_await record_failures();
  if (!plan.refusal) plan.refusal = co_await read_body(plan.route);
  const bool keep_alive = parser_->get().keep_alive() && parser_->is_done();
  if (plan.refusal) {
    Response refusal = *std::move(plan.refusal);
    const bool sent = co_await send(std::move(refusal), keep_alive);
    if (sent && !keep_alive) co_await linger();
    co_return sent&& keep_alive;
  }
  plan.request.body = std::move(parser_->get().body());
  Request request = std::move(plan.request);
  Response response = co_await answer(plan.route, std::move(request));
  if (gone_) co_return false;
  const bool sent = co_await send(std::move(response), keep_alive && !stopping_);
  co_return sent&& keep_alive;
}

asio::awaitable<bool> Session::read_header() {
  parser_.emplace();
  parser_->header_limit(static_cast<std::uint32_t>(host_.limits.header_bytes));
  parser_->body_limit(boost::none);  // read_body() knows the route's limit
  reading_header_ = true;
  beast::error_code code;
  if (buffer_.size() == 0) {
    stream_.expires_after(host_.limits.idle);
    const auto [first, bytes] = co_await http::async_read_some(stream_, buffer_, *parser_, kTuple);
    code = first;
  }
  if (!code && !parser_->is_header_done()) {
    stream_.expires_after(host_.limits.header);
    const auto [rest, bytes] = co_await http::async_read_header(stream_, buffer_, *parser_, kTuple);
    code = rest;
  }
  reading_header_ = false;
  if (!code) co_return true;
  const bool malformed = code.category() == make_error_code(http::error::bad_method).category() &&
                         code != http::error::end_of_stream && code != http::error::partial_message;
  if (malformed && !stopping_) {
    const bool too_long = code == http::error::header_limit || code == http::error::buffer_overflow;
    Response refusal =
        too_long ? error_response(431, "header_too_large",
                                  "the request's header is too large: at most " +
                                      std::to_string(host_.limits.header_bytes) + " bytes are accepted",
                                  ErrorStyle::kApi)
                 : error_response(400, "bad_request", "not an HTTP/1.1 request: " + code.message(), ErrorStyle::kApi);
    const bool sent = co_await send(std::move(refusal), false);
    if (sent) co_await linger();
  }
  co_return false;
}

std::string_view Session::field(http::field name) const { return view_of(parser_->get()[name]); }

Session::Plan Session::plan_request() const {
  Plan plan;
  plan.refusal = check_access();
  if (plan.refusal) return plan;
  auto target = parse_target(view_of(parser_->get().target()));
  if (!target) {
    plan.refusal = error_response(400, "invalid_target", target.error().message, ErrorStyle::kApi);
    return plan;
  }
  plan.request.method = method_of(parser_->get().method());
  plan.request.path = std::move(target->path);
  plan.request.query = std::move(target->query);
  Router::Match match = host_.router.find(plan.request.method, plan.request.path);
  if (!match.route) {
    if (match.allow.empty()) {
      plan.refusal = error_response(404, "not_found", "there is nothing at " + plan.request.path, ErrorStyle::kApi);
    } else {
      plan.refusal =
          error_response(405, "method_not_allowed", plan.request.path + " answers to " + match.allow, ErrorStyle::kApi);
      plan.refusal->headers.emplace_back("Allow", match.allow);
    }
    return plan;
  }
  plan.route = match.route;
  plan.request.captures = std::move(match.captures);
  plan.request.accept = std::string(field(http::field::accept));
  admit(plan);
  if (plan.refusal) return plan;
  plan.refusal = check_body(*plan.route);
  for (const auto& header : parser_->get()) {
    if (header.name() == http::field::if_none_match) plan.request.if_none_match.emplace_back(view_of(header.value()));
    if (header.name() == http::field::prefer) plan.request.prefer.emplace_back(view_of(header.value()));
  }
  return plan;
}

asio::awaitable<void> Session::record_failures() {
  auto record = [&gate = host_.gate]() -> Result<void> {
    gate.record_failures();
    return {};
  };
  auto recording = run_work(std::move(record));
  const Result<void> done = co_await asio::co_spawn(host_.workers, std::move(recording), asio::use_awaitable);
  if (!done) spdlog::error("failed authentication could not be audited");
}

std::optional<Response> Session::check_body(const Route& route) const {
  const auto length = parser_->content_length();
  if (length && *length > route.body_limit_bytes) {
    return error_response(413, "body_too_large",
                          "the body has " + std::to_string(*length) + " bytes, at most " +
                              std::to_string(route.body_limit_bytes) + " are accepted",
                          route.errors);
  }
  const bool has_body = parser_->chunked() || (length && *length > 0);
  const std::string_view encoding = field(http::field::content_encoding);
  if (has_body && !encoding.empty() && encoding != "identity") {
    return error_response(415, "unsupported_encoding", "Content-Encoding " + std::string(encoding) + " is not accepted",
                          route.errors);
  }
  if (route.body == BodyRule::kOtlpJson && !is_json_type(field(http::field::content_type))) {
    return error_response(
        415, "unsupported_media_type",
        "Content-Type must be application/json, not \"" + std::string(field(http::field::content_type)) + "\"",
        route.errors);
  }
  return std::nullopt;
}

asio::awaitable<std::optional<Response>> Session::read_body(const Route* route) {
  if (parser_->is_done()) co_return std::nullopt;
  if (beast::iequals(parser_->get()[http::field::expect], "100-continue")) {
    http::response<http::empty_body> go_on(http::status::continue_, 11);
    stream_.expires_after(host_.limits.write);
    const auto [code, bytes] = co_await http::async_write(stream_, go_on, kTuple);
    if (code) co_return error_response(400, "bad_request", "the connection broke", route->errors);
  }
  stream_.expires_after(host_.limits.body);
  while (!parser_->is_done()) {
    const auto [code, bytes] = co_await http::async_read_some(stream_, buffer_, *parser_, kTuple);
    if (code) {
      co_return error_response(400, "bad_request", "the body could not be read: " + code.message(), route->errors);
    }
    if (parser_->get().body().size() > route->body_limit_bytes) {
      co_return error_response(
          413, "body_too_large",
          "the body is too large: at most " + std::to_string(route->body_limit_bytes) + " bytes are accepted",
          route->errors);
    }
  }
  co_return std::nullopt;
}

asio::awaitable<Response> Session::answer(const Route* route, Request request) {
  Result<Response> result;
  const Result<void> holds = host_.gate.recheck(*route, request.principal);  // reading the body may have taken long
  if (!holds) {
    result = tl::unexpected(holds.error());
  } else if (const auto* poll = std::get_if<PollStarter>(&route->handler)) {
    result = co_await hold(route, poll, std::move(request));
  } else {
    auto work = [handler = std::get_if<Handler>(&route->handler), held = std::move(request)] {
      return (*handler)(held);
    };
    auto task = run_work(std::move(work));
    result = co_await asio::co_spawn(host_.workers, std::move(task), asio::use_awaitable);
  }
  if (result) co_return *std::move(result);
  if (result.error().kind == ErrorCode::kInternal || result.error().kind == ErrorCode::kCorrupt) {
    spdlog::error("{}: {}", result.error().code, result.error().message);
  }
  co_return error_response(result.error(), route->errors);
}

asio::awaitable<Result<Response>> Session::hold(const Route* route, const PollStarter* start, Request request) {
  const Principal principal = request.principal;
  auto begin = [start, held = std::move(request)]() -> Result<std::shared_ptr<Poll>> {
    auto poll = (*start)(held);
    if (!poll) return tl::unexpected(poll.error());
    return std::shared_ptr<Poll>(*std::move(poll));
  };
  auto beginning = run_work(std::move(begin));
  Result<std::shared_ptr<Poll>> begun =
      co_await asio::co_spawn(host_.workers, std::move(beginning), asio::use_awaitable);
  if (!begun) co_return tl::unexpected(begun.error());
  const std::shared_ptr<Poll> poll = *begun;
  const auto deadline = std::chrono::steady_clock::now() + poll->wait();
  const bool waits = poll->wait().count() > 0;
  woken_ = false;
  if (waits) {
    poll->subscribe([weak = weak_from_this()] {
      const auto self = weak.lock();
      if (!self) return;
      auto wake = [self] { self->wake(); };
      asio::post(self->stream_.get_executor(), std::move(wake));
    });
  }
  while (true) {
    const bool last = !waits || stopping_ || std::chrono::steady_clock::now() >= deadline;
    woken_ = false;
    const Result<void> holds = host_.gate.recheck(*route, principal);
    if (!holds) co_return tl::unexpected(holds.error());
    auto attempt = [poll, last]() -> Result<std::optional<Response>> {
      auto answered = poll->attempt(last);
      if (!answered) return std::optional<Response>();
      if (!*answered) return tl::unexpected(answered->error());
      return std::optional<Response>(**std::move(answered));
    };
    auto attempting = run_work(std::move(attempt));
    Result<std::optional<Response>> attempted =
        co_await asio::co_spawn(host_.workers, std::move(attempting), asio::use_awaitable);
    if (!attempted) co_return tl::unexpected(attempted.error());
    if (*attempted) co_return **std::move(attempted);
    co_await wait_for_wake(deadline);
    if (gone_) co_return Response();
  }
}

void Session::wake() {
  woken_ = true;
  hold_timer_.cancel();
}

asio::awaitable<void> Session::wait_for_wake(std::chrono::steady_clock::time_point deadline) {
  if (woken_ || stopping_) co_return;
  buffer_.shrink_to_fit();
  hold_timer_.expires_at(deadline);
  watch_for_disconnect();
  const auto [code] = co_await hold_timer_.async_wait(kTuple);  // cancelled: woken, stopping or gone
  boost::ignore_unused(code);
  beast::error_code ignored;  // the watch may have ended already
  stream_.socket().cancel(ignored);
}

// Becomes readable when the client closes, or when it sends its next request before it has the answer; the latter ends
// the watch, and the wait's own deadline bounds what a later disconnect costs.
void Session::watch_for_disconnect() {
  auto readable = [weak = weak_from_this()](beast::error_code code) {
    const auto self = weak.lock();
    if (!self || code || !self->peer_is_gone()) return;
    self->gone_ = true;
    self->hold_timer_.cancel();
  };
  stream_.socket().async_wait(asio::ip::tcp::socket::wait_read, std::move(readable));
}

bool Session::peer_is_gone() {
  char byte = 0;
  const auto got = ::recv(stream_.socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

asio::awaitable<bool> Session::send(Response response, bool keep_alive) {
  const bool is_head = parser_->get().method() == http::verb::head;
  http::response<http::string_body> message(static_cast<http::status>(response.status), 11);
  message.set(http::field::server, "egress-server");
  message.set("X-Content-Type-Options", "nosniff");
  for (const auto& [name, value] : response.headers) message.set(name, value);
  message.keep_alive(keep_alive);
  if (response.status != 304) {
    message.set(http::field::content_type, response.content_type);
    message.content_length(response.body.size());
    message.body() = std::move(response.body);
  }
  stream_.expires_after(host_.limits.write);
  beast::error_code code;
  if (is_head) {
    http::response_serializer<http::string_body> serializer(message);
    const auto [result, bytes] = co_await http::async_write_header(stream_, serializer, kTuple);
    code = result;
  } else {
    const auto [result, bytes] = co_await http::async_write(stream_, message, kTuple);
    code = result;
  }
  stream_.expires_never();
  co_return !code;
}

asio::awaitable<void> Session::linger() {
  beast::error_code code;
  stream_.socket().shutdown(asio::ip::tcp::socket::shutdown_send, code);
  std::vector<char> discarded(std::size_t{16} << 10);
  stream_.expires_after(host_.limits.linger);
  for (std::size_t total = 0; !code && total < host_.limits.linger_bytes;) {
    const auto [result, bytes] = co_await stream_.async_read_some(asio::buffer(discarded), kTuple);
    code = result;
    total += bytes;
  }
}

}  // namespace egress::server
