#include "server/startup/data_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <filesystem>
#include <optional>

#include "server/startup/system_failure.h"

namespace egress::server {
namespace {

constexpr const char* kKeyFile = "signing.key";
constexpr const char* kNewKeyFile = "signing.key.new";
constexpr const char* kAddressFile = "address";
constexpr const char* kNewAddressFile = "address.new";
constexpr const char* kLockFile = "lock";
constexpr std::size_t kMaxKeyBytes = 4096;

Expected<void> write_new_file(int directory, const char* name, std::string_view text, mode_t mode) {
  ::unlinkat(directory, name, 0);  // what a crash left behind; if it cannot go, O_EXCL says so
  UniqueFd file(::openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode));
  if (!file) return system_failure(std::string("cannot create ") + name);
  while (!text.empty()) {
    const auto written = ::write(file.get(), text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return system_failure(std::string("cannot write ") + name);
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  if (::fsync(file.get()) != 0) return system_failure(std::string("cannot flush ") + name);
  return {};
}

// nullopt if there is no such file.
Expected<std::optional<std::string>> read_private_file(int directory, const char* name) {
  const UniqueFd file(::openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file && errno == ENOENT) return std::optional<std::string>();
  if (!file) return system_failure(std::string("cannot open ") + name);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return system_failure(std::string("cannot examine ") + name);
  if ((status.st_mode & 077) != 0) {
    return fail(ErrorCode::kUntrusted,
                std::string(name) + " is readable by others: run chmod 600 on it, or remove it to make a new key");
  }
  std::string text(kMaxKeyBytes, '\0');
  const auto bytes = ::read(file.get(), text.data(), text.size());
  if (bytes < 0) return system_failure(std::string("cannot read ") + name);
  text.resize(static_cast<std::size_t>(bytes));
  return std::optional<std::string>(std::move(text));
}

}  // namespace

Expected<DataDirectory> DataDirectory::open(const std::string& path) {
  std::error_code code;
  const auto parent = std::filesystem::path(path).parent_path();
  if (!parent.empty()) std::filesystem::create_directories(parent, code);
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return system_failure("cannot create " + path);
  UniqueFd directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return system_failure("cannot open the directory " + path);
  UniqueFd lock(::openat(directory.get(), kLockFile, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock) return system_failure("cannot open " + path + "/lock");
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return fail(ErrorCode::kConflict, "another egress-server uses " + path);
    return system_failure("cannot lock " + path);
  }
  return DataDirectory(path, std::move(directory), std::move(lock));
}

Expected<SigningKey> DataDirectory::load_signing_key() const {
  const auto stored = read_private_file(directory_.get(), kKeyFile);
  if (!stored) return tl::unexpected(stored.error());
  if (*stored) {
    auto key = SigningKey::from_pem(**stored);
    if (!key) return fail(key.error().code, path_ + "/" + kKeyFile + ": " + key.error().message);
    return key;
  }
  SigningKey key = SigningKey::generate();
  if (auto done = write_new_file(directory_.get(), kNewKeyFile, key.to_pem(), 0600); !done) {
    return tl::unexpected(done.error());
  }
  // link() rather than rename(): it never replaces a key.
  if (::linkat(directory_.get(), kNewKeyFile, directory_.get(), kKeyFile, 0) != 0) {
    return system_failure(std::string("cannot create ") + kKeyFile);
  }
  ::unlinkat(directory_.get(), kNewKeyFile, 0);  // a second name of the key is harmless until the next start
  if (::fsync(directory_.get()) != 0) return system_failure("cannot flush " + path_);
  return key;
}

Expected<void> DataDirectory::write_address(const std::string& text) const {
  if (auto done = write_new_file(directory_.get(), kNewAddressFile, text + "\n", 0644); !done) return done;
  if (::renameat(directory_.get(), kNewAddressFile, directory_.get(), kAddressFile) != 0) {
    return system_failure("cannot write " + path_ + "/" + kAddressFile);
  }
  return {};
}

void DataDirectory::remove_address() const { ::unlinkat(directory_.get(), kAddressFile, 0); }

}  // namespace egress::server
