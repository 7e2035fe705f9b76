#!/usr/bin/env bash
# Prints the packages that have something for the race detector: those whose code or tests start goroutines. With
# the argument "others": the other ones.
set -euo pipefail
cd "$(dirname "$0")/.."
raced=$(git grep --untracked -lE '\bgo func|\bgo [a-z]\w*[.(]|\.Go\(|AfterFunc|\.Parallel\(|RunParallel' -- internal nodes sqlext server binlogpb pump drainer cmd |
  grep '\.go$' | xargs -n1 dirname | sort -u | sed 's,^,pumphouse/,')
if [ "${1:-}" = others ]; then
  go list ./internal/... ./nodes/... ./sqlext/... ./server/... ./binlogpb/... ./pump/... ./drainer/... ./cmd/... | sort | comm -23 - <(echo "$raced")
else
  echo "$raced"
fi
