#include "preload/launcher/launch.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>

#include "preload/agent/policy_file_name.h"
#include "preload/agent/settings.h"
#include "preload/launcher/agent_connection.h"
#include "preload/launcher/agent_start.h"
#include "preload/launcher/child_environment.h"
#include "preload/launcher/command_path.h"
#include "preload/launcher/library_path.h"
#include "preload/launcher/target_inspection.h"

extern char** environ;

namespace egress {
namespace {

constexpr auto kHelloPatience = std::chrono::milliseconds(6'000);  // the agent waits at most 4 s for a first policy

constexpr std::array<const char*, kHelloFieldCount> kHelloVariables = {
    "EGRESS_SERVER", "EGRESS_NAMESPACE", "EGRESS_WORKLOAD",   "EGRESS_LABELS", "EGRESS_TARGET",
    "EGRESS_TOKEN",  "EGRESS_RESOLVE",   "EGRESS_BUNDLE_KEY", "EGRESS_CA"};

void say(const std::string& line) { std::fprintf(stderr, "egress: %s\n", line.c_str()); }

int refuse(const Error& error) {
  say(error.message);
  return kExitLaunchFailed;
}

std::string value_in(const std::vector<std::string>& environment, const std::string& name) {
  for (const std::string& variable : environment) {
    if (variable.starts_with(name + "=")) return variable.substr(name.size() + 1);
  }
  return {};
}

std::string describe_session(const nlohmann::json& session, bool from_file) {
  const std::string where = "namespace " + session.value("namespace", "") + ": ";
  if (!session.value("policy", false)) return where + "no policy, everything is denied";
  const std::string revision = "revision " + std::to_string(session.value("revision", 0ull)) + ", ";
  return where + (from_file ? std::string() : revision) + session.value("mode", "");
}

// What makes the command's session: its environment and the token, which its environment does not hold.
using SessionFields = std::array<std::string, kHelloFieldCount>;
SessionFields session_fields(const std::vector<std::string>& environment, const std::string& token) {
  SessionFields fields;
  for (std::size_t i = 0; i < fields.size(); ++i) fields[i] = value_in(environment, kHelloVariables[i]);
  fields[static_cast<std::size_t>(HelloField::kToken)] = token;
  return fields;
}

Expected<AgentReply> ask(const AgentSettings& settings, RequestKind kind, const SessionFields& fields) {
  auto reply = ask_agent(settings.socket_path(), encode_request(kind, fields), kHelloPatience);
  if (reply && reply->header.status != static_cast<std::uint16_t>(ReplyStatus::kOk)) {
    return fail(ErrorCode::kUnavailable, "the agent refused: " + reply->body.substr(0, reply->header.text_bytes));
  }
  return reply;
}

void show_session(const AgentSettings& settings, const std::string& server, const AgentReply& reply) {
  const bool from_file = is_policy_file_name(server);
  say(std::string("level preload, ") + (from_file ? "policy " : "server ") +
      (server.empty() ? std::string(kDefaultServer) : server));
  const auto status = fetch_status(settings.socket_path());
  if (!status) return say(status.error().message);
  const auto json = nlohmann::json::parse(*status, nullptr, false);
  if (!json.is_object() || !json.contains("sessions")) return say("the agent's status cannot be read");
  for (const auto& session : json["sessions"]) {
    if (session.value("id", 0ull) == reply.header.session_id) say("  " + describe_session(session, from_file));
  }
  const std::string text = reply.body.substr(0, reply.header.text_bytes);
  if (!text.empty()) say("  " + text);
}

// With a policy file, that its policy is in force before the command starts, and that its session lasts as long as the
// command, however late that first uses the network.
Expected<void> open_session(const AgentSettings& settings, const SessionFields& fields, const LaunchRequest& request) {
  if (!request.policy && !request.progress) return {};
  const auto reply = ask(settings, RequestKind::kHello, fields);
  if (request.policy && !reply) return tl::unexpected(reply.error());
  if (request.policy && reply->header.no_policy != 0) {
    return fail(ErrorCode::kUnavailable,
                "the policy is not in force: " + reply->body.substr(0, reply->header.text_bytes));
  }
  if (!reply) {
    say(reply.error().message);
  } else if (request.progress) {
    show_session(settings, fields[static_cast<std::size_t>(HelloField::kServer)], *reply);
  }
  return {};
}

// What the command's environment says besides the caller's own choices.
Expected<std::map<std::string, std::string>> make_settings(const LaunchRequest& request, const AgentSettings& settings,
                                                           const std::vector<std::string>& variables,
                                                           const std::filesystem::path& ourselves) {
  auto chosen = request.settings;
  if (value_in(variables, "EGRESS_LOG").empty()) chosen.try_emplace("EGRESS_LOG", "deny");
  if (value_in(variables, "EGRESS_AGENT").empty()) chosen.try_emplace("EGRESS_AGENT", ourselves.string());
  // Named outright, so that a command that changes XDG_RUNTIME_DIR still finds this agent.
  chosen.try_emplace("EGRESS_RUNTIME_DIR", settings.runtime_dir.string());
  if (request.policy) {
    const auto name = register_policy(settings.socket_path(), request.policy->text, request.policy->namespace_path);
    if (!name) return tl::unexpected(name.error());
    auto file = parse_policy_file_name(*name);
    if (!file) return tl::unexpected(file.error());
    file->shadow = request.policy->shadow;
    chosen["EGRESS_SERVER"] = file->text();
    chosen["EGRESS_NAMESPACE"] = request.policy->namespace_path;
  }
  return chosen;
}

// The agent is told before the command exists, so that all that descends from this process is in this session, whatever
// its environment says by then. In a launch of somebody above, that one's session stays, and so does its environment.
Expected<void> enter_session(const LaunchRequest& request, const AgentSettings& settings, const std::string& library,
                             const std::filesystem::path& ourselves, std::vector<std::string>& variables) {
  const auto chosen = make_settings(request, settings, variables, ourselves);
  if (!chosen) return tl::unexpected(chosen.error());
  std::string token = request.token.empty() ? value_in(variables, "EGRESS_TOKEN") : request.token;
  if (request.policy) token.clear();  // there is no server that knows it
  const std::vector<std::string> outer = variables;
  variables = make_child_environment(outer, library, *chosen);
  const SessionFields fields = session_fields(variables, token);
  const auto launched = ask(settings, RequestKind::kLaunch, fields);
  if (!launched) return tl::unexpected(launched.error());
  if (launched->header.nested == 0) return open_session(settings, fields, request);

  const std::string namespace_path = launched->body.substr(0, launched->header.text_bytes);
  const std::string where = namespace_path.empty() ? "its session" : "namespace " + namespace_path;
  if (request.policy) {
    return fail(ErrorCode::kConflict,
                "already under egress exec: " + where + " stays, so that --policy would not be in force");
  }
  say("already under egress exec: " + where + " stays");
  LaunchRequest plain;
  plain.command = request.command;
  const auto kept = make_settings(plain, settings, outer, ourselves);
  if (!kept) return tl::unexpected(kept.error());
  variables = make_child_environment(outer, library, *kept);
  return open_session(settings, session_fields(variables, {}), request);
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

int launch(const LaunchRequest& request) {
  const auto program = find_command(request.command[0], read_environment);
  if (!program) {
    say(program.error().message);
    return program.error().exit_status;
  }
  const auto ourselves = find_program();
  if (!ourselves) return refuse(ourselves.error());
  const auto library = find_library(read_environment, ourselves->parent_path());
  if (!library) return refuse(library.error());
  const auto settings = load_settings(read_environment, ::geteuid());
  if (!settings) return refuse(settings.error());
  for (const std::string& reason : inspect_target(*program)) say("warning: " + reason);
  if (auto ensured = ensure_agent(*settings, *ourselves); !ensured) return refuse(ensured.error());

  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) variables.emplace_back(*variable);
  if (auto entered = enter_session(request, *settings, library->string(), *ourselves, variables); !entered) {
    return refuse(entered.error());
  }

  std::vector<std::string> arguments = request.command;
  ::execve(program->c_str(), pointers_to(arguments).data(), pointers_to(variables).data());
  // As a shell does, a script without an interpreter line is given to sh.
  if (errno == ENOEXEC) {
    arguments[0] = program->string();
    arguments.insert(arguments.begin(), "/bin/sh");
    ::execve("/bin/sh", pointers_to(arguments).data(), pointers_to(variables).data());
  }
  say(program->string() + ": " + std::strerror(errno));
  return kExitNotExecutable;
}

}  // namespace egress
