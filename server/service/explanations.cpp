#include "server/service/explanations.h"

namespace egress::server {
namespace {

// A stack over a million names takes hundreds of MiB.
constexpr std::size_t kMaxLinkedStacks = 8;

// What of a workload its stack depends on, each part after its length: labels hold any text.
std::string key_of(const Workload& workload) {
  std::string key(1, workload.authenticated ? '1' : '0');
  const auto add = [&](const std::string& part) { key += std::to_string(part.size()) + ':' + part; };
  add(workload.namespace_path);
  add(workload.target);
  for (const auto& [name, value] : workload.labels) {
    add(name);
    add(value);
  }
  return key;
}

}  // namespace

Expected<std::shared_ptr<const Explanations::Linked>> Explanations::find_or_link(const Workload& workload) {
  using Found = Expected<std::shared_ptr<const Linked>>;
  const std::string key = key_of(workload);
  auto found = store_.read([&](Reader& reader) -> Found {
    const std::uint64_t revision = reader.revision();
    {
      const std::lock_guard lock(mutex_);
      const auto kept = linked_.find(key);
      if (kept != linked_.end() && kept->second->revision == revision) return kept->second;
    }
    const auto documents = documents_.current(reader);
    if (!documents) return tl::unexpected(documents.error());
    auto policy = PolicyLinker(reader, (*documents)->documents, control_plane_).link(workload);
    if (!policy) return tl::unexpected(policy.error());
    return std::make_shared<const Linked>(Linked{revision, *std::move(policy)});
  });
  if (!found) return tl::unexpected(found.error());
  if (*found) {
    const std::lock_guard lock(mutex_);
    if (linked_.size() >= kMaxLinkedStacks && !linked_.contains(key)) linked_.clear();
    linked_.insert_or_assign(key, **found);
  }
  return *std::move(found);
}

Result<Explanations::Answer> Explanations::ask(const Workload& workload, ExplainQuestion question) {
  const auto linked = find_or_link(workload);
  if (!linked) return tl::unexpected(Refusal(linked.error()));
  question.now_ms = clock_.now_ms();
  auto explanation = explain((*linked)->policy.stack, question);
  if (!explanation) return tl::unexpected(Refusal(explanation.error()));
  Answer answer;
  answer.explanation = *std::move(explanation);
  answer.revision = (*linked)->revision;
  answer.mode = (*linked)->policy.mode;
  answer.namespace_exists = (*linked)->policy.namespace_exists;
  if (answer.explanation.decision.reason == DenyReason::kAuthRequired) {
    answer.explanation.assumes.emplace_back("the workload is not authenticated");
  }
  return answer;
}

}  // namespace egress::server
