// Every service that writes policy, over one store, and short ways to call them.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "server/service/changesets.h"
#include "server/service/egress_policy.h"
#include "server/service/explanations.h"
#include "server/service/manifest_listing.h"
#include "server/service/manifests.h"
#include "server/service/namespaces.h"
#include "server/service/revisions.h"
#include "server/service/server_mode.h"
#include "tests/server/service_fixture.h"

namespace egress::server {

// Sessions as the test says.
class FakeSessions final : public SessionCounter {
 public:
  std::size_t sessions_in(const std::string& path) const override {
    const auto found = live.find(path);
    return found == live.end() ? 0 : found->second;
  }
  std::size_t sessions_below(const std::string& subtree) const override {
    std::size_t count = 0;
    for (const auto& [path, number] : live) {
      if (path == subtree || path.starts_with(subtree + "/")) count += number;
    }
    return count;
  }
  std::map<std::string, std::size_t> live;
};

class PolicyTestBase : public ServiceTest {
 protected:
  PolicyTestBase() {
    if (!namespaces_.ensure_initial()) throw std::runtime_error("the first start failed");
  }

  static Principal operator_of(const std::string& scope) {
    return {Principal::Kind::kUser, "op", Role::kOperator, scope, {}, {}};
  }

  static NamespacePut naming(const std::string& path, const Principal& actor) {
    NamespacePut put;
    put.path = path;
    put.actor = actor;
    return put;
  }
  static NamespacePut allowing(const std::string& path, const std::vector<std::string>& domains,
                               const Principal& actor = admin("me")) {
    NamespacePut put = naming(path, actor);
    put.allowed = change_to(entries(domains));
    return put;
  }
  static NamespacePut inheriting(const std::string& path, const Principal& actor) {
    NamespacePut put = naming(path, actor);
    put.allowed.present = true;
    return put;
  }
  void given(const std::string& path, const std::vector<std::string>& domains) {
    const auto done = namespaces_.put(allowing(path, domains));
    ASSERT_TRUE(done) << done.error().message;
  }
  void given_bare(const std::string& path) { ASSERT_TRUE(namespaces_.put(naming(path, admin("me")))); }

  static EgressPut egress(Action action, const std::string& domain, const Principal& actor = admin("me")) {
    EgressPut put;
    put.action = action;
    put.pattern = parse_host_pattern(domain).value().pattern;
    put.actor = actor;
    return put;
  }

  Result<ManifestResult> apply(const std::string& text, const Principal& actor = admin("me"), bool force = false) {
    ManifestPut put;
    put.text = text;
    put.force = force;
    put.actor = actor;
    return manifests_.apply(put);
  }
  static std::string mirrord(const std::string& path, const std::string& name, const std::string& outgoing) {
    return "apiVersion: policies.mirrord.metalbear.co/v1alpha\nkind: MirrordPolicy\nmetadata: {name: " + name +
           ", namespace: " + path + "}\nspec: {network: {outgoing: " + outgoing + "}}\n---\n";
  }
  static std::string gateway(const std::string& path, const std::string& name, const std::string& policy) {
    return "apiVersion: clrk.apoxy.dev/v1alpha1\nkind: EgressGateway\nmetadata: {name: " + name +
           ", namespace: " + path + "}\nspec: {defaultPolicy: " + policy +
           ", listeners: [{name: tcp, protocol: TCP}]}\n---\n";
  }
  static std::string route(const std::string& path, const std::string& name, const std::string& gateway_namespace,
                           const std::string& gateway_name, const std::string& host) {
    return "apiVersion: clrk.apoxy.dev/v1alpha1\nkind: EgressL4Route\nmetadata: {name: " + name +
           ", namespace: " + path + "}\nspec: {parentRefs: [{name: " + gateway_name +
           ", namespace: " + gateway_namespace + "}], rules: [{matches: [{destinationHostnames: [" + host +
           "]}]}]}\n---\n";
  }
  static std::string policy_test(const std::string& name, const std::string& asked, const std::string& allow,
                                 const std::string& deny) {
    return "apiVersion: egress/v1\nkind: PolicyTest\nmetadata: {name: " + name + "}\nspec: {namespace: " + asked +
           (allow.empty() ? "" : ", allow: [" + allow + "]") + (deny.empty() ? "" : ", deny: [" + deny + "]") +
           "}\n---\n";
  }

  Result<ChangesetResult> change(std::vector<Operation> operations, const Principal& actor = admin("me"),
                                 bool force = false, bool dry_run = false) {
    return changesets_.apply({"", std::move(operations), force, dry_run, actor});
  }

  std::uint64_t revision() {
    return store_->read([](Reader& reader) { return reader.revision(); }).value();
  }
  std::vector<RevisionChange> changes_of(std::uint64_t number) {
    return store_->read([&](Reader& reader) { return reader.revision_changes(number, number); }).value();
  }
  // Everything that policy says, as one text.
  std::string content() {
    const auto page = listing_.list(admin("me"), {}, "", 10'000, std::size_t{64} << 20).value();
    std::string text;
    for (const ListedDocument& item : page.items) {
      text += "--- " + item.key + "\n" + item.source;
    }
    return text + "--- mode\n" + std::string(name_of(mode_.get().value()));
  }
  Verdict verdict(const std::string& path, const std::string& name) {
    Workload workload;
    workload.namespace_path = path;
    workload.authenticated = true;
    ExplainQuestion question;
    question.name = name;
    question.port = 443;
    return explanations_.ask(workload, question).value().explanation.decision.verdict;
  }
  std::size_t rows_of(const std::string& event) {
    std::size_t count = 0;
    for (const AuditRow& row : audit_rows()) count += row.event == event;
    return count;
  }
  static std::string fields_of(const Refusal& refusal) { return refusal.fields ? refusal.fields->dump() : ""; }

  FakeSessions sessions_;
  StoredDocuments documents_;
  Namespaces namespaces_{*store_, clock_, observer_, &sessions_};
  EgressPolicy egress_{*store_, clock_, observer_};
  ServerMode mode_{*store_, clock_, observer_};
  Manifests manifests_{*store_, clock_, observer_, documents_, &sessions_};
  Changesets changesets_{*store_, clock_, observer_, documents_, &sessions_};
  Revisions revisions_{*store_, clock_, observer_, documents_, &sessions_};
  ManifestListing listing_{*store_};
  Explanations explanations_{*store_, clock_, documents_, {}};
};

}  // namespace egress::server
