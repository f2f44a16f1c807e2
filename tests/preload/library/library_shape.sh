#!/usr/bin/env bash
# What may be loaded into every program must stay what it is: its exports, what it needs, how it is linked, its size.
#   library_shape.sh LIBRARY BUILD_TYPE
set -euo pipefail
library=$1 build_type=$2
failures=0
fail() { echo "FAIL: $*" >&2; failures=$((failures + 1)); }

dynamic=$(readelf -dW "$library")
exports=$(nm -D --defined-only "$library" | awk '{print $3}' | LC_ALL=C sort | paste -sd' ')
[ "$exports" = "__connect connect getaddrinfo sendmsg sendto" ] || fail "exports: $exports"

needed=$(sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' <<<"$dynamic" | LC_ALL=C sort | paste -sd' ')
case "$needed" in
  libc.so.6 | "ld-linux-x86-64.so.2 libc.so.6" | "ld-linux-aarch64.so.1 libc.so.6") ;;
  *) fail "needs: $needed" ;;
esac

newest=$(nm -D "$library" | sed -n 's/.*@GLIBC_\([0-9.]*\)$/\1/p' | sort -V | tail -1)
[ "$(printf '%s\n2.34\n' "$newest" | sort -V | tail -1)" = 2.34 ] || fail "needs GLIBC_$newest, newer than 2.34"
[ -n "$newest" ] || fail "no versioned symbol found: this check does not work"

grep -q 'TEXTREL' <<<"$dynamic" && fail "text relocations"
grep -q 'BIND_NOW' <<<"$dynamic" || fail "lazy binding"
grep -q 'NODELETE' <<<"$dynamic" || fail "can be unloaded"
grep -q 'INITFIRST' <<<"$dynamic" && fail "asks to be initialised first"
readelf -lW "$library" | grep -q ' TLS ' && fail "thread-local storage of its own"
readelf -lW "$library" | grep -q 'GNU_STACK.*RWE' && fail "an executable stack"
nm -D "$library" | grep -qE '__(asan|tsan|ubsan|cxa_throw|gxx_personality)' && fail "sanitizer or exception code"

if [ "$build_type" = Release ]; then
  size=$(stat -Lc %s "$library")
  [ "$size" -le $((400 * 1024)) ] || fail "$size bytes, more than 400 KiB"
fi
[ "$failures" -eq 0 ] && echo "ok: $library"
exit $((failures > 0))
