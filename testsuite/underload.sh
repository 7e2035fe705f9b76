#!/usr/bin/env bash
# Runs a make target (suite, unless another is named) on a machine that is busy with something else:
#
#	underload.sh [TARGET [LOOPS]]
#
# 8 loops, unless told otherwise, take all the processor they can get while it runs.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${1:-suite} loops=${2:-8}
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true' EXIT
for _ in $(seq "$loops"); do
  (while :; do :; done) &
  pids+=($!)
done
echo "underload: make $target beside $loops busy loops"
make --no-print-directory "$target"
