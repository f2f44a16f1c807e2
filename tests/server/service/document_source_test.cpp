#include "server/service/document_source.h"

#include <gtest/gtest.h>

namespace egress::server {
namespace {

std::vector<std::pair<int, std::string>> split(std::string_view stream) {
  std::vector<std::pair<int, std::string>> pieces;
  for (const DocumentSource& piece : split_documents(stream)) pieces.emplace_back(piece.first_line, piece.text);
  return pieces;
}

using Pieces = std::vector<std::pair<int, std::string>>;

TEST(SplitDocumentsTest, CutsAtMarkersAndKeepsCommentsWithWhatFollows) {
  EXPECT_EQ(split("\n# one\na: 1\n\n---\n\n# two\nb: 2"), (Pieces{{2, "# one\na: 1\n"}, {7, "# two\nb: 2\n"}}));
  EXPECT_EQ(split("---\na: 1\n...\nb: 2\n"), (Pieces{{2, "a: 1\n"}, {4, "b: 2\n"}}));
  EXPECT_EQ(split("a: 1\r\n---\r\nb: 2\r\n"), (Pieces{{1, "a: 1\r\n"}, {3, "b: 2\r\n"}}));
  EXPECT_EQ(split("\xef\xbb\xbf{}"), (Pieces{{1, "{}\n"}}));
}

TEST(SplitDocumentsTest, AMarkerWithContentBelongsToItsDocument) {
  EXPECT_EQ(split("--- {a: 1}\n--- # note\nb: 2\n"), (Pieces{{1, "--- {a: 1}\n"}, {2, "--- # note\nb: 2\n"}}));
}

TEST(SplitDocumentsTest, DashesElsewhereAreNoMarkers) {
  EXPECT_EQ(split("a: |\n  ---\n----\n---b: 1\n"), (Pieces{{1, "a: |\n  ---\n----\n---b: 1\n"}}));
}

TEST(SplitDocumentsTest, NothingIsNoDocument) {
  EXPECT_TRUE(split("").empty());
  EXPECT_TRUE(split("---\n\n...\n---\n  \n").empty());
}

TEST(FindPieceTest, FindsThePieceThatHoldsALine) {
  const auto pieces = split_documents("\na: 1\n---\n# note\nb: 2\n");
  EXPECT_EQ(find_piece(pieces, 1), nullptr);
  EXPECT_EQ(find_piece(pieces, 2), &pieces[0]);
  EXPECT_EQ(find_piece(pieces, 5), &pieces[1]);
}

std::string gateway(const std::string& metadata) {
  return "apiVersion: clrk.apoxy.dev/v1alpha1\nkind: EgressGateway\n" + metadata +
         "spec: {listeners: [{name: tcp, protocol: TCP}]}\n";
}

DocumentHead head_in(const std::string& namespace_path) { return {"EgressGateway", "g", namespace_path, 1}; }

TEST(WithExplicitNamespaceTest, LeavesWhatIsReadRightAlone) {
  const std::string implied = gateway("metadata: {name: g}\n");
  EXPECT_EQ(with_explicit_namespace(implied, head_in("/")).value(), implied);
  const std::string written = gateway("metadata: {name: g, namespace: prod}\n");
  EXPECT_EQ(with_explicit_namespace(written, head_in("prod")).value(), written);
}

struct NamespaceCase {
  std::string name;
  std::string metadata;
  std::string expected;
};

class WithExplicitNamespaceCaseTest : public ::testing::TestWithParam<NamespaceCase> {};

TEST_P(WithExplicitNamespaceCaseTest, WritesItWhereTheAuthorWouldHave) {
  const auto done = with_explicit_namespace(gateway(GetParam().metadata), head_in("prod/a"));
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(*done, gateway(GetParam().expected));
  EXPECT_EQ(head_of(*parse_source(*done)).namespace_path, "prod/a");
}

INSTANTIATE_TEST_SUITE_P(
    Forms, WithExplicitNamespaceCaseTest,
    ::testing::Values(NamespaceCase{.name = "Block",
                                    .metadata = "metadata:\n    # mine\n    name: g\n",
                                    .expected = "metadata:\n    # mine\n    \"namespace\": \"prod/a\"\n    name: g\n"},
                      NamespaceCase{.name = "Flow",
                                    .metadata = "metadata: { name: g }\n",
                                    .expected = "metadata: { \"namespace\": \"prod/a\", name: g }\n"},
                      NamespaceCase{.name = "FlowOverLines",
                                    .metadata = "metadata: {\n  name: g\n }\n",
                                    .expected = "metadata: {\n  \"namespace\": \"prod/a\", name: g\n }\n"}),
    [](const auto& tested) { return tested.param.name; });

TEST(WithExplicitNamespaceTest, RefusesWhereThereIsNoPlace) {
  // The name stands in another mapping, which is not the metadata's alone.
  const std::string aliased =
      "apiVersion: clrk.apoxy.dev/v1alpha1\nkind: EgressGateway\n"
      "spec: {listeners: [&m {name: g, protocol: TCP}]}\nmetadata: {<<: *m}\n";
  EXPECT_FALSE(with_explicit_namespace(aliased, head_in("prod")));
}

TEST(ParseSourceTest, WantsExactlyOneDocument) {
  EXPECT_TRUE(parse_source(gateway("metadata: {name: g}\n")));
  EXPECT_EQ(parse_source("").error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(parse_source("a: 1\n").error().code, ErrorCode::kCorrupt);
  const std::string one = gateway("metadata: {name: g}\n");
  EXPECT_EQ(parse_source(one + "---\n" + one).error().message, "2 documents where one belongs");
}

}  // namespace
}  // namespace egress::server
