// Reading the audit, page by page.
#pragma once

#include <vector>

#include "server/service/refusal.h"
#include "server/store/store.h"

namespace egress::server {

inline constexpr std::size_t kMaxAuditPage = 1000;

class AuditLog {
 public:
  explicit AuditLog(Store& store) : store_(store) {}

  struct Page {
    std::vector<AuditRow> rows;             // newest first
    std::optional<std::uint64_t> next_seq;  // continue with before_seq = next_seq; nullopt at the end
  };
  Result<Page> find(const AuditFilter& filter);

 private:
  Store& store_;
};

}  // namespace egress::server
