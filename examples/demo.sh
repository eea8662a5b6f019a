#!/bin/sh
# Sends a real file from one sender to three receivers on this host, over loopback multicast, while each receiver discards 2 % of what
# reaches it at random; then shows what each of them has. Needs no root and no network.
#
#   examples/demo.sh [FILE]        FILE: the Go tool, if none is named
set -eu
cd "$(dirname "$0")/.."
file=${1:-$(go env GOROOT)/bin/go}
endpoint='epgm://lo;239.192.77.71:7500'

mkdir -p bin
go build -o bin/ ./cmd/pgmsend ./cmd/pgmrecv

dir=$(mktemp -d "${TMPDIR:-/tmp}/pgm-demo.XXXXXX")
receivers=''
trap 'for p in $receivers; do kill "$p" 2>/dev/null || :; done; rm -rf "$dir"' EXIT INT TERM

for name in ada grace edith; do
	mkdir "$dir/$name"
	bin/pgmrecv -e "$endpoint" --dir "$dir/$name" --name "$name" --drop 2% --once --timeout 30s --progress plain 2>&1 |
		sed -u "s/^pgmrecv:/$name:/" &
	receivers="$receivers $!"
done

echo "\$ pgmsend -e '$endpoint' --expect 3 --rate 100M $file"
bin/pgmsend -e "$endpoint" --expect 3 --rate 100M --timeout 20s --progress plain "$file"
wait

echo
for name in ada grace edith; do
	if cmp -s "$file" "$dir/$name/$(basename "$file")"; then
		echo "$name: the copy is the same to the last octet"
	else
		echo "$name: NO COPY, or a different one" >&2
		exit 1
	fi
done
