#include "shared/base/time_text.h"

#include <array>
#include <charconv>
#include <cstdio>

namespace egress {
namespace {

constexpr std::int64_t kMillisPerSecond = 1000;
constexpr std::int64_t kSecondsPerDay = 86400;
constexpr UnixMillis kMaxTimeMs = 253402300799999;  // 9999-12-31T23:59:59.999Z

// Reads exactly `width` decimal digits at the front of `text`; -1 if there are none.
int take_digits(std::string_view& text, std::size_t width) {
  if (text.size() < width) return -1;
  int value = 0;
  for (std::size_t i = 0; i < width; ++i) {
    if (text[i] < '0' || text[i] > '9') return -1;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(width);
  return value;
}

bool take(std::string_view& text, char expected) {
  if (text.empty() || text.front() != expected) return false;
  text.remove_prefix(1);
  return true;
}

tl::unexpected<Error> bad_time(std::string_view text) {
  return fail(ErrorCode::kInvalidArgument,
              "\"" + std::string(text) + "\" is not an RFC 3339 time such as 2027-01-31T00:00:00Z");
}

}  // namespace

std::string format_time(UnixMillis time_ms) {
  using namespace std::chrono;
  const sys_time<milliseconds> time{milliseconds{time_ms}};
  const auto day = floor<days>(time);
  const year_month_day date{day};
  const hh_mm_ss<milliseconds> clock{time - day};
  std::array<char, 64> text{};
  int length = std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d", static_cast<int>(date.year()),
                             static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                             static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                             static_cast<int>(clock.seconds().count()));
  std::string result(text.data(), static_cast<std::size_t>(length));
  if (const auto millis = static_cast<int>(clock.subseconds().count()); millis != 0) {
    length = std::snprintf(text.data(), text.size(), ".%03d", millis);
    result.append(text.data(), static_cast<std::size_t>(length));
  }
  return result + "Z";
}

Expected<UnixMillis> parse_time(std::string_view text) {
  using namespace std::chrono;
  std::string_view rest = text;
  const int y = take_digits(rest, 4);
  if (y < 1970 || !take(rest, '-')) return bad_time(text);
  const int mo = take_digits(rest, 2);
  if (mo < 0 || !take(rest, '-')) return bad_time(text);
  const int d = take_digits(rest, 2);
  if (d < 0 || !(take(rest, 'T') || take(rest, 't'))) return bad_time(text);
  const int h = take_digits(rest, 2);
  if (h < 0 || h > 23 || !take(rest, ':')) return bad_time(text);
  const int mi = take_digits(rest, 2);
  if (mi < 0 || mi > 59 || !take(rest, ':')) return bad_time(text);
  const int s = take_digits(rest, 2);
  if (s < 0 || s > 59) return bad_time(text);
  int millis = 0;
  if (take(rest, '.')) {
    int digits = 0;
    for (; !rest.empty() && rest.front() >= '0' && rest.front() <= '9'; rest.remove_prefix(1), ++digits) {
      if (digits < 3) millis = millis * 10 + (rest.front() - '0');
    }
    if (digits == 0 || digits > 9) return bad_time(text);
    for (; digits < 3; ++digits) millis *= 10;
  }
  int offset_minutes = 0;
  if (!(take(rest, 'Z') || take(rest, 'z'))) {
    const bool west = !rest.empty() && rest.front() == '-';
    if (!take(rest, '+') && !take(rest, '-')) return bad_time(text);
    const int oh = take_digits(rest, 2);
    if (oh < 0 || oh > 23 || !take(rest, ':')) return bad_time(text);
    const int om = take_digits(rest, 2);
    if (om < 0 || om > 59) return bad_time(text);
    offset_minutes = (oh * 60 + om) * (west ? -1 : 1);
  }
  const year_month_day date{year{y}, month{static_cast<unsigned>(mo)}, day{static_cast<unsigned>(d)}};
  if (!rest.empty() || !date.ok()) return bad_time(text);
  const std::int64_t seconds =
      sys_days{date}.time_since_epoch().count() * kSecondsPerDay + h * 3600 + (mi - offset_minutes) * 60 + s;
  const UnixMillis result = seconds * kMillisPerSecond + millis;
  if (result < 0 || result > kMaxTimeMs) return bad_time(text);
  return result;
}

Expected<std::int64_t> parse_duration_ms(std::string_view text) {
  const auto bad = [&] {
    return fail(ErrorCode::kInvalidArgument,
                "\"" + std::string(text) + "\" is not a duration such as 90s, 15m, 2h or 7d");
  };
  constexpr std::int64_t kMaxDurationMs = 10LL * 366 * kSecondsPerDay * kMillisPerSecond;
  std::int64_t count = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (code != std::errc{} || count <= 0 || end + 1 != text.data() + text.size()) return bad();
  std::int64_t unit_ms = 0;
  switch (*end) {
    case 's':
      unit_ms = kMillisPerSecond;
      break;
    case 'm':
      unit_ms = 60 * kMillisPerSecond;
      break;
    case 'h':
      unit_ms = 3600 * kMillisPerSecond;
      break;
    case 'd':
      unit_ms = kSecondsPerDay * kMillisPerSecond;
      break;
    default:
      return bad();
  }
  if (count > kMaxDurationMs / unit_ms) {
    return fail(ErrorCode::kInvalidArgument, "\"" + std::string(text) + "\" is longer than the limit of ten years");
  }
  return count * unit_ms;
}

}  // namespace egress
