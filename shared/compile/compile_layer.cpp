// External interface: compile_layer() of compiled_layer.h.
#include <cassert>

#include "shared/compile/compiled_layer.h"
#include "shared/compile/layer_format.h"
#include "shared/compile/layer_generated.h"

namespace egress {
namespace {

using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;

fbs::Cidr pack(const Cidr& cidr) { return {cidr.base.high, cidr.base.low, cidr.prefix, cidr.ipv4}; }

std::uint8_t pack(const std::optional<Transport>& protocol) {
  return protocol ? static_cast<std::uint8_t>(*protocol) : kAnyProtocol;
}

// An absent list is an absent field: vectors are written only if they have elements.
template <typename Element, typename List, typename Make>
Offset<flatbuffers::Vector<Offset<Element>>> pack_tables(FlatBufferBuilder& builder, const List& list, Make&& make) {
  if (list.empty()) return 0;
  std::vector<Offset<Element>> offsets;
  offsets.reserve(list.size());
  for (const auto& element : list) offsets.push_back(make(element));
  return builder.CreateVector(offsets);
}

Offset<fbs::CidrMatch> pack(FlatBufferBuilder& builder, const CidrMatch& match) {
  Offset<flatbuffers::Vector<const fbs::Cidr*>> except;
  if (!match.except.empty()) {
    std::vector<fbs::Cidr> holes;
    for (const Cidr& hole : match.except) holes.push_back(pack(hole));
    except = builder.CreateVectorOfStructs(holes);
  }
  const fbs::Cidr cidr = pack(match.cidr);
  return fbs::CreateCidrMatch(builder, &cidr, except);
}

Offset<fbs::WorkloadMatch> pack(FlatBufferBuilder& builder, const WorkloadMatch& match) {
  const auto terms = pack_tables<fbs::SelectorTerm>(builder, match.terms, [&](const SelectorTerm& term) {
    const auto key = builder.CreateString(term.key);
    Offset<flatbuffers::Vector<Offset<flatbuffers::String>>> values;
    if (!term.values.empty()) values = builder.CreateVectorOfStrings(term.values);
    return fbs::CreateSelectorTerm(builder, key, static_cast<std::uint8_t>(term.op), values);
  });
  Offset<flatbuffers::String> glob;
  if (match.target_path_glob) glob = builder.CreateString(*match.target_path_glob);
  return fbs::CreateWorkloadMatch(builder, terms, glob);
}

Offset<fbs::Rule> pack(FlatBufferBuilder& builder, const Rule& rule) {
  const auto name = builder.CreateString(rule.name);
  const auto hosts = pack_tables<fbs::HostPattern>(builder, rule.hosts, [&](const HostPattern& pattern) {
    assert(pattern.kind != HostPatternKind::kCidr);
    const auto text = builder.CreateString(pattern.text);
    return fbs::CreateHostPattern(builder, static_cast<std::uint8_t>(pattern.kind), text);
  });
  const auto cidrs =
      pack_tables<fbs::CidrMatch>(builder, rule.cidrs, [&](const CidrMatch& match) { return pack(builder, match); });
  Offset<flatbuffers::Vector<const fbs::PortMatch*>> ports;
  if (!rule.ports.empty()) {
    std::vector<fbs::PortMatch> matches;
    for (const PortMatch& match : rule.ports) {
      matches.emplace_back(match.range.first, match.range.last, pack(match.protocol));
    }
    ports = builder.CreateVectorOfStructs(matches);
  }
  Offset<fbs::WorkloadMatch> workloads;
  if (rule.workloads) workloads = pack(builder, *rule.workloads);
  Offset<flatbuffers::String> document;
  if (!rule.document.empty()) document = builder.CreateSharedString(rule.document);
  return fbs::CreateRule(builder, name, static_cast<std::uint8_t>(rule.action), hosts, cidrs, ports,
                         pack(rule.protocol), workloads, rule.expires_at_ms.value_or(kNeverExpires), rule.require_auth,
                         document, rule.line);
}

}  // namespace

std::vector<std::byte> compile_layer(const Layer& layer) {
  FlatBufferBuilder builder(1024 + layer.rules.size() * 96);
  const auto id = builder.CreateString(layer.id);
  const auto rules =
      pack_tables<fbs::Rule>(builder, layer.rules, [&](const Rule& rule) { return pack(builder, rule); });
  Offset<fbs::WorkloadMatch> applies_to;
  if (layer.applies_to) applies_to = pack(builder, *layer.applies_to);
  fbs::FinishLayerBuffer(
      builder, fbs::CreateLayer(builder, kLayerFormat, id, static_cast<std::uint8_t>(layer.unmatched), layer.quarantine,
                                rules, applies_to));
  const auto* bytes = reinterpret_cast<const std::byte*>(builder.GetBufferPointer());
  return {bytes, bytes + builder.GetSize()};
}

}  // namespace egress
