#include "server/store/sqlite/connection.h"

#include <gtest/gtest.h>

#include "tests/server/temporary_directory.h"

namespace egress::server {
namespace {

TEST(ConnectionTest, WritesAreDurable) {
  TemporaryDirectory directory;
  auto connection = Connection::open(directory.path() + "/x.db", Connection::Access::kReadWrite);
  ASSERT_TRUE(connection);
  const auto pragma = [&](const char* sql) {
    Query query(**connection, sql);
    EXPECT_TRUE(query.step());
    return query.text();
  };
  EXPECT_EQ(pragma("PRAGMA journal_mode"), "wal");
  EXPECT_EQ(pragma("PRAGMA synchronous"), "2");
  EXPECT_EQ(pragma("PRAGMA foreign_keys"), "1");
}

}  // namespace
}  // namespace egress::server
