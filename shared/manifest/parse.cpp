#include "shared/manifest/parse.h"

#include <algorithm>
#include <array>

#include "shared/manifest/document_readers.h"
#include "shared/manifest/node.h"
#include "shared/policy/namespace_path.h"

namespace egress {
namespace {

enum class Home { kNone, kRootByDefault, kDefaultByDefault };  // where a kind without a namespace lives

struct KindEntry {
  std::string_view api_version;
  std::string_view kind;
  Home home;
  std::optional<Document> (*read)(DocumentHead, Fields&);
};

constexpr std::string_view kMirrord = "policies.mirrord.metalbear.co/v1alpha";
constexpr std::string_view kClrk = "clrk.apoxy.dev/v1alpha1";
constexpr std::string_view kOurs = "egress/v1";

constexpr std::array kKinds{
    KindEntry{kMirrord, "MirrordPolicy", Home::kDefaultByDefault, read_mirrord_policy},
    KindEntry{kMirrord, "MirrordClusterPolicy", Home::kNone, read_mirrord_policy},
    KindEntry{kClrk, "EgressGateway", Home::kRootByDefault, read_egress_gateway},
    KindEntry{kClrk, "EgressL4Route", Home::kRootByDefault, read_egress_l4_route},
    KindEntry{kClrk, "EgressDenyPolicy", Home::kRootByDefault, read_egress_deny_policy},
    KindEntry{kOurs, "Namespace", Home::kNone, read_namespace},
    KindEntry{kOurs, "EgressDomain", Home::kNone, read_egress_domain},
    KindEntry{kOurs, "PolicyTest", Home::kRootByDefault, read_policy_test},
};

// Known to the sources' own products, but about requests rather than connections.
constexpr std::array<std::string_view, 4> kL7Kinds{"AIProviderRoute", "MCPRoute", "EgressL7Route", "HTTPRoute"};

std::string kinds_of(std::string_view api_version) {
  std::string kinds;
  for (const KindEntry& entry : kKinds) {
    if (entry.api_version == api_version) kinds += (kinds.empty() ? "" : ", ") + std::string(entry.kind);
  }
  return kinds;
}

const KindEntry* find_kind(Fields& document) {
  const std::string api_version = document.required_text("apiVersion", "the document's API group and version");
  const std::string kind = document.required_text("kind", "the kind of document");
  if (api_version.empty() || kind.empty()) return nullptr;
  Report& report = document.report();
  for (const std::string_view l7 : kL7Kinds) {
    if (kind == l7) {
      report.problem(*document.find("kind"), "kind",
                     kind + " matches requests, not connections: egress judges destinations only", kinds_of(kClrk));
      return nullptr;
    }
  }
  for (const KindEntry& entry : kKinds) {
    if (entry.kind != kind) continue;
    if (entry.api_version == api_version) return &entry;
    report.problem(*document.find("apiVersion"), "apiVersion", "\"" + api_version + "\" has no " + kind,
                   std::string(entry.api_version));
    return nullptr;
  }
  const std::string known = kinds_of(api_version);
  if (known.empty()) {
    report.problem(*document.find("apiVersion"), "apiVersion", "\"" + api_version + "\" is unknown",
                   std::string(kOurs) + ", " + std::string(kClrk) + " or " + std::string(kMirrord));
  } else {
    report.problem(*document.find("kind"), "kind", "\"" + kind + "\" is unknown", "one of " + known);
  }
  return nullptr;
}

DocumentHead read_head(const KindEntry& entry, Fields& document, std::string_view default_namespace) {
  constexpr std::size_t kMaxNameBytes = 1024;
  Report& report = document.report();
  DocumentHead head;
  head.kind = entry.kind;
  head.line = document.node().line;
  const Node* metadata = document.require("metadata", "a mapping with name");
  if (metadata == nullptr) return head;
  Fields fields(*metadata, "metadata", report);
  head.name = fields.required_text("name", "a name");
  if (head.name.size() > kMaxNameBytes)
    report.problem(*fields.find("name"), "metadata.name", "is too long", "at most 1024 bytes");
  // Layers and messages cite a document as "kind namespace/name", which must be unambiguous. What is named by a path or
  // a domain has rules of its own.
  const bool is_plain_name = entry.read != read_namespace && entry.read != read_egress_domain;
  if (is_plain_name && std::any_of(head.name.begin(), head.name.end(), [](char c) {
        return c == '/' || static_cast<unsigned char>(c) <= ' ' || c == '\x7f';
      })) {
    report.problem(*fields.find("name"), "metadata.name", "holds a slash, a space or a control character",
                   "a name such as no-pastes");
  }
  const auto home = fields.text("namespace");
  for (const char* ours : {"labels", "annotations"}) fields.find(ours);  // the author's own business
  fields.finish();
  if (entry.home == Home::kNone) {
    if (home)
      report.problem(*fields.find("namespace"), "metadata.namespace",
                     std::string(entry.kind) + " lives in no namespace", "no such field");
    return head;
  }
  const std::string_view fallback = !default_namespace.empty()              ? default_namespace
                                    : entry.home == Home::kDefaultByDefault ? kDefaultNamespace
                                                                            : kRootNamespace;
  const auto path = parse_namespace_path(home ? std::string_view(*home) : fallback);
  if (path) {
    head.namespace_path = *path;
  } else {
    report.problem(*(home ? fields.find("namespace") : metadata), "metadata.namespace", path.error().message,
                   "a namespace such as prod/payments");
  }
  return head;
}

void read_document(const Node& node, Report& report, std::string_view default_namespace,
                   std::vector<Document>& documents) {
  Fields document(node, "", report);
  const KindEntry* entry = find_kind(document);
  if (entry == nullptr) return;
  DocumentHead head = read_head(*entry, document, default_namespace);
  auto read = entry->read(std::move(head), document);
  document.find("status");  // what a cluster wrote back; nothing of ours
  document.finish();
  if (read) documents.push_back(*std::move(read));
}

}  // namespace

ParsedManifest parse_manifest_documents(std::string_view text, std::string_view default_namespace) {
  ParsedManifest result;
  ParsedStream stream = parse_stream(text);
  result.problems = std::move(stream.problems);
  for (std::size_t i = 0; i < stream.documents.size() && result.problems.size() < kMaxProblems; ++i) {
    Report report(static_cast<int>(i) + 1);
    read_document(stream.documents[i], report, default_namespace, result.documents);
    result.problems.insert(result.problems.end(), report.problems.begin(), report.problems.end());
    result.warnings.insert(result.warnings.end(), report.warnings.begin(), report.warnings.end());
  }
  if (!result.problems.empty()) result.documents.clear();
  return result;
}

}  // namespace egress
