// What the server counts of itself, and its text for Prometheus. Labels come from fixed lists and the route table,
// never from requests, so that the number of series is bounded. Thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace egress::server {

enum class WriteOutcome : std::uint8_t { kCommitted, kRefused, kFailed };
enum class AuthenticationFailure : std::uint8_t {
  kMissing,
  kUnknown,
  kRevoked,
  kExpired,
  kSessionOver,
  kRateLimited,
  kOther,
};

// A value that is kept elsewhere and read when the metrics are asked for.
struct CurrentValue {
  enum class Kind : std::uint8_t { kGauge, kCounter };
  std::string_view name;  // values of one name stand together and share kind and help
  Kind kind = Kind::kGauge;
  std::string_view help;
  std::string_view label{};  // empty: none
  std::string_view label_value{};
  double value = 0;
};

class Metrics {
 public:
  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  void connection_opened();
  void connection_closed();
  void connection_refused();
  void handshake_failed();
  // `route`: a pattern of the route table, or empty for what no route answered; `method` counts only with a route.
  void request_answered(std::string_view method, std::string_view route, unsigned status, double seconds);
  void write_ended(WriteOutcome outcome, double seconds);
  void authentication_failed(AuthenticationFailure why);

  // The text exposition format, version 0.0.4: what was counted here, then `current`.
  std::string render(const std::vector<CurrentValue>& current) const;

 private:
  struct Families;
  std::unique_ptr<Families> families_;
};

inline constexpr std::string_view kMetricsContentType = "text/plain; version=0.0.4; charset=utf-8";

}  // namespace egress::server
