#include "preload/agent/tls_client.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <boost/asio/ssl/error.hpp>
#include <memory>
#include <new>

#include "shared/base/regular_file.h"
#include "shared/net/address.h"

namespace egress {
namespace {

constexpr std::size_t kMaxCaBytes = std::size_t{4} << 20;

struct FreeBio {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
struct FreeCertificate {
  void operator()(X509* certificate) const { X509_free(certificate); }
};

Expected<void> trust_file(SSL_CTX* context, const std::string& path) {
  const auto text = read_regular_file(path, kMaxCaBytes);
  if (!text) return fail(ErrorCode::kInvalidArgument, "EGRESS_CA " + text.error().message);
  const std::unique_ptr<BIO, FreeBio> bio(BIO_new_mem_buf(text->data(), static_cast<int>(text->size())));
  std::size_t found = 0;
  while (bio) {
    const std::unique_ptr<X509, FreeCertificate> certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
    if (!certificate) break;
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context), certificate.get()) == 1) ++found;
  }
  ERR_clear_error();
  if (found == 0) return fail(ErrorCode::kInvalidArgument, "EGRESS_CA " + path + ": expected PEM certificates");
  // What the file holds is trusted as it is, be it a root, an intermediate or the server's own certificate.
  X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_PARTIAL_CHAIN);
  return {};
}

std::string describe_certificate(long verdict, const ServerUrl& server, const std::string& ca) {
  switch (verdict) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return "its certificate has expired";
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return "its certificate is not valid yet (is this machine's clock right?)";
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return "its certificate is not for " + server.host + ": use the name that it is for";
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
      if (!ca.empty()) return "its certificate is not signed by what EGRESS_CA (" + ca + ") holds";
      return "its certificate is signed by an authority that this machine does not trust: set EGRESS_CA to a PEM file "
             "with that authority's certificate";
    default:
      return std::string("its certificate is refused: ") + X509_verify_cert_error_string(verdict);
  }
}

}  // namespace

Expected<boost::asio::ssl::context> make_tls_client(const std::string& ca) {
  boost::asio::ssl::context context(boost::asio::ssl::context::tls_client);
  SSL_CTX* native = context.native_handle();
  SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
  SSL_CTX_set_options(native, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_mode(native, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_verify(native, SSL_VERIFY_PEER, nullptr);
  if (ca.empty()) {
    SSL_CTX_set_default_verify_paths(native);
    return context;
  }
  if (auto done = trust_file(native, ca); !done) return tl::unexpected(done.error());
  return context;
}

void expect_server(SSL* ssl, const ServerUrl& server) {
  constexpr unsigned char kProtocol[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
  SSL_set_alpn_protos(ssl, kProtocol, sizeof kProtocol);
  X509_VERIFY_PARAM* expected = SSL_get0_param(ssl);
  if (parse_address(server.host)) {
    if (X509_VERIFY_PARAM_set1_ip_asc(expected, server.host.c_str()) != 1) throw std::bad_alloc();
    return;
  }
  X509_VERIFY_PARAM_set_hostflags(expected, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  // Without the name to expect, any certificate would do: nothing may go on from here.
  if (X509_VERIFY_PARAM_set1_host(expected, server.host.c_str(), server.host.size()) != 1 ||
      SSL_set_tlsext_host_name(ssl, server.host.c_str()) != 1) {
    throw std::bad_alloc();
  }
}

Error describe_handshake_failure(SSL* ssl, const boost::system::error_code& error, const ServerUrl& server,
                                 const std::string& ca) {
  const std::string to = "cannot connect to " + server.text() + ": ";
  if (error.category() != boost::asio::error::get_ssl_category()) {
    return {ErrorCode::kUnavailable, to + "no TLS handshake: " + error.message()};
  }
  switch (ERR_GET_REASON(static_cast<unsigned long>(error.value()))) {
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
      return {ErrorCode::kUntrusted, to + describe_certificate(SSL_get_verify_result(ssl), server, ca)};
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
      return {ErrorCode::kUnavailable, to + "what listens there does not speak https: is it an http:// server?"};
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
      return {ErrorCode::kUnavailable, to + "it speaks no TLS of version 1.2 or later"};
    default:
      return {ErrorCode::kUnavailable, to + "the TLS handshake failed: " + error.message()};
  }
}

}  // namespace egress
