// What can be known of a program before it starts: whether the preload will reach it. Not a security check: what a
// program starts later is seen only by the supervisor of higher levels.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace egress {

// One line for each reason why libegress.so will not be loaded into `program` or its interpreter; empty if none is
// known.
std::vector<std::string> inspect_target(const std::filesystem::path& program);

}  // namespace egress
