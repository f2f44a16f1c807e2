// Whom an https server must prove to be, and what to say when it does not: TLS 1.2 or later, a certificate for the host
// or address of the URL, signed by what EGRESS_CA holds or else by an authority that the system trusts.
#pragma once

#include <boost/asio/ssl/context.hpp>
#include <string>

#include "preload/agent/server_url.h"
#include "shared/base/error.h"

namespace egress {

// `ca`: a PEM file with the certificates to trust instead of the system's; empty: the system's. kInvalidArgument if it
// cannot be used.
Expected<boost::asio::ssl::context> make_tls_client(const std::string& ca);

// Before the handshake: the name to ask for (not for addresses) and the one to find in the certificate.
void expect_server(SSL* ssl, const ServerUrl& server);

// After a handshake that failed with `error`: kUntrusted for a certificate that was refused, else kUnavailable.
Error describe_handshake_failure(SSL* ssl, const boost::system::error_code& error, const ServerUrl& server,
                                 const std::string& ca);

}  // namespace egress
