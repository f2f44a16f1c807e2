// One request to the server's API from a command line, by the agent's HTTP client: blocking, bounded in time and size,
// with a person's token if there is one: EGRESS_ADMIN_TOKEN, which no workload inherits, not a workload's EGRESS_TOKEN.
#pragma once

#include <string>

#include "shared/base/error.h"

namespace egress {

struct ServerCall {
  std::string server{};      // --server; empty: EGRESS_SERVER, else the default
  std::string token_file{};  // --token-file; empty: EGRESS_ADMIN_TOKEN, else no token
  std::string method = "GET";
  std::string target{};        // path and query, encoded
  std::string content_type{};  // of `body`
  std::string body{};
};

struct ServerAnswer {
  std::string server;  // which answered
  unsigned status = 0;
  std::string next_cursor{};  // an encoded query value; empty: nothing follows
  std::string body;
};

// Any status is an answer. kInvalidArgument if the server's URL is none or the token file holds no token, kUnavailable
// and kTooLarge as the client.
Expected<ServerAnswer> call_server(const ServerCall& call);

// "name=value" of a query, encoded, with "?" or "&" before it; nothing if `value` is empty.
void add_query(std::string& target, const char* name, const std::string& value);

// A refusal as one line: the server's code and message, else what kind of answer it was; and, where the token was
// missing, wrong or too weak, what to do.
std::string describe_refusal(const ServerAnswer& answer);

// What a command ends with after an answer that is none of its results: the server said no, or it did not work.
inline constexpr int kExitRefused = 1;
inline constexpr int kExitUnavailable = 4;
int exit_status_of(const ServerAnswer& answer);

}  // namespace egress
