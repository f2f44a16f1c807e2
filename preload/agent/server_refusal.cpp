#include "preload/agent/server_refusal.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "shared/base/ascii.h"

namespace egress {
namespace {

constexpr std::size_t kMaxMessageBytes = 512;

std::string describe(const ErrorBody& error, const std::string& otherwise) {
  return error.message.empty() ? otherwise : error.message;
}

ServerRefusal refuse_unauthenticated(const ErrorBody& error, const SessionIdentity& identity) {
  const std::string server = identity.server.text();
  std::string message;
  if (identity.key.token.empty()) {
    message = server +
              " gives policy to registered workloads only: register this one (POST /api/fleet/workloads) and set "
              "EGRESS_TOKEN to its token";
  } else {
    message = describe(error, server + " does not accept the token in EGRESS_TOKEN") +
              "; start anew with the workload's current token in EGRESS_TOKEN (rotate_token gives one)";
  }
  return {NoPolicyCause::kRefused, std::move(message), true};
}

}  // namespace

ErrorBody parse_error_body(const std::string& body) {
  ErrorBody result;
  const auto json = nlohmann::json::parse(body, nullptr, false);
  if (!json.is_object()) return result;
  const auto text_at = [&](const char* key) {
    const auto found = json.find(key);
    std::string text = found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
    text.resize(std::min(text.size(), kMaxMessageBytes));
    return without_controls(std::move(text));
  };
  result.code = text_at("error");
  result.message = text_at("message");
  return result;
}

std::optional<ServerRefusal> find_refusal(unsigned status, const std::string& body, const SessionIdentity& identity) {
  if (status != 401 && status != 403 && status != 404 && status != 429) return std::nullopt;
  const ErrorBody error = parse_error_body(body);
  if (error.code.empty()) return std::nullopt;
  if (status == 404) {
    if (error.code != "namespace_unknown") return std::nullopt;
    return ServerRefusal{
        NoPolicyCause::kNamespaceUnknown,
        describe(error, "namespace \"" + identity.key.namespace_path + "\" is not known to " + identity.server.text()),
        true};
  }
  if (status == 429) {
    // A valid token is never too many: this session was refused, like others before it.
    if (error.code != "rate_limited") return std::nullopt;
    ServerRefusal refusal = refuse_unauthenticated(error, identity);
    refusal.forget_stored = false;
    return refusal;
  }
  if (status == 401) return refuse_unauthenticated(error, identity);
  // What is stored for the token is the registration's: it serves those sessions that claim nothing else.
  return ServerRefusal{NoPolicyCause::kRefused,
                       describe(error, identity.server.text() + " refuses this session its policy"),
                       error.code != "not_this_workload"};
}

}  // namespace egress
