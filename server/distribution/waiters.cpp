#include "server/distribution/waiters.h"

#include <optional>

namespace egress::server {

struct Waiters::Waiter {
  std::string topic;
  std::function<void()> wake;
  std::optional<std::string> held_tag;  // guarded by State::mutex
};

struct Waiters::State {
  mutable std::mutex mutex;
  std::unordered_map<std::string, std::unordered_set<std::shared_ptr<Waiter>>> topics;
};

Waiters::Waiters() : state_(std::make_shared<State>()) {}

Waiters::Subscription& Waiters::Subscription::operator=(Subscription&& other) noexcept {
  if (this != &other) {
    leave();
    state_ = std::move(other.state_);
    waiter_ = std::move(other.waiter_);
  }
  return *this;
}

void Waiters::Subscription::hold(std::string tag) {
  if (!waiter_) return;
  const std::lock_guard lock(state_->mutex);
  waiter_->held_tag = std::move(tag);
}

void Waiters::Subscription::leave() {
  if (!waiter_) return;
  const std::lock_guard lock(state_->mutex);
  const auto topic = state_->topics.find(waiter_->topic);
  topic->second.erase(waiter_);
  if (topic->second.empty()) state_->topics.erase(topic);
  waiter_.reset();
}

Waiters::Subscription Waiters::subscribe(const std::string& topic, std::function<void()> wake) {
  auto waiter = std::make_shared<Waiter>(Waiter{topic, std::move(wake), std::nullopt});
  {
    const std::lock_guard lock(state_->mutex);
    state_->topics[topic].insert(waiter);
  }
  return Subscription(state_, std::move(waiter));
}

void Waiters::publish(const std::string& topic, const std::string& tag) {
  std::vector<std::shared_ptr<Waiter>> woken;
  {
    const std::lock_guard lock(state_->mutex);
    const auto found = state_->topics.find(topic);
    if (found == state_->topics.end()) return;
    for (const auto& waiter : found->second) {
      if (waiter->held_tag != tag) woken.push_back(waiter);
    }
  }
  for (const auto& waiter : woken) waiter->wake();
}

void Waiters::wake_all(const std::string& topic) {
  std::vector<std::shared_ptr<Waiter>> woken;
  {
    const std::lock_guard lock(state_->mutex);
    const auto found = state_->topics.find(topic);
    if (found != state_->topics.end()) woken.assign(found->second.begin(), found->second.end());
  }
  for (const auto& waiter : woken) waiter->wake();
}

std::vector<std::string> Waiters::topics() const {
  const std::lock_guard lock(state_->mutex);
  std::vector<std::string> names;
  for (const auto& [name, waiters] : state_->topics) names.push_back(name);
  return names;
}

std::size_t Waiters::size_of(const std::string& topic) const {
  const std::lock_guard lock(state_->mutex);
  const auto found = state_->topics.find(topic);
  return found == state_->topics.end() ? 0 : found->second.size();
}

std::size_t Waiters::size() const {
  const std::lock_guard lock(state_->mutex);
  std::size_t count = 0;
  for (const auto& [name, waiters] : state_->topics) count += waiters.size();
  return count;
}

}  // namespace egress::server
