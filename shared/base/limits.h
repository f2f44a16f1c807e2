// Limits that more than one component must agree on. Limits of one component live beside it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace egress {

inline constexpr std::size_t kMaxHostNameBytes = 253;  // RFC 1035, presentation form without the final dot
inline constexpr std::size_t kMaxHostLabelBytes = 63;
inline constexpr std::size_t kMaxRegexBytes = 1024;
inline constexpr std::size_t kMaxNamespaceDepth = 16;
inline constexpr std::size_t kMaxStackLayers = 256;  // layers in one workload's stack
inline constexpr std::size_t kMaxLayerRules = 2'000'000;
inline constexpr std::size_t kMaxLayerBytes = 256u << 20;  // one compiled layer
inline constexpr std::size_t kMaxManifestBytes = 1u << 20;
inline constexpr std::size_t kMaxWorkloadNameBytes = 253;  // of its target too
inline constexpr std::size_t kMaxLabels = 64;              // labels of a workload, and terms of a selector
inline constexpr std::size_t kMaxLabelBytes = 255;         // a label's key or value
inline constexpr std::size_t kMaxNamesPerAddress = 16;
inline constexpr std::size_t kMaxBindingsPerSession = 64 * 1024;

}  // namespace egress
