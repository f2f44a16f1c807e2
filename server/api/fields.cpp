#include "server/api/fields.h"

#include <algorithm>
#include <charconv>

#include "shared/base/time_text.h"
#include "shared/json/strict_json.h"

namespace egress::server {

Result<Json> parse_body(const Request& request) {
  auto document = parse_json(request.body);
  if (!document) return refuse(ErrorCode::kInvalidArgument, "invalid_json", "the body is " + document.error().message);
  if (!document->is_object()) {
    return refuse(ErrorCode::kInvalidArgument, "invalid_json",
                  std::string("the body is a JSON ") + document->type_name() + ", expected an object");
  }
  return *std::move(document);
}

const Json* ObjectFields::find(const std::string& key) {
  known_.insert(key);
  const auto found = object_.find(key);
  return found == object_.end() ? nullptr : &*found;
}

void ObjectFields::refuse(const std::string& key, const std::string& problem) {
  if (problem_) return;
  problem_ = refuse_field("invalid_field", path_of(key), path_of(key) + ": " + problem).value();
}

void ObjectFields::absorb(const Result<void>& nested) {
  if (!nested && !problem_) problem_ = nested.error();
}

Change<std::string> ObjectFields::text(const std::string& key, std::size_t max_bytes) {
  const Json* value = find(key);
  if (!value) return {};
  if (value->is_null()) return {true, std::nullopt};
  if (!value->is_string()) {
    refuse(key, std::string("expected a string, found a ") + value->type_name());
    return {};
  }
  const auto& given = value->get_ref<const std::string&>();
  if (given.size() > max_bytes) {
    refuse(key, "longer than " + std::to_string(max_bytes) + " bytes");
    return {};
  }
  return {true, given};
}

Change<bool> ObjectFields::boolean(const std::string& key) {
  const Json* value = find(key);
  if (!value) return {};
  if (value->is_null()) return {true, std::nullopt};
  if (!value->is_boolean()) {
    refuse(key, std::string("expected true or false, found a ") + value->type_name());
    return {};
  }
  return {true, value->get<bool>()};
}

Change<std::uint64_t> ObjectFields::number(const std::string& key, std::uint64_t max) {
  const Json* value = find(key);
  if (!value) return {};
  if (value->is_null()) return {true, std::nullopt};
  if (!value->is_number_unsigned() || value->get<std::uint64_t>() > max) {
    refuse(key, "expected an integer from 0 to " + std::to_string(max));
    return {};
  }
  return {true, value->get<std::uint64_t>()};
}

std::string ObjectFields::required_text(const std::string& key, std::size_t max_bytes) {
  const Change<std::string> given = text(key, max_bytes);
  if (!given.value || given.value->empty()) {
    refuse(key, "is required: expected a string that is not empty");
    return {};
  }
  return *given.value;
}

const Json* ObjectFields::array(const std::string& key, std::size_t max_items, bool& present) {
  const Json* value = find(key);
  present = value != nullptr;
  if (!value || value->is_null()) return nullptr;
  if (!value->is_array()) {
    refuse(key, std::string("expected an array, found a ") + value->type_name());
    return nullptr;
  }
  if (value->size() > max_items) {
    refuse(key, std::to_string(value->size()) + " entries, at most " + std::to_string(max_items) + " are accepted");
    return nullptr;
  }
  return value;
}

const Json* ObjectFields::object(const std::string& key, std::size_t max_items, bool& present) {
  const Json* value = find(key);
  present = value != nullptr;
  if (!value || value->is_null()) return nullptr;
  if (!value->is_object()) {
    refuse(key, std::string("expected an object, found a ") + value->type_name());
    return nullptr;
  }
  if (value->size() > max_items) {
    refuse(key, std::to_string(value->size()) + " entries, at most " + std::to_string(max_items) + " are accepted");
    return nullptr;
  }
  return value;
}

Result<void> ObjectFields::finish() {
  if (!problem_) {
    for (const auto& item : object_.items()) {
      if (!known_.contains(item.key())) {
        constexpr std::size_t kMaxQuotedBytes = 64;
        const std::string key = item.key().substr(0, kMaxQuotedBytes);
        std::string names;
        for (const std::string& known : known_) names += (names.empty() ? "" : ", ") + known;
        problem_ =
            refuse_field("unknown_field", path_of(key), path_of(key) + ": unknown field, expected one of " + names)
                .value();
        break;
      }
    }
  }
  if (problem_) return tl::unexpected(*problem_);
  return {};
}

std::optional<std::string> QueryFields::text(const std::string& name) {
  known_.insert(name);
  std::optional<std::string> value;
  for (const auto& [key, given] : query_) {
    if (key != name) continue;
    if (value) refuse(name, "is given twice");
    value = given;
  }
  return value;
}

std::string QueryFields::required_text(const std::string& name) {
  auto value = text(name);
  if (!value || value->empty()) refuse(name, "is required");
  return value.value_or(std::string());
}

bool QueryFields::flag(const std::string& name) {
  const auto value = text(name);
  if (value && *value != "true" && *value != "false") refuse(name, "expected true or false");
  return value == "true";
}

std::optional<std::uint64_t> QueryFields::number(const std::string& name) {
  const auto value = text(name);
  if (!value) return std::nullopt;
  std::uint64_t number = 0;
  const auto [end, code] = std::from_chars(value->data(), value->data() + value->size(), number);
  constexpr std::uint64_t kMax = std::uint64_t{1} << 62;
  if (code != std::errc{} || end != value->data() + value->size() || number > kMax) {
    refuse(name, "expected a number");
    return std::nullopt;
  }
  return number;
}

std::size_t QueryFields::limit(std::size_t otherwise, std::size_t max) {
  const auto given = number("limit");
  if (!given) return otherwise;
  if (*given == 0 || *given > max) {
    refuse("limit", "expected a number from 1 to " + std::to_string(max));
    return otherwise;
  }
  return static_cast<std::size_t>(*given);
}

std::optional<std::int64_t> QueryFields::time(const std::string& name) {
  const auto value = text(name);
  if (!value) return std::nullopt;
  const auto time = parse_time(*value);
  if (!time) {
    refuse(name, time.error().message);
    return std::nullopt;
  }
  return *time;
}

std::vector<NameValue> QueryFields::with_prefix(const std::string& prefix) {
  known_prefixes_.push_back(prefix);
  std::vector<NameValue> found;
  for (const auto& [key, value] : query_) {
    if (key.starts_with(prefix) && key.size() > prefix.size()) found.emplace_back(key.substr(prefix.size()), value);
  }
  return found;
}

void QueryFields::refuse(const std::string& name, const std::string& problem) {
  if (!problem_) problem_ = refuse_field("invalid_query", name, "query parameter " + name + ": " + problem).value();
}

Result<void> QueryFields::finish() {
  for (const auto& [key, value] : query_) {
    const bool has_prefix =
        std::any_of(known_prefixes_.begin(), known_prefixes_.end(), [&, &name = key](const std::string& prefix) {
          return name.size() > prefix.size() && name.starts_with(prefix);
        });
    if (!known_.contains(key) && !has_prefix) {
      constexpr std::size_t kMaxQuotedBytes = 64;
      std::string names;
      for (const std::string& known : known_) names += (names.empty() ? "" : ", ") + known;
      refuse(key.substr(0, kMaxQuotedBytes),
             names.empty() ? "unknown, this call takes none" : "unknown, expected one of " + names);
    }
  }
  if (problem_) return tl::unexpected(*problem_);
  return {};
}

Response json_response(unsigned status, const Json& body) {
  Response response;
  response.status = status;
  response.body = render_json(body) + "\n";
  return response;
}

}  // namespace egress::server
