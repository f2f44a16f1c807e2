#include "preload/agent/file_policy.h"

#include <spdlog/spdlog.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <limits>
#include <utility>

#include "preload/agent/policy_file.h"
#include "preload/agent/pool_work.h"

namespace asio = boost::asio;

namespace egress {
namespace {

constexpr auto kPatience = std::chrono::seconds(4);
constexpr auto kToken = asio::as_tuple(asio::use_awaitable);

Expected<PolicyPtr> load_policy(const std::string& text, const Workload& workload, bool shadow, UnixMillis now_ms) {
  const PolicyFile file = parse_policy_file(text, workload.namespace_path);
  if (!file.problems.empty()) {
    return fail(ErrorCode::kInvalidArgument, "the policy file is refused: " + describe_problem(file.problems.front()));
  }
  return make_file_policy(file.documents, workload, shadow, now_ms);
}

}  // namespace

FilePolicy::FilePolicy(SyncServices& services, std::shared_ptr<Session> session, PolicyRegistry::Text text)
    : services_(services), session_(std::move(session)), text_(std::move(text)) {}

void FilePolicy::start() { asio::co_spawn(services_.executor, run(shared_from_this()), asio::detached); }

void FilePolicy::stop() {
  stopped_ = true;
  for (auto& waiter : waiters_) waiter.cancel();
}

asio::awaitable<void> FilePolicy::run(Self self) {
  auto work = [text = std::move(self->text_), workload = self->session_->workload(),
               shadow = self->session_->identity().file->shadow,
               now_ms = self->services_.clock.now_ms()] { return load_policy(*text, workload, shadow, now_ms); };
  auto policy = co_await run_on_pool(self->services_.pool, std::move(work));
  if (self->stopped_) co_return;
  if (policy) {
    self->services_.before_publish(*self->session_);
    auto published = self->session_->adopt(std::move(*policy), std::numeric_limits<UnixMillis>::max());
    if (!published) policy = tl::unexpected(published.error());
  }
  self->settle(policy ? std::string() : policy.error().message);
}

void FilePolicy::settle(std::string error) {
  settled_ = true;
  if (!error.empty()) spdlog::error("session {}: {}", session_->id(), error);
  session_->contact().error = std::move(error);
  for (auto& waiter : waiters_) waiter.cancel();
}

asio::awaitable<void> FilePolicy::wait_for_policy() {
  auto self = shared_from_this();
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  const auto waiter = waiters_.emplace(waiters_.end(), services_.executor);
  while (!stopped_ && !settled_ && std::chrono::steady_clock::now() < deadline) {
    waiter->expires_at(deadline);
    co_await waiter->async_wait(kToken);
  }
  waiters_.erase(waiter);
}

std::string FilePolicy::describe_absence() const {
  if (session_->has_policy()) return {};
  const std::string& error = session_->contact().error;
  return error.empty() ? "the policy file is still being compiled" : error;
}

}  // namespace egress
