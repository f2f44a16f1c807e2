#include "server/service/server_mode.h"

#include "server/service/policy_commit.h"
#include "shared/policy/namespace_path.h"

namespace egress::server {

Result<Mode> ServerMode::get() {
  auto mode = store_.read([](Reader& reader) { return reader.server_mode(); });
  if (!mode) return tl::unexpected(Refusal(mode.error()));
  return mode->value_or(kInitialMode);
}

Result<bool> plan_mode(PolicyDraft& draft, Mode mode, const Principal& actor) {
  if (auto allowed = require(actor, Role::kAdmin, kRootNamespace); !allowed) return tl::unexpected(allowed.error());
  const bool changes = draft.mode() != mode;
  draft.set_mode(mode);
  return changes;
}

Result<Mode> ServerMode::set(Mode mode, const Principal& actor) {
  const UnixMillis now_ms = clock_.now_ms();
  PolicyCommit commit;
  auto result = store_.write([&](Writer& writer) -> Result<Mode> {
    PolicyDraft draft(writer);
    if (auto planned = plan_mode(draft, mode, actor); !planned) return tl::unexpected(planned.error());
    auto committed = commit_draft(writer, draft, {actor, "mode " + std::string(name_of(mode))}, now_ms);
    if (!committed) return tl::unexpected(committed.error());
    commit = *std::move(committed);
    return mode;
  });
  if (result) publish(observer_, commit);
  return result;
}

}  // namespace egress::server
