#include "server/api/openapi/error_codes.h"

#include <array>

namespace egress::server::openapi {
namespace {

constexpr std::array kCodes{
    // the protocol
    ErrorCodeEntry{"bad_request", 400, Reach::kEveryCall, "not HTTP/1.0 or HTTP/1.1; the connection ends"},
    ErrorCodeEntry{"invalid_host", 400, Reach::kEveryCall, "not exactly one Host field"},
    ErrorCodeEntry{"invalid_target", 400, Reach::kEveryCall, "the target is no path, or its query no encoded UTF-8"},
    ErrorCodeEntry{"foreign_host", 403, Reach::kEveryCall, "Host names another server"},
    ErrorCodeEntry{"not_found", 404, Reach::kUnlisted, "there is nothing at this path"},
    ErrorCodeEntry{"method_not_allowed", 405, Reach::kUnlisted, "the path answers to other methods: see Allow"},
    ErrorCodeEntry{"body_too_large", 413, Reach::kEveryCall, "the body is larger than the call accepts"},
    ErrorCodeEntry{"unsupported_encoding", 415, Reach::kEveryCall, "the body has a Content-Encoding"},
    ErrorCodeEntry{"unsupported_media_type", 415, Reach::kOtlpBody, "Content-Type is not application/json"},
    ErrorCodeEntry{"header_too_large", 431, Reach::kEveryCall, "the header is too large; the connection ends"},
    ErrorCodeEntry{"https_required", 400, Reach::kUnlisted, "plain HTTP at a port that speaks TLS"},
    // access
    ErrorCodeEntry{"invalid_credentials", 400, Reach::kEveryCall, "Authorization or Cookie is given more than once"},
    ErrorCodeEntry{"unauthenticated", 401, Reach::kToken, "there is no token, or one that nobody has"},
    ErrorCodeEntry{"token_expired", 401, Reach::kToken, "the token has expired"},
    ErrorCodeEntry{"token_revoked", 401, Reach::kToken, "the token was revoked"},
    ErrorCodeEntry{"session_over", 401, Reach::kAuthenticated, "the cookie's session is over"},
    ErrorCodeEntry{"role_required", 403, Reach::kRole, "the token has no such role: see needed_role"},
    ErrorCodeEntry{"workload_token_required", 403, Reach::kWorkloadOnly, "the token is not a workload's"},
    ErrorCodeEntry{"rate_limited", 429, Reach::kToken, "too many unknown tokens from this address: see retry_after_s"},
    ErrorCodeEntry{"cross_site", 403, Reach::kEveryWrite, "a page of another origin asks for a change"},
    ErrorCodeEntry{"out_of_scope", 403, Reach::kAuthenticated, "needs a role over that namespace"},
    // what is asked
    ErrorCodeEntry{"invalid_path", 400, Reach::kNamed, "a segment of the path is malformed"},
    ErrorCodeEntry{"invalid_query", 400, Reach::kQuery, "a query parameter is unknown, missing or malformed"},
    ErrorCodeEntry{"invalid_header", 400, Reach::kNamed, "a header field is malformed"},
    ErrorCodeEntry{"invalid_json", 400, Reach::kJsonBody, "the body is not strict JSON, or no object"},
    ErrorCodeEntry{"invalid_field", 400, Reach::kJsonBody, "a field of the body is missing or malformed"},
    ErrorCodeEntry{"unknown_field", 400, Reach::kJsonBody, "a field of the body is not known"},
    ErrorCodeEntry{"invalid_manifest", 400, Reach::kNamed, "documents are malformed: see problems"},
    ErrorCodeEntry{"invalid_otlp", 400, Reach::kNamed, "the body is not OTLP JSON"},
    ErrorCodeEntry{"unknown_kind", 400, Reach::kNamed, "there is no such kind of document"},
    // what is there
    ErrorCodeEntry{"egress_entry_not_found", 404, Reach::kNamed, "the domain is not in that list"},
    ErrorCodeEntry{"namespace_unknown", 404, Reach::kNamed, "there is no such namespace"},
    ErrorCodeEntry{"document_not_found", 404, Reach::kNamed, "there is no such document"},
    ErrorCodeEntry{"layer_unknown", 404, Reach::kNamed, "there is no such layer any more"},
    ErrorCodeEntry{"revision_unknown", 404, Reach::kNamed, "there is no such revision, or it is not kept"},
    ErrorCodeEntry{"token_unknown", 404, Reach::kNamed, "there is no such token"},
    ErrorCodeEntry{"workload_unknown", 404, Reach::kNamed, "there is no such workload"},
    // what it allows
    ErrorCodeEntry{"not_this_workload", 403, Reach::kNamed, "the token belongs to another workload"},
    ErrorCodeEntry{"first_token_must_be_admin", 409, Reach::kNamed, "an open server's first token is another"},
    ErrorCodeEntry{"token_name_taken", 409, Reach::kNamed, "a valid token has that name"},
    ErrorCodeEntry{"too_many_tokens", 409, Reach::kNamed, "there are as many valid tokens as may be"},
    ErrorCodeEntry{"already_revoked", 409, Reach::kNamed, "the token was revoked before"},
    ErrorCodeEntry{"last_admin", 409, Reach::kNamed, "no other admin over / lasts as long"},
    ErrorCodeEntry{"revision_has_no_history", 409, Reach::kNamed, "what changed since was not recorded"},
    ErrorCodeEntry{"child_widens_parent", 409, Reach::kNamed, "an entry is not covered by an ancestor"},
    ErrorCodeEntry{"cascade_violations", 409, Reach::kNamed, "descendants would be left uncovered: no message"},
    ErrorCodeEntry{"namespace_in_use", 409, Reach::kNamed, "descendants or documents are in the namespace"},
    ErrorCodeEntry{"root_undeletable", 409, Reach::kNamed, "the root namespace cannot be deleted"},
    ErrorCodeEntry{"document_in_use", 409, Reach::kNamed, "other documents refer to it"},
    ErrorCodeEntry{"policy_tests_failed", 409, Reach::kNamed, "a PolicyTest would fail: see failures"},
    // the server itself
    ErrorCodeEntry{"internal_error", 500, Reach::kEveryCall, "the server failed; its log says why"},
    ErrorCodeEntry{"layer_too_large", 500, Reach::kNamed, "the policy compiles into more than a layer may hold"},
    ErrorCodeEntry{"store_unavailable", 503, Reach::kEveryCall, "the store or a bound of the server is exhausted"},
    ErrorCodeEntry{"not_ready", 503, Reach::kNamed, "the server cannot serve policy: see missing"},
    // errors of lower parts that a resource does not expect and so does not name
    ErrorCodeEntry{"invalid_request", 400, Reach::kUnlisted, "refused by a lower part"},
    ErrorCodeEntry{"conflict", 409, Reach::kUnlisted, "refused by a lower part"},
    ErrorCodeEntry{"too_large", 413, Reach::kUnlisted, "refused by a lower part"},
};

}  // namespace

std::span<const ErrorCodeEntry> error_codes() { return kCodes; }

}  // namespace egress::server::openapi
