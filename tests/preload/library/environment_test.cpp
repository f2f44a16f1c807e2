#include "preload/library/environment.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <vector>

namespace egress {
namespace {

class Variables {
 public:
  Variables(std::initializer_list<std::string> variables) : strings_(variables) {
    for (std::string& text : strings_) pointers_.push_back(text.data());
    pointers_.push_back(nullptr);
  }
  char** get() { return pointers_.data(); }

 private:
  std::vector<std::string> strings_;
  std::vector<char*> pointers_;
};

std::string socket_of(Variables variables) {
  char path[128];
  format_agent_socket(variables.get(), path, sizeof path);
  return path;
}

TEST(EnvironmentTest, FindsTheWholeNameOnly) {
  Variables variables{"EGRESS_NAMESPACE_OLD=a", "EGRESS_NAMESPACE=b=c", "EGRESS_NAMESPACE=d", "EMPTY="};
  EXPECT_STREQ(find_variable(variables.get(), "EGRESS_NAMESPACE"), "b=c");
  EXPECT_STREQ(find_variable(variables.get(), "EMPTY"), "");
  EXPECT_EQ(find_variable(variables.get(), "EGRESS"), nullptr);
}

TEST(EnvironmentTest, NamesEachFieldOfAHello) {
  Variables variables{"EGRESS_SERVER=0",  "EGRESS_NAMESPACE=1",  "EGRESS_WORKLOAD=2",
                      "EGRESS_LABELS=3",  "EGRESS_TARGET=4",     "EGRESS_TOKEN=5",
                      "EGRESS_RESOLVE=6", "EGRESS_BUNDLE_KEY=7", "EGRESS_CA=8"};
  for (std::size_t i = 0; i < kHelloFieldCount; ++i) {
    EXPECT_EQ(hello_field(variables.get(), static_cast<HelloField>(i)), std::to_string(i));
  }
  Variables none{};
  EXPECT_STREQ(hello_field(none.get(), HelloField::kToken), "");
}

TEST(EnvironmentTest, PrefersTheRuntimeDirectoryThatIsNamed) {
  EXPECT_EQ(socket_of({"EGRESS_RUNTIME_DIR=/a", "XDG_RUNTIME_DIR=/b"}), "/a/agent.sock");
  EXPECT_EQ(socket_of({"EGRESS_RUNTIME_DIR=", "XDG_RUNTIME_DIR=/b"}), "/b/egress/agent.sock");
  EXPECT_EQ(socket_of({"XDG_RUNTIME_DIR="}), "/run/egress/agent.sock");
  EXPECT_EQ(socket_of({}), "/run/egress/agent.sock");
}

TEST(EnvironmentTest, StandsInForAMissingEnvironmentWithTheInitialOne) {
  char** const before = environ;
  ASSERT_NE(before, nullptr);
  const std::string first = before[0];
  environ = nullptr;
  char** const initial = environment();
  environ = before;
  ASSERT_NE(initial, nullptr);
  bool found = false;
  for (char** at = initial; *at != nullptr; ++at) found = found || first == *at;
  EXPECT_TRUE(found);
  EXPECT_EQ(environment(), before);
}

}  // namespace
}  // namespace egress
