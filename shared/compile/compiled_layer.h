// A policy source in its immutable, content-addressed form (layer.fbs): what the server stores and serves, and what
// agents fetch by hash. Bytes from anywhere are verified before anything reads them.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/error.h"
#include "shared/policy/rule.h"

namespace egress {
namespace fbs {
struct Layer;
}

// Deterministic: equal layers give equal bytes. Precondition: no rule holds a kCidr host pattern (domain lists turn
// those into `cidrs`). O(rules).
std::vector<std::byte> compile_layer(const Layer& layer);

struct RuleSource {
  std::string_view document;
  std::uint32_t line = 0;
};

// A verified layer. Cheap to copy; the bytes are shared.
class CompiledLayer {
 public:
  // Runs the FlatBuffers verifier and then our own checks: enumerations in range, prefixes canonical, ports ordered,
  // host patterns canonical. kCorrupt with the first problem otherwise; kTooLarge past the limits of base/limits.h.
  static Expected<CompiledLayer> load(std::vector<std::byte> bytes);

  const fbs::Layer& root() const { return *root_; }
  std::span<const std::byte> bytes() const { return *bytes_; }
  std::string_view id() const;
  std::size_t rule_count() const;
  // As written by the policy's author; "unmatched" for an index past the end.
  std::string_view rule_name(std::size_t rule) const;
  // Where the rule was written; an empty document: through the API, or no such rule.
  RuleSource rule_source(std::size_t rule) const;

 private:
  CompiledLayer(std::shared_ptr<const std::vector<std::byte>> bytes, const fbs::Layer* root)
      : bytes_(std::move(bytes)), root_(root) {}

  std::shared_ptr<const std::vector<std::byte>> bytes_;
  const fbs::Layer* root_;
};

}  // namespace egress
