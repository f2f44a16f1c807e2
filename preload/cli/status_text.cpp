#include "preload/cli/status_text.h"

#include <cstdint>
#include <nlohmann/json.hpp>

#include "preload/agent/policy_file_name.h"
#include "preload/cli/answer_fields.h"
#include "preload/cli/terminal.h"

namespace egress {
namespace {

constexpr std::size_t kMaxProcessesShown = 8;

bool flag_in(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_boolean() && found->get<bool>();
}

std::string describe_contact(const nlohmann::json& session, const Palette& palette) {
  std::string text = flag_in(session, "connected") ? palette.good("connected") : palette.bad("not connected");
  if (const std::string contact = text_in(session, "last_contact"); !contact.empty())
    text += ", last contact " + contact;
  return text;
}

void render_session(std::string& out, const nlohmann::json& session, const Palette& palette) {
  if (!session.is_object()) return;
  const std::string workload = text_in(session, "workload");
  out += "\n" + palette.bold(text_in(session, "namespace")) + (workload.empty() ? "" : " / " + workload) + "\n";
  const std::string server = text_in(session, "server");
  const bool from_file = is_policy_file_name(server);
  out +=
      from_file ? "  file      " + server : "  server    " + server + " (" + describe_contact(session, palette) + ")";
  out += "\n  policy    ";
  if (flag_in(session, "policy")) {
    out += (from_file ? std::string() : "revision " + std::to_string(number_in(session, "revision")) + ", ") +
           text_in(session, "mode") + (flag_in(session, "stale") ? palette.bad(", stale") : "") + "\n";
  } else {
    out += palette.bad("none: everything is denied") + "\n";
  }
  const nlohmann::json events = session.value("events", nlohmann::json::object());
  out += "  events    " + std::to_string(number_in(events, "recorded")) + " recorded\n";
  if (const std::string error = text_in(session, "error"); !error.empty())
    out += "  error     " + palette.bad(error) + "\n";
  out += "  bindings  " + std::to_string(number_in(session, "bindings")) + "\n";
  const std::uint64_t count = number_in(session, "process_count");
  out += "  processes " + std::to_string(count) + "\n";
  const auto processes = session.find("processes");
  if (processes == session.end() || !processes->is_array()) return;
  for (std::size_t i = 0; i < processes->size() && i < kMaxProcessesShown; ++i) {
    const nlohmann::json& process = (*processes)[i];
    out += palette.dim("    " + std::to_string(number_in(process, "pid")) + " " + text_in(process, "exe")) + "\n";
  }
  if (count > kMaxProcessesShown)
    out += palette.dim("    and " + std::to_string(count - kMaxProcessesShown) + " more") + "\n";
}

}  // namespace

std::string render_status_text(const nlohmann::json& status, bool coloured) {
  const Palette palette(coloured);
  const nlohmann::json agent = status.value("agent", nlohmann::json::object());
  const nlohmann::json events = status.value("events", nlohmann::json::object());
  const nlohmann::json sessions = status.value("sessions", nlohmann::json::array());
  std::string out = palette.bold("agent") + " " + text_in(agent, "version") + ", pid " +
                    std::to_string(number_in(agent, "pid")) + ", since " + text_in(agent, "started_at") + "\n";
  out += "  runtime   " + text_in(agent, "runtime_dir") + "\n  state     " + text_in(agent, "state_dir") + "\n";
  out += "  events    " + std::to_string(number_in(events, "recorded")) + " recorded, " +
         std::to_string(number_in(events, "uploaded")) + " uploaded, " + std::to_string(number_in(events, "pending")) +
         " pending, " + std::to_string(number_in(events, "local")) + " of policy files, ";
  const std::uint64_t dropped = number_in(events, "dropped");
  out += (dropped == 0 ? "0 dropped" : palette.bad(std::to_string(dropped) + " dropped")) + "\n";
  if (!sessions.is_array() || sessions.empty()) return out + "\nno sessions\n";
  for (const auto& session : sessions) render_session(out, session, palette);
  return out;
}

}  // namespace egress
