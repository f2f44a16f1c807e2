#include "server/http/request_id.h"

#include <gtest/gtest.h>

#include <set>

namespace egress::server {
namespace {

TEST(RequestIdTest, TakesPlainNamesOnly) {
  for (const char* text : {"a", "0af7651916cd43dd8448eb211c80319c", "A.b_c-9"})
    EXPECT_TRUE(is_request_id(text)) << text;
  EXPECT_TRUE(is_request_id(std::string(64, 'x')));
  EXPECT_FALSE(is_request_id(std::string(65, 'x')));
  for (const char* text : {"", "a b", "a\"b", "a/b", "a\nb", "\xc3\xa9"}) EXPECT_FALSE(is_request_id(text)) << text;
}

TEST(RequestIdTest, MakesDifferentOnes) {
  std::set<std::string> ids;
  for (int i = 0; i < 1000; ++i) {
    const std::string id = make_request_id();
    EXPECT_TRUE(is_request_id(id));
    ids.insert(id);
  }
  EXPECT_EQ(ids.size(), 1000u);
}

}  // namespace
}  // namespace egress::server
