// Random sequences of policy changes by operators of different scopes, against the model; invariants after each step.
// EGRESS_MODEL_STEPS sets how many steps each sequence has, EGRESS_SEED which one is taken besides the fixed ones.
#include "tests/server/service/policy_model.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <random>

#include "tests/environment_setting.h"
#include "tests/server/policy_fixture.h"

namespace egress::server {
namespace {

const std::vector<std::string> kPaths{"/", "a", "a/b", "a/b/c", "a/d", "e", "e/f"};
const std::vector<std::string> kScopes{"/", "/", "a", "a/b", "e"};  // the root's more often, or little would be granted
const std::vector<std::string> kDomains{"x.t", "y.t", "*.w.t", "p.w.t", "q.w.t"};
const std::vector<std::string> kNames{"x.t", "y.t", "p.w.t", "q.w.t"};
const std::vector<Mode> kModes{Mode::kDiscovery, Mode::kShadow, Mode::kEnforcement};
const std::vector<LoopbackMode> kLoopbackModes{LoopbackMode::kPass, LoopbackMode::kEnforce};
const std::vector<LookupMode> kLookupModes{LookupMode::kResolvable, LookupMode::kListed};

// One operation as the services take it, and what it does to a model.
struct Step {
  std::string text;
  std::string path;  // over which it needs an operator
  Operation operation;
  std::function<void(Model&)> apply;
};

class PolicyModelBase : public PolicyTestBase {
 protected:
  explicit PolicyModelBase(std::uint32_t seed) : seed_(seed), random_(seed) {
    for (const char* path : {"/", "default"}) model_.namespaces[path] = {};
    remember();
  }

  std::size_t below(std::size_t bound) { return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random_); }
  bool one_in(std::size_t count) { return below(count) == 0; }
  template <typename T>
  const T& any(const std::vector<T>& values) {
    return values[below(values.size())];
  }
  Domains some_domains() {
    Domains domains;
    for (std::size_t i = below(4); i > 0; --i) domains.insert(any(kDomains));
    return domains;
  }
  static std::vector<DomainEntry> entries_of(const Domains& domains) {
    return entries(std::vector<std::string>(domains.begin(), domains.end()));
  }
  static std::string text_of(const Domains& domains) {
    std::string text = "[";
    for (const std::string& domain : domains) text += " " + domain;
    return text + " ]";
  }

  Step put_namespace() {
    NamespacePut put;
    put.path = any(kPaths);
    std::string text = "put " + put.path;
    std::optional<std::optional<Domains>> allowed;
    if (!one_in(3)) {
      allowed = one_in(5) ? std::nullopt : std::optional(some_domains());
      put.allowed.present = true;
      if (*allowed) put.allowed.value = entries_of(**allowed);
      text += " allowed " + (*allowed ? text_of(**allowed) : "null");
    }
    std::optional<Domains> blocked;
    if (one_in(4)) {
      blocked = one_in(2) ? Domains() : some_domains();
      put.blocked = change_to(entries_of(*blocked));
      text += " blocked " + text_of(*blocked);
    }
    put.mode = some_setting("mode", kModes, text);
    put.loopback = some_setting("loopback", kLoopbackModes, text);
    put.lookups = some_setting("lookups", kLookupModes, text);
    return {text, put.path, put, [put, allowed, blocked](Model& model) {
              ModelNamespace& space = model.namespaces[put.path];
              if (allowed) space.allowed = *allowed;
              if (blocked) space.blocked = *blocked;
              if (put.mode.present) space.mode = put.mode.value;
              if (put.loopback.present) space.loopback = put.loopback.value;
              if (put.lookups.present) space.lookups = put.lookups.value;
            }};
  }

  // Mostly nothing; else a value, or null.
  template <typename Value>
  Change<Value> some_setting(const char* name, const std::vector<Value>& values, std::string& text) {
    if (!one_in(4)) return {};
    Change<Value> change{true, one_in(3) ? std::nullopt : std::optional(any(values))};
    text += std::string(" ") + name + " " + (change.value ? std::string(name_of(*change.value)) : "null");
    return change;
  }

  // Only what is there is removed: what is not is refused before anything that the model speaks of.
  std::optional<Step> remove_namespace(const Model& model) {
    const std::string path = any(kPaths);
    if (path == "/" || !model.exists(path)) return std::nullopt;
    return Step{"remove " + path, path, NamespaceRemoval{path, false, false, {}},
                [path](Model& changed) { changed.namespaces.erase(path); }};
  }

  std::optional<Step> edit_table(const Model& model) {
    const bool allows = one_in(2);
    const std::string domain = any(kDomains);
    Domains Model::*list = allows ? &Model::allowed : &Model::blocked;
    EgressPut put = egress(allows ? Action::kAllow : Action::kDeny, domain);
    const std::string text = (allows ? "allow " : "block ") + domain;
    if (!(model.*list).contains(domain)) {
      return Step{text, "/", put, [list, domain](Model& changed) { (changed.*list).insert(domain); }};
    }
    return Step{"un" + text, "/", EgressRemoval{put.action, put.pattern},
                [list, domain](Model& changed) { (changed.*list).erase(domain); }};
  }

  Step any_step(const Model& model) {
    while (true) {
      const std::size_t kind = below(10);
      if (kind < 7) return put_namespace();
      if (auto step = kind < 9 ? remove_namespace(model) : edit_table(model)) return *std::move(step);
    }
  }

  static std::string code_of(const Result<ChangesetResult>& done) { return done ? "" : done.error().code; }

  // A single call is what a change-set of one is, and has its own way in.
  std::string call(const Operation& operation, const Principal& actor, bool force) {
    if (const auto* put = std::get_if<NamespacePut>(&operation)) {
      NamespacePut copy = *put;
      copy.actor = actor;
      copy.force = force;
      const auto done = namespaces_.put(copy);
      return done ? "" : done.error().code;
    }
    if (const auto* removal = std::get_if<NamespaceRemoval>(&operation)) {
      const auto done = namespaces_.remove({removal->path, force, false, actor});
      return done ? "" : done.error().code;
    }
    return code_of(change({operation}, actor, force));
  }

  void remember() { history_[revision()] = model_; }

  void run_step(std::uint64_t number) {
    const std::string scope = any(kScopes);
    const Principal actor = operator_of(scope);
    const bool force = one_in(6);
    const Model before = model_;
    Model after = before;
    std::string text;
    std::string got;
    bool strange = false;  // an operation is not the operator's to ask for, whatever comes of the whole
    if (one_in(8)) {
      const auto back = std::next(history_.begin(), static_cast<std::ptrdiff_t>(below(history_.size())));
      after = back->second;
      text = "roll back to " + std::to_string(back->first);
      const auto done = revisions_.roll_back({back->first, "", force, false, actor});
      got = done ? "" : done.error().code;
    } else if (one_in(3)) {
      std::vector<Operation> operations;
      for (std::size_t i = 1 + below(3); i > 0; --i) {
        Step step = any_step(after);
        step.apply(after);
        strange |= !Model::is_within(step.path, scope);
        operations.push_back(std::move(step.operation));
        text += step.text + "; ";
      }
      got = code_of(change(operations, actor, force));
    } else {
      Step step = any_step(after);
      step.apply(after);
      strange = !Model::is_within(step.path, scope);
      text = step.text;
      got = call(step.operation, actor, force);
    }
    SCOPED_TRACE("seed " + std::to_string(seed_) + ", step " + std::to_string(number) + ": operator of " + scope +
                 (force ? ", forced: " : ": ") + text);
    const std::string judged = after == before ? "" : expected_refusal(before, after, scope, force);
    EXPECT_EQ(got, strange ? "out_of_scope" : judged);
    if (got.empty() && after != before) {
      model_ = after;
      remember();
    }
    check_state();
    if (scope != "/") check_reach(before, scope);
    if (force) forced_ = true;
  }

  // What is stored is what the model has, and explain agrees with it.
  void check_state() {
    std::size_t count = 0;
    const auto page = namespaces_.list(admin("me"), "", 100).value();
    for (const NamespaceView& view : page.items) {
      ++count;
      const auto found = model_.namespaces.find(view.record.path);
      ASSERT_NE(found, model_.namespaces.end()) << view.record.path;
      EXPECT_EQ(view.effective.mode, model_.mode(view.record.path)) << view.record.path;
      EXPECT_EQ(view.effective.loopback, model_.loopback(view.record.path)) << view.record.path;
      EXPECT_EQ(view.effective.lookups, model_.lookups(view.record.path)) << view.record.path;
      EXPECT_TRUE(forced_ || view.broken.empty()) << view.record.path << " is wider than an ancestor";
    }
    EXPECT_EQ(count, model_.namespaces.size());
    for (const std::string& path : kPaths) {
      for (const std::string& name : kNames) {
        const bool allowed = verdict(path, name) == Verdict::kAllow;
        EXPECT_EQ(allowed, model_.allows(path, name)) << path << " " << name;
      }
    }
  }

  // Nothing above or beside the operator's subtree became another; nothing in it reaches what nobody above granted.
  void check_reach(const Model& before, const std::string& scope) {
    for (const std::string& path : kPaths) {
      for (const std::string& name : kNames) {
        if (!Model::is_within(path, scope)) {
          EXPECT_EQ(model_.allows(path, name), before.allows(path, name)) << path << " " << name;
        } else if (model_.allows(path, name)) {
          EXPECT_TRUE(before.is_granted(scope, name)) << path << " reaches " << name;
        }
      }
      if (!Model::is_within(path, scope)) {
        EXPECT_EQ(model_.mode(path), before.mode(path)) << path;
        EXPECT_EQ(model_.loopback(path), before.loopback(path)) << path;
        EXPECT_EQ(model_.lookups(path), before.lookups(path)) << path;
      }
    }
    EXPECT_GE(model_.mode(scope), before.mode(scope)) << "its own settings are its parent's to make laxer";
    EXPECT_GE(model_.loopback(scope), before.loopback(scope));
    EXPECT_GE(model_.lookups(scope), before.lookups(scope));
  }

  void run() {
    const std::uint64_t steps = setting("EGRESS_MODEL_STEPS", 300);
    std::printf("seed %u, %llu steps\n", seed_, static_cast<unsigned long long>(steps));
    for (std::uint64_t i = 0; i < steps && !HasFailure(); ++i) run_step(i);
  }

  const std::uint32_t seed_;
  std::mt19937 random_;
  Model model_;
  std::map<std::uint64_t, Model> history_;
  bool forced_ = false;  // once: broken namespaces may be left behind
};

class PolicyModelTest : public PolicyModelBase, public ::testing::WithParamInterface<std::uint32_t> {
 protected:
  PolicyModelTest() : PolicyModelBase(GetParam()) {}
};

TEST_P(PolicyModelTest, DoesWhatTheModelSays) { run(); }

INSTANTIATE_TEST_SUITE_P(Seeds, PolicyModelTest, ::testing::Range(1U, 9U));

class PolicyModelAnewTest : public PolicyModelBase {
 protected:
  PolicyModelAnewTest() : PolicyModelBase(static_cast<std::uint32_t>(setting("EGRESS_SEED", std::random_device{}()))) {}
};

TEST_F(PolicyModelAnewTest, DoesWhatTheModelSays) { run(); }

}  // namespace
}  // namespace egress::server
