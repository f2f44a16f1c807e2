// The EGRESS_* variables, read where the program keeps them at the moment of a hello: no copies, no getenv (which a
// program may have replaced). `environ` is NULL before libc's own constructor and after clearenv(); the environment the
// process was started with, on its initial stack, stands in then.
#pragma once

#include <cstddef>

#include "shared/session/protocol.h"

namespace egress {

// NULL-terminated; never NULL itself.
char** environment() noexcept;

// The value of `name` in `variables`, or nullptr.
const char* find_variable(char** variables, const char* name) noexcept;

// The variable of a hello's field, "" if unset.
const char* hello_field(char** variables, HelloField field) noexcept;

// <EGRESS_RUNTIME_DIR | $XDG_RUNTIME_DIR/egress | /run/egress>/agent.sock. Returns the length, or `capacity` or more if
// it does not fit with its NUL.
std::size_t format_agent_socket(char** variables, char* path, std::size_t capacity) noexcept;

}  // namespace egress
