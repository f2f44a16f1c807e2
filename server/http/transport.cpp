#include "server/http/transport.h"

#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/beast/core/error.hpp>
#include <cerrno>
#include <cstring>
#include <optional>
#include <vector>

namespace egress::server {
namespace {

namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kTlsRecordBytes = std::size_t{16} << 10;
constexpr std::size_t kDiscardBytes = std::size_t{64} << 10;
constexpr auto kNever = Clock::time_point::max();

}  // namespace

struct Transport::State : std::enable_shared_from_this<State> {
  explicit State(Socket connected) : socket(std::move(connected)), timer(socket.get_executor()) {}
  int descriptor() { return socket.native_handle(); }
  void arm();

  Socket socket;
  // Fires at `armed`, never later than `deadline`: a deadline that moves away costs nothing until the timer fires.
  asio::basic_waitable_timer<Clock, asio::wait_traits<Clock>, Strand> timer;
  Clock::time_point deadline = kNever;
  Clock::time_point armed = kNever;
  bool timed_out = false;
  std::optional<TlsConnection> tls;
  std::vector<char> record;  // pieces joined for one TLS record, while they are being written
};

void Transport::State::arm() {
  armed = deadline;
  timer.expires_at(armed);
  timer.async_wait([weak = weak_from_this()](Code code) {
    const auto self = weak.lock();
    if (code || !self) return;
    const auto now = Clock::now();
    if (self->armed > now) return;  // an earlier arming's, already on its way when it was replaced
    self->armed = kNever;
    if (self->deadline <= now) {
      self->timed_out = true;
      Code ignored;  // nothing may be under way
      self->socket.cancel(ignored);
    } else if (self->deadline != kNever) {
      self->arm();
    }
  });
}

Transport::Transport(Socket socket, const TlsContext* tls) : state_(std::make_shared<State>(std::move(socket))) {
  Code ignored;  // a socket that cannot be set fails at its first read
  state_->socket.native_non_blocking(true, ignored);
  if (tls != nullptr) state_->tls.emplace(tls->connect(state_->descriptor()));
}

Transport::~Transport() { close(); }

Transport::Strand Transport::get_executor() { return state_->socket.get_executor(); }
Transport::Socket& Transport::socket() { return state_->socket; }
Transport::Socket& Transport::socket_of(State& state) { return state.socket; }
bool Transport::is_tls() const { return state_->tls.has_value(); }

void Transport::expires_after(std::chrono::milliseconds time) {
  state_->timed_out = false;
  state_->deadline = Clock::now() + time;
  if (state_->deadline < state_->armed) state_->arm();
}

void Transport::expires_never() {
  state_->timed_out = false;
  state_->deadline = kNever;
}

Transport::Code Transport::verdict(const State& state, Code waited) {
  return state.timed_out ? make_error_code(boost::beast::error::timeout) : waited;
}

void Transport::cancel() {
  Code ignored;  // nothing may be under way
  state_->socket.cancel(ignored);
}

void Transport::close() {
  state_->timer.cancel();
  state_->armed = kNever;
  Code ignored;  // closing is all that is left to do with it
  state_->socket.close(ignored);
}

void Transport::abort() {
  Code ignored;  // the peer may have closed first
  state_->socket.set_option(asio::socket_base::linger(true, 0), ignored);
  close();
}

void Transport::finish_sending() {
  if (state_->tls) state_->tls->say_goodbye();
  Code ignored;  // the peer may have closed first
  state_->socket.shutdown(Socket::shutdown_send, ignored);
}

bool Transport::hears_plain_http() {
  char first = 0;
  const auto got = ::recv(state_->descriptor(), &first, 1, MSG_PEEK | MSG_DONTWAIT);
  return got == 1 && first >= 'A' && first <= 'Z';  // a method; TLS begins with 22
}

void Transport::become_plain() { state_->tls.reset(); }

IoStep Transport::look_at_socket(State& state) {
  char first = 0;
  const auto got = ::recv(state.descriptor(), &first, 1, MSG_PEEK | MSG_DONTWAIT);
  if (got < 0) return failed_step(errno, IoStep::Wait::kRead);
  if (got == 0) return {IoStep::Wait::kNothing, asio::error::eof};
  return {IoStep::Wait::kNothing, {}, 1};
}

IoStep Transport::shake_hands(State& state) { return state.tls->handshake(); }

IoStep Transport::read(State& state, asio::mutable_buffer into) {
  if (into.size() == 0) return {};
  if (state.tls) return state.tls->read(into.data(), into.size());
  const auto got = ::recv(state.descriptor(), into.data(), into.size(), MSG_DONTWAIT);
  if (got < 0) return failed_step(errno, IoStep::Wait::kRead);
  if (got == 0) return {IoStep::Wait::kNothing, asio::error::eof};
  return {IoStep::Wait::kNothing, {}, static_cast<std::size_t>(got)};
}

IoStep Transport::write(State& state, const Pieces<asio::const_buffer>& pieces) {
  if (pieces.count == 0) return {};
  if (state.tls && pieces.count == 1) return state.tls->write(pieces.items[0].data(), pieces.items[0].size());
  if (state.tls) {
    // A header and its body as one record. A repeated try finds the same bytes here.
    if (state.record.empty()) {
      for (std::size_t i = 0; i < pieces.count && state.record.size() < kTlsRecordBytes; ++i) {
        const auto* from = static_cast<const char*>(pieces.items[i].data());
        const std::size_t size = std::min(pieces.items[i].size(), kTlsRecordBytes - state.record.size());
        state.record.insert(state.record.end(), from, from + size);
      }
    }
    const IoStep step = state.tls->write(state.record.data(), state.record.size());
    if (step.wait == IoStep::Wait::kNothing) state.record = {};
    return step;
  }
  std::array<iovec, std::tuple_size_v<decltype(pieces.items)>> vectors{};
  for (std::size_t i = 0; i < pieces.count; ++i) {
    vectors[i] = {const_cast<void*>(pieces.items[i].data()), pieces.items[i].size()};
  }
  msghdr message{};
  message.msg_iov = vectors.data();
  message.msg_iovlen = pieces.count;
  const auto sent = ::sendmsg(state.descriptor(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent < 0) return failed_step(errno, IoStep::Wait::kWrite);
  return {IoStep::Wait::kNothing, {}, static_cast<std::size_t>(sent)};
}

IoStep Transport::discard(State& state) {
  // With MSG_TRUNC a TCP socket drops the bytes instead of copying them (tcp(7)).
  const auto got = ::recv(state.descriptor(), nullptr, kDiscardBytes, MSG_TRUNC | MSG_DONTWAIT);
  if (got < 0) return failed_step(errno, IoStep::Wait::kRead);
  if (got == 0) return {IoStep::Wait::kNothing, asio::error::eof};
  return {IoStep::Wait::kNothing, {}, static_cast<std::size_t>(got)};
}

Transport::Peer Transport::look_at_peer() {
  const IoStep step = state_->tls ? state_->tls->peek() : look_at_socket(*state_);
  if (step.wait != IoStep::Wait::kNothing) return Peer::kQuiet;
  return step.code ? Peer::kGone : Peer::kSpoke;
}

}  // namespace egress::server
