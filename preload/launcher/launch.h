// `egress exec`: prepares everything a command needs to run under the policy, then becomes the command, so that its
// stdio, signals, terminal, process group and exit status are its own.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace egress {

// What went wrong on our side, not the command's.
inline constexpr int kExitLaunchFailed = 125;

// A policy file instead of a server. Its text was checked.
struct LaunchPolicy {
  std::string text;
  std::string namespace_path;  // EGRESS_NAMESPACE of the command
  bool shadow = false;
};

struct LaunchRequest {
  std::vector<std::string> command;             // never empty
  std::map<std::string, std::string> settings;  // EGRESS_* to set; empty values leave the caller's
  std::string token;                            // empty: EGRESS_TOKEN's
  std::optional<LaunchPolicy> policy;
  bool progress = false;  // short lines on stderr about session and policy
};

// Returns an exit status only if the command could not be started; then stderr says why.
int launch(const LaunchRequest& request);

}  // namespace egress
