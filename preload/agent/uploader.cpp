#include "preload/agent/uploader.h"

#include <spdlog/spdlog.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <utility>

#include "preload/agent/bundle_fetch.h"
#include "shared/otlp/record.h"

namespace asio = boost::asio;

namespace egress {
namespace {

using namespace std::chrono_literals;

constexpr auto kToken = asio::as_tuple(asio::use_awaitable);
constexpr auto kUploadDeadline = 10s;

bool is_retryable(unsigned status) { return status == 429 || status == 502 || status == 503 || status == 504; }

}  // namespace

Uploader::Uploader(asio::any_io_executor executor, std::shared_ptr<Session> session, std::string host_name)
    : session_(std::move(session)),
      host_name_(std::move(host_name)),
      client_(executor, session_->identity().server, session_->identity().key.ca),
      backoff_(200ms, 30s),
      wake_(executor),
      pause_(executor) {}

void Uploader::start() { asio::co_spawn(wake_.get_executor(), run(shared_from_this()), asio::detached); }

void Uploader::stop() {
  stopped_ = true;
  client_.close();
  wake_.cancel();
  pause_.cancel();
}

asio::awaitable<void> Uploader::run(Self self) {
  UploadQueue& queue = self->session_->events().queue();
  const Workload& workload = self->session_->workload();
  const OtlpResource resource{.service_name = workload.name.empty() ? "egress-workload" : workload.name,
                              .service_namespace = workload.namespace_path,
                              .host_name = self->host_name_};
  while (!self->stopped_) {
    if (queue.is_empty()) {
      self->wake_.expires_at(std::chrono::steady_clock::time_point::max());
      co_await self->wake_.async_wait(kToken);
      continue;
    }
    const std::vector<DecisionRecord> batch = queue.front();
    std::string path = "/v1/logs";
    std::string body = render_logs(resource, batch);
    const Sent logs = co_await self->send_patiently(std::move(path), std::move(body));
    if (self->stopped_) co_return;
    if (logs == Sent::kRefused) {
      queue.discard(batch.size());
      continue;
    }
    path = "/v1/traces";
    body = render_traces(resource, batch);
    const Sent traces = co_await self->send_patiently(std::move(path), std::move(body));
    if (self->stopped_) co_return;
    // The log is the record; a span that the server refuses is not a lost event, but it is said.
    if (traces == Sent::kRefused) spdlog::warn("session {}: spans refused by the server", self->session_->id());
    queue.confirm(batch.size());
  }
}

asio::awaitable<Uploader::Sent> Uploader::send_patiently(std::string path, std::string body) {
  while (!stopped_) {
    std::string path_again = path;
    std::string body_again = body;
    const Sent sent = co_await send(std::move(path_again), std::move(body_again));
    if (sent != Sent::kRetry) {
      backoff_.reset();
      co_return sent;
    }
    if (stopped_) break;
    pause_.expires_after(backoff_.next());
    co_await pause_.async_wait(kToken);
  }
  co_return Sent::kRetry;
}

asio::awaitable<Uploader::Sent> Uploader::send(std::string path, std::string body) {
  HttpRequest request = make_api_request(path, session_->identity().key.token);
  request.method = "POST";
  request.headers.emplace_back("Content-Type", "application/json");
  request.body = std::move(body);
  request.deadline = kUploadDeadline;
  auto response = co_await client_.send(std::move(request));
  if (!response) {
    if (!stopped_) spdlog::debug("session {}: records not sent: {}", session_->id(), response.error().message);
    co_return Sent::kRetry;
  }
  if (response->status < 300) co_return Sent::kAccepted;
  if (is_retryable(response->status)) co_return Sent::kRetry;
  spdlog::error("session {}: the server answered {} to {}: a batch of records is dropped", session_->id(),
                response->status, path);
  co_return Sent::kRefused;
}

}  // namespace egress
