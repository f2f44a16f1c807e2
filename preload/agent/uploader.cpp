#include "preload/agent/uploader.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>
#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

#include "preload/agent/bundle_fetch.h"

namespace asio = boost::asio;

namespace egress {
namespace {

using namespace std::chrono_literals;

constexpr auto kToken = asio::as_tuple(asio::use_awaitable);
constexpr auto kUploadDeadline = 10s;

// OTLP partial success; 64-bit integers travel as strings, and some send numbers.
std::size_t count_rejected(const std::string& body) {
  const auto json = nlohmann::json::parse(body, nullptr, false);
  if (!json.is_object() || !json.contains("partialSuccess") || !json["partialSuccess"].is_object()) return 0;
  const auto& partial = json["partialSuccess"];
  for (const char* key : {"rejectedLogRecords", "rejectedSpans"}) {
    const auto found = partial.find(key);
    if (found == partial.end()) continue;
    if (found->is_number_unsigned()) return found->get<std::size_t>();
    std::size_t count = 0;
    if (!found->is_string()) return 0;
    const auto& text = found->get_ref<const std::string&>();
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    return error == std::errc() && end == text.data() + text.size() ? count : 0;
  }
  return 0;
}

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
  while (!self->stopped_) {
    if (queue.is_empty()) {
      self->wake_.expires_at(std::chrono::steady_clock::time_point::max());
      co_await self->wake_.async_wait(kToken);
      continue;
    }
    const std::vector<DecisionRecord> batch = queue.front();
    std::string path = "/v1/logs";
    std::vector<DecisionRecord> records = batch;
    const Outcome logs = co_await self->send_patiently(std::move(path), render_logs, std::move(records));
    if (self->stopped_) co_return;
    if (logs.sent == Sent::kRefused) {
      queue.discard(batch.size());
      continue;
    }
    path = "/v1/traces";
    records = batch;
    const Outcome traces = co_await self->send_patiently(std::move(path), render_traces, std::move(records));
    if (self->stopped_) co_return;
    // The log is the record; a span that the server refuses is not a lost event, but it is said.
    if (traces.sent == Sent::kRefused) spdlog::warn("session {}: spans refused by the server", self->session_->id());
    // The server says how many, not which: they are counted as the batch's first.
    const std::size_t rejected = std::min(logs.rejected, batch.size());
    queue.discard(rejected);
    queue.confirm(batch.size() - rejected);
  }
}

// By who the workload is known to be now: what happened before the first manifest came was recorded without.
std::string Uploader::render_batch(Render render, std::vector<DecisionRecord>& batch) const {
  const Workload& workload = session_->workload();
  for (DecisionRecord& record : batch) {
    if (!record.namespace_path.empty()) continue;
    record.namespace_path = workload.namespace_path;
    record.workload = workload.name;
    record.labels = workload.labels;
  }
  const OtlpResource resource{.service_name = workload.name.empty() ? "egress-workload" : workload.name,
                              .service_namespace = workload.namespace_path,
                              .host_name = host_name_};
  return render(resource, batch);
}

asio::awaitable<Uploader::Outcome> Uploader::send_patiently(std::string path, Render render,
                                                            std::vector<DecisionRecord> batch) {
  while (!stopped_) {
    std::string path_again = path;
    std::string body = render_batch(render, batch);
    const Outcome outcome = co_await send(std::move(path_again), std::move(body));
    if (outcome.sent != Sent::kRetry) {
      backoff_.reset();
      co_return outcome;
    }
    if (stopped_) break;
    pause_.expires_after(backoff_.next());
    co_await pause_.async_wait(kToken);
  }
  co_return Outcome{};
}

asio::awaitable<Uploader::Outcome> Uploader::send(std::string path, std::string body) {
  HttpRequest request = make_api_request(path, session_->identity().key.token);
  request.method = "POST";
  request.headers.emplace_back("Content-Type", "application/json");
  request.body = std::move(body);
  request.deadline = kUploadDeadline;
  auto response = co_await client_.send(std::move(request));
  if (!response) {
    if (!stopped_) spdlog::debug("session {}: records not sent: {}", session_->id(), response.error().message);
    co_return Outcome{Sent::kRetry};
  }
  if (response->status < 300) {
    const std::size_t rejected = count_rejected(response->body);
    if (rejected > 0) spdlog::error("session {}: {} records rejected at {}", session_->id(), rejected, path);
    co_return Outcome{Sent::kAccepted, rejected};
  }
  if (is_retryable(response->status)) co_return Outcome{Sent::kRetry};
  spdlog::error("session {}: the server answered {} to {}: a batch of records is dropped", session_->id(),
                response->status, path);
  co_return Outcome{Sent::kRefused};
}

}  // namespace egress
