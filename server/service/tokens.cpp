#include "server/service/tokens.h"

#include <algorithm>
#include <array>

#include "shared/base/time_text.h"
#include "shared/policy/namespace_path.h"

namespace egress::server {
namespace {

TokenState state_of(const TokenRecord& record, UnixMillis now_ms) {
  if (record.revoked_at_ms) return TokenState::kRevoked;
  return record.expires_at_ms && *record.expires_at_ms <= now_ms ? TokenState::kExpired : TokenState::kLive;
}

bool is_live(const TokenRecord& record, UnixMillis now_ms) { return state_of(record, now_ms) == TokenState::kLive; }

bool is_root_admin(const TokenRecord& record) {
  return record.kind == TokenKind::kUser && record.role == static_cast<std::uint8_t>(Role::kAdmin) &&
         record.namespace_path == kRootNamespace;
}

// Whether `a` ends no earlier than `b`.
bool lasts_as_long(const TokenRecord& a, const TokenRecord& b) {
  return !a.expires_at_ms || (b.expires_at_ms && *a.expires_at_ms >= *b.expires_at_ms);
}

// What the request was admitted by may have ended since.
Result<void> check_actor(Reader& reader, const Principal& actor, bool closed) {
  if (actor.kind == Principal::Kind::kOpen && closed) {
    return refuse(ErrorCode::kUnauthenticated, "unauthenticated", "this server needs a token now");
  }
  if (actor.token_id.empty()) return {};
  const auto own = reader.find_token(actor.token_id);
  if (own && !own->revoked_at_ms) return {};
  return refuse(ErrorCode::kUnauthenticated, "token_revoked", "the token " + actor.token_id + " was revoked");
}

Result<void> check_first(const TokenPut& put) {
  if (put.actor.kind != Principal::Kind::kOpen) return {};
  if (put.role == Role::kAdmin && put.namespace_path == kRootNamespace && !put.expires_at_ms) return {};
  return refuse(ErrorCode::kConflict, "first_token_must_be_admin",
                "the first token closes this server to everyone without one: make one of role admin over namespace / "
                "that never expires, then others");
}

Result<void> check_others(const TokenPut& put, const std::vector<TokenRecord>& tokens, UnixMillis now_ms) {
  const auto live =
      std::count_if(tokens.begin(), tokens.end(), [&](const TokenRecord& record) { return is_live(record, now_ms); });
  if (static_cast<std::size_t>(live) >= kMaxLiveUserTokens) {
    return refuse(ErrorCode::kConflict, "too_many_tokens",
                  "there are " + std::to_string(kMaxLiveUserTokens) + " tokens: revoke some that are no longer used");
  }
  const bool taken = std::any_of(tokens.begin(), tokens.end(), [&](const TokenRecord& record) {
    return record.name == put.name && is_live(record, now_ms);
  });
  if (!taken) return {};
  return refuse(ErrorCode::kConflict, "token_name_taken",
                "a token that is still valid is named " + put.name +
                    ": the audit could not tell the two apart; choose another name or revoke it first");
}

Result<void> check_remaining_admin(const TokenRecord& ending, const std::vector<TokenRecord>& tokens,
                                   UnixMillis now_ms) {
  if (!is_root_admin(ending) || !is_live(ending, now_ms)) return {};
  const bool remains = std::any_of(tokens.begin(), tokens.end(), [&](const TokenRecord& other) {
    return other.id != ending.id && is_root_admin(other) && is_live(other, now_ms) && lasts_as_long(other, ending);
  });
  if (remains) return {};
  return refuse(ErrorCode::kConflict, "last_admin",
                "no other admin token over / lasts as long as " + ending.id +
                    ": nobody could make tokens once it is gone; make another first");
}

}  // namespace

std::optional<std::string> find_token_name_problem(std::string_view name) {
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("._@+-").find(c) != std::string_view::npos;
  };
  if (name.empty() || name.size() > kMaxTokenNameBytes || !std::all_of(name.begin(), name.end(), is_plain)) {
    return "expected 1 to " + std::to_string(kMaxTokenNameBytes) + " letters, digits and . _ @ + -";
  }
  constexpr std::array<std::string_view, 3> kOwnActors = {"server", "anonymous", "console"};
  if (std::find(kOwnActors.begin(), kOwnActors.end(), name) != kOwnActors.end()) {
    return "\"" + std::string(name) + "\" is what the audit calls the server's own doing";
  }
  return std::nullopt;
}

std::string_view name_of(TokenState state) {
  switch (state) {
    case TokenState::kLive:
      return "live";
    case TokenState::kExpired:
      return "expired";
    case TokenState::kRevoked:
      break;
  }
  return "revoked";
}

Result<IssuedToken> Tokens::create(const TokenPut& put) {
  const UnixMillis now_ms = clock_.now_ms();
  if (const auto problem = find_token_name_problem(put.name)) {
    return refuse_field("invalid_field", "name", "name: " + *problem);
  }
  if (put.expires_at_ms && *put.expires_at_ms <= now_ms) {
    return refuse_field("invalid_field", "expires_at",
                        "expires_at " + format_time(*put.expires_at_ms) + " is not in the future");
  }
  // Admin is the highest role, so that nobody who passes makes a token beyond their own.
  if (auto may_do = require(put.actor, Role::kAdmin, put.namespace_path); !may_do) {
    return tl::unexpected(may_do.error());
  }
  auto issued = store_.write([&](Writer& writer) -> Result<IssuedToken> {
    const std::vector<TokenRecord> tokens = writer.user_tokens();
    if (auto valid = check_actor(writer, put.actor, !tokens.empty()); !valid) return tl::unexpected(valid.error());
    if (auto first = check_first(put); !first) return tl::unexpected(first.error());
    if (auto fits = check_others(put, tokens, now_ms); !fits) return tl::unexpected(fits.error());
    TokenGrant grant;
    grant.kind = TokenKind::kUser;
    grant.name = put.name;
    grant.role = put.role;
    grant.namespace_path = put.namespace_path;
    grant.expires_at_ms = put.expires_at_ms;
    grant.actor = put.actor.name;
    return issue_token(writer, grant, now_ms);
  });
  if (issued) registry_.put(issued->record);
  return issued;
}

Result<Tokens::Page> Tokens::list(const Principal& reader, const std::string& after, std::size_t limit) {
  const UnixMillis now_ms = clock_.now_ms();
  auto tokens = store_.read([](Reader& store) { return store.user_tokens(); });
  if (!tokens) return tl::unexpected(Refusal(tokens.error()));
  Page page;
  for (TokenRecord& record : *tokens) {
    if (record.id <= after || !is_in_scope(reader, record.namespace_path)) continue;
    if (page.items.size() == limit) {
      page.next_after = page.items.back().record.id;
      break;
    }
    const TokenState state = state_of(record, now_ms);
    page.items.push_back({std::move(record), state});
  }
  return page;
}

Result<TokenRecord> Tokens::revoke(const std::string& id, const Principal& actor) {
  const UnixMillis now_ms = clock_.now_ms();
  auto revoked = store_.write([&](Writer& writer) -> Result<TokenRecord> {
    const auto stored = writer.find_token(id);
    if (!stored) return refuse(ErrorCode::kNotFound, "token_unknown", "there is no token " + id);
    if (auto may_do = require(actor, Role::kAdmin, stored->namespace_path); !may_do) {
      return tl::unexpected(may_do.error());
    }
    const std::vector<TokenRecord> tokens = writer.user_tokens();
    if (auto valid = check_actor(writer, actor, !tokens.empty()); !valid) return tl::unexpected(valid.error());
    if (stored->revoked_at_ms) {
      return refuse(ErrorCode::kConflict, "already_revoked", "the token " + id + " was revoked before");
    }
    if (auto remains = check_remaining_admin(*stored, tokens, now_ms); !remains) {
      return tl::unexpected(remains.error());
    }
    return *revoke_token(writer, id, actor.name, now_ms);
  });
  if (revoked) registry_.put(*revoked);
  return revoked;
}

}  // namespace egress::server
