// The time, by the vDSO's own clock_gettime found through the auxiliary vector, and by the raw system call where there
// is none. Not libc's symbol: libfaketime and others interpose that one, and expiries are real instants. No lock, no
// allocation; the first call parses the vDSO's symbol table, later ones cost some 30 ns.
#pragma once

#include <cstdint>

namespace egress {

std::int64_t realtime_ns() noexcept;   // CLOCK_REALTIME: expiries, event times
std::int64_t monotonic_ms() noexcept;  // CLOCK_MONOTONIC: deadlines and intervals within one process

// Finds `name` in a mapped ELF image (the vDSO), or nullptr. Exposed for its test.
const void* find_elf_symbol(const void* image, const char* name) noexcept;

}  // namespace egress
