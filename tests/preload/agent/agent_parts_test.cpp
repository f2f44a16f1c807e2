// The small parts: server URLs, settings, instance lock, session identity, upload queue, synthetic addresses, idleness.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <map>
#include <thread>

#include "preload/agent/idle_watch.h"
#include "preload/agent/instance_lock.h"
#include "preload/agent/process_identity.h"
#include "preload/agent/server_url.h"
#include "preload/agent/session_identity.h"
#include "preload/agent/settings.h"
#include "preload/agent/synthetic_addresses.h"
#include "preload/agent/upload_queue.h"
#include "preload/launcher/agent_connection.h"
#include "tests/preload/agent/temp_directory.h"

namespace egress {
namespace {

TEST(ServerUrlTest, ParsesAndCanonicalises) {
  EXPECT_EQ(parse_server_url("http://127.0.0.1:8443")->text(), "http://127.0.0.1:8443");
  EXPECT_EQ(parse_server_url("http://LocalHost/")->text(), "http://localhost:80");
  EXPECT_EQ(parse_server_url("https://egress.example")->text(), "https://egress.example:443");
  EXPECT_EQ(parse_server_url("http://[::1]:9000")->text(), "http://[::1]:9000");
  EXPECT_EQ(parse_server_url("http://[::1]:9000")->host, "::1");
}

TEST(ServerUrlTest, RefusesEverythingElseWithTheText) {
  for (const char* text : {"", "127.0.0.1:8443", "ftp://x", "http://", "http://a:0", "http://a:65536", "http://a:b",
                           "http://a/path", "http://u@a", "http://a?q", "http://[::1", "http://[::1]x", "http://a b"}) {
    const auto url = parse_server_url(text);
    ASSERT_FALSE(url.has_value()) << text;
    EXPECT_NE(url.error().message.find(text), std::string::npos);
  }
}

Environment environment_of(std::map<std::string, std::string> variables) {
  return [variables = std::move(variables)](const char* name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    if (found == variables.end()) return std::nullopt;
    return found->second;
  };
}

TEST(SettingsTest, DirectoriesFollowTheirOrder) {
  const auto of = [](std::map<std::string, std::string> variables, uid_t uid) {
    return load_settings(environment_of(std::move(variables)), uid).value();
  };
  EXPECT_EQ(of({{"EGRESS_RUNTIME_DIR", "/r"}, {"XDG_RUNTIME_DIR", "/x"}, {"HOME", "/h"}}, 1000).runtime_dir, "/r");
  EXPECT_EQ(of({{"XDG_RUNTIME_DIR", "/x"}, {"HOME", "/h"}}, 1000).runtime_dir, "/x/egress");
  EXPECT_EQ(of({{"HOME", "/h"}}, 1000).runtime_dir, "/run/egress");
  EXPECT_EQ(of({{"HOME", "/h"}}, 1000).state_dir, "/h/.local/state/egress");
  EXPECT_EQ(of({{"XDG_STATE_HOME", "/s"}, {"HOME", "/h"}}, 1000).state_dir, "/s/egress");
  EXPECT_EQ(of({}, 0).state_dir, "/var/lib/egress");
  EXPECT_EQ(of({{"EGRESS_STATE_DIR", "/e"}}, 0).state_dir, "/e");
  EXPECT_TRUE(of({}, 0).shared);
  EXPECT_FALSE(of({{"EGRESS_RUNTIME_DIR", "/r"}}, 0).shared);
  EXPECT_FALSE(of({{"HOME", "/h"}}, 1000).shared);
}

TEST(SettingsTest, RefusesWhatCannotWork) {
  EXPECT_FALSE(load_settings(environment_of({}), 1000).has_value()) << "no home, no state directory";
  EXPECT_FALSE(load_settings(environment_of({{"EGRESS_RUNTIME_DIR", "relative"}}), 0).has_value());
  EXPECT_FALSE(load_settings(environment_of({{"EGRESS_RUNTIME_DIR", "/" + std::string(120, 'x')}}), 0).has_value());
}

TEST(SettingsTest, EgressLogIsALevelOnlyIfItNamesOne) {
  EXPECT_EQ(load_settings(environment_of({{"EGRESS_LOG", "debug"}}), 0)->log_level, "debug");
  EXPECT_EQ(load_settings(environment_of({{"EGRESS_LOG", "deny"}}), 0)->log_level, "");
}

TEST(PrepareDirectoryTest, MakesItPrivateAndRefusesImpostors) {
  const TempDirectory directory;
  const auto path = directory.path() / "a" / "b";
  ASSERT_TRUE(prepare_directory(path, 0700, ::geteuid()).has_value());
  ASSERT_TRUE(prepare_directory(path, 0700, ::geteuid()).has_value());
  struct stat status {};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0700u);
  std::filesystem::create_directory_symlink(path, directory.path() / "link");
  EXPECT_FALSE(prepare_directory(directory.path() / "link", 0700, ::geteuid()).has_value());
  std::ofstream(directory.path() / "file") << "x";
  EXPECT_FALSE(prepare_directory(directory.path() / "file", 0700, ::geteuid()).has_value());
  EXPECT_FALSE(prepare_directory(path, 0700, ::geteuid() + 1).has_value());
}

class InstanceLockTest : public ::testing::Test {
 protected:
  UniqueFd listen() const {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, socket_path.c_str(), socket_path.native().size());
    UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(fd.get(), 8), 0);
    return fd;
  }
  TempDirectory directory;
  std::filesystem::path socket_path = directory.path() / "agent.sock";
};

TEST_F(InstanceLockTest, OnlyOneHoldsItAndTheNextGetsItAfterwards) {
  {
    const auto first = InstanceLock::try_acquire(directory.path());
    ASSERT_TRUE(first.has_value() && first->has_value());
    EXPECT_FALSE(InstanceLock::try_acquire(directory.path())->has_value());
  }
  EXPECT_TRUE(InstanceLock::try_acquire(directory.path())->has_value());
}

TEST_F(InstanceLockTest, TheLoserUsesTheWinnerOnceItAccepts) {
  const auto winner = InstanceLock::try_acquire(directory.path());
  std::thread loser([&] {
    const auto lock = InstanceLock::acquire_or_await_winner(directory.path(), socket_path, std::chrono::seconds(30));
    ASSERT_TRUE(lock.has_value()) << lock.error().message;
    EXPECT_FALSE(lock->has_value());
    EXPECT_TRUE(is_accepting(socket_path));
  });
  const UniqueFd socket = listen();
  loser.join();
}

TEST_F(InstanceLockTest, TheLoserTakesOverFromAWinnerThatDied) {
  auto winner = InstanceLock::try_acquire(directory.path());
  std::thread loser([&] {
    const auto lock = InstanceLock::acquire_or_await_winner(directory.path(), socket_path, std::chrono::seconds(30));
    ASSERT_TRUE(lock.has_value()) << lock.error().message;
    EXPECT_TRUE(lock->has_value());
  });
  winner->reset();
  loser.join();
}

TEST_F(InstanceLockTest, AHolderThatNeverAcceptsIsAnError) {
  const auto winner = InstanceLock::try_acquire(directory.path());
  const auto lock = InstanceLock::acquire_or_await_winner(directory.path(), socket_path, std::chrono::milliseconds(1));
  ASSERT_FALSE(lock.has_value());
  EXPECT_EQ(lock.error().code, ErrorCode::kUnavailable);
}

TEST_F(InstanceLockTest, AStaleSocketDoesNotAccept) {
  listen().reset();
  EXPECT_TRUE(std::filesystem::exists(socket_path));
  EXPECT_FALSE(is_accepting(socket_path));
}

Expected<SessionIdentity> identity_of(std::array<std::string, kHelloFieldCount> fields) {
  const std::string bytes = encode_request(RequestKind::kHello, fields);
  const auto request = decode_request(std::as_bytes(std::span(bytes)));
  EXPECT_TRUE(request.has_value());
  return make_session_identity(*request, 1000, {.bundle_key = "", .ca = ""});
}

TEST(SessionIdentityTest, FillsInDefaultsAndComparesByFields) {
  const auto bare = identity_of({});
  ASSERT_TRUE(bare.has_value()) << bare.error().message;
  EXPECT_EQ(bare->key.server, kDefaultServer);
  EXPECT_EQ(bare->key.namespace_path, "default");
  EXPECT_EQ(bare->key, identity_of({std::string(kDefaultServer), "default"})->key);
  EXPECT_NE(bare->key, identity_of({"", "prod/payments"})->key);
  EXPECT_NE(bare->key, identity_of({"", "", "", "", "", "token"})->key);
}

TEST(SessionIdentityTest, RefusalsNameTheVariable) {
  struct Case {
    std::size_t field;
    const char* text;
    const char* variable;
  };
  const Case cases[] = {{0, "ftp://x", "EGRESS_SERVER"},     {1, "Prod", "EGRESS_NAMESPACE"},
                        {2, "two words", "EGRESS_WORKLOAD"}, {3, "novalue", "EGRESS_LABELS"},
                        {4, "a\nb", "EGRESS_TARGET"},        {5, "to ken", "EGRESS_TOKEN"},
                        {6, "name-only", "EGRESS_RESOLVE"},  {7, "!!", "EGRESS_BUNDLE_KEY"}};
  for (const Case& wrong : cases) {
    std::array<std::string, kHelloFieldCount> fields;
    fields[wrong.field] = wrong.text;
    const auto identity = identity_of(fields);
    ASSERT_FALSE(identity.has_value()) << wrong.variable;
    EXPECT_NE(identity.error().message.find(wrong.variable), std::string::npos) << identity.error().message;
  }
}

DecisionRecord record_of(std::uint64_t count, RecordKind kind = RecordKind::kDial) {
  DecisionRecord record;
  record.kind = kind;
  record.count = count;
  return record;
}

TEST(UploadQueueTest, EveryEventIsPendingUploadedOrDropped) {
  UploadQueue queue(2);
  EXPECT_TRUE(queue.push(record_of(3)));
  EXPECT_TRUE(queue.push(record_of(5)));
  EXPECT_FALSE(queue.push(record_of(7)));
  EXPECT_EQ(queue.pending(), 8u);
  EXPECT_EQ(queue.dropped(), 7u);
  queue.confirm(1);
  EXPECT_EQ(queue.uploaded(), 3u);
  queue.discard(1);
  EXPECT_EQ(queue.dropped(), 12u);
  EXPECT_EQ(queue.pending(), 0u);
  EXPECT_TRUE(queue.is_empty());
}

TEST(UploadQueueTest, DropRecordsAreNoEvents) {
  UploadQueue queue(1);
  EXPECT_TRUE(queue.push(record_of(9, RecordKind::kDropped)));
  EXPECT_EQ(queue.pending(), 0u);
  queue.confirm(1);
  EXPECT_EQ(queue.uploaded(), 0u);
}

TEST(SyntheticAddressesTest, OneANameReusedAndBounded) {
  SyntheticAddresses addresses(2);
  const Address a = addresses.address_of("a");
  EXPECT_EQ(format_address(a), "240.0.0.2");
  EXPECT_EQ(addresses.address_of("a"), a);
  const Address b = addresses.address_of("b");
  EXPECT_NE(a, b);
  EXPECT_TRUE(is_synthetic(b));
  EXPECT_EQ(addresses.address_of("c"), a) << "the oldest gives way";
  EXPECT_EQ(addresses.address_of("b"), b);
  EXPECT_EQ(addresses.address_of("a"), b);
}

TEST(IdleWatchTest, EndsAfterTheWholeTimeUnused) {
  IdleWatch watch(300, 0);
  EXPECT_FALSE(watch.is_over(false, 299'999));
  EXPECT_FALSE(watch.is_over(true, 299'999));
  EXPECT_FALSE(watch.is_over(false, 599'998));
  EXPECT_TRUE(watch.is_over(false, 599'999));
  EXPECT_FALSE(watch.is_over(false, 10)) << "a clock that jumped back starts the time anew";
  EXPECT_FALSE(IdleWatch(0, 0).is_over(false, 1'000'000'000'000));
}

TEST(ProcessIdentityTest, FindsThisProcess) {
  const auto self = find_process(::getpid());
  ASSERT_TRUE(self.has_value());
  EXPECT_EQ(self->parent, ::getppid());
  EXPECT_EQ(self->uid, ::geteuid());
  EXPECT_GT(self->key.start_time, 0u);
  EXPECT_EQ(read_executable(::getpid()), std::filesystem::read_symlink("/proc/self/exe").string());
  EXPECT_FALSE(find_process(-1).has_value());
}

}  // namespace
}  // namespace egress
