// Making and revoking tokens within somebody's transaction, each with its audit row. Whether the actor may is the
// caller's to check; after the commit the caller hands the record to the TokenRegistry, which is what requests are
// judged by.
#pragma once

#include <optional>
#include <string>

#include "server/service/principal.h"
#include "server/store/store.h"

namespace egress::server {

struct TokenGrant {
  TokenKind kind = TokenKind::kUser;
  std::string name;            // kWorkload: the workload's
  Role role = Role::kViewer;   // kUser only
  std::string namespace_path;  // kUser: the scope; kWorkload: where the workload is registered
  std::optional<UnixMillis> expires_at_ms{};
  std::string actor;  // as the audit names who asked
};

struct IssuedToken {
  std::string text;  // the secret: shown once, never stored
  TokenRecord record;
};

// Audits token_created.
IssuedToken issue_token(Writer& writer, const TokenGrant& grant, UnixMillis now_ms);

// The record as revoked, and token_revoked in the audit; nullopt, and nothing done, if there is no such token or it was
// revoked before.
std::optional<TokenRecord> revoke_token(Writer& writer, std::string_view id, const std::string& actor,
                                        UnixMillis now_ms);

}  // namespace egress::server
