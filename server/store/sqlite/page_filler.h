// Fills a RowPage from a query, up to its two bounds. The query must ask for one row more than `limit`.
#pragma once

#include <utility>

#include "server/store/records.h"

namespace egress::server {

template <typename Row>
class PageFiller {
 public:
  explicit PageFiller(std::size_t limit) : limit_(limit) {}

  // False if the page was full before: the row is left out, and the page says that there are more.
  bool add(Row row, std::size_t size_bytes) {
    const bool full = page_.rows.size() == limit_ || (!page_.rows.empty() && bytes_ + size_bytes > kMaxPageBytes);
    if (full) {
      page_.more = true;
      return false;
    }
    bytes_ += size_bytes;
    page_.rows.push_back(std::move(row));
    return true;
  }

  RowPage<Row> take() { return std::move(page_); }

 private:
  std::size_t limit_;
  std::size_t bytes_ = 0;
  RowPage<Row> page_;
};

}  // namespace egress::server
