// What each request means: hello, lookup, bind, status, launch, policy (shared/session/protocol.h). Knows no sockets.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "preload/agent/agent_socket.h"
#include "preload/agent/hosts_file.h"
#include "preload/agent/launch_journal.h"
#include "preload/agent/launch_trees.h"
#include "preload/agent/process_table.h"
#include "preload/agent/resolver_config.h"
#include "preload/agent/session_table.h"
#include "preload/agent/watched_file.h"

namespace egress {

class RequestHandler {
 public:
  struct Files {
    std::filesystem::path hosts = "/etc/hosts";
    std::filesystem::path resolver = "/etc/resolv.conf";
  };

  // `render_status` gets the caller's uid.
  RequestHandler(SessionTable& sessions, ProcessTable& processes, LaunchTrees& trees, const LaunchJournal& journal,
                 SyncServices& services, SessionDefaults defaults, Files files,
                 std::function<std::string(uid_t)> render_status);

  boost::asio::awaitable<Reply> handle(PeerProcess peer, std::shared_ptr<const ReceivedRequest> received);

 private:
  boost::asio::awaitable<Reply> hello(PeerProcess peer, std::shared_ptr<const ReceivedRequest> received);
  boost::asio::awaitable<Reply> register_policy(PeerProcess peer, std::shared_ptr<const ReceivedRequest> received);
  boost::asio::awaitable<Reply> launch(PeerProcess peer, std::shared_ptr<const ReceivedRequest> received);
  // By what its launch said, if there is one, whatever the hello claims.
  Expected<SessionEntry*> find_session(const PeerProcess& peer, const Launch* launch, const Request& hello);
  Reply lookup(const PeerProcess& peer, const Request& request);
  Reply bind(const PeerProcess& peer, const Request& request);
  Reply status(const PeerProcess& peer);

  SessionTable& sessions_;
  ProcessTable& processes_;
  LaunchTrees& trees_;
  const LaunchJournal& journal_;
  SyncServices& services_;
  SessionDefaults defaults_;
  WatchedFile<HostsFile> hosts_;
  WatchedFile<ResolverConfig> resolver_;
  std::function<std::string(uid_t)> render_status_;
};

}  // namespace egress
