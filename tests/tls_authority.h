// A certificate authority of one test: issues server certificates, good ones and bad ones.
#pragma once

#include <memory>
#include <string>
#include <vector>

struct evp_pkey_st;
struct x509_st;

namespace egress {

class TlsAuthority {
 public:
  struct Issued {
    std::string certificate;  // PEM
    std::string key;          // PEM
  };
  struct Options {
    std::string names = "DNS:localhost,IP:127.0.0.1";  // subjectAltName
    long begins_s = -3600;                             // from now
    long ends_s = 3600;
  };

  explicit TlsAuthority(const std::string& name);
  std::string pem() const;  // its own certificate
  Issued issue(const Options& options) const;
  Issued issue() const { return issue(Options()); }

 private:
  std::shared_ptr<evp_pkey_st> key_;
  std::shared_ptr<x509_st> certificate_;
};

}  // namespace egress
