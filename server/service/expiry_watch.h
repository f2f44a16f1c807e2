// Notices what ended by itself: an entry of a parent's allowed_domains that expires leaves descendants uncovered, which
// is a namespace_broken row for each of them (policy.md section 6). Verdicts need nothing of this: entries carry their
// end to wherever they are judged. Remembers how far it looked, so that what ends while the server is down is noticed
// when it starts, and nothing twice.
#pragma once

#include "server/service/refusal.h"
#include "server/store/store.h"
#include "shared/base/clock.h"

namespace egress::server {

class ExpiryWatch {
 public:
  explicit ExpiryWatch(Store& store) : store_(store) {}

  // Looks at everything that ended since the last call, up to `now_ms`, and answers how many namespaces that broke. The
  // very first call of a store's life only starts the watch. O(what is below the namespaces whose entries ended).
  Result<std::size_t> run_due(UnixMillis now_ms);

 private:
  Store& store_;
};

}  // namespace egress::server
