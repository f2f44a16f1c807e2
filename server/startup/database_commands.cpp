#include "server/startup/database_commands.h"

#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>
#include <string_view>

#include "server/startup/backup.h"
#include "server/startup/restore.h"

namespace egress::server {
namespace {

constexpr int kFailed = 1;
constexpr int kRefused = 2;
constexpr std::uint64_t kMaxRevision = std::uint64_t{1} << 53;  // exact in JSON

struct Options {
  std::string data;
  std::string to;
  std::string from;
  std::uint64_t at_least = 0;
};

int complain(const char* command, const Error& error) {
  std::fprintf(stderr, "egress-server %s: %s\n", command, error.message.c_str());
  return kFailed;
}

int run_backup(const Options& options) {
  const auto summary = back_up(options.data, options.to);
  if (!summary) return complain("backup", summary.error());
  std::printf("backed up revision %ju to %s (%ju bytes)\n", static_cast<std::uintmax_t>(summary->revision),
              options.to.c_str(), static_cast<std::uintmax_t>(summary->bytes));
  return 0;
}

int run_restore(const Options& options) {
  const auto directory = DataDirectory::open(options.data);
  if (!directory) return complain("restore", directory.error());
  const auto result = restore(options.from, *directory, options.at_least, SystemClock());
  if (!result) return complain("restore", result.error());
  std::printf("restored revision %ju, which is revision %ju from now on\n",
              static_cast<std::uintmax_t>(result->backup_revision), static_cast<std::uintmax_t>(result->revision));
  if (result->replaced) {
    std::printf("the database before is %s.before-restore\n", directory->database_path().c_str());
  }
  std::printf("tokens that were revoked after the backup are valid again: revoke them again\n");
  return 0;
}

}  // namespace

std::optional<int> run_database_command(int argc, char** argv) {
  const std::string_view name = argc > 1 ? argv[1] : "";
  if (name != "backup" && name != "restore") return std::nullopt;
  Options options;
  CLI::App app("Backs up and restores a server's database.", "egress-server");
  app.require_subcommand(1);
  auto* backup = app.add_subcommand("backup",
                                    "Copies the database, also while the server runs. The signing key is not "
                                    "copied: keep signing.key in a safe place.");
  backup->add_option("--data", options.data, "the server's directory")->required();
  backup->add_option("--to", options.to, "the file to write; it must not exist")->required();
  auto* restoring = app.add_subcommand("restore", "Puts a backup in the place of the database of a stopped server.");
  restoring->add_option("--from", options.from, "the backup")->required();
  restoring->add_option("--data", options.data, "the server's directory")->required();
  restoring
      ->add_option("--revision-at-least", options.at_least,
                   "what agents may have seen, where the guess of a million beyond the backup's revision is too low")
      ->check(CLI::Range(std::uint64_t{0}, kMaxRevision));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kRefused;
  }
  ::umask(077);
  return backup->parsed() ? run_backup(options) : run_restore(options);
}

}  // namespace egress::server
