#include "server/http/tls_connection.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <boost/asio/error.hpp>
#include <boost/asio/ssl/error.hpp>
#include <cerrno>
#include <cstdint>
#include <new>

namespace egress::server {
namespace {

namespace asio = boost::asio;

int descriptor_of(BIO* bio) { return static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio))); }

bool would_block() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

int bio_read(BIO* bio, char* into, int size) {
  BIO_clear_retry_flags(bio);
  const auto got = ::recv(descriptor_of(bio), into, static_cast<std::size_t>(size), MSG_DONTWAIT);
  if (got < 0 && would_block()) BIO_set_retry_read(bio);
  if (got == 0) BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
  return static_cast<int>(got);
}

int bio_write(BIO* bio, const char* from, int size) {
  BIO_clear_retry_flags(bio);
  const auto sent = ::send(descriptor_of(bio), from, static_cast<std::size_t>(size), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent < 0 && would_block()) BIO_set_retry_write(bio);
  return static_cast<int>(sent);
}

long bio_control(BIO* bio, int command, long, void*) {
  if (command == BIO_CTRL_EOF) return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0 ? 1 : 0;
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

// OpenSSL's own socket BIO writes with write(2), which raises SIGPIPE.
const BIO_METHOD* socket_method() {
  static const BIO_METHOD* method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "egress socket");
    if (made == nullptr) throw std::bad_alloc();
    BIO_meth_set_read(made, bio_read);
    BIO_meth_set_write(made, bio_write);
    BIO_meth_set_ctrl(made, bio_control);
    return made;
  }();
  return method;
}

}  // namespace

void TlsConnection::Free::operator()(ssl_st* ssl) const { SSL_free(ssl); }

TlsConnection::TlsConnection(ssl_ctx_st* context, int descriptor) : ssl_(SSL_new(context)) {
  BIO* bio = ssl_ ? BIO_new(socket_method()) : nullptr;
  if (bio == nullptr) throw std::bad_alloc();
  BIO_set_data(bio, reinterpret_cast<void*>(static_cast<std::intptr_t>(descriptor)));
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_.get(), bio, bio);
  SSL_set_accept_state(ssl_.get());
}

IoStep TlsConnection::conclude(int result, std::size_t bytes) {
  const int error = errno;
  if (result == 1) return {IoStep::Wait::kNothing, {}, bytes};
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return {IoStep::Wait::kRead};
    case SSL_ERROR_WANT_WRITE:
      return {IoStep::Wait::kWrite};
    case SSL_ERROR_ZERO_RETURN:
      return {IoStep::Wait::kNothing, asio::error::eof};
    case SSL_ERROR_SYSCALL:
      broken_ = true;
      if (error == 0) return {IoStep::Wait::kNothing, asio::error::eof};
      return {IoStep::Wait::kNothing, {error, boost::system::system_category()}};
    default:
      broken_ = true;
      return {IoStep::Wait::kNothing, {static_cast<int>(ERR_get_error()), asio::error::get_ssl_category()}};
  }
}

IoStep TlsConnection::handshake() {
  ERR_clear_error();
  errno = 0;
  return conclude(SSL_do_handshake(ssl_.get()), 0);
}

IoStep TlsConnection::read(void* into, std::size_t size) {
  ERR_clear_error();
  errno = 0;
  std::size_t bytes = 0;
  const int result = SSL_read_ex(ssl_.get(), into, size, &bytes);
  return conclude(result, bytes);
}

IoStep TlsConnection::write(const void* from, std::size_t size) {
  ERR_clear_error();
  errno = 0;
  std::size_t bytes = 0;
  const int result = SSL_write_ex(ssl_.get(), from, size, &bytes);
  return conclude(result, bytes);
}

IoStep TlsConnection::peek() {
  if (broken_) return {IoStep::Wait::kNothing, asio::error::eof};
  ERR_clear_error();
  errno = 0;
  char byte = 0;
  std::size_t bytes = 0;
  const int result = SSL_peek_ex(ssl_.get(), &byte, 1, &bytes);
  return conclude(result, bytes);
}

void TlsConnection::say_goodbye() {
  if (broken_ || SSL_is_init_finished(ssl_.get()) == 0) return;
  ERR_clear_error();
  SSL_shutdown(ssl_.get());  // whatever it says, the connection ends now
}

}  // namespace egress::server
