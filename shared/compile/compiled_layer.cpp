#include "shared/compile/compiled_layer.h"

#include "shared/base/limits.h"
#include "shared/compile/layer_format.h"
#include "shared/compile/layer_generated.h"
#include "shared/net/host_name.h"

namespace egress {
namespace {

constexpr flatbuffers::uoffset_t kMaxTables = 16'000'000;
constexpr flatbuffers::uoffset_t kMaxTableDepth = 8;

bool is_canonical(const fbs::Cidr& packed) {
  const Cidr cidr{{packed.high(), packed.low()}, packed.prefix(), packed.ipv4()};
  if (cidr.prefix > (cidr.ipv4 ? 32 : 128)) return false;
  if (cidr.ipv4 && !is_ipv4(cidr.base)) return false;
  return mask_address(cidr.base, wide_prefix(cidr)) == cidr.base;
}

bool is_protocol(std::uint8_t value) {
  return value == kAnyProtocol || value == static_cast<std::uint8_t>(Transport::kTcp) ||
         value == static_cast<std::uint8_t>(Transport::kUdp);
}

// The first thing wrong with a selector, or nullptr. An absent one is right.
const char* find_problem(const fbs::WorkloadMatch* match) {
  if (match == nullptr || match->terms() == nullptr) return nullptr;
  if (match->terms()->size() > kMaxLabels) return "more than 64 selector terms";
  for (const fbs::SelectorTerm* term : *match->terms()) {
    if (term->op() > static_cast<std::uint8_t>(SelectorOperator::kDoesNotExist)) return "an unknown selector operator";
  }
  return nullptr;
}

// The first thing wrong with a rule, or nullptr.
const char* find_problem(const fbs::Rule& rule) {
  if (rule.action() > static_cast<std::uint8_t>(Action::kAllow)) return "an unknown action";
  if (!is_protocol(rule.protocol())) return "an unknown protocol";
  if (rule.require_auth() && rule.action() != static_cast<std::uint8_t>(Action::kAllow)) {
    return "require_auth on a block rule";
  }
  if (rule.hosts() != nullptr) {
    if (rule.hosts()->size() == 0) return "an empty host list";
    for (const fbs::HostPattern* host : *rule.hosts()) {
      if (host->kind() > static_cast<std::uint8_t>(HostPatternKind::kRegex)) return "an unknown host pattern kind";
      const bool regex = host->kind() == static_cast<std::uint8_t>(HostPatternKind::kRegex);
      if (regex ? host->text()->size() > kMaxRegexBytes : parse_host_name(host->text()->str()) != host->text()->str()) {
        return "a host pattern that is not canonical";
      }
    }
  }
  if (rule.cidrs() != nullptr) {
    if (rule.cidrs()->size() == 0) return "an empty CIDR list";
    for (const fbs::CidrMatch* match : *rule.cidrs()) {
      if (!is_canonical(*match->cidr())) return "a CIDR that is not canonical";
      if (match->except() == nullptr) continue;
      for (const fbs::Cidr* hole : *match->except()) {
        if (!is_canonical(*hole)) return "an excepted CIDR that is not canonical";
      }
    }
  }
  if (rule.ports() != nullptr) {
    if (rule.ports()->size() == 0) return "an empty port list";
    for (const fbs::PortMatch* port : *rule.ports()) {
      if (port->first() == 0 || port->first() > port->last()) return "a port range out of order";
      if (!is_protocol(port->protocol())) return "an unknown port protocol";
    }
  }
  if (rule.workloads() != nullptr && rule.workloads()->terms() != nullptr) {
    if (rule.workloads()->terms()->size() > kMaxLabels) return "more than 64 selector terms";
    for (const fbs::SelectorTerm* term : *rule.workloads()->terms()) {
      if (term->op() > static_cast<std::uint8_t>(SelectorOperator::kDoesNotExist))
        return "an unknown selector operator";
    }
  }
  return nullptr;
}

}  // namespace

Expected<CompiledLayer> CompiledLayer::load(std::vector<std::byte> bytes) {
  if (bytes.size() > kMaxLayerBytes) return fail(ErrorCode::kTooLarge, "the layer is larger than 256 MiB");
  auto shared = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
  const auto* data = reinterpret_cast<const std::uint8_t*>(shared->data());
  flatbuffers::Verifier verifier(data, shared->size(), kMaxTableDepth, kMaxTables);
  if (!fbs::VerifyLayerBuffer(verifier)) return fail(ErrorCode::kCorrupt, "the layer's bytes are not a layer");
  const fbs::Layer* root = fbs::GetLayer(data);
  const std::string id = root->id()->str();
  if (root->format() != kLayerFormat) {
    return fail(ErrorCode::kCorrupt, "layer " + id + " has format " + std::to_string(root->format()) + ", expected " +
                                         std::to_string(kLayerFormat));
  }
  if (root->unmatched() > static_cast<std::uint8_t>(Vote::kDeny)) {
    return fail(ErrorCode::kCorrupt, "layer " + id + " has an unknown unmatched vote");
  }
  if (const char* problem = find_problem(root->applies_to())) {
    return fail(ErrorCode::kCorrupt, "layer " + id + " applies to " + problem);
  }
  if (root->rules() != nullptr) {
    if (root->rules()->size() > kMaxLayerRules) {
      return fail(ErrorCode::kTooLarge, "layer " + id + " has more than 2,000,000 rules");
    }
    for (flatbuffers::uoffset_t i = 0; i < root->rules()->size(); ++i) {
      if (const char* problem = find_problem(*root->rules()->Get(i))) {
        return fail(ErrorCode::kCorrupt, "rule " + std::to_string(i) + " of layer " + id + " has " + problem);
      }
    }
  }
  return CompiledLayer(std::move(shared), root);
}

std::string_view CompiledLayer::id() const { return {root_->id()->c_str(), root_->id()->size()}; }

std::size_t CompiledLayer::rule_count() const { return root_->rules() == nullptr ? 0 : root_->rules()->size(); }

std::string_view CompiledLayer::rule_name(std::size_t rule) const {
  if (rule >= rule_count()) return "unmatched";
  const flatbuffers::String* name = root_->rules()->Get(static_cast<flatbuffers::uoffset_t>(rule))->name();
  return {name->c_str(), name->size()};
}

RuleSource CompiledLayer::rule_source(std::size_t rule) const {
  if (rule >= rule_count()) return {};
  const fbs::Rule* written = root_->rules()->Get(static_cast<flatbuffers::uoffset_t>(rule));
  if (written->document() == nullptr) return {};
  return {{written->document()->c_str(), written->document()->size()}, written->line()};
}

}  // namespace egress
