#include "server/api/openapi/document.h"

#include <algorithm>
#include <map>

#include "server/api/openapi/error_codes.h"
#include "shared/json/strict_json.h"

namespace egress::server::openapi {
namespace {

constexpr const char* kIntroduction =
    "Policy, namespaces, documents, audit and telemetry of egress. GET answers HEAD as well. While the server is open "
    "on "
    "loopback no call needs a token. Every error has a stable code: components/x-egress-error-codes lists them.";

Json named(const char* key, Json value) {
  Json object = Json::object();
  object[key] = std::move(value);
  return object;
}

std::string name_of(Method method) {
  switch (method) {
    case Method::kPost:
      return "post";
    case Method::kDelete:
      return "delete";
    case Method::kGet:
    case Method::kHead:
    case Method::kOther:
      break;
  }
  return "get";
}

// Whether people with a role may use it, and others may not.
bool serves_people(const Access& access) { return access.audience == Access::Audience::kRole || access.users_too; }

std::string role_of(const Access& access) {
  switch (access.audience) {
    case Access::Audience::kAnyone:
      return "anyone";
    case Access::Audience::kWorkload:
      return access.users_too ? "workload or " + std::string(name_of(access.role)) : "workload";
    case Access::Audience::kRole:
      break;
  }
  return std::string(name_of(access.role));
}

Json security_of(const Access& access) {
  Json list = Json::array();
  const auto accept = [&](const char* scheme) { list.push_back(named(scheme, Json::array())); };
  if (access.audience == Access::Audience::kWorkload) accept("workload");
  if (serves_people(access)) {
    accept("bearer");
    accept("cookie");
  }
  return list;
}

Json parameters_of(const Operation& operation) {
  Json list = Json::array();
  const auto append = [&](const std::vector<Parameter>& parameters, const char* place) {
    for (const Parameter& parameter : parameters) {
      Json item = Json::object();
      item["name"] = parameter.name;
      item["in"] = place;
      item["description"] = parameter.description;
      item["required"] = parameter.required;
      item["schema"] = parameter.schema;
      list.push_back(std::move(item));
    }
  };
  append(operation.path_parameters, "path");
  append(operation.query, "query");
  append(operation.headers, "header");
  return list;
}

Json body_of(const Route& route, const Operation& operation) {
  Json content = Json::object();
  if (route.body == BodyRule::kManifest) content["application/yaml"]["schema"] = operation.body;
  content["application/json"]["schema"] = route.body == BodyRule::kManifest ? Json::object() : operation.body;
  Json body = Json::object();
  body["required"] = !operation.body_is_optional;
  body["content"] = std::move(content);
  return body;
}

bool can_answer(const Route& route, const Operation& operation, const ErrorCodeEntry& entry) {
  switch (entry.reach) {
    case Reach::kEveryCall:
      return true;
    case Reach::kEveryWrite:
      return route.method != Method::kGet;
    case Reach::kAuthenticated:
      return route.access.audience != Access::Audience::kAnyone;
    case Reach::kToken:
      return route.access.audience != Access::Audience::kAnyone || operation.takes_token;
    case Reach::kRole:
      return serves_people(route.access) || operation.takes_token;
    case Reach::kWorkloadOnly:
      return route.access.audience == Access::Audience::kWorkload && !route.access.users_too;
    case Reach::kQuery:
      return route.body != BodyRule::kOtlpJson;
    case Reach::kJsonBody:
      return route.body == BodyRule::kJson;
    case Reach::kOtlpBody:
      return route.body == BodyRule::kOtlpJson;
    case Reach::kNamed:
      return std::count(operation.errors.begin(), operation.errors.end(), entry.code) > 0;
    case Reach::kUnlisted:
      break;
  }
  return false;
}

// What the protocol refuses has the API's form even where the call itself answers in another.
Json error_schema_of(const Route& route) {
  if (route.errors == ErrorStyle::kApi) return schema_of("Error");
  Json either = Json::object();
  either["anyOf"] = Json::array();
  either["anyOf"].push_back(schema_of("RpcStatus"));
  either["anyOf"].push_back(schema_of("Error"));
  return either;
}

Json responses_of(const Route& route, const Operation& operation) {
  Json responses = Json::object();
  for (const Answer& answer : operation.answers) {
    Json& response = responses[std::to_string(answer.status)];
    if (!response.contains("description")) response["description"] = answer.description;
    if (!answer.schema.is_null()) response["content"][answer.content_type]["schema"] = answer.schema;
  }
  std::map<unsigned, std::vector<std::string>> codes;
  for (const ErrorCodeEntry& entry : error_codes()) {
    if (can_answer(route, operation, entry)) codes[entry.status].emplace_back(entry.code);
  }
  for (const auto& [status, list] : codes) {
    std::string description;
    for (const std::string& code : list) description += (description.empty() ? "" : ", ") + code;
    Json& response = responses[std::to_string(status)];
    response["description"] = description;
    response["content"]["application/json"]["schema"] = error_schema_of(route);
    response["x-egress-error-codes"] = list;
  }
  return responses;
}

Json render_operation(const Route& route, const Operation& operation) {
  Json item = Json::object();
  item["operationId"] = operation.id;
  item["summary"] = operation.summary;
  Json parameters = parameters_of(operation);
  if (!parameters.empty()) item["parameters"] = std::move(parameters);
  if (route.body != BodyRule::kNone) item["requestBody"] = body_of(route, operation);
  item["responses"] = responses_of(route, operation);
  item["security"] = security_of(route.access);
  item["x-egress-role"] = role_of(route.access);
  item["x-egress-body-limit-bytes"] = route.body_limit_bytes;
  return item;
}

Json error_code_list() {
  Json list = Json::array();
  for (const ErrorCodeEntry& entry : error_codes()) {
    Json item = Json::object();
    item["code"] = entry.code;
    item["status"] = entry.status;
    item["meaning"] = entry.meaning;
    list.push_back(std::move(item));
  }
  return list;
}

Json error_schema() {
  std::vector<std::string> codes;
  for (const ErrorCodeEntry& entry : error_codes()) codes.emplace_back(entry.code);
  Json schema = object_schema({{"error", names(codes)}, {"message", text(), false}, {"field", text(), false}});
  schema["additionalProperties"] = true;
  return with_description(std::move(schema), "Some codes bring further fields between error and message.");
}

Json security_schemes() {
  const auto bearer = [](const char* description) {
    Json scheme = named("type", "http");
    scheme["scheme"] = "bearer";
    scheme["description"] = description;
    return scheme;
  };
  Json cookie = named("type", "apiKey");
  cookie["in"] = "cookie";
  cookie["name"] = "egress_session";
  cookie["description"] = "A session of the web UI.";
  Json schemes = Json::object();
  schemes["bearer"] = bearer("A token of a person or a program, with a role over a subtree of the namespaces.");
  schemes["cookie"] = std::move(cookie);
  schemes["workload"] = bearer("A token of a registered workload.");
  return schemes;
}

Json components(const Description& description) {
  Json schemas = Json::object();
  schemas["Error"] = error_schema();
  schemas["RpcStatus"] =
      with_description(object_schema({{"code", integer(0, 16)}, {"message", text()}}), "google.rpc.Status");
  for (const NamedSchema& one : description.schemas) schemas[one.name] = one.schema;
  Json all = named("schemas", std::move(schemas));
  all["securitySchemes"] = security_schemes();
  all["x-egress-error-codes"] = error_code_list();
  return all;
}

}  // namespace

const Operation* find_operation(const Description& description, const Route& route) {
  for (const Operation& operation : description.operations) {
    if (operation.method == route.method && operation.path == route.pattern) return &operation;
  }
  return nullptr;
}

std::string render_openapi(std::span<const Route> routes, const Description& description) {
  Json document = Json::object();
  document["openapi"] = "3.1.0";
  document["info"]["title"] = "egress-server";
  document["info"]["version"] = "1";
  document["info"]["description"] = kIntroduction;
  document["servers"] = Json::array();
  document["servers"].push_back(named("url", "/"));
  document["paths"] = Json::object();
  for (const Route& route : routes) {
    const Operation* operation = find_operation(description, route);
    if (operation) document["paths"][route.pattern][name_of(route.method)] = render_operation(route, *operation);
  }
  document["components"] = components(description);
  return render_json(document) + "\n";
}

}  // namespace egress::server::openapi
