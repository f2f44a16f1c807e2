#include "server/api/domain_fields.h"

#include <unordered_map>

#include "shared/base/time_text.h"

namespace egress::server {
namespace {

std::optional<UnixMillis> read_time(ObjectFields& fields, const std::string& key, const std::string& text) {
  const auto time = parse_time(text);
  if (time) return *time;
  fields.refuse(key, time.error().message);
  return std::nullopt;
}

constexpr std::size_t kMaxTimeText = 64;

// One entry of a list: `value` stands at `path`, which is key[index].
std::optional<DomainEntry> read_entry(ObjectFields& fields, const std::string& path, const Json& value,
                                      Warnings& warnings) {
  DomainEntry entry;
  if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    auto pattern = read_pattern(fields, path, text, warnings);
    if (!pattern) return std::nullopt;
    entry.pattern = *std::move(pattern);
    return entry;
  }
  if (!value.is_object()) {
    fields.refuse(path, std::string("expected a string or an object with domain, found a ") + value.type_name());
    return std::nullopt;
  }
  ObjectFields inner(value, fields.path_of(path));
  const std::string domain = inner.required_text("domain", kMaxDomainText);
  const auto pattern = inner.failed() ? std::nullopt : read_pattern(inner, "domain", domain, warnings);
  entry.reason = inner.text("reason", kMaxReasonBytes).value.value_or("");
  if (const auto expires_at = inner.text("expires_at", kMaxTimeText); expires_at.value) {
    entry.expires_at_ms = read_time(inner, "expires_at", *expires_at.value);
  }
  const auto finished = inner.finish();
  fields.absorb(finished);
  if (!finished || !pattern) return std::nullopt;
  entry.pattern = *pattern;
  return entry;
}

}  // namespace

std::optional<HostPattern> read_pattern(ObjectFields& fields, const std::string& key, const std::string& text,
                                        Warnings& warnings) {
  if (text.size() > kMaxDomainText) {
    fields.refuse(key, "longer than " + std::to_string(kMaxDomainText) + " bytes");
    return std::nullopt;
  }
  auto parsed = parse_host_pattern(text);
  if (!parsed) {
    fields.refuse(key, parsed.error().message);
    return std::nullopt;
  }
  if (parsed->masked) {
    warnings.push_back(text + " has host bits set: stored as " + format_host_pattern(parsed->pattern));
  }
  return std::move(parsed->pattern);
}

Change<UnixMillis> read_expiry(ObjectFields& fields, UnixMillis now_ms) {
  const auto expires_in = fields.text("expires_in", kMaxTimeText);
  const auto expires_at = fields.text("expires_at", kMaxTimeText);
  if (expires_in.value && expires_at.value) {
    fields.refuse("expires_in", "give expires_in or expires_at, not both");
    return {};
  }
  if (expires_in.value) {
    const auto duration_ms = parse_duration_ms(*expires_in.value);
    if (duration_ms) return change_to<UnixMillis>(now_ms + *duration_ms);
    fields.refuse("expires_in", duration_ms.error().message);
    return {};
  }
  if (expires_at.value) return {true, read_time(fields, "expires_at", *expires_at.value)};
  return {expires_in.present || expires_at.present, std::nullopt};
}

Change<std::vector<DomainEntry>> read_domains(ObjectFields& fields, const std::string& key, Warnings& warnings) {
  bool present = false;
  const Json* list = fields.array(key, kMaxDomainEntries, present);
  if (!list) return {present, std::nullopt};
  std::vector<DomainEntry> entries;
  std::unordered_map<std::string, std::size_t> positions;
  for (std::size_t i = 0; i < list->size(); ++i) {
    const std::string path = key + "[" + std::to_string(i) + "]";
    auto entry = read_entry(fields, path, (*list)[i], warnings);
    if (!entry) return {};
    const auto [first, is_new] = positions.emplace(format_host_pattern(entry->pattern), i);
    if (!is_new) {
      fields.refuse(
          path, first->first + " stands in the list already, at " + key + "[" + std::to_string(first->second) + "]");
      return {};
    }
    entries.push_back(*std::move(entry));
  }
  return change_to(std::move(entries));
}

}  // namespace egress::server
