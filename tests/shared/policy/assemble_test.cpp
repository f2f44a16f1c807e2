#include "shared/policy/assemble.h"

#include <gtest/gtest.h>

namespace egress {
namespace {

constexpr int kRoutes = 10'000;

// A gateway for every tenth route, each route attached to its own and to a second one, each third route inverted: what
// each layer must hold follows from the numbers.
TEST(AssembleTest, TenThousandRoutesReachTheirGatewaysInTheOrderOfTheDocuments) {
  std::vector<Document> documents;
  const auto name_gateway = [](int number) { return "g" + std::to_string(number); };
  for (int i = 0; i < kRoutes; ++i) {
    EgressL4Route route;
    route.head.namespace_path = "prod";
    route.head.name = "r" + std::to_string(i);
    for (const int gateway : {i / 10, (i / 10 + 1) % (kRoutes / 10)}) {
      ParentRef parent;
      parent.gateway = name_gateway(gateway);
      parent.namespace_path = gateway % 2 == 0 ? "prod" : "/";
      route.parents.push_back(std::move(parent));
    }
    Rule match;
    match.name = "0";
    match.hosts.push_back(parse_host_pattern("h" + std::to_string(i) + ".example").value().pattern);
    route.matches.push_back(std::move(match));
    documents.emplace_back(std::move(route));
    if (i % 3 != 0) continue;
    EgressDenyPolicy inversion;
    inversion.head.namespace_path = "prod";
    inversion.head.name = "d" + std::to_string(i);
    inversion.route = "r" + std::to_string(i);
    documents.emplace_back(std::move(inversion));
  }
  for (int i = 0; i < kRoutes / 10; ++i) {
    EgressGateway gateway;
    gateway.head.namespace_path = i % 2 == 0 ? "prod" : "/";
    gateway.head.name = name_gateway(i);
    gateway.listeners.emplace_back();
    documents.emplace_back(std::move(gateway));
  }

  const auto assembled = assemble_policy_layers(documents, "prod");
  ASSERT_EQ(assembled.layers.size(), 2U);
  EXPECT_EQ(assembled.layers[0].id, "gateway:prod");
  EXPECT_EQ(assembled.layers[1].id, "gateway:/");
  for (const int level : {0, 1}) {
    const auto& rules = assembled.layers[static_cast<std::size_t>(level)].rules;
    std::vector<std::string> expected;
    for (int gateway = level; gateway < kRoutes / 10; gateway += 2) {
      const int before = (gateway + kRoutes / 10 - 1) % (kRoutes / 10);
      std::vector<int> attached;
      for (const int first : {std::min(before, gateway), std::max(before, gateway)}) {
        for (int i = 0; i < 10; ++i) attached.push_back(first * 10 + i);
      }
      for (const int route : attached) {
        expected.push_back((route % 3 == 0 ? "block r" : "allow r") + std::to_string(route) + " 0");
      }
    }
    std::vector<std::string> found;
    for (const Rule& rule : rules) found.push_back((rule.action == Action::kDeny ? "block " : "allow ") + rule.name);
    EXPECT_EQ(found, expected) << level;
  }
}

}  // namespace
}  // namespace egress
