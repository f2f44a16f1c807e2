// policy.md read naively: obvious loops over the layers as written, no index, no compilation. What the compiled
// evaluator is compared with.
#pragma once

#include <vector>

#include "shared/compile/link_stack.h"
#include "tests/shared/evaluate/stack_builder.h"

namespace egress::testing {

// `layer` and `rule` as the compiled evaluator numbers them.
Decision reference_ask(const std::vector<Layer>& layers, const StackSettings& settings, const Workload& workload,
                       const Question& question);

Decision reference_raw_socket(const std::vector<Layer>& layers, const StackSettings& settings,
                              const Workload& workload);

}  // namespace egress::testing
