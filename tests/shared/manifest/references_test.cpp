#include "shared/manifest/references.h"

#include <gtest/gtest.h>

namespace egress {
namespace {

// Ten thousand documents that refer to each other: the one that refers to nothing is found, and nothing else.
TEST(ReferencesTest, FindsTheOneDanglingReferenceAmongTenThousandDocuments) {
  constexpr int kEach = 3'334;
  constexpr int kDangling = 1'234;
  std::vector<Document> documents;
  for (int i = 0; i < kEach; ++i) {
    const std::string number = std::to_string(i);
    EgressDenyPolicy inversion;
    inversion.head.kind = "EgressDenyPolicy";
    inversion.head.name = "d" + number;
    inversion.route = i == kDangling ? "nothing" : "r" + number;
    documents.emplace_back(std::move(inversion));
    EgressL4Route route;
    route.head.kind = "EgressL4Route";
    route.head.name = "r" + number;
    ParentRef parent;
    parent.gateway = "g" + number;
    route.parents.push_back(std::move(parent));
    documents.emplace_back(std::move(route));
    EgressGateway gateway;
    gateway.head.kind = "EgressGateway";
    gateway.head.name = "g" + number;
    gateway.listeners.emplace_back();
    documents.emplace_back(std::move(gateway));
  }
  const auto problems = find_reference_problems(documents);
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_EQ(problems[0].document, 3 * kDangling + 1);
  EXPECT_EQ(problems[0].path, "spec.targetRef");
}

}  // namespace
}  // namespace egress
