#include "server/service/server_mode.h"

#include <nlohmann/json.hpp>

#include "server/service/audit_chain.h"
#include "shared/policy/namespace_path.h"

namespace egress::server {

Result<Mode> ServerMode::get() {
  auto mode = store_.read([](Reader& reader) { return reader.server_mode(); });
  if (!mode) return tl::unexpected(Refusal(mode.error()));
  return mode->value_or(kInitialMode);
}

Result<Mode> ServerMode::set(Mode mode, const Principal& actor) {
  const UnixMillis now_ms = clock_.now_ms();
  std::uint64_t revision = 0;
  auto result = store_.write([&](Writer& writer) -> Result<Mode> {
    const Mode before = writer.server_mode().value_or(kInitialMode);
    writer.set_server_mode(mode);
    revision = writer.bump_revision(now_ms, actor.name, "mode " + std::string(name_of(mode)));
    AuditEvent event;
    event.event = "mode_changed";
    event.actor = actor.name;
    event.namespace_path = std::string(kRootNamespace);
    event.subject = "server";
    nlohmann::ordered_json detail = nlohmann::ordered_json::object();
    detail["mode"] = name_of(mode);
    detail["previous"] = name_of(before);
    append_audit(writer, now_ms, event, detail);
    return mode;
  });
  if (result) observer_.policy_changed({revision, std::nullopt});
  return result;
}

}  // namespace egress::server
