// How a hook is declared: with libc's own name and C linkage, visible (exports.map has the last word on that).
#pragma once

#define EGRESS_HOOK extern "C" __attribute__((visibility("default")))
