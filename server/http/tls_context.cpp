#include "server/http/tls_context.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <ctime>

#include "shared/base/regular_file.h"

namespace egress::server {
namespace {

constexpr std::size_t kMaxPemBytes = std::size_t{1} << 20;
constexpr char kCiphers12[] = "ECDHE+AESGCM:ECDHE+CHACHA20";
constexpr unsigned char kProtocol[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};

template <auto free_function>
struct FreeBy {
  template <typename T>
  void operator()(T* object) const {
    free_function(object);
  }
};
using BioPtr = std::unique_ptr<BIO, FreeBy<BIO_free_all>>;
using CertificatePtr = std::unique_ptr<X509, FreeBy<X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, FreeBy<EVP_PKEY_free>>;

std::string openssl_reason() {
  const unsigned long code = ERR_get_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason == nullptr ? "OpenSSL gives no reason" : reason;
}

int refuse_passphrase(char*, int, int, void*) { return -1; }

int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* chosen_size, const unsigned char* offered,
                    unsigned int offered_size, void*) {
  unsigned char* found = nullptr;
  if (SSL_select_next_proto(&found, chosen_size, kProtocol, sizeof kProtocol, offered, offered_size) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *chosen = found;
  return SSL_TLSEXT_ERR_OK;
}

void set_protocol(SSL_CTX* context) {
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(context, kCiphers12);
  // Requests end where their framing says, so that a missing close_notify cuts nothing off unnoticed.
  SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                   SSL_OP_PRIORITIZE_CHACHA | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(context,
                   SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  // Resumption by ticket: nothing of it is kept here.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context, 1);
  SSL_CTX_set_alpn_select_cb(context, choose_protocol, nullptr);
}

Expected<UnixMillis> use_certificates(SSL_CTX* context, const std::string& path, const std::string& text) {
  const BioPtr bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  const CertificatePtr leaf(PEM_read_bio_X509_AUX(bio.get(), nullptr, refuse_passphrase, nullptr));
  if (!leaf) return fail(ErrorCode::kInvalidArgument, path + ": expected a PEM certificate: " + openssl_reason());
  if (SSL_CTX_use_certificate(context, leaf.get()) != 1) {
    return fail(ErrorCode::kInvalidArgument, path + ": this certificate cannot be used: " + openssl_reason());
  }
  while (true) {
    const CertificatePtr next(PEM_read_bio_X509(bio.get(), nullptr, refuse_passphrase, nullptr));
    if (!next) break;
    if (SSL_CTX_add1_chain_cert(context, next.get()) != 1) {
      return fail(ErrorCode::kInvalidArgument, path + ": the chain cannot be used: " + openssl_reason());
    }
  }
  if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
    return fail(ErrorCode::kInvalidArgument, path + ": the chain is no PEM: " + openssl_reason());
  }
  ERR_clear_error();
  std::tm end{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(leaf.get()), &end) != 1) {
    return fail(ErrorCode::kInvalidArgument, path + ": the certificate's end is no time");
  }
  return UnixMillis{::timegm(&end)} * 1000;
}

Expected<void> use_key(SSL_CTX* context, const TlsFiles& files, const std::string& text) {
  const BioPtr bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  const KeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, refuse_passphrase, nullptr));
  if (!key) {
    return fail(ErrorCode::kInvalidArgument,
                files.key + ": expected an unencrypted PEM private key: " + openssl_reason());
  }
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1 || SSL_CTX_check_private_key(context) != 1) {
    return fail(ErrorCode::kInvalidArgument,
                files.key + ": not the key of the certificate in " + files.certificate + ": " + openssl_reason());
  }
  return {};
}

}  // namespace

Expected<std::shared_ptr<TlsContext>> TlsContext::load(TlsFiles files) {
  std::shared_ptr<TlsContext> context(new TlsContext(std::move(files)));
  if (auto done = context->reload(); !done) return tl::unexpected(done.error());
  return context;
}

Expected<TlsContext::Loaded> TlsContext::read_files() const {
  const auto certificates = read_regular_file(files_.certificate, kMaxPemBytes);
  if (!certificates) return tl::unexpected(certificates.error());
  const auto key = read_regular_file(files_.key, kMaxPemBytes, 077);
  if (!key) return tl::unexpected(key.error());
  ERR_clear_error();
  const std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  if (!context) return fail(ErrorCode::kInternal, "TLS cannot be set up: " + openssl_reason());
  set_protocol(context.get());
  const auto end = use_certificates(context.get(), files_.certificate, *certificates);
  if (!end) return tl::unexpected(end.error());
  if (auto done = use_key(context.get(), files_, *key); !done) return tl::unexpected(done.error());
  return Loaded{context, *end};
}

Expected<void> TlsContext::reload() {
  auto loaded = read_files();
  ERR_clear_error();
  if (!loaded) return tl::unexpected(loaded.error());
  const std::lock_guard lock(mutex_);
  loaded_ = *std::move(loaded);
  return {};
}

TlsConnection TlsContext::connect(int descriptor) const {
  const std::lock_guard lock(mutex_);
  return {loaded_.context.get(), descriptor};
}

UnixMillis TlsContext::expires_at_ms() const {
  const std::lock_guard lock(mutex_);
  return loaded_.expires_at_ms;
}

}  // namespace egress::server
