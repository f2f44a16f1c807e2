#include "server/http/session.h"

#include <spdlog/spdlog.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>

#include "server/http/errors.h"
#include "server/http/request_id.h"
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
constexpr std::size_t kFirstReadBytes = 4096;
constexpr const char* kRequestId = "X-Request-Id";

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

}  // namespace

Session::Session(const SessionHost& host, Socket socket)
    : host_(host),
      peer_(peer_of(socket)),
      stream_(std::move(socket), host.tls.get()),
      buffer_(host.limits.read_buffer_bytes),
      hold_timer_(stream_.get_executor()) {
  if (host_.observer != nullptr) host_.observer->connection_opened();
}

Session::~Session() {
  if (host_.observer != nullptr) host_.observer->connection_closed();
  host_.sessions->remove(*this);
}

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
  bool keep_alive = co_await begin();
  while (keep_alive && !stopping_) keep_alive = co_await serve_one();
  stream_.finish_sending();
}

asio::awaitable<bool> Session::begin() {
  if (!stream_.is_tls()) co_return true;
  reading_header_ = true;
  stream_.expires_after(host_.limits.handshake);
  const auto [came, some] = co_await stream_.async_first_bytes(kTuple);
  if (came == beast::error::timeout && host_.observer != nullptr) host_.observer->handshake_failed();
  if (came) co_return false;
  if (stream_.hears_plain_http()) {
    stream_.become_plain();
    begin_request();
    Response refusal =
        error_response(400, "https_required", "this port speaks https: use an https:// URL", ErrorStyle::kApi);
    const bool sent = co_await send(std::move(refusal), false);
    if (sent) co_await linger();
    co_return false;
  }
  const auto [code, none] = co_await stream_.async_handshake(kTuple);
  reading_header_ = false;
  if (code) {
    spdlog::debug("a TLS handshake failed: {}", code.message());
    if (host_.observer != nullptr) host_.observer->handshake_failed();
  }
  co_return !code;
}

void Session::begin_request() {
  parser_.emplace();
  parser_->header_limit(static_cast<std::uint32_t>(host_.limits.header_bytes));
  parser_->body_limit(boost::none);  // read_body() knows the route's limit
  current_ = {std::chrono::steady_clock::now(), {}, {}, {}};
}

asio::awaitable<bool> Session::serve_one() {
  const bool readable = co_await read_header();
  if (!readable) co_return false;
  Plan plan = plan_request();
  if (plan.route != nullptr) current_.pattern = plan.route->pattern;
  current_.principal = plan.request.principal.name;
  if (plan.failure_to_record) co_await record_failures();
  if (!plan.refusal) plan.refusal = co_await read_body(plan.route);
  const bool keep_alive = parser_->get().keep_alive() && parser_->is_done() && !plan.ends_connection;
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
  begin_request();
  reading_header_ = true;
  beast::error_code code;
  if (buffer_.size() == 0) {
    // Not through the parser, which would wait for a whole line under this deadline.
    stream_.expires_after(host_.limits.idle);
    const auto space = buffer_.prepare(kFirstReadBytes);
    const auto [first, bytes] = co_await stream_.async_read_some(space, kTuple);
    buffer_.commit(bytes);
    code = first;
  }
  if (!code) {
    stream_.expires_after(host_.limits.header);
    const auto [rest, bytes] = co_await http::async_read_header(stream_, buffer_, *parser_, kTuple);
    code = rest;
  }
  reading_header_ = false;
  current_.begun = std::chrono::steady_clock::now();
  if (!code) {
    const std::string_view id = view_of(parser_->get()[kRequestId]);
    current_.id = is_request_id(id) ? std::string(id) : make_request_id();
    co_return true;
  }
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
  plan.refusal = check_framing();
  plan.ends_connection = plan.refusal.has_value();
  if (!plan.refusal) plan.refusal = check_access();
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

// What the parser lets pass although it leaves open where the request ends (RFC 9112, sections 6.1 and 6.3): with a
// transfer coding that it does not know there is no body for it, and what follows would be read as the next request.
std::optional<Response> Session::check_framing() const {
  const auto& request = parser_->get();
  const auto codings = request.count(http::field::transfer_encoding);
  const bool is_chunked = codings == 1 && beast::iequals(request[http::field::transfer_encoding], "chunked");
  if (codings > 0 && !(is_chunked && request.version() == 11)) {
    return error_response(400, "bad_request", "the only Transfer-Encoding accepted is chunked, of HTTP/1.1",
                          ErrorStyle::kApi);
  }
  const auto lengths = request.count(http::field::content_length);
  if (lengths > 1 || field(http::field::content_length).find(',') != std::string_view::npos) {
    return error_response(400, "bad_request", "Content-Length is given more than once", ErrorStyle::kApi);
  }
  return std::nullopt;
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
  const bool is_asked_to_go_on = beast::iequals(parser_->get()[http::field::expect], "100-continue");
  if (is_asked_to_go_on && parser_->get().version() == 11) {  // an HTTP/1.0 client knows no interim answers
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

asio::awaitable<bool> Session::send(Response response, bool keep_alive) {
  const bool is_head = parser_->get().method() == http::verb::head;
  http::response<http::string_body> message(static_cast<http::status>(response.status), 11);
  message.set(http::field::server, "egress-server");
  message.set("X-Content-Type-Options", "nosniff");
  if (!current_.id.empty()) message.set(kRequestId, current_.id);
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
  if (code == beast::error::timeout) stream_.abort();  // a reader too slow to wait for
  report(response.status);
  co_return !code;
}

void Session::report(unsigned status) const {
  if (host_.observer == nullptr) return;
  const auto& request = parser_->get();
  AnsweredRequest answered;
  answered.method = view_of(request.method_string());
  answered.path = view_of(request.target());
  answered.path = answered.path.substr(0, answered.path.find('?'));
  answered.pattern = current_.pattern;
  answered.status = status;
  answered.took = std::chrono::steady_clock::now() - current_.begun;
  answered.principal = current_.principal;
  answered.request_id = current_.id;
  host_.observer->answered(answered);
}

asio::awaitable<void> Session::linger() {
  stream_.finish_sending();
  stream_.expires_after(host_.limits.linger);
  beast::error_code code;
  for (std::size_t total = 0; !code && total < host_.limits.linger_bytes;) {
    const auto [result, bytes] = co_await stream_.async_discard(kTuple);
    code = result;
    total += bytes;
  }
}

}  // namespace egress::server
