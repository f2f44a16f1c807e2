// Sessions of browsers: a token given once becomes a random cookie, so that no page's script ever holds the token. In
// memory and bounded; a restart ends them all, and each ends with its token (TokenRegistry::recheck). Thread-safe.
#pragma once

#include <cstddef>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "server/service/principal.h"
#include "shared/base/clock.h"
#include "shared/bundle/digest.h"

namespace egress::server {

inline constexpr std::size_t kMaxUiSessions = 10'000;
inline constexpr UnixMillis kUiSessionLifetimeMs = UnixMillis{12} * 3600 * 1000;

class UiSessions {
 public:
  explicit UiSessions(const Clock& clock, std::size_t max = kMaxUiSessions) : clock_(clock), max_(max) {}

  // The new session's id: 256 random bits in hexadecimal, the cookie's value. Only its hash is kept. Beyond the bound
  // the oldest session ends.
  std::string begin(const Principal& principal);

  // Whose session it is; nullopt if there is none or it is over.
  std::optional<Principal> find(std::string_view id);

  void end(std::string_view id);

 private:
  struct Session {
    Principal principal;
    UnixMillis ends_at_ms = 0;
    std::list<Sha256>::iterator place;  // in order_
  };
  void erase_locked(std::map<Sha256, Session>::iterator session);

  const Clock& clock_;
  const std::size_t max_;
  std::mutex mutex_;
  std::map<Sha256, Session> sessions_;  // by the id's hash, which tells nothing about an id that is near
  std::list<Sha256> order_;             // oldest first
};

}  // namespace egress::server
