#include "server/http/router.h"

#include <gtest/gtest.h>

namespace egress::server {
namespace {

Router make_router() {
  const Handler handler = [](const Request&) { return Response(); };
  return Router({{Method::kGet, "/things", {}, BodyRule::kNone, 0, handler},
                 {Method::kPost, "/things", {}, BodyRule::kJson, 10, handler},
                 {Method::kGet, "/things/{id}", {}, BodyRule::kNone, 0, handler},
                 {Method::kDelete, "/things/{id}/parts/{part}", {}, BodyRule::kNone, 0, handler},
                 {Method::kPost, "/things/{id}:mend", {}, BodyRule::kNone, 0, handler}});
}

TEST(RouterTest, FindsByMethodAndPath) {
  const Router router = make_router();
  EXPECT_EQ(router.find(Method::kGet, "/things").route, &router.routes()[0]);
  EXPECT_EQ(router.find(Method::kPost, "/things").route, &router.routes()[1]);
  EXPECT_EQ(router.find(Method::kHead, "/things").route, &router.routes()[0]);
}

TEST(RouterTest, CapturesSegments) {
  const Router router = make_router();
  EXPECT_EQ(router.find(Method::kGet, "/things/7").captures, std::vector<std::string>{"7"});
  EXPECT_EQ(router.find(Method::kDelete, "/things/7/parts/x").captures, (std::vector<std::string>{"7", "x"}));
}

TEST(RouterTest, AVerbBelongsToThePatternAndNotToTheCapture) {
  const Router router = make_router();
  const auto match = router.find(Method::kPost, "/things/7:mend");
  EXPECT_EQ(match.route, &router.routes()[4]);
  EXPECT_EQ(match.captures, std::vector<std::string>{"7"});
  EXPECT_EQ(router.find(Method::kGet, "/things/7:mend").route, nullptr);
  EXPECT_EQ(router.find(Method::kGet, "/things/7:mend").allow, "POST");
  for (const char* path : {"/things/:mend", "/things/7:", "/things/7:break", "/things/7:x:mend", "/things/7:mend/"}) {
    EXPECT_EQ(router.find(Method::kPost, path).route, nullptr) << path;
    EXPECT_EQ(router.find(Method::kPost, path).allow, "") << path;
  }
  EXPECT_EQ(router.find(Method::kPost, "/things/7").allow, "GET, HEAD");
}

TEST(RouterTest, NamesTheMethodsOfAPath) {
  const Router router = make_router();
  const auto match = router.find(Method::kDelete, "/things");
  EXPECT_EQ(match.route, nullptr);
  EXPECT_EQ(match.allow, "GET, HEAD, POST");
}

TEST(RouterTest, MatchesWholePathsOnly) {
  const Router router = make_router();
  for (const char* path :
       {"/", "/thing", "/things/", "/things/7/", "/things/7/parts", "//things", "/things//parts/x", ""}) {
    const auto match = router.find(Method::kGet, path);
    EXPECT_EQ(match.route, nullptr) << path;
    EXPECT_EQ(match.allow, "") << path;
  }
}

}  // namespace
}  // namespace egress::server
