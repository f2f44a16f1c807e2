// What agents are given: for each namespace the manifest of its current stack, made when first asked for and again when
// policy changes, and the waking of those who wait for one (control-plane.md, "Distribution"). Thread-safe.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "server/distribution/layer_shelf.h"
#include "server/distribution/waiters.h"
#include "server/service/policy_observer.h"
#include "server/service/refusal.h"
#include "server/service/session_counter.h"
#include "server/service/stored_documents.h"
#include "server/service/workload_observer.h"
#include "server/store/store.h"
#include "shared/base/clock.h"
#include "shared/bundle/manifest.h"

namespace egress::server {

// For whom a manifest is made. Who comes without a token is no more than a name.
struct BundleHolder {
  std::string workload;
  // Only with a token, of its registration:
  bool authenticated = false;
  std::map<std::string, std::string> labels{};
  std::string target{};
  std::string token_binding{};
};

class Distribution final : public PolicyObserver, public SessionCounter, public WorkloadObserver {
 public:
  Distribution(Store& store, const Clock& clock, SigningKey key, StoredDocuments& documents)
      : store_(store), clock_(clock), key_(std::move(key)), documents_(documents), shelf_(store, clock) {}

  // The policy of a namespace, for no workload in particular: `manifest.workload` is empty.
  struct Stack {
    Manifest manifest;
    std::string tag;
  };
  // namespace_unknown if it does not exist.
  Result<std::shared_ptr<const Stack>> current(const std::string& namespace_path);

  // The tag and the signed form of a stack's manifest for one workload.
  std::string tag_for(const Stack& stack, const BundleHolder& holder) const;
  std::string sign_for(const Stack& stack, const BundleHolder& holder) const;

  Waiters::Subscription subscribe(const std::string& namespace_path, std::function<void()> wake) {
    return waiters_.subscribe(namespace_path, std::move(wake));
  }
  // Wakes when the registered workload becomes another one.
  Waiters::Subscription subscribe_workload(const std::string& namespace_path, const std::string& name,
                                           std::function<void()> wake) {
    return workload_waiters_.subscribe(workload_topic(namespace_path, name), std::move(wake));
  }
  std::size_t waiting() const { return waiters_.size(); }

  // A session is counted by the poll that its agent holds for it.
  std::size_t sessions_in(const std::string& namespace_path) const override { return waiters_.size_of(namespace_path); }
  std::size_t sessions_below(const std::string& subtree) const override;
  // Whether what is signed here can be verified.
  bool can_sign() const { return verify(key_.public_key(), {}, key_.sign({})); }

  Result<StoredLayer> fetch_layer(const std::string& hash) { return shelf_.fetch(hash); }

  // Forgets what the change may have touched and wakes the waiters of namespaces whose stack became another one.
  void policy_changed(const PolicyChange& change) override;

  void workload_changed(const std::string& namespace_path, const std::string& name) override {
    workload_waiters_.wake_all(workload_topic(namespace_path, name));
  }
  void workloads_closed() override;

 private:
  struct Sources;
  static std::string workload_topic(const std::string& namespace_path, const std::string& name) {
    return namespace_path + "\n" + name;  // no part holds a line break
  }
  Result<std::shared_ptr<const Stack>> build(const std::string& namespace_path);
  Expected<std::optional<Sources>> read_sources(const std::string& namespace_path);
  Result<std::vector<LayerRef>> link_references(const Sources& sources);
  Result<LayerRef> find_or_add(const std::string& id, std::uint64_t source_revision,
                               const std::function<Layer()>& make);
  void report_gaps(const std::string& namespace_path, const std::vector<NamespaceRecord>& chain);

  Store& store_;
  const Clock& clock_;
  const SigningKey key_;
  StoredDocuments& documents_;
  LayerShelf shelf_;
  Waiters waiters_;           // by namespace
  Waiters workload_waiters_;  // by workload_topic()

  std::mutex build_mutex_;  // one stack is built at a time: waiters of one namespace do not all compile it
  std::unordered_set<std::string> reported_gaps_;  // guarded by build_mutex_

  std::mutex mutex_;
  std::uint64_t changes_ = 0;  // policy_changed() calls so far: what was read before one is not cached after it
  std::unordered_map<std::string, std::shared_ptr<const Stack>> stacks_;
};

}  // namespace egress::server
