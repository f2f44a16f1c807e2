// One line of the route table, and the two kinds of handlers: a function, and a long poll. Both run on worker threads
// and may block on the store; nothing of them but Poll::wait() and Poll::subscribe() runs on an I/O thread.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "server/api/message.h"
#include "server/service/refusal.h"

namespace egress::server {

using Handler = std::function<Result<Response>(const Request&)>;

// A request that may be held until there is something new. The server calls subscribe() once, then attempt() at once,
// again after each wake, and a last time when the wait is over. No thread is held in between; destruction is the end
// of interest, also when the client went away.
class Poll {
 public:
  virtual ~Poll() = default;
  virtual std::chrono::milliseconds wait() const = 0;  // 0: answer at once
  // Must not block. `wake` may be called from any thread, also after the poll is gone.
  virtual void subscribe(std::function<void()> wake) = 0;
  // nullopt: nothing new yet. Never nullopt when `last`.
  virtual std::optional<Result<Response>> attempt(bool last) = 0;
};
using PollStarter = std::function<Result<std::unique_ptr<Poll>>(const Request&)>;

enum class BodyRule {
  kNone,      // a body is refused
  kJson,      // parsed as JSON whatever the Content-Type says (curl -d says form-urlencoded)
  kManifest,  // YAML or JSON, whatever the Content-Type says
  kOtlpJson,  // Content-Type must be application/json, else 415 (OTLP/HTTP)
};

enum class ErrorStyle {
  kApi,        // {"error", "message", ...}
  kRpcStatus,  // google.rpc.Status: {"code", "message"}
};

// Who may use a route at all; over which namespace is for the services to say, which know what the request touches.
struct Access {
  enum class Audience : std::uint8_t {
    kAnyone,
    kRole,      // a user with at least `role` over some namespace; anyone while the server is open
    kWorkload,  // a workload by its token; anyone until the first workload token exists
  };
  Audience audience = Audience::kRole;
  Role role = Role::kAdmin;
  bool users_too = false;  // kWorkload: also a user with at least `role`
};

struct Route {
  Method method = Method::kGet;
  // "/api/layers/{sha256}": braces match any one segment without a colon; "/api/revisions/{number}:rollback": one that
  // ends in that verb.
  std::string pattern;
  Access access;
  BodyRule body = BodyRule::kNone;
  std::size_t body_limit_bytes = 0;
  std::variant<Handler, PollStarter> handler;
  ErrorStyle errors = ErrorStyle::kApi;
};

}  // namespace egress::server
