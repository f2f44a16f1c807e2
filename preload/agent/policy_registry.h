// Policy files that `egress exec --policy` handed over, by user and hash, until the sessions that they are for have
// ended. Bounded; the text was checked before it came here. Runs on the agent's main thread.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/bundle/digest.h"

namespace egress {

inline constexpr std::size_t kMaxPolicies = 256;
inline constexpr std::size_t kMaxPoliciesPerUid = 64;
inline constexpr std::size_t kMaxPolicyBytesPerUid = 32u << 20;
inline constexpr std::int64_t kUnclaimedPolicyMs = 60'000;  // without a session, kept so long after its registration

class PolicyRegistry {
 public:
  using Text = std::shared_ptr<const std::string>;

  // One that is known already counts as registered now. kTooLarge past the limits.
  Expected<void> add(uid_t uid, const Sha256& digest, Text text, UnixMillis now_ms);

  // nullptr if that user registered no such text.
  Text find(uid_t uid, const Sha256& digest) const;

  // Time passes: forgets what no session names and nobody registered lately.
  void tick(const std::function<bool(uid_t, const Sha256&)>& is_named, UnixMillis now_ms);

  std::size_t size() const { return policies_.size(); }

 private:
  struct Entry {
    Text text;
    UnixMillis registered_at_ms = 0;
  };
  std::map<std::pair<uid_t, Sha256>, Entry> policies_;
};

}  // namespace egress
