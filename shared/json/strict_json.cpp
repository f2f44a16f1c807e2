#include "shared/json/strict_json.h"

#include <nlohmann/json.hpp>
#include <unordered_set>
#include <utility>
#include <vector>

namespace egress {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMaxQuotedBytes = 200;

// Builds the document from the parser's events. Keys are compared in a hash set beside each open object, because the
// document's own objects are searched linearly and a hostile body may hold very many keys.
class StrictBuilder final : public nlohmann::json_sax<Json> {
 public:
  explicit StrictBuilder(std::size_t max_depth) : max_depth_(max_depth) {}

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t&) override { return add(value); }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t&) override { return refuse("binary values are not JSON"); }
  bool start_object(std::size_t) override { return open(Json::object()); }
  bool start_array(std::size_t) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    Level& level = levels_.back();
    if (!level.keys.insert(name).second) {
      return refuse("key \"" + path() + (path().empty() ? "" : ".") + name.substr(0, kMaxQuotedBytes) +
                    "\" is given twice");
    }
    level.pending_key = std::move(name);
    return true;
  }

  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception& exception) override {
    std::string_view text = exception.what();
    if (const auto bracket = text.find("] "); bracket != std::string_view::npos) text.remove_prefix(bracket + 2);
    return refuse(std::string(text.substr(0, 2 * kMaxQuotedBytes)));
  }

  Json take_document() { return std::move(root_); }
  const std::string& problem() const { return problem_; }

 private:
  struct Level {
    Json* container;
    std::string pending_key;
    std::unordered_set<std::string> keys;
  };

  bool refuse(std::string problem) {
    if (problem_.empty()) problem_ = std::move(problem);
    return false;
  }

  std::string path() const {
    std::string text;
    for (std::size_t i = 0; i + 1 < levels_.size(); ++i) {
      const Level& level = levels_[i];
      if (level.container->is_array()) {
        text += "[" + std::to_string(level.container->size() - 1) + "]";
      } else {
        text += (text.empty() ? "" : ".") + level.pending_key.substr(0, kMaxQuotedBytes);
      }
    }
    return text;
  }

  // A container's elements do not move while a child of it is open: only the innermost container grows.
  Json* place(Json value) {
    if (levels_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    Level& level = levels_.back();
    if (level.container->is_array()) {
      auto& array = level.container->get_ref<Json::array_t&>();
      array.push_back(std::move(value));
      return &array.back();
    }
    auto& object = level.container->get_ref<Json::object_t&>();
    object.push_back({level.pending_key, std::move(value)});
    return &object.back().second;
  }

  bool add(Json value) {
    place(std::move(value));
    return true;
  }

  bool open(Json container) {
    if (levels_.size() == max_depth_)
      return refuse("it is nested deeper than " + std::to_string(max_depth_) + " levels");
    Json* placed = place(std::move(container));
    levels_.push_back({placed, {}, {}});
    return true;
  }

  bool close() {
    levels_.pop_back();
    return true;
  }

  std::size_t max_depth_;
  Json root_;
  std::vector<Level> levels_;
  std::string problem_;
};

}  // namespace

Expected<Json> parse_json(std::string_view text, std::size_t max_depth) {
  // The parser takes a NUL byte for the end of the text, whatever stands behind it.
  if (text.find('\0') != std::string_view::npos) {
    return fail(ErrorCode::kInvalidArgument, "not acceptable JSON: it holds a NUL byte");
  }
  StrictBuilder builder(max_depth);
  if (!Json::sax_parse(text.begin(), text.end(), &builder)) {
    return fail(ErrorCode::kInvalidArgument, "not acceptable JSON: " + builder.problem());
  }
  return builder.take_document();
}

std::string render_json(const Json& document) { return document.dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace egress
