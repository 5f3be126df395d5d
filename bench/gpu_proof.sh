#!/usr/bin/env bash
# Proves the CUDA backend on a GPU host with what it holds: nothing is installed. What it does: bench/gpu_proof.py.
#
#   bench/gpu_proof.sh                      build, test, sanitize, bench, report, within 10 minutes
#   bench/gpu_proof.sh bench --only fuse    one part, or some steps of it; finished steps are not repeated
#   bench/gpu_proof.sh --dry                every script once on the CPU
set -euo pipefail
cd "$(dirname "$0")/.."
exec "${PYTHON:-python3}" bench/gpu_proof.py "$@"
