// The part of a session between a request and its answer: handlers on worker threads, and polls that are held.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "server/http/errors.h"
#include "server/http/session.h"

// The coroutine style is session.cpp's, and for its reason.
namespace egress::server {
namespace {

namespace asio = boost::asio;

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

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

asio::awaitable<void> Session::record_failures() {
  auto record = [&gate = host_.gate]() -> Result<void> {
    gate.record_failures();
    return {};
  };
  auto recording = run_work(std::move(record));
  const Result<void> done = co_await asio::co_spawn(host_.workers, std::move(recording), asio::use_awaitable);
  if (!done) spdlog::error("failed authentication could not be audited");
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
  const auto wait = std::min(poll->wait(), host_.limits.max_wait);
  const auto deadline = std::chrono::steady_clock::now() + wait;
  const bool waits = wait.count() > 0;
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
  stream_.cancel();  // the watch
}

// Becomes readable when the client closes, or when it sends its next request before it has the answer; the latter ends
// the watch, and the wait's own deadline bounds what a later disconnect costs.
void Session::watch_for_disconnect() {
  auto readable = [weak = weak_from_this()](boost::system::error_code code) {
    const auto self = weak.lock();
    if (!self || code) return;
    switch (self->stream_.look_at_peer()) {
      case Transport::Peer::kSpoke:
        return;
      case Transport::Peer::kQuiet:
        return self->watch_for_disconnect();
      case Transport::Peer::kGone:
        self->gone_ = true;
        self->hold_timer_.cancel();
    }
  };
  stream_.socket().async_wait(Transport::Socket::wait_read, std::move(readable));
}

}  // namespace egress::server
