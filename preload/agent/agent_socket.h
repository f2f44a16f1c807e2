// The agent's listening socket: accepts, identifies the peer by the kernel's word, reads one bounded request, hands it
// on, sends one reply with its descriptors, closes. A hostile peer costs one bounded connection for a bounded time.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "preload/agent/process_identity.h"
#include "shared/base/error.h"
#include "shared/base/unique_fd.h"
#include "shared/session/protocol.h"

namespace egress {

inline constexpr std::size_t kMaxConnections = 1024;
inline constexpr std::size_t kMaxConnectionsPerUid = 512;
inline constexpr auto kRequestDeadline = std::chrono::milliseconds(5'000);

// One message: its bytes, which a decoded Request points into, and the first descriptor that came along, if any.
struct ReceivedRequest {
  std::vector<std::byte> bytes;
  UniqueFd descriptor;
};

struct Reply {
  ReplyHeader header;
  std::string body;  // at most kMaxReplyBytes with the header
  std::vector<UniqueFd> descriptors;
};

class AgentSocket : public std::enable_shared_from_this<AgentSocket> {
 public:
  using Handler =
      std::function<boost::asio::awaitable<Reply>(PeerProcess peer, std::shared_ptr<const ReceivedRequest> request)>;

  // Replaces a stale socket: the caller holds the instance lock. `mode`: 0600, or 0666 for an agent of all users.
  static Expected<std::shared_ptr<AgentSocket>> listen(boost::asio::any_io_executor executor,
                                                       const std::filesystem::path& path, mode_t mode, Handler handler,
                                                       std::chrono::milliseconds request_deadline = kRequestDeadline);

  void start();
  // Closes and removes the socket; connections in progress end by their deadlines.
  void stop();

  std::size_t connection_count() const { return connections_; }

 private:
  using Self = std::shared_ptr<AgentSocket>;

  AgentSocket(boost::asio::any_io_executor executor, UniqueFd listener, std::filesystem::path path, Handler handler,
              std::chrono::milliseconds request_deadline);
  static boost::asio::awaitable<void> accept_all(Self self);
  static boost::asio::awaitable<void> serve(Self self, std::shared_ptr<boost::asio::posix::stream_descriptor> peer,
                                            uid_t uid);
  boost::asio::awaitable<std::shared_ptr<const ReceivedRequest>> receive(
      std::shared_ptr<boost::asio::posix::stream_descriptor> peer);
  void admit(UniqueFd connection);

  boost::asio::posix::stream_descriptor listener_;
  std::filesystem::path path_;
  Handler handler_;
  std::chrono::milliseconds request_deadline_;
  std::vector<std::byte> scratch_;
  std::size_t connections_ = 0;
  std::map<uid_t, std::size_t> connections_by_uid_;
};

// A reply without descriptors that says why.
Reply make_refusal(ReplyStatus status, std::string_view text);

}  // namespace egress
