// Who waits for which namespace's bundle to become another one. Knows neither policy nor HTTP: a topic, the tag that
// the waiter holds, and a function that wakes it. Thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace egress::server {

class Waiters {
  struct Waiter;
  struct State;

 public:
  // Leaves on destruction. May outlive the Waiters.
  class Subscription {
   public:
    Subscription() = default;
    Subscription(Subscription&&) noexcept = default;
    Subscription& operator=(Subscription&& other) noexcept;
    ~Subscription() { leave(); }

    // What the waiter has seen. Until it says so, every publication of the topic wakes it, so that a change between
    // subscribing and looking is never missed.
    void hold(std::string tag);

   private:
    friend class Waiters;
    Subscription(std::shared_ptr<State> state, std::shared_ptr<Waiter> waiter)
        : state_(std::move(state)), waiter_(std::move(waiter)) {}
    void leave();

    std::shared_ptr<State> state_;
    std::shared_ptr<Waiter> waiter_;
  };

  Waiters();

  // `wake` is called on the publisher's thread, possibly more than once, possibly just after the subscription ended; it
  // must be quick and must not call back here.
  Subscription subscribe(const std::string& topic, std::function<void()> wake);

  // Wakes those of the topic that hold another tag, or none.
  void publish(const std::string& topic, const std::string& tag);
  // Wakes everyone of the topic.
  void wake_all(const std::string& topic);

  std::vector<std::string> topics() const;
  std::size_t size() const;
  std::size_t size_of(const std::string& topic) const;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace egress::server
