#include "server/startup/token_commands.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "server/service/token_text.h"
#include "server/service/tokens.h"
#include "server/startup/data_directory.h"
#include "server/store/sqlite/sqlite_store.h"
#include "shared/base/time_text.h"
#include "shared/policy/namespace_path.h"

namespace egress::server {
namespace {

constexpr int kFailed = 1;
constexpr int kRefused = 2;
constexpr std::size_t kReaders = 1;
constexpr std::size_t kPage = 1000;
constexpr std::size_t kNameSuffixBytes = 3;

struct TokenOptions {
  std::string data;
  std::string role;
  std::string namespace_path = std::string(kRootNamespace);
  std::string name;
  std::string expires_in;
  std::string id;
};

int complain(int status, const std::string& message) {
  std::fprintf(stderr, "egress-server token: %s\n", message.c_str());
  return status;
}

int complain(const Refusal& refusal) {
  const bool failed = refusal.kind == ErrorCode::kUnavailable || refusal.kind == ErrorCode::kInternal ||
                      refusal.kind == ErrorCode::kCorrupt;
  return complain(failed ? kFailed : kRefused, refusal.message);
}

// Opens what a server would, does the work with it, and closes it again.
template <typename Work>
int with_tokens(const TokenOptions& options, bool may_create, Work work) {
  std::error_code ignored;  // what cannot be examined cannot be opened either, and that says why
  if (!may_create && !std::filesystem::exists(options.data, ignored)) {
    return complain(kRefused, "--data " + options.data + ": there is no such directory");
  }
  const auto directory = DataDirectory::open(options.data);
  if (!directory) {
    const bool in_use = directory.error().code == ErrorCode::kConflict;
    return complain(kFailed, "--data " + options.data + ": " + directory.error().message +
                                 (in_use ? "; while it runs, use its POST, GET and DELETE /api/tokens" : ""));
  }
  auto store = SqliteStore::open(directory->database_path(), kReaders);
  if (!store) return complain(kFailed, store.error().message);
  const SystemClock clock;
  TokenRegistry registry(clock);
  Tokens tokens(**store, clock, registry);
  return work(tokens, clock);
}

// Whoever may write the directory may do everything.
Principal console() { return {Principal::Kind::kServer, "console", Role::kAdmin, std::string(kRootNamespace), {}, {}}; }

int create(const TokenOptions& options) {
  TokenPut put;
  put.role = find_role(options.role).value_or(Role::kViewer);  // the option's check let only roles pass
  put.name = options.name.empty() ? options.role + "-" + random_hex(kNameSuffixBytes) : options.name;
  put.namespace_path = options.namespace_path;
  put.actor = console();
  if (const auto path = parse_namespace_path(put.namespace_path); !path) {
    return complain(kRefused, "--namespace: " + path.error().message);
  }
  return with_tokens(options, true, [&](Tokens& tokens, const Clock& clock) {
    if (!options.expires_in.empty()) {
      const auto lifetime = parse_duration_ms(options.expires_in);
      if (!lifetime) return complain(kRefused, "--expires-in: " + lifetime.error().message);
      put.expires_at_ms = clock.now_ms() + *lifetime;
    }
    const auto issued = tokens.create(put);
    if (!issued) return complain(issued.error());
    std::fprintf(stderr, "token %s: %s is %s of %s; this is the only time it is shown\n", issued->record.id.c_str(),
                 put.name.c_str(), options.role.c_str(), put.namespace_path.c_str());
    std::printf("%s\n", issued->text.c_str());
    return 0;
  });
}

int list(const TokenOptions& options) {
  return with_tokens(options, false, [](Tokens& tokens, const Clock&) {
    std::printf("%-16s  %-24s  %-8s  %-7s  %-20s  %s\n", "ID", "NAME", "ROLE", "STATE", "EXPIRES", "NAMESPACE");
    std::string after;
    while (true) {
      const auto page = tokens.list(console(), after, kPage);
      if (!page) return complain(page.error());
      for (const Tokens::Listed& listed : page->items) {
        const TokenRecord& record = listed.record;
        const std::string role(name_of(static_cast<Role>(record.role)));
        const std::string state(name_of(listed.state));
        const std::string expires = record.expires_at_ms ? format_time(*record.expires_at_ms) : "never";
        std::printf("%-16s  %-24s  %-8s  %-7s  %-20s  %s\n", record.id.c_str(), record.name.c_str(), role.c_str(),
                    state.c_str(), expires.c_str(), record.namespace_path.c_str());
      }
      if (!page->next_after) return 0;
      after = *page->next_after;
    }
  });
}

int revoke(const TokenOptions& options) {
  return with_tokens(options, false, [&](Tokens& tokens, const Clock&) {
    const auto revoked = tokens.revoke(options.id, console());
    if (!revoked) return complain(revoked.error());
    std::printf("revoked %s (%s)\n", revoked->id.c_str(), revoked->name.c_str());
    return 0;
  });
}

constexpr char kCreateHelp[] = R"(Prints the token alone on standard output; it is not shown again.

Examples:
  egress-server token create --role admin --data /var/lib/egress
  egress-server token create --role operator --namespace prod/payments --name payments-ci --expires-in 90d --data DIR

Exit status: 0 made, 1 the directory cannot be used (a server runs on it: use its POST /api/tokens), 2 refused.)";

}  // namespace

void add_token_commands(CLI::App& app, std::function<int()>& action) {
  auto options = std::make_shared<TokenOptions>();
  CLI::App* token = app.add_subcommand("token", "make, list and revoke tokens while no server runs");
  token->require_subcommand(1);
  const auto add = [&](const char* name, const char* help, int (*run)(const TokenOptions&)) {
    CLI::App* command = token->add_subcommand(name, help);
    command->add_option("--data", options->data, "the server's data directory")->required();
    command->callback([options, run, &action] { action = [options, run] { return run(*options); }; });
    return command;
  };
  CLI::App* creation = add("create", "make a token", create);
  creation->footer(kCreateHelp);
  creation->add_option("--role", options->role, "viewer, operator or admin")
      ->required()
      ->check(CLI::IsMember({"viewer", "operator", "admin"}));
  creation->add_option("--namespace", options->namespace_path, "it counts for this namespace and all below")
      ->capture_default_str();
  creation->add_option("--name", options->name, "what the audit calls its bearer; default: the role and a number");
  creation->add_option("--expires-in", options->expires_in, "a duration such as 12h or 90d; default: never");
  add("list", "list people's tokens, without secrets", list);
  CLI::App* revocation = add("revoke", "revoke a token", revoke);
  revocation->add_option("--id", options->id, "as token list shows it")->required();
}

}  // namespace egress::server
