// The kinds of document that a manifest may hold, and where each lives when nobody says.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace egress::server {

inline constexpr std::string_view kNamespaceKind = "Namespace";
inline constexpr std::string_view kEgressDomainKind = "EgressDomain";

struct DocumentKind {
  std::string_view name;
  std::string_view home;  // the namespace of a document that names none; empty: the kind lives in no namespace
};

std::optional<DocumentKind> find_document_kind(std::string_view name);

std::span<const DocumentKind> all_document_kinds();

// All names, for messages.
std::string document_kinds();

}  // namespace egress::server
