#include "server/service/effective_settings.h"

#include "server/service/server_mode.h"

namespace egress::server {
namespace {

template <typename T>
T nearest(std::span<const NamespaceRecord> chain, std::optional<T> NamespaceRecord::*field, T otherwise) {
  for (const NamespaceRecord& record : chain) {
    if (record.*field) return *(record.*field);
  }
  return otherwise;
}

}  // namespace

EffectiveSettings effective_settings(std::span<const NamespaceRecord> chain, std::optional<Mode> server_mode) {
  return {nearest(chain, &NamespaceRecord::mode, server_mode.value_or(kInitialMode)),
          nearest(chain, &NamespaceRecord::loopback, kServerLoopback),
          nearest(chain, &NamespaceRecord::lookups, kServerLookups)};
}

}  // namespace egress::server
