#include "server/http/errors.h"

#include <gtest/gtest.h>

namespace egress::server {
namespace {

TEST(ErrorResponseTest, MapsKindsToStatuses) {
  const auto status = [](ErrorCode kind) { return error_response(Refusal(kind, "c", "m"), ErrorStyle::kApi).status; };
  EXPECT_EQ(status(ErrorCode::kInvalidArgument), 400U);
  EXPECT_EQ(status(ErrorCode::kNotFound), 404U);
  EXPECT_EQ(status(ErrorCode::kConflict), 409U);
  EXPECT_EQ(status(ErrorCode::kTooLarge), 413U);
  EXPECT_EQ(status(ErrorCode::kInternal), 500U);
  EXPECT_EQ(status(ErrorCode::kCorrupt), 500U);
  EXPECT_EQ(status(ErrorCode::kUnavailable), 503U);
}

TEST(ErrorResponseTest, FieldsStandBetweenCodeAndMessage) {
  const auto refusal = refuse_field("invalid_field", "a.b", "why").value();
  EXPECT_EQ(error_response(refusal, ErrorStyle::kApi).body,
            "{\"error\":\"invalid_field\",\"field\":\"a.b\",\"message\":\"why\"}\n");
}

TEST(ErrorResponseTest, AnEmptyMessageIsLeftOut) {
  EXPECT_EQ(error_response(Refusal(ErrorCode::kConflict, "c", ""), ErrorStyle::kApi).body, "{\"error\":\"c\"}\n");
}

TEST(ErrorResponseTest, OtlpGetsAnRpcStatus) {
  EXPECT_EQ(error_response(Refusal(ErrorCode::kInvalidArgument, "c", "m"), ErrorStyle::kRpcStatus).body,
            "{\"code\":3,\"message\":\"m\"}\n");
  EXPECT_EQ(error_response(413, "c", "m", ErrorStyle::kRpcStatus).body, "{\"code\":8,\"message\":\"m\"}\n");
  EXPECT_EQ(error_response(Refusal(ErrorCode::kUnavailable, "c", "m"), ErrorStyle::kRpcStatus).body,
            "{\"code\":14,\"message\":\"m\"}\n");
}

TEST(ErrorResponseTest, QuotesBytesThatAreNotUtf8) {
  EXPECT_EQ(error_response(404, "c", "\xff", ErrorStyle::kApi).body,
            "{\"error\":\"c\",\"message\":\"\xef\xbf\xbd\"}\n");
}

}  // namespace
}  // namespace egress::server
