// Verified layers in memory, shared by every session that uses them: a million-name block list is loaded once a
// machine. Holds no layer alive by itself. Safe from several threads.
#pragma once

#include <map>
#include <memory>
#include <mutex>

#include "shared/bundle/digest.h"
#include "shared/compile/compiled_layer.h"

namespace egress {

class LayerCache {
 public:
  // nullptr if no session holds it.
  std::shared_ptr<const CompiledLayer> find(const Sha256& hash) {
    const std::lock_guard lock(mutex_);
    const auto found = layers_.find(hash);
    return found == layers_.end() ? nullptr : found->second.lock();
  }

  void add(const Sha256& hash, const std::shared_ptr<const CompiledLayer>& layer) {
    const std::lock_guard lock(mutex_);
    std::erase_if(layers_, [](const auto& entry) { return entry.second.expired(); });
    layers_[hash] = layer;
  }

 private:
  std::mutex mutex_;
  std::map<Sha256, std::weak_ptr<const CompiledLayer>> layers_;
};

}  // namespace egress
