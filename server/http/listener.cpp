#include "server/http/listener.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

namespace egress::server {

Expected<Listener> Listener::open(Address address, std::uint16_t port) {
  namespace asio = boost::asio;
  try {
    asio::io_context unused;  // an acceptor cannot be made without one; release() parts them
    const asio::ip::tcp::endpoint endpoint(asio::ip::make_address(format_address(address)), port);
    asio::ip::tcp::acceptor acceptor(unused, endpoint.protocol());
    acceptor.set_option(asio::socket_base::reuse_address(true));
    acceptor.bind(endpoint);
    acceptor.listen(asio::socket_base::max_listen_connections);
    const std::uint16_t bound = acceptor.local_endpoint().port();
    return Listener(UniqueFd(acceptor.release()), address, bound);
  } catch (const boost::system::system_error& error) {
    return fail(ErrorCode::kUnavailable, "cannot listen on " + format_address(address) + " port " +
                                             std::to_string(port) + ": " + error.code().message());
  }
}

}  // namespace egress::server
