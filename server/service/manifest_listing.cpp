#include "server/service/manifest_listing.h"

#include <algorithm>

#include "server/service/document_kinds.h"
#include "server/service/document_text.h"

namespace egress::server {
namespace {

constexpr std::size_t kNamespacesAtOnce = 1000;

// Kinds and namespaces hold no line break, so that the order of keys is that of the parts.
std::string key_of(std::string_view kind, const std::string& namespace_path, const std::string& name) {
  return std::string(kind) + "\n" + namespace_path + "\n" + name;
}

// How many of `items` make a page.
std::size_t page_size(const std::vector<ListedDocument>& items, std::size_t limit, std::size_t max_bytes) {
  std::size_t bytes = 0;
  std::size_t count = 0;
  while (count < std::min(limit, items.size())) {
    bytes += items[count].source.size() + std::string_view("---\n").size();
    if (bytes > max_bytes && count > 0) break;
    ++count;
  }
  return count;
}

class Listing {
 public:
  Listing(Reader& reader, const Principal& principal, const DocumentFilter& filter, const std::string& after)
      : reader_(reader), principal_(principal), filter_(filter), after_(after) {}

  std::vector<ListedDocument> run() {
    for (DocumentRecord& record : reader_.documents(filter_)) add(std::move(record));
    const bool wants_none = !filter_.namespace_path || filter_.namespace_path->empty();
    if (wants_none && wants(kNamespaceKind)) {
      add_namespaces();
    }
    if (wants_none && wants(kEgressDomainKind)) {
      for (const EgressEntry& entry : reader_.egress_entries()) add(entry);
    }
    std::sort(items_.begin(), items_.end(),
              [](const ListedDocument& a, const ListedDocument& b) { return a.key < b.key; });
    return std::move(items_);
  }

 private:
  bool wants(std::string_view kind) const { return !filter_.kind || *filter_.kind == kind; }
  bool wants_name(const std::string& name) const { return !filter_.name || *filter_.name == name; }

  void add(DocumentRecord record) {
    ListedDocument item;
    item.key = key_of(record.kind, record.namespace_path, record.name);
    if (item.key <= after_) return;
    if (!record.namespace_path.empty() && !may_see(principal_, record.namespace_path)) return;
    item.kind = std::move(record.kind);
    item.namespace_path = std::move(record.namespace_path);
    item.name = std::move(record.name);
    item.source = std::move(record.source);
    item.line = record.first_line;
    item.created_by = std::move(record.created_by);
    item.created_at_ms = record.created_at_ms;
    item.updated_at_ms = record.updated_at_ms;
    item.revision = record.revision;
    items_.push_back(std::move(item));
  }

  void add_namespaces() {
    RowPage<NamespaceRecord> page;
    std::string last;
    do {
      page = reader_.namespaces(last, kNamespacesAtOnce);
      for (const NamespaceRecord& record : page.rows) {
        add(record);
        last = record.path;
      }
    } while (page.more);
  }

  void add(const NamespaceRecord& record) {
    ListedDocument item;
    item.kind = kNamespaceKind;
    item.name = record.path;
    item.key = key_of(item.kind, "", item.name);
    if (item.key <= after_ || !wants_name(item.name) || !may_see(principal_, item.name)) return;
    item.source = render_namespace_document(record);
    item.created_at_ms = record.created_at_ms;
    item.updated_at_ms = record.updated_at_ms;
    item.revision = record.revision;
    items_.push_back(std::move(item));
  }

  void add(const EgressEntry& entry) {
    ListedDocument item;
    item.kind = kEgressDomainKind;
    item.name = format_host_pattern(entry.pattern);
    item.key = key_of(item.kind, "", item.name) + "\n" + std::string(name_of(entry.action));
    if (item.key <= after_ || !wants_name(item.name)) return;
    item.source = render_domain_document(entry);
    item.created_by = entry.created_by;
    item.created_at_ms = entry.created_at_ms;
    items_.push_back(std::move(item));
  }

  Reader& reader_;
  const Principal& principal_;
  const DocumentFilter& filter_;
  const std::string& after_;
  std::vector<ListedDocument> items_;
};

}  // namespace

Result<ManifestListing::Page> ManifestListing::list(const Principal& principal, const DocumentFilter& filter,
                                                    const std::string& after, std::size_t limit,
                                                    std::size_t max_bytes) {
  auto page = store_.read([&](Reader& reader) {
    Page result;
    result.items = Listing(reader, principal, filter, after).run();
    const std::size_t count = page_size(result.items, limit, max_bytes);
    if (result.items.size() > count) {
      result.items.resize(count);
      result.next_after = result.items.back().key;
    }
    return result;
  });
  if (!page) return tl::unexpected(Refusal(page.error()));
  return *std::move(page);
}

}  // namespace egress::server
