// "Children may only narrow" over stored namespaces: what a write would widen, and which descendants it would leave
// uncovered (policy.md section 6). Coverage of one list by another is shared/policy/narrowing.h.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "server/store/store.h"
#include "shared/base/clock.h"

namespace egress::server {

// A namespace and its existing ancestors, leaf to root; without `path` itself if that does not exist.
std::vector<NamespaceRecord> existing_chain(Reader& reader, std::string_view path);

// The same for many namespaces of one transaction. Asked in the order of paths, as a listing has them, it reads each
// ancestor once and holds one chain.
class ChainReader {
 public:
  explicit ChainReader(Reader& reader) : reader_(reader) {}
  std::vector<NamespaceRecord> chain_of(NamespaceRecord leaf);

 private:
  struct Ancestor {
    std::string path;
    std::optional<NamespaceRecord> record;
  };
  Reader& reader_;
  std::vector<Ancestor> ancestors_;  // of the last path, nearest first
};

struct Widening {
  std::string domain;
  std::string ancestor;
};

// The entries of `after` that no live entry of `before` has: what a write adds.
std::vector<DomainEntry> added_entries(const AllowList& before, const std::vector<DomainEntry>& after,
                                       UnixMillis now_ms);

// The first of `added` that an ancestor does not cover; ancestors nearest first, then entries in order.
std::optional<Widening> find_widening(std::span<const NamespaceRecord> ancestors, const std::vector<DomainEntry>& added,
                                      UnixMillis now_ms);

struct Uncovered {
  std::string child;
  std::string ancestor;
  std::vector<std::string> domains;
};

// The descendants with entries that `allowed`, set on `path`, does not cover; by path. O(|allowed| + what is
// uncovered), however many entries are below `path`.
std::vector<Uncovered> find_cascade(Reader& reader, const std::string& path, const AllowList& allowed,
                                    UnixMillis now_ms);

// The entries of chain[0] that its ancestors do not cover, one item an ancestor, nearest first.
std::vector<Uncovered> find_broken(std::span<const NamespaceRecord> chain, UnixMillis now_ms);

}  // namespace egress::server
