#include "server/service/audit_check.h"

#include "server/service/audit_chain.h"

namespace egress::server {
namespace {

constexpr std::size_t kRowsARead = 1'000;

// What is wrong with `row`, whose successor (null: it is the newest) was found right.
std::string find_fault(const AuditRow& row, const AuditRow* successor) {
  if (successor != nullptr && row.seq + 1 != successor->seq) {
    return "audit row " + std::to_string(successor->seq - 1) + " is missing";
  }
  const std::string name = "audit row " + std::to_string(row.seq);
  if (successor != nullptr && row.hash != successor->prev_hash) return name + " is not the one that was followed";
  if (audit_hash(row) != row.hash) return name + " does not have the content that was written";
  if (row.seq == 1 && row.prev_hash != kGenesisHash) return name + " is not the first that was written";
  return {};
}

}  // namespace

Expected<std::uint64_t> check_audit_tail(Store& store, std::uint64_t max_rows) {
  std::uint64_t checked = 0;
  AuditRow successor;
  AuditFilter filter;
  while (checked < max_rows) {
    filter.limit = static_cast<std::size_t>(std::min<std::uint64_t>(kRowsARead, max_rows - checked));
    auto page = store.read([&](Reader& reader) { return reader.audit_rows(filter); });
    if (!page) return tl::unexpected(page.error());
    for (AuditRow& row : page->rows) {
      const std::string fault = find_fault(row, checked == 0 ? nullptr : &successor);
      if (!fault.empty()) return fail(ErrorCode::kCorrupt, fault);
      successor = std::move(row);
      ++checked;
    }
    if (!page->more) break;
    filter.before_seq = successor.seq;
  }
  return checked;
}

}  // namespace egress::server
