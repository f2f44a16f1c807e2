// Gives a session the policy of a registered file: parsed, compiled and linked on the pool, published once. Nothing is
// fetched and nothing changes later.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <list>
#include <memory>
#include <string>

#include "preload/agent/policy_source.h"

namespace egress {

class FilePolicy final : public PolicySource, public std::enable_shared_from_this<FilePolicy> {
 public:
  // `session` is one of a policy file; `text` is that file's.
  FilePolicy(SyncServices& services, std::shared_ptr<Session> session, PolicyRegistry::Text text);

  void start() override;
  void stop() override;
  // At most 4 s.
  boost::asio::awaitable<void> wait_for_policy() override;
  std::string describe_absence() const override;

 private:
  using Self = std::shared_ptr<FilePolicy>;

  static boost::asio::awaitable<void> run(Self self);
  void settle(std::string error);

  SyncServices& services_;
  std::shared_ptr<Session> session_;
  PolicyRegistry::Text text_;
  std::list<boost::asio::steady_timer> waiters_;
  bool settled_ = false;
  bool stopped_ = false;
};

}  // namespace egress
