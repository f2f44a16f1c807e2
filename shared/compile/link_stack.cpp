#include "shared/compile/link_stack.h"

#include <cstring>
#include <map>
#include <tuple>

#include "shared/base/limits.h"
#include "shared/compile/layer_generated.h"
#include "shared/compile/prefix_index.h"

namespace egress {
namespace {

Cidr unpack(const fbs::Cidr& packed) { return {{packed.high(), packed.low()}, packed.prefix(), packed.ipv4()}; }

WorkloadMatch unpack(const fbs::WorkloadMatch& packed) {
  WorkloadMatch match;
  if (packed.terms() != nullptr) {
    for (const fbs::SelectorTerm* term : *packed.terms()) {
      SelectorTerm unpacked{term->key()->str(), static_cast<SelectorOperator>(term->op()), {}};
      if (term->values() != nullptr) {
        for (const flatbuffers::String* value : *term->values()) unpacked.values.push_back(value->str());
      }
      match.terms.push_back(std::move(unpacked));
    }
  }
  if (packed.target_path_glob() != nullptr) match.target_path_glob = packed.target_path_glob()->str();
  return match;
}

// Gathers the rules of a stack into clauses, the address index and the name index.
class Linker {
 public:
  Linker(const Workload& workload, NameIndex& names) : workload_(workload), names_(names) {}

  Expected<void> add_layer(std::uint16_t number, const fbs::Layer& layer) {
    if (layer.applies_to() != nullptr && !matches(unpack(*layer.applies_to()), workload_)) {
      votes_.push_back({static_cast<std::uint8_t>(Vote::kAbstain), 0});
      return {};
    }
    votes_.push_back({layer.unmatched(), static_cast<std::uint8_t>(layer.quarantine() ? 1 : 0)});
    if (layer.rules() == nullptr) return {};
    for (flatbuffers::uoffset_t i = 0; i < layer.rules()->size(); ++i) {
      const fbs::Rule& rule = *layer.rules()->Get(i);
      if (rule.workloads() != nullptr && !matches(unpack(*rule.workloads()), workload_)) continue;
      if (auto added = add_rule(number, i, rule); !added) return added;
    }
    return {};
  }

  Expected<std::vector<std::byte>> build(const StackSettings& settings, NoPolicyCause cause,
                                         std::size_t max_table_bytes) const;

 private:
  using PortKey = std::vector<std::tuple<std::uint16_t, std::uint16_t, std::uint8_t>>;
  using ClauseKey = std::tuple<std::uint16_t, std::uint8_t, std::uint8_t, std::int64_t, PortKey>;

  Expected<void> add_rule(std::uint16_t layer, std::uint32_t number, const fbs::Rule& rule) {
    const RuleRef ref{find_or_add_clause(layer, rule), number};
    if (rule.hosts() != nullptr) {
      for (const fbs::HostPattern* host : *rule.hosts()) {
        const std::string_view text(host->text()->c_str(), host->text()->size());
        if (auto added = names_.add(static_cast<HostPatternKind>(host->kind()), text, ref); !added) return added;
      }
    }
    if (rule.cidrs() != nullptr) {
      for (const fbs::CidrMatch* match : *rule.cidrs()) {
        std::vector<Cidr> except;
        if (match->except() != nullptr) {
          for (const fbs::Cidr* hole : *match->except()) except.push_back(unpack(*hole));
        }
        prefixes_.add(unpack(*match->cidr()), ref, except);
      }
    }
    if (rule.hosts() == nullptr && rule.cidrs() == nullptr) everywhere_.push_back(ref);
    return {};
  }

  // Rules of a layer that differ only in their hosts or only in their addresses share a clause: the rule that a name or
  // an address leads to is told by its RuleRef. A rule with both keeps the two tied by its own RuleRef as well.
  std::uint32_t find_or_add_clause(std::uint16_t layer, const fbs::Rule& rule) {
    std::uint8_t flags = 0;
    if (rule.action() == static_cast<std::uint8_t>(Action::kAllow)) flags |= Clause::kAllow;
    if (rule.hosts() != nullptr) flags |= Clause::kNeedsHost;
    if (rule.cidrs() != nullptr) flags |= Clause::kNeedsAddress;
    if (rule.require_auth()) flags |= Clause::kRequireAuth;
    PortKey ports;
    if (rule.ports() != nullptr) {
      for (const fbs::PortMatch* port : *rule.ports())
        ports.emplace_back(port->first(), port->last(), port->protocol());
    }
    const ClauseKey key{layer, flags, rule.protocol(), rule.expires_at_ms(), ports};
    const auto [entry, added] = clause_ids_.emplace(key, static_cast<std::uint32_t>(clauses_.size()));
    if (!added) return entry->second;
    Clause clause;
    clause.layer = layer;
    clause.flags = flags;
    clause.protocol = rule.protocol();
    clause.ports_begin = static_cast<std::uint32_t>(ports_.size());
    clause.ports_count = static_cast<std::uint32_t>(ports.size());
    clause.expires_at_ms = rule.expires_at_ms();
    for (const auto& [first, last, protocol] : ports) ports_.push_back({first, last, protocol, {}});
    clauses_.push_back(clause);
    return entry->second;
  }

  const Workload& workload_;
  NameIndex& names_;
  std::vector<LayerVotes> votes_;
  std::vector<Clause> clauses_;
  std::vector<ClausePort> ports_;
  std::vector<RuleRef> everywhere_;
  PrefixIndex prefixes_;
  std::map<ClauseKey, std::uint32_t> clause_ids_;
};

// Lays arrays out behind the header, each aligned to 8. Overflow of the limit is remembered, not written.
class TableWriter {
 public:
  explicit TableWriter(std::size_t max_bytes) : max_bytes_(max_bytes), bytes_(sizeof(ConnectTableHeader)) {}

  template <typename T>
  TableSpan append(const std::vector<T>& elements) {
    bytes_.resize((bytes_.size() + 7) / 8 * 8);
    const TableSpan where{static_cast<std::uint32_t>(bytes_.size()), static_cast<std::uint32_t>(elements.size())};
    const std::size_t size = elements.size() * sizeof(T);
    if (overflowed_ || size > max_bytes_ - std::min(max_bytes_, bytes_.size())) {
      overflowed_ = true;
      return {};
    }
    bytes_.resize(bytes_.size() + size);
    if (size != 0) std::memcpy(bytes_.data() + where.offset, elements.data(), size);
    return where;
  }

  Expected<std::vector<std::byte>> finish(ConnectTableHeader header) && {
    if (overflowed_) {
      return fail(ErrorCode::kTooLarge,
                  "the policy's address table exceeds its limit of " + std::to_string(max_bytes_ >> 20) + " MiB");
    }
    header.total_bytes = static_cast<std::uint32_t>(bytes_.size());
    std::memcpy(bytes_.data(), &header, sizeof header);
    return std::move(bytes_);
  }

 private:
  std::size_t max_bytes_;
  bool overflowed_ = false;
  std::vector<std::byte> bytes_;
};

Expected<std::vector<std::byte>> Linker::build(const StackSettings& settings, NoPolicyCause cause,
                                               std::size_t max_table_bytes) const {
  std::vector<ControlPlaneEndpoint> control_plane;
  for (const Endpoint& endpoint : settings.control_plane) {
    control_plane.push_back({canonical(endpoint.address), endpoint.port});
  }
  bool has_expiry = false;
  for (const Clause& clause : clauses_) has_expiry = has_expiry || clause.expires_at_ms != kNeverExpires;

  ConnectTableHeader header;
  header.mode = static_cast<std::uint8_t>(settings.mode);
  header.loopback = static_cast<std::uint8_t>(settings.loopback);
  header.lookups = static_cast<std::uint8_t>(settings.lookups);
  header.default_action = static_cast<std::uint8_t>(settings.default_action);
  header.no_policy = static_cast<std::uint8_t>(cause);
  if (workload_.authenticated) header.flags |= ConnectTableHeader::kAuthenticated;
  if (has_expiry) header.flags |= ConnectTableHeader::kHasExpiry;

  const PrefixIndex::Tables prefixes = prefixes_.build();
  TableWriter writer(max_table_bytes);
  header.layers = writer.append(votes_);
  header.clauses = writer.append(clauses_);
  header.ports = writer.append(ports_);
  header.everywhere = writer.append(everywhere_);
  header.nodes = writer.append(prefixes.nodes);
  header.members = writer.append(prefixes.members);
  header.excepts = writer.append(prefixes.excepts);
  header.v4_starts = writer.append(prefixes.v4_starts);
  header.v4_nodes = writer.append(prefixes.v4_nodes);
  header.v6_starts = writer.append(prefixes.v6_starts);
  header.v6_nodes = writer.append(prefixes.v6_nodes);
  header.control_plane = writer.append(control_plane);
  return std::move(writer).finish(header);
}

}  // namespace

std::string_view LinkedStack::layer_id(std::uint16_t layer) const {
  return layer < layers.size() ? layers[layer].id() : std::string_view("default");
}

std::string_view LinkedStack::rule_name(std::uint16_t layer, std::uint32_t rule) const {
  return layer < layers.size() ? layers[layer].rule_name(rule) : std::string_view("unmatched");
}

Expected<LinkedStack> link_stack(std::vector<CompiledLayer> layers, const StackSettings& settings,
                                 const Workload& workload, std::size_t max_table_bytes) {
  if (layers.size() > kMaxStackLayers) {
    return fail(ErrorCode::kTooLarge, "the stack has " + std::to_string(layers.size()) + " layers, the limit is 256");
  }
  LinkedStack stack;
  stack.layers = std::move(layers);
  Linker linker(workload, stack.names);
  for (std::size_t i = 0; i < stack.layers.size(); ++i) {
    auto added = linker.add_layer(static_cast<std::uint16_t>(i), stack.layers[i].root());
    if (!added)
      return tl::unexpected(
          Error{added.error().code, "layer " + std::string(stack.layers[i].id()) + ": " + added.error().message});
  }
  if (auto built = stack.names.build(); !built) return tl::unexpected(built.error());
  auto table = linker.build(settings, NoPolicyCause::kNone, max_table_bytes);
  if (!table) return tl::unexpected(table.error());
  stack.connect_table = *std::move(table);
  return stack;
}

LinkedStack link_no_policy(NoPolicyCause cause, const std::vector<Endpoint>& control_plane) {
  constexpr std::size_t kAmpleBytes = 1u << 20;  // control-plane endpoints are few
  LinkedStack stack;
  StackSettings settings;
  settings.control_plane = control_plane;
  const Workload nobody;
  const Linker linker(nobody, stack.names);
  auto table = linker.build(settings, cause, kAmpleBytes);
  stack.connect_table = std::move(table).value();
  return stack;
}

}  // namespace egress
