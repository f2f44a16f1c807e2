// People's tokens (control-plane.md, "Access"): made and revoked by admins over the token's namespace, listed without
// secrets. The first token closes an open server for good, so it must be one that can make all others, and one such
// token always remains.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "server/service/principal.h"
#include "server/service/refusal.h"
#include "server/service/token_registry.h"
#include "server/service/token_store.h"
#include "server/store/store.h"
#include "shared/base/clock.h"

namespace egress::server {

inline constexpr std::size_t kMaxLiveUserTokens = 10'000;
inline constexpr std::size_t kMaxTokenNameBytes = 64;

// What the audit will call its bearer: letters, digits and . _ @ + -, at most kMaxTokenNameBytes. Why it is none;
// nullopt if it is one. Names of the server's own actors are taken.
std::optional<std::string> find_token_name_problem(std::string_view name);

struct TokenPut {
  std::string name;
  Role role = Role::kViewer;
  std::string namespace_path;  // need not exist yet
  std::optional<UnixMillis> expires_at_ms;
  Principal actor;
};

enum class TokenState : std::uint8_t { kLive, kExpired, kRevoked };
std::string_view name_of(TokenState state);

class Tokens {
 public:
  Tokens(Store& store, const Clock& clock, TokenRegistry& registry)
      : store_(store), clock_(clock), registry_(registry) {}

  // Refuses with out_of_scope, first_token_must_be_admin, token_name_taken or too_many_tokens.
  Result<IssuedToken> create(const TokenPut& put);

  struct Listed {
    TokenRecord record;
    TokenState state = TokenState::kLive;
  };
  struct Page {
    std::vector<Listed> items;  // by id
    std::optional<std::string> next_after;
  };
  // Those of users whose namespace lies in the reader's scope.
  Result<Page> list(const Principal& reader, const std::string& after, std::size_t limit);

  // A user's or a workload's token. Refuses with token_unknown, out_of_scope, already_revoked or last_admin.
  Result<TokenRecord> revoke(const std::string& id, const Principal& actor);

 private:
  Store& store_;
  const Clock& clock_;
  TokenRegistry& registry_;
};

}  // namespace egress::server
