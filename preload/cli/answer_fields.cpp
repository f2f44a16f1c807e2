#include "preload/cli/answer_fields.h"

#include <nlohmann/json.hpp>

#include "shared/base/ascii.h"

namespace egress {

std::string text_in(const nlohmann::json& object, const char* key) {
  if (!object.is_object()) return {};
  const auto found = object.find(key);
  if (found == object.end() || !found->is_string()) return {};
  return without_controls(found->get<std::string>());
}

std::uint64_t number_in(const nlohmann::json& object, const char* key) {
  if (!object.is_object()) return 0;
  const auto found = object.find(key);
  return found != object.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

}  // namespace egress
