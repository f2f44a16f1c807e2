// What the library says on stderr, which is next to nothing: one line a process when there is no policy, and with
// EGRESS_LOG=deny a line for a denial, at most one a second. Straight to the descriptor, never through stdio.
#pragma once

#include "preload/library/state.h"
#include "preload/library/text_line.h"
#include "shared/evaluate/evaluate.h"

namespace egress {

// `why` may be empty. Once a process, whatever the cause.
void show_notice(State& state, NoPolicyCause cause, const TextLine& why) noexcept;

void log_denial(State& state, const ConnectionFacts& facts, const Decision& decision) noexcept;

}  // namespace egress
