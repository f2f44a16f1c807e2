// egress-server token create, list, revoke: tokens without a running server, for whoever owns its data directory. The
// first admin token is made here.
#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace egress::server {

// Sets `action` to what is to be run if one of the commands is given; it returns the exit status: 0, 1 if it failed, 2
// if it was refused.
void add_token_commands(CLI::App& app, std::function<int()>& action);

}  // namespace egress::server
