#include "server/service/document_kinds.h"

#include <array>

#include "shared/policy/namespace_path.h"

namespace egress::server {
namespace {

constexpr std::array kKinds{
    DocumentKind{"EgressDenyPolicy", kRootNamespace},
    DocumentKind{kEgressDomainKind, ""},
    DocumentKind{"EgressGateway", kRootNamespace},
    DocumentKind{"EgressL4Route", kRootNamespace},
    DocumentKind{"MirrordClusterPolicy", ""},
    DocumentKind{"MirrordPolicy", kDefaultNamespace},
    DocumentKind{kNamespaceKind, ""},
    DocumentKind{"PolicyTest", kRootNamespace},
};

}  // namespace

std::optional<DocumentKind> find_document_kind(std::string_view name) {
  for (const DocumentKind& kind : kKinds) {
    if (kind.name == name) return kind;
  }
  return std::nullopt;
}

std::span<const DocumentKind> all_document_kinds() { return kKinds; }

std::string document_kinds() {
  std::string names;
  for (const DocumentKind& kind : kKinds) names += (names.empty() ? "" : ", ") + std::string(kind.name);
  return names;
}

}  // namespace egress::server
