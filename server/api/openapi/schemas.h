// JSON Schemas (draft 2020-12) of what the API takes and gives, built from small parts. Objects are closed: a field
// that is not described is neither accepted nor sent.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace egress::server::openapi {

using Json = nlohmann::ordered_json;

inline constexpr std::uint64_t kMaxInteger = std::uint64_t{1} << 62;  // of revisions, counts and cursors

struct Field {
  std::string name;
  Json schema = nullptr;
  bool required = true;
};

// A string. The limit is one of bytes, and so of characters too; 0: none.
Json text(std::size_t max_bytes = 0);
// The same, and not empty.
Json required_text(std::size_t max_bytes = 0);
Json names(const std::vector<std::string>& names);  // one of these strings
Json boolean();
Json integer(std::uint64_t min, std::uint64_t max);
Json time_schema();  // RFC 3339
Json array_of(Json items, std::size_t max_items = 0);
Json any_object();
Json object_schema(const std::vector<Field>& fields);
Json nullable(Json schema);
Json schema_of(const std::string& name);  // a reference to components/schemas
// {"items": [...], "next_cursor": ...}, with further fields behind.
Json page_of(const std::string& name, const std::vector<Field>& further = {});
Json with_description(Json schema, const std::string& description);

}  // namespace egress::server::openapi
