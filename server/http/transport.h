// A connection's bytes, plain or TLS as decided at run time, under one deadline for whatever is under way. A Beast
// AsyncStream. TLS works on the socket itself: Asio's own TLS stream keeps 68 KiB of buffers a connection, and ten
// thousand idle long polls would fill memory with them. Every operation is tried at once and repeated when the socket
// is ready. Not thread-safe: for the connection's strand.
#pragma once

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/compose.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <chrono>
#include <cstddef>
#include <memory>

#include "server/http/io_step.h"
#include "server/http/tls_context.h"

namespace egress::server {

class Transport {
 public:
  using Code = boost::system::error_code;
  using Strand = boost::asio::strand<boost::asio::io_context::executor_type>;
  using Socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, Strand>;
  using executor_type = Strand;

  // Plain if `tls` is null.
  Transport(Socket socket, const TlsContext* tls);
  ~Transport();
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  Strand get_executor();
  // For a watch besides the operations below; cancel() ends it with them.
  Socket& socket();
  bool is_tls() const;

  // What is under way or begins later fails with beast::error::timeout once the time is over.
  void expires_after(std::chrono::milliseconds time);
  void expires_never();
  // What is under way fails with operation_aborted.
  void cancel();
  void close();
  // close(), and what was sent but not read by the peer is not worth keeping in the kernel.
  void abort();
  // Says that nothing more will be sent: TLS's close_notify if there is room for it, then FIN.
  void finish_sending();

  // Completes when the first bytes lie in the socket, read by nobody yet.
  template <typename Token>
  auto async_first_bytes(Token&& token) {
    return start([](State& state) { return look_at_socket(state); }, std::forward<Token>(token));
  }
  // Before the handshake: whether what came looks like the beginning of an HTTP request.
  bool hears_plain_http();
  // Instead of the handshake: goes on in the language of the peer, to tell it so.
  void become_plain();

  // The server's side of TLS; to come before anything is read or written.
  template <typename Token>
  auto async_handshake(Token&& token) {
    return start([](State& state) { return shake_hands(state); }, std::forward<Token>(token));
  }

  template <typename Buffers, typename Token>
  typename boost::asio::async_result<std::decay_t<Token>, void(Code, std::size_t)>::return_type async_read_some(
      const Buffers& buffers, Token&& token) {
    const auto pieces = pieces_of<boost::asio::mutable_buffer>(buffers);
    return start([into = pieces.items[0]](State& state) { return read(state, into); }, std::forward<Token>(token));
  }

  template <typename Buffers, typename Token>
  typename boost::asio::async_result<std::decay_t<Token>, void(Code, std::size_t)>::return_type async_write_some(
      const Buffers& buffers, Token&& token) {
    const auto pieces = pieces_of<boost::asio::const_buffer>(buffers);
    return start([pieces](State& state) { return write(state, pieces); }, std::forward<Token>(token));
  }

  // Throws away what arrives, undecrypted.
  template <typename Token>
  auto async_discard(Token&& token) {
    return start([](State& state) { return discard(state); }, std::forward<Token>(token));
  }

  // Whether the peer closed, sent data, or neither (a spurious wake, a TLS record without data). Takes no data away.
  enum class Peer : std::uint8_t { kGone, kSpoke, kQuiet };
  Peer look_at_peer();

 private:
  struct State;

  template <typename Buffer>
  struct Pieces {
    std::array<Buffer, 16> items;
    std::size_t count = 0;
  };
  template <typename Buffer, typename Buffers>
  static Pieces<Buffer> pieces_of(const Buffers& buffers) {
    Pieces<Buffer> pieces;
    const auto end = boost::asio::buffer_sequence_end(buffers);
    for (auto at = boost::asio::buffer_sequence_begin(buffers); at != end; ++at) {
      const Buffer piece(*at);
      if (piece.size() == 0) continue;
      pieces.items[pieces.count++] = piece;
      if (pieces.count == pieces.items.size()) break;
    }
    return pieces;
  }

  static IoStep look_at_socket(State& state);
  static IoStep shake_hands(State& state);
  static IoStep read(State& state, boost::asio::mutable_buffer into);
  static IoStep write(State& state, const Pieces<boost::asio::const_buffer>& pieces);
  static IoStep discard(State& state);
  static Socket& socket_of(State& state);
  // How a wait ended: as it says, or by the deadline.
  static Code verdict(const State& state, Code waited);

  template <typename Attempt>
  struct Operation {
    std::shared_ptr<State> state;
    Attempt attempt;
    enum class Stage : std::uint8_t { kBegins, kWaited, kDecided } stage = Stage::kBegins;
    IoStep step{};

    template <typename Self>
    void operator()(Self& self, Code waited = {}) {
      if (stage == Stage::kDecided) return self.complete(step.code, step.bytes);
      step = IoStep();
      step.code = verdict(*state, waited);
      if (!step.code) step = attempt(*state);
      Socket& on = socket_of(*state);  // stays when `self` moves
      if (step.wait != IoStep::Wait::kNothing) {
        const auto direction = step.wait == IoStep::Wait::kRead ? Socket::wait_read : Socket::wait_write;
        stage = Stage::kWaited;
        on.async_wait(direction, std::move(self));
      } else if (stage == Stage::kBegins) {
        stage = Stage::kDecided;  // a completion never runs within the call that began the operation
        boost::asio::post(on.get_executor(), std::move(self));
      } else {
        self.complete(step.code, step.bytes);
      }
    }
  };

  template <typename Attempt, typename Token>
  auto start(Attempt attempt, Token&& token) {
    return boost::asio::async_compose<Token, void(Code, std::size_t)>(Operation<Attempt>{state_, attempt}, token,
                                                                      socket());
  }

  std::shared_ptr<State> state_;
};

}  // namespace egress::server
