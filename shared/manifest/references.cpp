#include "shared/manifest/references.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <tuple>
#include <utility>

#include "shared/policy/listener_cut.h"

namespace egress {
namespace {

class ReferenceCheck {
 public:
  explicit ReferenceCheck(const std::vector<Document>& documents) : documents_(documents) {
    for (const Document& document : documents_) {
      if (const auto* gateway = std::get_if<EgressGateway>(&document))
        gateways_.emplace(identity_of(*gateway), gateway);
      if (const auto* route = std::get_if<EgressL4Route>(&document)) routes_.emplace(identity_of(*route), route);
    }
  }

  std::vector<Problem> run() {
    for (std::size_t i = 0; i < documents_.size(); ++i) {
      number_ = static_cast<int>(i) + 1;
      check_unique(documents_[i]);
      if (const auto* route = std::get_if<EgressL4Route>(&documents_[i])) check_route(*route);
      if (const auto* policy = std::get_if<EgressDenyPolicy>(&documents_[i])) check_deny_policy(*policy);
    }
    return std::move(problems_);
  }

 private:
  void add(int line, int column, std::string path, std::string message, std::string expected) {
    problems_.push_back({number_, line, column, std::move(path), std::move(message), std::move(expected)});
  }

  // An EgressDomain may be there twice, once to allow and once to block: a block wins, and an export says both.
  void check_unique(const Document& document) {
    const DocumentHead& head = head_of(document);
    const auto* domain = std::get_if<EgressDomain>(&document);
    const std::string action = domain == nullptr ? std::string() : std::string(name_of(domain->action));
    const auto [entry, added] = seen_.emplace(std::tuple(head.kind, head.namespace_path, head.name, action), head.line);
    if (!added) {
      add(head.line, 1, "metadata.name",
          cite(head) + " is given twice (first on line " + std::to_string(entry->second) + ")", "each document once");
    }
  }

  using Identity = std::pair<std::string_view, std::string_view>;  // namespace and name

  template <typename Kind>
  static Identity identity_of(const Kind& kind) {
    return {kind.head.namespace_path, kind.head.name};
  }

  template <typename Kind>
  static const Kind* find(const std::map<Identity, const Kind*>& among, std::string_view home, std::string_view name) {
    const auto found = among.find({home, name});
    return found == among.end() ? nullptr : found->second;
  }

  void check_route(const EgressL4Route& route) {
    for (const ParentRef& parent : route.parents) {
      const auto* gateway = find(gateways_, parent.namespace_path, parent.gateway);
      if (gateway == nullptr) {
        add(parent.line, parent.column, parent.path,
            "there is no EgressGateway " + parent.gateway + " in namespace " + parent.namespace_path,
            "the name of a gateway");
        continue;
      }
      const auto listeners = attached_listeners(*gateway, parent);
      if (listeners.empty()) {
        add(parent.line, parent.column, parent.path + ".sectionName",
            "gateway " + parent.gateway + " has no listener " + parent.section_name.value_or(""),
            "the name of a listener");
        continue;
      }
      for (const Rule& match : route.matches) {
        if (cut_to_listeners(match, listeners)) continue;
        add(static_cast<int>(match.line), 1, match.name,
            "no listener that " + parent.path + " attaches to carries this protocol and these ports",
            "a protocol and ports that the gateway's listeners carry");
      }
    }
  }

  void check_deny_policy(const EgressDenyPolicy& policy) {
    if (find(routes_, policy.head.namespace_path, policy.route) != nullptr) return;
    add(policy.line, policy.column, "spec.targetRef",
        "there is no EgressL4Route " + policy.route + " in namespace " + policy.head.namespace_path,
        "the name of a route");
  }

  const std::vector<Document>& documents_;
  std::map<Identity, const EgressGateway*> gateways_;  // of two with one identity the first
  std::map<Identity, const EgressL4Route*> routes_;
  int number_ = 0;
  std::vector<Problem> problems_;
  std::map<std::tuple<std::string, std::string, std::string, std::string>, int> seen_;
};

}  // namespace

std::vector<Problem> find_reference_problems(const std::vector<Document>& documents) {
  return ReferenceCheck(documents).run();
}

}  // namespace egress
