#include "server/service/token_registry.h"

#include <cstring>
#include <mutex>

#include "server/service/token_text.h"
#include "shared/policy/namespace_path.h"

namespace egress::server {
namespace {

std::uint64_t key_of(const Sha256& digest) {
  std::uint64_t key = 0;
  std::memcpy(&key, digest.data(), sizeof key);
  return key;
}

Principal principal_of(const TokenRecord& record) {
  const bool is_user = record.kind == TokenKind::kUser;
  Principal principal;
  principal.kind = is_user ? Principal::Kind::kUser : Principal::Kind::kWorkload;
  principal.name = is_user ? record.name : record.namespace_path + ":" + record.name;
  principal.role = is_user ? static_cast<Role>(record.role) : Role::kViewer;
  principal.scope = record.namespace_path;
  principal.token_id = record.id;
  if (!is_user) principal.workload = record.name;
  return principal;
}

}  // namespace

Result<void> TokenRegistry::load(Store& store) {
  const auto records = store.read([](Reader& reader) { return reader.tokens(); });
  if (!records) return tl::unexpected(Refusal(records.error()));
  for (const TokenRecord& record : *records) {
    if (!parse_sha256(record.sha256) || record.role > static_cast<std::uint8_t>(Role::kAdmin)) {
      return refuse(ErrorCode::kCorrupt, "internal_error", "the stored token " + record.id + " is damaged");
    }
    put(record);
  }
  return {};
}

void TokenRegistry::put(const TokenRecord& record) {
  const auto digest = parse_sha256(record.sha256);
  if (!digest) return;  // no text hashes to it
  bool revoked_now = false;
  {
    const std::unique_lock lock(mutex_);
    const auto [place, added] = by_id_.try_emplace(record.id, Entry{*digest, record});
    if (added) {
      by_digest_.emplace(key_of(*digest), &place->second);
    } else if (record.revoked_at_ms && !place->second.record.revoked_at_ms) {
      place->second.record.revoked_at_ms = record.revoked_at_ms;
      revoked_now = true;
    }
    (record.kind == TokenKind::kUser ? closed_ : closed_to_workloads_) = true;
  }
  if (revoked_now && on_revoked_) on_revoked_(record);
}

const TokenRegistry::Entry* TokenRegistry::find_locked(const Sha256& digest) const {
  const auto [first, last] = by_digest_.equal_range(key_of(digest));
  for (auto candidate = first; candidate != last; ++candidate) {
    if (equal_in_constant_time(candidate->second->digest, digest)) return candidate->second;
  }
  return nullptr;
}

Result<void> TokenRegistry::check_locked(const Entry& entry) const {
  const TokenRecord& record = entry.record;
  if (record.revoked_at_ms) {
    return refuse(ErrorCode::kUnauthenticated, "token_revoked", "the token " + record.id + " was revoked");
  }
  if (record.expires_at_ms && *record.expires_at_ms <= clock_.now_ms()) {
    return refuse(ErrorCode::kUnauthenticated, "token_expired", "the token " + record.id + " has expired");
  }
  return {};
}

Result<Principal> TokenRegistry::authenticate(std::string_view token_text) const {
  const Sha256 digest = sha256(token_text);
  const std::shared_lock lock(mutex_);
  const Entry* entry = find_locked(digest);
  if (!entry) return refuse(ErrorCode::kUnauthenticated, "unauthenticated", "the token is not known to this server");
  if (auto live = check_locked(*entry); !live) return tl::unexpected(live.error());
  return principal_of(entry->record);
}

Result<void> TokenRegistry::recheck(const Principal& principal) const {
  const std::shared_lock lock(mutex_);
  if (principal.token_id.empty()) {
    if (principal.kind == Principal::Kind::kOpen && closed_) {
      return refuse(ErrorCode::kUnauthenticated, "unauthenticated", "this server needs a token now");
    }
    return {};
  }
  const auto found = by_id_.find(principal.token_id);
  if (found == by_id_.end()) {
    return refuse(ErrorCode::kUnauthenticated, "unauthenticated", "the token is not known to this server");
  }
  return check_locked(found->second);
}

bool TokenRegistry::is_closed() const {
  const std::shared_lock lock(mutex_);
  return closed_;
}

bool TokenRegistry::is_closed_to_workloads() const {
  const std::shared_lock lock(mutex_);
  return closed_to_workloads_;
}

bool TokenRegistry::has_live_admin() const {
  const std::shared_lock lock(mutex_);
  for (const auto& [id, entry] : by_id_) {
    const TokenRecord& record = entry.record;
    const bool is_admin = record.kind == TokenKind::kUser && record.role == static_cast<std::uint8_t>(Role::kAdmin) &&
                          record.namespace_path == kRootNamespace;
    if (is_admin && check_locked(entry)) return true;
  }
  return false;
}

}  // namespace egress::server
