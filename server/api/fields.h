// Reading a JSON object or a query string field by field. The first problem wins and is reported by finish(), with the
// path of the field and what was expected; so is a field that nobody asked for.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "server/api/message.h"
#include "server/service/change.h"
#include "server/service/refusal.h"

namespace egress::server {

using Json = nlohmann::ordered_json;

// The request's body as a JSON object: invalid_json otherwise.
Result<Json> parse_body(const Request& request);

class ObjectFields {
 public:
  // `object` must be a JSON object and outlive this.
  explicit ObjectFields(const Json& object, std::string path = {}) : object_(object), path_(std::move(path)) {}

  // Absent, null or a value; anything else is a problem.
  Change<std::string> text(const std::string& key, std::size_t max_bytes);
  Change<bool> boolean(const std::string& key);
  Change<std::uint64_t> number(const std::string& key, std::uint64_t max);
  template <typename Enum>
  Change<Enum> name(const std::string& key, std::optional<Enum> (*find)(std::string_view), const std::string& names);
  // Must be there and neither null nor empty.
  std::string required_text(const std::string& key, std::size_t max_bytes);
  // nullptr unless it is there as an array of at most `max_items`; `present` tells absent from null.
  const Json* array(const std::string& key, std::size_t max_items, bool& present);

  // nullptr unless it is there as an object of at most `max_items`.
  const Json* object(const std::string& key, std::size_t max_items, bool& present);

  // Records a problem with `key` of this object.
  void refuse(const std::string& key, const std::string& problem);
  bool failed() const { return problem_.has_value(); }
  std::string path_of(const std::string& key) const { return path_.empty() ? key : path_ + "." + key; }
  // Takes over a nested reader's problem.
  void absorb(const Result<void>& nested);

  Result<void> finish();

 private:
  const Json* find(const std::string& key);  // marks the key as known; nullptr if absent

  const Json& object_;
  std::string path_;
  std::set<std::string, std::less<>> known_;
  std::optional<Refusal> problem_;
};

class QueryFields {
 public:
  explicit QueryFields(const Request& request) : query_(request.query) {}

  std::optional<std::string> text(const std::string& name);
  std::string required_text(const std::string& name);
  bool flag(const std::string& name);  // "true" or "false"; absent is false
  std::size_t limit(std::size_t otherwise, std::size_t max);
  std::optional<std::uint64_t> number(const std::string& name);
  std::optional<std::int64_t> time(const std::string& name);  // RFC 3339, in milliseconds
  // All parameters whose name starts with `prefix`, without it.
  std::vector<NameValue> with_prefix(const std::string& prefix);

  void refuse(const std::string& name, const std::string& problem);
  Result<void> finish();

 private:
  const std::vector<NameValue>& query_;
  std::set<std::string, std::less<>> known_;
  std::vector<std::string> known_prefixes_;
  std::optional<Refusal> problem_;
};

template <typename Enum>
Change<Enum> ObjectFields::name(const std::string& key, std::optional<Enum> (*find_value)(std::string_view),
                                const std::string& names) {
  constexpr std::size_t kMaxNameBytes = 64;
  const Change<std::string> given = text(key, kMaxNameBytes);
  if (!given.value) return {given.present, std::nullopt};
  const auto value = find_value(*given.value);
  if (!value) refuse(key, "\"" + *given.value + "\" is not one of " + names);
  return {true, value};
}

Response json_response(unsigned status, const Json& body);

}  // namespace egress::server
