#include "server/metrics/measured_store.h"

#include <chrono>

namespace egress::server {
namespace {

// A body that refused, told apart from a store that failed.
struct Ending {
  bool refused = false;
  Error failure{};

  explicit Ending(const Error& error) : failure(error) {}
  Ending() : refused(true) {}
};

}  // namespace

Expected<void> MeasuredStore::run_read(const std::function<void(Reader&)>& body) {
  const auto done = store_.read([&](Reader& reader) {
    body(reader);
    return true;
  });
  if (!done) return tl::unexpected(done.error());
  return {};
}

Expected<void> MeasuredStore::run_write(const std::function<bool(Writer&)>& body) {
  const auto begun = std::chrono::steady_clock::now();
  const auto done = store_.write([&](Writer& writer) -> tl::expected<void, Ending> {
    if (body(writer)) return {};
    return tl::unexpected(Ending());
  });
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
  const bool failed = !done && !done.error().refused;
  metrics_.write_ended(done     ? WriteOutcome::kCommitted
                       : failed ? WriteOutcome::kFailed
                                : WriteOutcome::kRefused,
                       took.count());
  if (failed) return tl::unexpected(done.error().failure);
  return {};
}

}  // namespace egress::server
