#include "server/api/openapi/schemas.h"

namespace egress::server::openapi {
namespace {

Json of_type(const char* type) {
  Json schema = Json::object();
  schema["type"] = type;
  return schema;
}

}  // namespace

Json text(std::size_t max_bytes) {
  Json schema = of_type("string");
  if (max_bytes > 0) schema["maxLength"] = max_bytes;
  return schema;
}

Json required_text(std::size_t max_bytes) {
  Json schema = text(max_bytes);
  schema["minLength"] = 1;
  return schema;
}

Json names(const std::vector<std::string>& names) {
  Json schema = of_type("string");
  schema["enum"] = names;
  return schema;
}

Json boolean() { return of_type("boolean"); }

Json integer(std::uint64_t min, std::uint64_t max) {
  Json schema = of_type("integer");
  schema["minimum"] = min;
  schema["maximum"] = max;
  return schema;
}

Json time_schema() {
  Json schema = of_type("string");
  schema["format"] = "date-time";
  return schema;
}

Json array_of(Json items, std::size_t max_items) {
  Json schema = of_type("array");
  schema["items"] = std::move(items);
  if (max_items > 0) schema["maxItems"] = max_items;
  return schema;
}

Json any_object() { return of_type("object"); }

Json object_schema(const std::vector<Field>& fields) {
  Json schema = of_type("object");
  schema["properties"] = Json::object();
  Json required = Json::array();
  for (const Field& field : fields) {
    schema["properties"][field.name] = field.schema;
    if (field.required) required.push_back(field.name);
  }
  if (!required.empty()) schema["required"] = std::move(required);
  schema["additionalProperties"] = false;
  return schema;
}

Json nullable(Json schema) {
  if (schema.contains("type") && !schema.contains("enum")) {
    schema["type"] = Json::array({schema["type"], "null"});
    return schema;
  }
  Json either = Json::object();
  either["anyOf"] = Json::array();
  either["anyOf"].push_back(std::move(schema));
  either["anyOf"].push_back(of_type("null"));
  return either;
}

Json schema_of(const std::string& name) {
  Json schema = Json::object();
  schema["$ref"] = "#/components/schemas/" + name;
  return schema;
}

Json page_of(const std::string& name, const std::vector<Field>& further) {
  std::vector<Field> fields = {{"items", array_of(schema_of(name))}};
  fields.insert(fields.end(), further.begin(), further.end());
  fields.push_back({"next_cursor", with_description(nullable(text()), "The cursor of the next page; null: the last.")});
  return object_schema(fields);
}

Json with_description(Json schema, const std::string& description) {
  schema["description"] = description;
  return schema;
}

}  // namespace egress::server::openapi
