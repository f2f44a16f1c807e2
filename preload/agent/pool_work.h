// Runs blocking work on a thread pool and resumes the awaiting coroutine on its own executor, so that hellos and
// lookups never wait for hashing, linking or a disk.
#pragma once

#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace egress {

// `work` must not throw and must own, or outlive the pool with, everything it touches.
template <typename Work>
boost::asio::awaitable<std::invoke_result_t<Work>> run_on_pool(boost::asio::thread_pool& pool, Work work) {
  namespace asio = boost::asio;
  using Result = std::invoke_result_t<Work>;
  const auto home = co_await asio::this_coro::executor;
  auto result = std::make_shared<std::optional<Result>>();
  auto task = std::make_shared<Work>(std::move(work));
  // Named, not built inside the co_await expression: g++ 12.2 would destroy its captures twice.
  auto start = [&pool, home, result, task](auto resume) {
    auto run = [home, result, task, resume = std::move(resume)]() mutable {
      result->emplace((*task)());
      asio::post(home, std::move(resume));
    };
    asio::post(pool, std::move(run));
  };
  co_await asio::async_initiate<const asio::use_awaitable_t<>, void()>(std::move(start), asio::use_awaitable);
  co_return std::move(**result);
}

}  // namespace egress
