#!/bin/sh
# Runs every fuzz target of the module for FUZZTIME (30s), one after the other. What they find is kept in testdata/fuzz.
set -u
cd "$(dirname "$0")/.." || exit 1
go=${GO:-go}
status=0
for dir in $(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n 1 dirname | sort -u); do
	for target in $(grep -h '^func Fuzz' "$dir"/*_test.go | sed 's/^func \(Fuzz[A-Za-z0-9_]*\).*/\1/'); do
		echo "== $dir $target"
		$go test -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-30s}" "$dir" || status=1
	done
done
exit $status
