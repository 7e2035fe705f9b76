#!/usr/bin/env bash
# Runs a command that runs tests, such as `make suite`: with one seed for all random tests, which
# it prints, and with the checks that were skipped, and why, as the last thing it prints.
set -uo pipefail
cd "$(dirname "$0")/.."
mkdir -p .cache
export PUMPHOUSE_SKIPS=$PWD/.cache/skips.$$
export PUMPHOUSE_SEED=${PUMPHOUSE_SEED:-$((RANDOM * 30 + RANDOM % 30))}
trap 'rm -f "$PUMPHOUSE_SKIPS"' EXIT
: >"$PUMPHOUSE_SKIPS"
echo "PUMPHOUSE_SEED=$PUMPHOUSE_SEED for all random tests"
"$@"
status=$?
# A package whose tests are run twice, as with the race detector, says it twice.
sort -u -o "$PUMPHOUSE_SKIPS" "$PUMPHOUSE_SKIPS"
count=$(wc -l <"$PUMPHOUSE_SKIPS")
if [ "$count" = 0 ]; then
  echo "0 checks skipped"
else
  echo "$count checks skipped:"
  sed 's/^/  /' "$PUMPHOUSE_SKIPS"
fi
[ $status = 0 ] || echo "FAILED with PUMPHOUSE_SEED=$PUMPHOUSE_SEED" >&2
exit $status
