// An HTTP exchange as the resources see it: plain values, no library. The server in http/ fills and sends them.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/service/principal.h"
#include "shared/net/address.h"

namespace egress::server {

enum class Method { kGet, kHead, kPost, kDelete, kOther };

using NameValue = std::pair<std::string, std::string>;

struct Request {
  Method method = Method::kGet;
  std::string path;                        // as sent, without the query
  std::vector<std::string> captures;       // what stood for {…} in the route's pattern
  std::vector<NameValue> query;            // percent-decoded, valid UTF-8, in order
  std::vector<std::string> if_none_match;  // field lines
  std::vector<std::string> prefer;
  std::string accept;
  std::string body;
  Principal principal;         // who asks
  Address peer{};              // from where
  bool secure = false;         // over TLS
  std::string session_cookie;  // the value of the session cookie; empty: none
};

struct Response {
  unsigned status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<NameValue> headers;
};

}  // namespace egress::server
