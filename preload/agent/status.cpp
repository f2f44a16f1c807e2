#include "preload/agent/status.h"

#include <unistd.h>

#include <nlohmann/json.hpp>

#include "preload/agent/version.h"
#include "shared/base/time_text.h"

namespace egress {
namespace {

constexpr std::size_t kMaxProcessesShown = 256;

// recorded = uploaded + pending + local.
nlohmann::json render_events(const EventTotals& totals) {
  return {{"recorded", totals.recorded},
          {"dropped", totals.dropped},
          {"uploaded", totals.uploaded},
          {"pending", totals.pending},
          {"local", totals.local}};
}

nlohmann::json render_session(const Session& session, const ProcessTable& processes) {
  const ContactState& contact = session.contact();
  const Policy& policy = *session.policy();
  const auto mode = static_cast<Mode>(policy.table.header().mode);
  nlohmann::json shown = nlohmann::json::array();
  const auto all = processes.processes_of(session);
  for (std::size_t i = 0; i < all.size() && i < kMaxProcessesShown; ++i) {
    shown.push_back({{"pid", all[i]->peer.key.pid}, {"exe", all[i]->source.exe}});
  }
  nlohmann::json json = {{"id", session.id()},
                         {"server", session.identity().source()},
                         {"namespace", session.workload().namespace_path},
                         {"workload", session.workload().name},
                         {"authenticated", session.workload().authenticated},
                         {"revision", policy.revision()},
                         {"generation", session.arena().generation()},
                         {"mode", name_of(mode)},
                         {"policy", session.has_policy()},
                         {"connected", contact.connected},
                         {"stale", contact.stale},
                         {"last_contact", nullptr},
                         {"error", contact.error},
                         {"bindings", session.arena().binding_count()},
                         {"evictions", session.arena().evictions()},
                         {"unjudged", session.arena().unjudged()},
                         {"events", render_events(session.events().totals())},
                         {"process_count", all.size()},
                         {"processes", std::move(shown)}};
  if (contact.last_contact_ms != 0) json["last_contact"] = format_time(contact.last_contact_ms);
  return json;
}

}  // namespace

std::string render_status(const AgentFacts& facts, const SessionTable& sessions, const ProcessTable& processes,
                          uid_t viewer) {
  nlohmann::json shown = nlohmann::json::array();
  for (const auto& [key, entry] : sessions.entries()) {
    if (viewer == 0 || key.uid == viewer) shown.push_back(render_session(*entry.session, processes));
  }
  const EventTotals totals = sessions.totals();
  const nlohmann::json json = {{"agent",
                                {{"pid", ::getpid()},
                                 {"version", kVersion},
                                 {"started_at", format_time(facts.started_at_ms)},
                                 {"runtime_dir", facts.runtime_dir},
                                 {"state_dir", facts.state_dir}}},
                               {"sessions", std::move(shown)},
                               {"events", render_events(totals)}};
  // Executable paths are bytes; what is not UTF-8 must not make the status fail.
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace egress
