// The agent: constructs every part, owns the main loop, ends in order. One a process; run() and everything it drives is
// on the calling thread, blocking work on a small pool.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>

#include "preload/agent/request_handler.h"
#include "preload/agent/settings.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"

namespace egress {

class Agent {
 public:
  // The caller holds the instance lock of settings.runtime_dir. Listens when it returns.
  static Expected<std::unique_ptr<Agent>> create(AgentSettings settings, const Clock& clock,
                                                 RequestHandler::Files files = {});
  ~Agent();

  // Until SIGTERM, SIGINT, idleness or request_stop(); then flushes and uploads what is left, for at most 2 s.
  void run();

  // From any thread.
  void request_stop();

 private:
  struct Parts;
  explicit Agent(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace egress
