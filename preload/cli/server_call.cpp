#include "preload/cli/server_call.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <exception>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "preload/agent/bundle_fetch.h"
#include "preload/agent/http_client.h"
#include "preload/agent/settings.h"
#include "preload/cli/answer_fields.h"
#include "preload/cli/token_file.h"

namespace asio = boost::asio;

namespace egress {
namespace {

constexpr auto kDeadline = std::chrono::seconds(60);
constexpr std::size_t kMaxAnswerBytes = 64u << 20;

Expected<std::string> find_token(const std::string& file) {
  if (!file.empty()) return load_token_file(file);
  std::string token = read_environment("EGRESS_ADMIN_TOKEN").value_or("");
  if (token.empty()) return token;
  if (auto sound = check_token(token, "EGRESS_ADMIN_TOKEN"); !sound) return tl::unexpected(sound.error());
  return token;
}

std::string remedy_for(unsigned status) {
  if (status == 401) {
    return "; give a valid token by EGRESS_ADMIN_TOKEN or --token-file (made by POST /api/tokens, or by "
           "egress-server token create)";
  }
  if (status == 403) return "; ask an admin of that namespace for a token that may, or to do it";
  return {};
}

}  // namespace

Expected<ServerAnswer> call_server(const ServerCall& call) {
  const std::string chosen =
      call.server.empty() ? read_environment("EGRESS_SERVER").value_or(std::string(kDefaultServer)) : call.server;
  const auto url = parse_server_url(chosen);
  if (!url) return fail(ErrorCode::kInvalidArgument, url.error().message);
  const auto token = find_token(call.token_file);
  if (!token) return tl::unexpected(token.error());
  HttpRequest request = make_api_request(call.target, *token);
  request.method = call.method;
  request.body = call.body;
  request.deadline = kDeadline;
  request.max_response_bytes = kMaxAnswerBytes;
  if (!call.content_type.empty()) request.headers.emplace_back("Content-Type", call.content_type);

  asio::io_context loop{1};
  HttpClient client(loop.get_executor(), *url, read_environment("EGRESS_CA").value_or(""));
  std::optional<Expected<HttpResponse>> response;
  asio::co_spawn(loop, client.send(std::move(request)), [&](std::exception_ptr failure, Expected<HttpResponse> result) {
    if (failure) std::rethrow_exception(failure);
    response = std::move(result);
  });
  loop.run();
  if (!*response) return tl::unexpected(response->error());
  HttpResponse& got = **response;
  return ServerAnswer{url->text(), got.status, std::move(got.next_cursor), std::move(got.body)};
}

void add_query(std::string& target, const char* name, const std::string& value) {
  if (value.empty()) return;
  target += target.find('?') == std::string::npos ? '?' : '&';
  target += std::string(name) + "=" + encode_query(value);
}

std::string describe_refusal(const ServerAnswer& answer) {
  const auto json = nlohmann::json::parse(answer.body, nullptr, false);
  const std::string code = text_in(json, "error");
  const std::string message = text_in(json, "message");
  std::string line = answer.server + " answered " + std::to_string(answer.status);
  if (code.empty() && message.empty()) return line + ": is it an egress-server of this version?";
  line += ": " + (message.empty() ? code : code.empty() ? message : code + ": " + message);
  return line + remedy_for(answer.status);
}

int exit_status_of(const ServerAnswer& answer) {
  const bool refused = answer.status >= 400 && answer.status < 500 && answer.status != 404 && answer.status != 429;
  return refused ? kExitRefused : kExitUnavailable;
}

}  // namespace egress
