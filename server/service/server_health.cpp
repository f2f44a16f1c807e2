#include "server/service/server_health.h"

#include <nlohmann/json.hpp>

namespace egress::server {

Result<void> ServerHealth::check_ready(bool can_sign) {
  auto missing = nlohmann::ordered_json::array();
  std::string message;
  const auto note = [&](const char* what, const std::string& why) {
    missing.push_back(what);
    message += (message.empty() ? "" : "; ") + why;
  };
  const auto revision = store_.read([](Reader& reader) { return reader.revision(); });
  if (!revision) {
    note("store", "the store does not answer: " + revision.error().message);
  } else if (*revision == 0) {
    note("revision", "there is no policy revision yet");
  }
  if (!can_sign) note("signing_key", "the signing key does not sign");
  if (missing.empty()) return {};
  Refusal refusal(ErrorCode::kUnavailable, "not_ready", message);
  auto fields = std::make_shared<nlohmann::ordered_json>();
  (*fields)["missing"] = std::move(missing);
  refusal.fields = std::move(fields);
  return tl::unexpected(std::move(refusal));
}

Expected<ServerHealth::Fleet> ServerHealth::fleet() {
  return store_.read([](Reader& reader) {
    Fleet fleet;
    fleet.revision = reader.revision();
    fleet.agents = reader.count_agents(fleet.revision);
    return fleet;
  });
}

}  // namespace egress::server
