#include "server/api/explain_resource.h"

#include "server/api/fields.h"
#include "shared/json/strict_json.h"
#include "shared/net/host_name.h"
#include "shared/policy/namespace_path.h"

namespace egress::server {
namespace {

constexpr std::size_t kMaxTextBytes = 1024;
constexpr std::uint64_t kMaxPort = 65535;

Workload read_workload(QueryFields& query) {
  Workload workload;
  workload.namespace_path = query.text("namespace").value_or(std::string(kDefaultNamespace));
  if (const auto path = parse_namespace_path(workload.namespace_path); !path) {
    query.refuse("namespace", path.error().message);
  }
  workload.name = query.text("workload").value_or("");
  workload.target = query.text("target").value_or("");
  if (workload.name.size() > kMaxTextBytes) query.refuse("workload", "longer than 1024 bytes");
  if (workload.target.size() > kMaxTextBytes) query.refuse("target", "longer than 1024 bytes");
  if (auto labels = parse_labels(query.text("labels").value_or(""))) {
    workload.labels = *std::move(labels);
  } else {
    query.refuse("labels", labels.error().message);
  }
  workload.authenticated = query.flag("authenticated");
  return workload;
}

void read_host(QueryFields& query, ExplainQuestion& question) {
  const auto host = query.text("host");
  if (!host) return;
  if (const auto address = parse_address(*host)) {
    question.address = *address;
  } else if (auto name = parse_host_name(*host)) {
    question.name = *std::move(name);
  } else {
    query.refuse("host", name.error().message);
  }
}

void read_ip(QueryFields& query, ExplainQuestion& question) {
  const auto ip = query.text("ip");
  if (!ip) return;
  const auto address = parse_address(*ip);
  if (!address) return query.refuse("ip", address.error().message);
  if (question.address && question.address != *address) {
    return query.refuse("ip", "host is another address: give one of them");
  }
  question.address = *address;
}

ExplainQuestion read_question(QueryFields& query) {
  ExplainQuestion question;
  read_host(query, question);
  read_ip(query, question);
  if (question.name.empty() && !question.address) query.refuse("host", "give host, ip or both");
  if (const auto protocol = query.text("protocol")) {
    const auto transport = find_transport(*protocol);
    if (!transport) query.refuse("protocol", "expected tcp, udp, icmp or other");
    question.transport = transport.value_or(Transport::kTcp);
  }
  const bool has_ports = question.transport == Transport::kTcp || question.transport == Transport::kUdp;
  const auto port = query.number("port");
  if (has_ports && (!port || *port == 0 || *port > kMaxPort)) query.refuse("port", "expected a number from 1 to 65535");
  if (!has_ports && port) query.refuse("port", "only tcp and udp have ports");
  question.port = static_cast<std::uint16_t>(port.value_or(0));
  return question;
}

Json render_vote(const LayerVote& vote) {
  Json item = Json::object();
  item["layer"] = vote.layer;
  item["vote"] = name_of(vote.vote);
  item["rule"] = vote.rule;
  item["source"] = nullptr;
  if (!vote.document.empty()) {
    Json source = Json::object();
    source["document"] = vote.document;
    source["line"] = vote.line;
    item["source"] = std::move(source);
  }
  return item;
}

Json render_fix(const Fix& fix) {
  Json item = Json::object();
  item["layer"] = fix.layer;
  item["summary"] = fix.summary;
  item["request"] = nullptr;
  if (!fix.request_method.empty()) {
    Json request = Json::object();
    request["method"] = fix.request_method;
    request["path"] = fix.request_path;
    const auto body = parse_json(fix.request_body);
    request["body"] = body ? *body : Json(nullptr);  // a request without a body
    item["request"] = std::move(request);
  }
  return item;
}

}  // namespace

Result<Response> get_explanation(Explanations& explanations, const Request& request) {
  QueryFields query(request);
  const Workload workload = read_workload(query);
  const ExplainQuestion question = read_question(query);
  if (auto done = query.finish(); !done) return tl::unexpected(done.error());
  if (auto may_ask = require(request.principal, Role::kViewer, workload.namespace_path); !may_ask) {
    return tl::unexpected(may_ask.error());
  }
  const auto answer = explanations.ask(workload, question);
  if (!answer) return tl::unexpected(answer.error());
  const Explanation& explanation = answer->explanation;
  Json body = Json::object();
  body["verdict"] = name_of(explanation.decision.verdict);
  body["deny_reason"] = name_of(explanation.decision.reason);
  body["layer"] = explanation.layer;
  body["rule"] = explanation.rule;
  body["revision"] = answer->revision;
  body["mode"] = name_of(answer->mode);
  body["namespace_exists"] = answer->namespace_exists;
  body["votes"] = Json::array();
  for (const LayerVote& vote : explanation.votes) body["votes"].push_back(render_vote(vote));
  body["fixes"] = Json::array();
  for (const Fix& fix : explanation.fixes) body["fixes"].push_back(render_fix(fix));
  body["assumes"] = explanation.assumes;
  return json_response(200, body);
}

}  // namespace egress::server
