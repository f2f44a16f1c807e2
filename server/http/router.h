// Finds the line of the route table for a method and a path. The table is read once; lookups are O(routes), which are
// few.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "server/api/route.h"

namespace egress::server {

class Router {
 public:
  explicit Router(std::vector<Route> routes) : routes_(std::move(routes)) {}

  struct Match {
    const Route* route = nullptr;       // null: nothing of this path and method
    std::vector<std::string> captures;  // what stood for {…}
    std::string allow;                  // "GET, HEAD, POST": the methods of the path; empty: no such path
  };
  // HEAD is answered by GET's route.
  Match find(Method method, std::string_view path) const;

  const std::vector<Route>& routes() const { return routes_; }

 private:
  std::vector<Route> routes_;
};

}  // namespace egress::server
