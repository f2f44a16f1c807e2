// `egress-server backup` and `egress-server restore`.
#pragma once

#include <optional>

namespace egress::server {

// The exit status if the command line asks for one of them: 0 done, 1 failed, 2 for options that it refuses. nullopt
// if it asks for something else.
std::optional<int> run_database_command(int argc, char** argv);

}  // namespace egress::server
