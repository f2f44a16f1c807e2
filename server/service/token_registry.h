// Every token in memory, by its hash, so that a request is judged without the database: loaded at start, told of every
// commit that made or revoked one. One SHA-256 and one hash lookup a request. Thread-safe; nothing here blocks on I/O.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "server/service/principal.h"
#include "server/store/store.h"
#include "shared/base/clock.h"
#include "shared/bundle/digest.h"

namespace egress::server {

class TokenRegistry {
 public:
  explicit TokenRegistry(const Clock& clock) : clock_(clock) {}

  // What the store holds. Once, before any request.
  Result<void> load(Store& store);

  // A token that was committed as made or revoked. Calls may come in any order: a revoked token stays revoked. The
  // observer is called for one that is revoked now.
  void put(const TokenRecord& record);

  // Called by put() on its caller's thread, without a lock held. Set once, before any request.
  void set_revocation_observer(std::function<void(const TokenRecord&)> observer) { on_revoked_ = std::move(observer); }

  // Whom a token stands for. kUnauthenticated with code `unauthenticated` (unknown), `token_revoked` or
  // `token_expired`.
  Result<Principal> authenticate(std::string_view token_text) const;

  // Whether a principal's token still holds, for what outlives its request (long polls, sessions): the codes of
  // authenticate(). A principal without a token always holds, but for the open server's anyone once it is closed.
  Result<void> recheck(const Principal& principal) const;

  // Whether a user token was ever made: from then on roles are required. Never false again.
  bool is_closed() const;
  // The same for workload tokens.
  bool is_closed_to_workloads() const;
  // Whether an admin over "/" could log in now.
  bool has_live_admin() const;

 private:
  struct Entry {
    Sha256 digest;
    TokenRecord record;
  };
  Result<void> check_locked(const Entry& entry) const;
  const Entry* find_locked(const Sha256& digest) const;

  const Clock& clock_;
  std::function<void(const TokenRecord&)> on_revoked_;
  mutable std::shared_mutex mutex_;
  std::unordered_map<std::string, Entry> by_id_;
  // By the first 64 bits of the digest; the whole of it is then compared in constant time. Entries of by_id_ stay put.
  std::unordered_multimap<std::uint64_t, const Entry*> by_digest_;
  bool closed_ = false;
  bool closed_to_workloads_ = false;
};

}  // namespace egress::server
