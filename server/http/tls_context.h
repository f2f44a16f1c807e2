// The server's certificate and key, and what TLS it speaks: 1.2 or later, forward secrecy, http/1.1. Can be loaded
// again while connections run: those keep what they began with. Thread-safe.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "server/http/tls_connection.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"

struct ssl_ctx_st;

namespace egress::server {

struct TlsFiles {
  std::string certificate;  // PEM: the server's certificate, then the rest of its chain
  std::string key;          // PEM, unencrypted, readable by its owner alone
};

class TlsContext {
 public:
  // kInvalidArgument or kUntrusted name the file and what is wrong with it.
  static Expected<std::shared_ptr<TlsContext>> load(TlsFiles files);

  // Reads the files again. On failure everything stays as it was.
  Expected<void> reload();

  TlsConnection connect(int descriptor) const;

  // When the certificate in use ends.
  UnixMillis expires_at_ms() const;

 private:
  struct Loaded {
    std::shared_ptr<ssl_ctx_st> context;
    UnixMillis expires_at_ms = 0;
  };
  explicit TlsContext(TlsFiles files) : files_(std::move(files)) {}
  Expected<Loaded> read_files() const;

  const TlsFiles files_;
  mutable std::mutex mutex_;
  Loaded loaded_;
};

}  // namespace egress::server
