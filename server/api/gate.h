// Who is let in: judges a request's credentials for its route before its body is read. The HTTP layer calls it on I/O
// threads, so nothing here blocks but record_failures().
#pragma once

#include <string_view>

#include "server/api/route.h"
#include "shared/net/address.h"

namespace egress::server {

// What a request brought, as views of its header.
struct Credentials {
  std::string_view authorization;  // the field's value; empty: none
  std::string_view session;        // the value of the session cookie; empty: none
  bool changes_state = false;
  bool same_origin = false;  // the browser says that the page came from this server
  Address peer;
  std::string_view path;
};

inline constexpr std::string_view kSessionCookie = "egress_session";

class Gate {
 public:
  virtual ~Gate() = default;

  struct Admission {
    Result<Principal> principal;
    bool failure_to_record = false;  // call record_failures() on a worker before answering
  };
  virtual Admission admit(const Route& route, const Credentials& credentials) = 0;

  // Whether an admitted request may still be served: asked again once its body is there, and before each attempt of a
  // held poll.
  virtual Result<void> recheck(const Route& route, const Principal& principal) const = 0;

  virtual void record_failures() = 0;
};

}  // namespace egress::server
