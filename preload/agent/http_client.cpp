#include "preload/agent/http_client.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <optional>
#include <string_view>

#include "preload/agent/tls_client.h"
#include "shared/net/address.h"

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::asio::ip::tcp;

namespace egress {
namespace {

constexpr auto kToken = asio::as_tuple(asio::use_awaitable);
constexpr std::uint32_t kMaxHeaderBytes = 16 * 1024;
constexpr std::size_t kMaxEndpoints = 64;

Address address_of(const asio::ip::address& address) {
  if (address.is_v4()) return canonical(make_ipv4(address.to_v4().to_uint()));
  std::uint8_t bytes[16];
  const auto raw = address.to_v6().to_bytes();
  std::copy(raw.begin(), raw.end(), bytes);
  return canonical(address_from_bytes(bytes));
}

}  // namespace

struct HttpClient::Impl {
  using PlainStream = beast::tcp_stream;
  using TlsStream = beast::ssl_stream<beast::tcp_stream>;

  Impl(asio::any_io_executor io, ServerUrl url, std::string ca_file)
      : executor(std::move(io)), server(std::move(url)), ca(std::move(ca_file)) {
    boost::system::error_code error;
    if (const auto literal = asio::ip::make_address(server.host, error); !error) {
      tcp_endpoints = {tcp::endpoint(literal, server.port)};
      endpoints = {{address_of(literal), server.port}};
    }
  }

  tl::unexpected<Error> failed(const char* what, const boost::system::error_code& error) const {
    const bool too_large = error == http::error::body_limit || error == http::error::header_limit;
    const std::string why = error == beast::error::timeout ? "no answer in time" : error.message();
    return fail(too_large ? ErrorCode::kTooLarge : ErrorCode::kUnavailable,
                std::string(what) + " " + server.text() + ": " + why);
  }

  asio::awaitable<Expected<void>> resolve();
  asio::awaitable<Expected<void>> connect(std::chrono::steady_clock::time_point deadline);
  // On the open connection, which it ends unless that can be used again. `unanswered` is set to whether the connection
  // failed before the first byte of an answer.
  asio::awaitable<Expected<HttpResponse>> exchange(HttpRequest request, std::chrono::steady_clock::time_point deadline,
                                                   std::shared_ptr<bool> unanswered);
  template <typename Stream>
  asio::awaitable<Expected<HttpResponse>> exchange_on(Stream* stream, HttpRequest request,
                                                      std::chrono::steady_clock::time_point deadline,
                                                      std::shared_ptr<bool> unanswered);

  bool is_open() const { return plain || tls; }
  void drop() {
    plain.reset();
    tls.reset();
  }

  asio::any_io_executor executor;
  ServerUrl server;
  std::string ca;
  // At most one of them.
  std::optional<PlainStream> plain;
  std::optional<TlsStream> tls;
  beast::flat_buffer buffer;
  std::vector<tcp::endpoint> tcp_endpoints;
  std::vector<Endpoint> endpoints;
  bool closed = false;
};

asio::awaitable<Expected<void>> HttpClient::Impl::resolve() {
  boost::system::error_code not_literal;
  asio::ip::make_address(server.host, not_literal);
  if (!not_literal) co_return Expected<void>();
  tcp::resolver resolver(executor);
  const std::string service = std::to_string(server.port);
  auto [error, results] = co_await resolver.async_resolve(server.host, service, kToken);
  if (error) co_return failed("cannot resolve", error);
  tcp_endpoints.clear();
  endpoints.clear();
  for (const auto& entry : results) {
    if (tcp_endpoints.size() >= kMaxEndpoints) break;
    tcp_endpoints.push_back(entry.endpoint());
    endpoints.push_back({address_of(entry.endpoint().address()), entry.endpoint().port()});
  }
  co_return Expected<void>();
}

asio::awaitable<Expected<void>> HttpClient::Impl::connect(std::chrono::steady_clock::time_point deadline) {
  // Name resolution has the C library's own timeouts.
  auto resolved = co_await resolve();
  if (!resolved) co_return tl::unexpected(resolved.error());
  if (closed) co_return failed("cannot connect to", asio::error::operation_aborted);
  buffer.clear();
  drop();
  PlainStream* stream = nullptr;
  if (server.tls) {
    auto trusted = make_tls_client(ca);
    if (!trusted) {
      co_return fail(trusted.error().code, "cannot connect to " + server.text() + ": " + trusted.error().message);
    }
    tls.emplace(executor, *trusted);
    stream = &tls->next_layer();
  } else {
    stream = &plain.emplace(executor);
  }
  stream->expires_at(deadline);
  auto [error, endpoint] = co_await stream->async_connect(tcp_endpoints, kToken);
  if (error) {
    drop();
    co_return failed("cannot connect to", error);
  }
  boost::system::error_code ignored;  // without it only latency suffers
  stream->socket().set_option(tcp::no_delay(true), ignored);
  if (!server.tls) co_return Expected<void>();
  expect_server(tls->native_handle(), server);
  auto [shaken, nothing] = co_await tls->async_handshake(asio::ssl::stream_base::client, asio::const_buffer(), kToken);
  if (!shaken) co_return Expected<void>();
  Error why = shaken == beast::error::timeout ? failed("cannot connect to", shaken).value()
                                              : describe_handshake_failure(tls->native_handle(), shaken, server, ca);
  drop();
  co_return tl::unexpected(std::move(why));
}

asio::awaitable<Expected<HttpResponse>> HttpClient::Impl::exchange(HttpRequest request,
                                                                   std::chrono::steady_clock::time_point deadline,
                                                                   std::shared_ptr<bool> unanswered) {
  Expected<HttpResponse> response;
  if (tls) {
    response = co_await exchange_on(&*tls, std::move(request), deadline, unanswered);
  } else {
    response = co_await exchange_on(&*plain, std::move(request), deadline, unanswered);
  }
  if (!response) drop();
  co_return response;
}

template <typename Stream>
asio::awaitable<Expected<HttpResponse>> HttpClient::Impl::exchange_on(Stream* stream, HttpRequest request,
                                                                      std::chrono::steady_clock::time_point deadline,
                                                                      std::shared_ptr<bool> unanswered) {
  http::request<http::string_body> message;
  message.method_string(request.method);
  message.target(request.target);
  message.version(11);
  message.set(http::field::host, server.authority());
  message.set(http::field::user_agent, "egress-agent");
  for (const auto& [name, value] : request.headers) message.set(name, value);
  message.body() = std::move(request.body);
  if (!message.body().empty() || request.method != "GET") message.prepare_payload();

  *unanswered = true;
  beast::get_lowest_layer(*stream).expires_at(deadline);
  auto [write_error, written] = co_await http::async_write(*stream, message, kToken);
  if (write_error) co_return failed("cannot send to", write_error);

  http::response_parser<http::string_body> parser;
  parser.header_limit(kMaxHeaderBytes);
  parser.body_limit(request.max_response_bytes);
  auto [read_error, size] = co_await http::async_read(*stream, buffer, parser, kToken);
  *unanswered = size == 0 && read_error != beast::error::timeout;
  if (read_error) co_return failed("no answer from", read_error);
  *unanswered = false;

  HttpResponse response;
  auto answer = parser.release();
  response.status = answer.result_int();
  response.etag = answer[http::field::etag];
  response.next_cursor = answer["Egress-Next-Cursor"];
  response.body = std::move(answer.body());
  if (!answer.keep_alive()) drop();
  co_return response;
}

HttpClient::HttpClient(asio::any_io_executor executor, ServerUrl server, std::string ca)
    : impl_(std::make_unique<Impl>(std::move(executor), std::move(server), std::move(ca))) {}

HttpClient::~HttpClient() = default;

const std::vector<Endpoint>& HttpClient::endpoints() const { return impl_->endpoints; }

void HttpClient::close() {
  impl_->closed = true;
  if (impl_->plain) impl_->plain->close();
  if (impl_->tls) beast::get_lowest_layer(*impl_->tls).close();
}

asio::awaitable<Expected<HttpResponse>> HttpClient::send(HttpRequest request) {
  if (impl_->closed) co_return impl_->failed("cannot connect to", asio::error::operation_aborted);
  const auto deadline = std::chrono::steady_clock::now() + request.deadline;
  auto unanswered = std::make_shared<bool>(false);
  if (impl_->is_open()) {
    HttpRequest copy = request;
    auto response = co_await impl_->exchange(std::move(copy), deadline, unanswered);
    if (response || !*unanswered) co_return response;
  }
  auto connected = co_await impl_->connect(deadline);
  if (!connected) co_return tl::unexpected(connected.error());
  co_return co_await impl_->exchange(std::move(request), deadline, unanswered);
}

std::string encode_query(std::string_view value) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    const bool unreserved = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                            (byte >= '0' && byte <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
    if (unreserved) {
      encoded += c;
    } else {
      encoded += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return encoded;
}

}  // namespace egress
