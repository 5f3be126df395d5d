#!/usr/bin/env bash
# Builds the native core with the driver of this folder under each sanitizer and runs it, with the CPU kernels and with
# the CUDA kernels on the emulated device; any report is a failure. Before that, faults on purpose show that the
# sanitizer watches: a run that cannot fail proves nothing.
#   tests/native/sanitize.sh [address] [thread] [emulated-address] [emulated-thread]       CASES=20
set -euo pipefail
cd "$(dirname "$0")/../.."
cases=${CASES:-20}
[ $# -gt 0 ] || set -- address thread emulated-address emulated-thread

# name:what the report must say
kernel_faults() {
  case $1 in
    address) echo overrun_of_dynamic_shared:heap-buffer-overflow overrun_of_workspace:heap-buffer-overflow \
      overrun_of_static_shared:index.64.out.of.bounds misaligned_vector:misaligned.address ;;
    thread) for name in missing_barrier missing_second_barrier missing_syncwarp; do
      echo "$name:Location.is.global.*${name}_kernel.*::tile"
    done
    for name in missing_atomic blocks_on_one_output; do echo "$name:data.race.*faults.cpp.*${name}_kernel"; done ;;
  esac
}

notices() {  # program, faults...
  local program=$1 fault found
  shift
  for fault in "$@"; do
    found=$($program "${fault%%:*}" 2>&1 || true)
    grep -q "${fault#*:}" <<< "$found" || { echo "$kind: planted ${fault%%:*} not noticed: $found"; exit 1; }
  done
  echo "$kind: $# planted faults noticed"
}

for kind in "$@"; do
  sanitizer=${kind#emulated-} build=build/$kind targets=native_driver emulated=OFF
  if [ "$kind" != "$sanitizer" ]; then emulated=ON targets="native_driver device_checks"; fi
  mkdir -p "$build"
  cmake -S . -B "$build" -G Ninja -DPYAPDRAW_CUDA=OFF -DPYAPDRAW_PYTHON=OFF "-DPYAPDRAW_SANITIZE=$sanitizer" \
    "-DPYAPDRAW_EMULATED=$emulated" > "$build/configure.log" || { cat "$build/configure.log"; exit 1; }
  # shellcheck disable=SC2086
  cmake --build "$build" --target $targets > "$build/build.log" || { tail -50 "$build/build.log"; exit 1; }
  export TSAN_OPTIONS=halt_on_error=1
  case $kind in
    address) count=$cases
      notices "$build/native_driver --plant" overflow:heap-buffer-overflow undefined:signed.integer.overflow ;;
    thread) count=$(((cases + 4) / 5))
      notices "$build/native_driver --plant" race:data.race ;;
    *) count=$(((cases + 9) / 10))
      # shellcheck disable=SC2046
      notices "$build/device_checks" $(kernel_faults "$sanitizer")
      "$build/device_checks" ;;
  esac
  "$build/native_driver" --cases "$count"
done
