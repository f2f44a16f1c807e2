// Two texts as a unified diff, for people.
#pragma once

#include <string>
#include <string_view>

namespace egress::server {

// "--- from", "+++ to" and hunks with three lines of context; empty if the texts are equal. Texts that differ in more
// than about two thousand lines are shown as one replacement between what they share at both ends. O(lines), and
// O(lines that differ ^ 2) below that bound.
std::string unified_diff(const std::string& from, const std::string& to, std::string_view before,
                         std::string_view after);

}  // namespace egress::server
