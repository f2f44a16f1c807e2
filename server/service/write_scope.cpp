#include "server/service/write_scope.h"

#include <algorithm>
#include <set>

#include "server/service/cascade.h"
#include "server/service/effective_settings.h"
#include "server/service/grants.h"
#include "shared/policy/namespace_path.h"

namespace egress::server {
namespace {

std::string home_of(const DocumentHead& head) {
  return head.namespace_path.empty() ? std::string(kRootNamespace) : head.namespace_path;
}

const Document* find_document(const std::vector<Document>& documents, const DocumentKey& key) {
  const auto found = std::lower_bound(
      documents.begin(), documents.end(), key,
      [](const Document& document, const DocumentKey& wanted) { return key_of(head_of(document)) < wanted; });
  return found != documents.end() && key_of(head_of(*found)) == key ? &*found : nullptr;
}

// A setting that gets laxer at `path`: what it was and is there, what its parents make of it, and whether `path` itself
// changed its own value to one laxer than theirs.
template <typename T>
bool gets_laxer(T before, T after, T inherited, std::optional<T> own_before, std::optional<T> own_after) {
  return after < before || (own_after && own_after != own_before && *own_after < inherited);
}

class ScopeCheck {
 public:
  ScopeCheck(Reader& reader, PolicyDraft& draft, const Principal& actor, UnixMillis now_ms)
      : reader_(reader), draft_(draft), actor_(actor), now_ms_(now_ms) {}

  Result<void> run() {
    if (draft_.mode_change()) {
      if (auto done = require(actor_, Role::kAdmin, kRootNamespace); !done) return done;
    }
    if (!draft_.egress().empty()) {
      if (auto done = require(actor_, Role::kOperator, kRootNamespace); !done) return done;
    }
    for (const auto& [path, slot] : draft_.namespaces()) {
      if (auto done = require(actor_, Role::kOperator, path); !done) return done;
    }
    if (may(actor_, Role::kOperator, kRootNamespace)) return {};  // what follows protects what is above
    if (auto done = check_documents(); !done) return done;
    for (const auto& [path, slot] : draft_.namespaces()) {
      if (auto done = check_settings(path, slot); !done) return done;
    }
    return check_grants();
  }

 private:
  Result<void> check_documents() {
    if (draft_.documents().empty()) return {};
    documents_after_ = draft_.documents_after();
    for (const auto& [key, slot] : draft_.documents()) {
      for (const std::vector<Document>* documents :
           {&draft_.documents_before(), static_cast<const std::vector<Document>*>(&documents_after_)}) {
        const Document* document = find_document(*documents, key);
        if (document == nullptr) continue;
        for (const std::string& path : reach_of(*document, *documents)) {
          if (auto done = require(actor_, Role::kOperator, path); !done) return done;
          candidates_.insert(path);
        }
      }
    }
    return {};
  }

  std::optional<NamespaceRecord> find_before(const std::string& path) {
    const auto found = draft_.namespaces().find(path);
    return found == draft_.namespaces().end() ? reader_.find_namespace(path) : found->second.before;
  }

  // `path` and its ancestors as they were, without those that were not there.
  std::vector<NamespaceRecord> chain_before(const std::string& path) {
    std::vector<NamespaceRecord> chain;
    if (auto record = find_before(path)) chain.push_back(*std::move(record));
    for (const std::string_view ancestor : ancestor_namespaces(path)) {
      if (auto record = find_before(std::string(ancestor))) chain.push_back(*std::move(record));
    }
    return chain;
  }

  Result<void> check_settings(const std::string& path, const DraftSlot<NamespaceRecord>& slot) {
    const std::string parent(parent_namespace(path));
    if (may(actor_, Role::kOperator, parent)) return {};
    const auto server_mode = reader_.server_mode();
    const auto chain = existing_chain(reader_, path);
    const auto ancestors = std::span(chain).subspan(slot.after ? 1 : 0);
    const EffectiveSettings before = effective_settings(chain_before(path), server_mode);
    const EffectiveSettings after = effective_settings(chain, server_mode);
    const EffectiveSettings inherited = effective_settings(ancestors, server_mode);
    const NamespaceRecord none;
    const NamespaceRecord& was = slot.before ? *slot.before : none;
    const NamespaceRecord& is = slot.after ? *slot.after : none;
    const char* setting = nullptr;
    if (gets_laxer(before.mode, after.mode, inherited.mode, was.mode, is.mode)) setting = "mode";
    if (gets_laxer(before.loopback, after.loopback, inherited.loopback, was.loopback, is.loopback)) {
      setting = "loopback";
    }
    if (gets_laxer(before.lookups, after.lookups, inherited.lookups, was.lookups, is.lookups)) setting = "lookups";
    if (setting == nullptr) return {};
    return explain(require(actor_, Role::kOperator, parent), std::string(setting) + " of " + path + " gets laxer");
  }

  // Grants that no ancestor bounds, where there were none or lesser ones.
  Result<void> check_grants() {
    for (const auto& [path, slot] : draft_.namespaces()) {
      candidates_.insert(path);
      const bool defined = slot.before && slot.before->allowed;
      const bool defines = slot.after && slot.after->allowed;
      if (!defined || defines || is_bounded(path, true)) continue;
      if (auto done = add_below(path); !done) return done;
    }
    for (const std::string& path : candidates_) {
      if (is_bounded(path, true)) continue;
      if (auto done = check_grants_of(path); !done) return done;
    }
    return {};
  }

  // `path` is bounded by nothing above it now.
  Result<void> check_grants_of(const std::string& path) {
    const bool was_bounded = is_bounded(path, false);
    const auto before = find_before(path);
    const auto after = reader_.find_namespace(path);
    const AllowList was = before ? before->allowed : AllowList();
    const AllowList is = after ? after->allowed : AllowList();
    if (const auto grant = find_added_grant(was_bounded ? AllowList() : was, is, now_ms_)) {
      return refuse_grant(path, *grant);
    }
    // Documents grant anew, too, where the list that bounded them is gone.
    const bool loses_bound = was_bounded || (was && !is);
    if (draft_.documents().empty() && !loses_bound) return {};
    if (auto done = load_documents(); !done) return done;
    const auto grant =
        find_added_grant(loses_bound ? std::vector<Document>() : draft_.documents_before(), documents_after_, path);
    if (grant) return refuse_grant(path, *grant);
    return {};
  }

  // Whether a proper ancestor defines allowed_domains.
  bool is_bounded(const std::string& path, bool as_written) {
    for (const std::string_view ancestor : ancestor_namespaces(path)) {
      const auto record = as_written ? reader_.find_namespace(ancestor) : find_before(std::string(ancestor));
      if (record && record->allowed) return true;
    }
    return false;
  }

  // Everything below a list that goes away: it may be what bounded it.
  Result<void> add_below(const std::string& path) {
    for (const NamespaceRecord& record : reader_.descendants(path)) candidates_.insert(record.path);
    if (auto done = load_documents(); !done) return done;
    for (const Document& document : documents_after_) {
      for (const std::string& reached : reach_of(document, documents_after_)) {
        if (is_descendant_namespace(reached, path)) candidates_.insert(reached);
      }
    }
    return {};
  }

  // A draft that touches documents has loaded them before it was written; another one finds them as they were.
  Result<void> load_documents() {
    if (auto done = draft_.load_documents(); !done) return done;
    if (documents_after_.empty()) documents_after_ = draft_.documents_after();
    return {};
  }

  Result<void> refuse_grant(const std::string& path, const std::string& grant) {
    return explain(require(actor_, Role::kOperator, kRootNamespace),
                   grant + " in " + path + " is a grant that no allowed_domains above bounds");
  }

  static Result<void> explain(Result<void> refused, const std::string& why) {
    if (!refused) refused.error().message = why + ": " + refused.error().message;
    return refused;
  }

  Reader& reader_;
  PolicyDraft& draft_;
  const Principal& actor_;
  const UnixMillis now_ms_;
  std::vector<Document> documents_after_;
  std::set<std::string> candidates_;  // namespaces where a grant may have appeared
};

}  // namespace

std::vector<std::string> reach_of(const Document& document, const std::vector<Document>& documents) {
  std::vector<std::string> reach{home_of(head_of(document))};
  const auto add_parents = [&](const EgressL4Route& route) {
    for (const ParentRef& parent : route.parents) reach.push_back(parent.namespace_path);
  };
  if (const auto* route = std::get_if<EgressL4Route>(&document)) add_parents(*route);
  if (const auto* policy = std::get_if<EgressDenyPolicy>(&document)) {
    const Document* route = find_document(documents, {"EgressL4Route", policy->head.namespace_path, policy->route});
    if (route != nullptr) add_parents(std::get<EgressL4Route>(*route));
  }
  // A test that fails refuses the writes of those whom it asks about.
  if (const auto* test = std::get_if<PolicyTest>(&document)) reach.push_back(test->workload_namespace);
  return reach;
}

Result<void> check_scope(Reader& reader, PolicyDraft& draft, const Principal& actor, UnixMillis now_ms) {
  return ScopeCheck(reader, draft, actor, now_ms).run();
}

}  // namespace egress::server
