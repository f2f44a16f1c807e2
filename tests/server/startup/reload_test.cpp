#include "server/startup/reload.h"

#include <gtest/gtest.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <fstream>

#include "server/startup/logging.h"
#include "tests/server/temporary_directory.h"
#include "tests/tls_authority.h"

namespace egress::server {
namespace {

class ReloadTest : public ::testing::Test {
 protected:
  ReloadTest() {
    sources_.give_flag("config", {config_});
    write("info");
    running_ = sources_.load().value();
    start_logging(running_.log, running_.log_format);
  }
  void write(const std::string& level) { std::ofstream(config_) << "data: /d\nlog: " << level << "\n"; }

  TemporaryDirectory directory_;
  const std::string config_ = directory_.path() + "/egress.yaml";
  SettingSources sources_{[](const std::string&) { return std::nullopt; }};
  ServerSettings running_;
};

TEST_F(ReloadTest, TakesTheLogLevelFromTheFile) {
  write("error");
  reload(sources_, running_, nullptr);
  EXPECT_EQ(running_.log, "error");
  EXPECT_EQ(spdlog::default_logger()->level(), spdlog::level::err);
}

TEST_F(ReloadTest, AFlagStillWins) {
  sources_.give_flag("log", {"warn"});
  running_ = sources_.load().value();
  write("debug");
  reload(sources_, running_, nullptr);
  EXPECT_EQ(running_.log, "warn");
}

TEST_F(ReloadTest, ABrokenFileChangesNothing) {
  write("shouting");
  reload(sources_, running_, nullptr);
  EXPECT_EQ(running_.log, "info");
}

TEST_F(ReloadTest, NothingElseOfARunningServerChanges) {
  std::ofstream(config_) << "data: /elsewhere\nlog: warn\nio_threads: 9\n";
  reload(sources_, running_, nullptr);
  EXPECT_EQ(running_.log, "warn");
  EXPECT_EQ(running_.data, "/d");
  EXPECT_EQ(running_.limits.io_threads, HttpLimits().io_threads);
}

TEST_F(ReloadTest, ReadsTheCertificateWhateverIsWrongWithTheFile) {
  const TlsAuthority authority("the test's authority");
  const TlsFiles files{directory_.path() + "/cert.pem", directory_.path() + "/key.pem"};
  const auto install = [&](long ends_s) {
    const auto issued = authority.issue({.ends_s = ends_s});
    std::ofstream(files.certificate) << issued.certificate;
    std::ofstream(files.key) << issued.key;
    ::chmod(files.key.c_str(), 0600);
  };
  install(3600);
  const auto tls = TlsContext::load(files).value();
  const auto before = tls->expires_at_ms();
  install(7200);
  write("shouting");
  reload(sources_, running_, tls.get());
  EXPECT_GT(tls->expires_at_ms(), before);
}

}  // namespace
}  // namespace egress::server
