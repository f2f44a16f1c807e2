#include "server/api/bundle_resource.h"

#include <algorithm>
#include <span>

#include "server/api/fields.h"
#include "server/api/preconditions.h"
#include "shared/base/ascii.h"
#include "shared/base/hex.h"
#include "shared/base/limits.h"
#include "shared/base/time_text.h"
#include "shared/policy/namespace_path.h"

namespace egress::server {
namespace {

constexpr std::size_t kMaxErrorBytes = 4096;
constexpr std::uint64_t kMaxRevision = std::uint64_t{1} << 62;
constexpr std::uint64_t kMaxProcesses = std::uint64_t{1} << 32;
constexpr std::size_t kMaxNamespaceBytes = 2048;
constexpr std::size_t kDefaultPage = 100;
constexpr std::size_t kMaxPage = 1000;

// With a token, the registration's; else what was asked for.
struct BundleQuestion {
  std::string namespace_path;
  std::string workload;
};

class BundlePoll final : public Poll {
 public:
  BundlePoll(BundleServices services, Principal principal, BundleQuestion question,
             std::vector<std::string> if_none_match, std::chrono::milliseconds wait)
      : services_(services),
        principal_(std::move(principal)),
        question_(std::move(question)),
        if_none_match_(std::move(if_none_match)),
        wait_(wait) {
    if (is_registered()) presence_ = services_.fleet.reports().enter(question_.namespace_path, question_.workload);
  }

  std::chrono::milliseconds wait() const override {
    return if_none_match_.empty() ? std::chrono::milliseconds(0) : wait_;
  }

  void subscribe(std::function<void()> wake) override {
    if (is_registered()) {
      workload_subscription_ =
          services_.distribution.subscribe_workload(question_.namespace_path, question_.workload, wake);
    }
    subscription_ = services_.distribution.subscribe(question_.namespace_path, std::move(wake));
  }

  std::optional<Result<Response>> attempt(bool last) override {
    const auto holder = find_holder();
    if (!holder) return tl::unexpected(holder.error());
    const auto stack = services_.distribution.current(question_.namespace_path);
    if (!stack) return tl::unexpected(stack.error());
    const std::string tag = services_.distribution.tag_for(**stack, *holder);
    Response response;
    response.headers = {{"ETag", "\"" + tag + "\""}, {"Cache-Control", "no-cache"}};
    if (!names_tag(if_none_match_, tag)) {
      response.body = services_.distribution.sign_for(**stack, *holder);
      return response;
    }
    if (!last) {
      subscription_.hold((*stack)->tag);
      return std::nullopt;
    }
    response.status = 304;
    return response;
  }

 private:
  bool is_registered() const { return principal_.kind == Principal::Kind::kWorkload; }

  // Asked anew at each attempt: a held poll sees a revocation and a change of the registration.
  Result<BundleHolder> find_holder() const {
    if (auto holds = services_.workloads.recheck(principal_); !holds) return tl::unexpected(holds.error());
    if (!is_registered()) return BundleHolder{.workload = question_.workload};
    auto registration = services_.workloads.find_registration(principal_);
    if (!registration) return tl::unexpected(registration.error());
    return BundleHolder{.workload = principal_.workload,
                        .authenticated = true,
                        .labels = std::move(registration->record.labels),
                        .target = std::move(registration->record.target),
                        .token_binding = make_token_binding(registration->token_sha256)};
  }

  const BundleServices services_;
  const Principal principal_;
  const BundleQuestion question_;
  const std::vector<std::string> if_none_match_;
  const std::chrono::milliseconds wait_;
  WorkloadReports::Presence presence_;
  Waiters::Subscription subscription_;
  Waiters::Subscription workload_subscription_;
};

// A token is one workload's: whoever names another one is told, not given somebody else's policy. Empty: not named.
Result<void> check_claims(const Principal& principal, const std::string& namespace_path, const std::string& workload) {
  if (principal.kind != Principal::Kind::kWorkload) return {};
  const bool agrees = (namespace_path.empty() || namespace_path == principal.scope) &&
                      (workload.empty() || workload == principal.workload);
  if (agrees) return {};
  return refuse(ErrorCode::kForbidden, "not_this_workload",
                "the token is that of workload " + principal.workload + " in namespace " + principal.scope +
                    ": ask for that one, or name none");
}

}  // namespace

Result<std::unique_ptr<Poll>> start_bundle_poll(const BundleServices& services, const Request& request) {
  QueryFields query(request);
  std::string path = query.text("namespace").value_or("");
  if (!path.empty()) {
    if (const auto parsed = parse_namespace_path(path); !parsed) query.refuse("namespace", parsed.error().message);
  }
  std::string workload = query.text("workload").value_or("");
  if (workload.size() > kMaxLabelBytes || has_control_characters(workload)) {
    query.refuse("workload",
                 "expected at most " + std::to_string(kMaxLabelBytes) + " bytes without control characters");
  }
  if (auto done = query.finish(); !done) return tl::unexpected(done.error());
  const auto wait = parse_wait(request.prefer);
  if (!wait) return tl::unexpected(wait.error());
  const Principal& principal = request.principal;
  if (auto agrees = check_claims(principal, path, workload); !agrees) return tl::unexpected(agrees.error());
  BundleQuestion question{std::move(path), std::move(workload)};
  if (principal.kind == Principal::Kind::kWorkload) question = {principal.scope, principal.workload};
  if (question.namespace_path.empty()) question.namespace_path = kDefaultNamespace;
  return std::make_unique<BundlePoll>(services, principal, std::move(question), request.if_none_match, *wait);
}

Result<Response> get_layer(Distribution& distribution, const Request& request) {
  QueryFields query(request);
  if (auto done = query.finish(); !done) return tl::unexpected(done.error());
  const std::string& hash = request.captures.front();
  const bool is_hash = hash.size() == 64 && hash.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (!is_hash) {
    return refuse_field("invalid_path", "sha256",
                        "expected the SHA-256 of a layer as 64 lower-case hexadecimal digits");
  }
  auto layer = distribution.fetch_layer(hash);
  if (!layer) return tl::unexpected(layer.error());
  Response response;
  response.content_type = "application/octet-stream";
  response.headers = {{"ETag", "\"" + hash + "\""}, {"Cache-Control", "public, max-age=31536000, immutable"}};
  if (names_tag(request.if_none_match, hash)) {
    response.status = 304;
    return response;
  }
  response.body.assign(reinterpret_cast<const char*>(layer->bytes.data()), layer->bytes.size());
  return response;
}

Result<Response> report_bundle_status(AgentFleet& fleet, const Request& request) {
  QueryFields query(request);
  if (auto done = query.finish(); !done) return tl::unexpected(done.error());
  const auto body = parse_body(request);
  if (!body) return tl::unexpected(body.error());
  ObjectFields fields(*body);
  AgentStatus status;
  status.agent_id = fields.required_text("agent_id", kMaxLabelBytes);
  const bool registered = request.principal.kind == Principal::Kind::kWorkload;
  status.namespace_path = registered ? fields.text("namespace", kMaxNamespaceBytes).value.value_or("")
                                     : fields.required_text("namespace", kMaxNamespaceBytes);
  if (!status.namespace_path.empty() && !fields.failed()) {
    if (const auto path = parse_namespace_path(status.namespace_path); !path) {
      fields.refuse("namespace", path.error().message);
    }
  }
  status.workload = fields.text("workload", kMaxLabelBytes).value.value_or("");
  status.host = fields.text("host", kMaxLabelBytes).value.value_or("");
  for (const auto& [key, text] : {std::pair<const char*, std::string&>{"agent_id", status.agent_id},
                                  {"workload", status.workload},
                                  {"host", status.host}}) {
    if (has_control_characters(text)) fields.refuse(key, "holds control characters");
  }
  status.offered = fields.number("offered", kMaxRevision).value.value_or(0);
  status.active = fields.number("active", kMaxRevision).value.value_or(0);
  status.error = fields.text("error", kMaxErrorBytes).value.value_or("");
  const auto processes = fields.number("processes", kMaxProcesses).value;
  if (auto done = fields.finish(); !done) return tl::unexpected(done.error());
  const Principal& principal = request.principal;
  if (auto agrees = check_claims(principal, status.namespace_path, status.workload); !agrees) {
    return tl::unexpected(agrees.error());
  }
  if (registered) status.namespace_path = principal.scope;
  if (registered) status.workload = principal.workload;
  const auto revision = fleet.report(std::move(status), processes);
  if (!revision) return tl::unexpected(revision.error());
  Json answer = Json::object();
  answer["revision"] = *revision;
  return json_response(200, answer);
}

Result<Response> list_bundle_status(AgentFleet& fleet, const Request& request) {
  QueryFields query(request);
  std::string after;
  if (const auto cursor = query.text("cursor")) {
    // The key holds line breaks, so the cursor is its hexadecimal form.
    if (const auto bytes = parse_hex(*cursor)) {
      after.assign(reinterpret_cast<const char*>(bytes->data()), bytes->size());
    } else {
      query.refuse("cursor", "expected the next_cursor of a page");
    }
  }
  const std::size_t limit = query.limit(kDefaultPage, kMaxPage);
  if (auto done = query.finish(); !done) return tl::unexpected(done.error());
  const auto page = fleet.list(request.principal.scope, after, limit);
  if (!page) return tl::unexpected(page.error());
  Json body = Json::object();
  body["items"] = Json::array();
  for (const AgentStatus& status : page->items) {
    Json item = Json::object();
    item["agent_id"] = status.agent_id;
    item["namespace"] = status.namespace_path;
    item["workload"] = status.workload;
    item["host"] = status.host;
    item["offered"] = status.offered;
    item["active"] = status.active;
    item["error"] = status.error.empty() ? Json(nullptr) : Json(status.error);
    item["reported_at"] = format_time(status.reported_at_ms);
    body["items"].push_back(std::move(item));
  }
  body["revision"] = page->revision;
  body["next_cursor"] =
      page->next_after ? Json(format_hex(std::as_bytes(std::span(*page->next_after)))) : Json(nullptr);
  return json_response(200, body);
}

}  // namespace egress::server
