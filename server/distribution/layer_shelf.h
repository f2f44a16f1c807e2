// Compiled layers: made once for each revision of their source, stored for good under their hash so that an agent with
// an older manifest can still fetch, and served as exact bytes.
#pragma once

#include <mutex>
#include <string>
#include <unordered_map>

#include "server/service/refusal.h"
#include "server/store/store.h"
#include "shared/base/clock.h"
#include "shared/bundle/manifest.h"
#include "shared/policy/rule.h"

namespace egress::server {

class LayerShelf {
 public:
  LayerShelf(Store& store, const Clock& clock) : store_(store), clock_(clock) {}

  // The reference made for this source, if its revision has not changed since.
  std::optional<LayerRef> find(const std::string& id, std::uint64_t source_revision);
  // Compiles, stores durably, remembers.
  Result<LayerRef> add(const Layer& layer, std::uint64_t source_revision);

  // layer_unknown if no layer of this hash was ever served.
  Result<StoredLayer> fetch(const std::string& hash);

 private:
  struct Made {
    std::uint64_t source_revision = 0;
    LayerRef reference;
  };
  Store& store_;
  const Clock& clock_;
  std::mutex mutex_;
  std::unordered_map<std::string, Made> made_;  // by layer id: the newest
};

}  // namespace egress::server
