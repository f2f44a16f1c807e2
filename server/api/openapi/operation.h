// What the API's description says about one call beyond its line in the route table, which knows method, path, role and
// body limit: its name, its parameters, its bodies, its answers and the errors that are its own.
#pragma once

#include <string>
#include <vector>

#include "server/api/message.h"
#include "server/api/openapi/schemas.h"

namespace egress::server::openapi {

struct Parameter {
  std::string name;  // "attr.*": every name with that prefix
  Json schema = nullptr;
  std::string description = {};
  bool required = false;
};

struct Answer {
  unsigned status = 200;
  std::string description = {};
  Json schema = nullptr;  // null: no body
  std::string content_type = "application/json";
};

struct Operation {
  Method method = Method::kGet;
  std::string path = {};  // the route's pattern
  std::string id = {};
  std::string summary = {};
  std::vector<Parameter> path_parameters = {};
  std::vector<Parameter> query = {};
  std::vector<Parameter> headers = {};
  Json body = nullptr;  // null: none
  bool body_is_optional = false;
  bool takes_token = false;  // in its body: it is refused as a token in the header of other calls is
  std::vector<Answer> answers = {};
  std::vector<std::string> errors = {};  // stable codes besides those that error_codes.h gives to every such call
};

struct NamedSchema {
  std::string name;
  Json schema = nullptr;
};

// What one resource says of itself.
struct Description {
  std::vector<Operation> operations = {};
  std::vector<NamedSchema> schemas = {};
};

}  // namespace egress::server::openapi
