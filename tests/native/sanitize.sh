#!/usr/bin/env bash
# Builds the native core with the driver of this folder under each sanitizer and runs it; any report is a failure.
# Before that, a fault on purpose shows that the sanitizer watches: a run that cannot fail proves nothing.
#   tests/native/sanitize.sh [address] [thread]       TRIALS=20
set -euo pipefail
cd "$(dirname "$0")/../.."
trials=${TRIALS:-20}
[ $# -gt 0 ] || set -- address thread

for sanitizer in "$@"; do
  build=build/$sanitizer
  mkdir -p "$build"
  cmake -S . -B "$build" -G Ninja -DPYAPDRAW_CUDA=OFF -DPYAPDRAW_PYTHON=OFF "-DPYAPDRAW_SANITIZE=$sanitizer" \
    > "$build/configure.log" || { cat "$build/configure.log"; exit 1; }
  cmake --build "$build" --target native_driver > "$build/build.log" || { tail -50 "$build/build.log"; exit 1; }
  case $sanitizer in
    address) faults="overflow:heap-buffer-overflow undefined:signed.integer.overflow" count=$trials ;;
    *) faults="race:data.race" count=$(((trials + 4) / 5)) ;;
  esac
  for fault in $faults; do
    found=$("$build/native_driver" --plant "${fault%%:*}" 2>&1 || true)
    grep -q "${fault##*:}" <<< "$found" || { echo "$sanitizer: planted ${fault%%:*} not noticed: $found"; exit 1; }
  done
  echo "$sanitizer: planted faults noticed"
  TSAN_OPTIONS=halt_on_error=1 "$build/native_driver" --trials "$count"
done
