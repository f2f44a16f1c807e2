#include "preload/agent/launch_journal.h"

#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <nlohmann/json.hpp>
#include <span>
#include <system_error>

#include "preload/agent/atomic_file.h"
#include "preload/agent/settings.h"
#include "shared/base/hex.h"

namespace egress {
namespace {

constexpr char kFormat[] = "egress.launch/1";
constexpr std::size_t kMaxLaunchBytes = 4 * kMaxRequestBytes;

// Fields are bytes, not text: in hex.
std::string render(const Launch& launch, const std::string& boot_id) {
  nlohmann::json fields = nlohmann::json::array();
  for (const std::string& field : launch.fields) fields.push_back(format_hex(std::as_bytes(std::span(field))));
  return nlohmann::json{{"format", kFormat},      {"boot_id", boot_id},
                        {"pid", launch.root.pid}, {"start_time", launch.root.start_time},
                        {"uid", launch.uid},      {"fields", std::move(fields)}}
      .dump();
}

std::optional<Launch> parse(const std::string& text, const std::string& boot_id) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object() || json.value("format", nlohmann::json()) != kFormat) return std::nullopt;
  if (json.value("boot_id", nlohmann::json()) != boot_id) return std::nullopt;
  const auto number = [&](const char* key) -> std::optional<std::uint64_t> {
    const auto found = json.find(key);
    if (found == json.end() || !found->is_number_unsigned()) return std::nullopt;
    return found->get<std::uint64_t>();
  };
  const auto pid = number("pid");
  const auto start_time = number("start_time");
  const auto uid = number("uid");
  const auto fields = json.find("fields");
  if (!pid || !start_time || !uid || fields == json.end() || !fields->is_array() ||
      fields->size() != kHelloFieldCount || *pid > INT32_MAX || *uid > UINT32_MAX) {
    return std::nullopt;
  }
  Launch launch;
  launch.root = {static_cast<pid_t>(*pid), *start_time};
  launch.uid = static_cast<uid_t>(*uid);
  for (std::size_t i = 0; i < kHelloFieldCount; ++i) {
    if (!(*fields)[i].is_string()) return std::nullopt;
    const auto bytes = parse_hex((*fields)[i].get_ref<const std::string&>());
    if (!bytes) return std::nullopt;
    launch.fields[i].assign(reinterpret_cast<const char*>(bytes->data()), bytes->size());
  }
  return launch;
}

}  // namespace

std::filesystem::path LaunchJournal::path_of(const ProcessKey& root) const {
  return directory_ / (std::to_string(root.pid) + "-" + std::to_string(root.start_time) + ".json");
}

Expected<std::vector<Launch>> LaunchJournal::load(const ProcessReader& processes) const {
  if (auto made = prepare_directory(directory_, 0700, ::geteuid()); !made) return tl::unexpected(made.error());
  std::vector<Launch> launches;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory_, error)) {
    std::optional<Launch> launch;
    if (const auto text = read_whole_file(entry.path(), kMaxLaunchBytes)) launch = parse(*text, boot_id_);
    const auto root = launch ? processes.find(launch->root.pid) : std::nullopt;
    if (root && root->key == launch->root) {
      launches.push_back(std::move(*launch));
      continue;
    }
    std::error_code ignored;  // an entry that stays is looked at again at the next start
    std::filesystem::remove(entry.path(), ignored);
  }
  if (error) return fail(ErrorCode::kUnavailable, "cannot read \"" + directory_.string() + "\": " + error.message());
  return launches;
}

Expected<void> LaunchJournal::save(const Launch& launch) const {
  return write_file_atomically(path_of(launch.root), render(launch, boot_id_), 0600);
}

Expected<void> LaunchJournal::remove(const ProcessKey& root) const {
  const std::filesystem::path path = path_of(root);
  if (::unlink(path.c_str()) == 0 || errno == ENOENT) return {};
  return fail(ErrorCode::kUnavailable, "cannot remove \"" + path.string() + "\": " + std::strerror(errno));
}

std::string read_boot_id() {
  auto text = read_whole_file("/proc/sys/kernel/random/boot_id", 64);
  if (!text) return {};
  text->erase(text->find_last_not_of('\n') + 1);
  return *text;
}

}  // namespace egress
