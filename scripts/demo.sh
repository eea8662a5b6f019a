#!/bin/sh
# One sender and three receivers on this host, over loopback multicast. Each receiver throws away 2 % of what reaches it, so
# there is something to repair. Sends the Go tool, or the file that is named, and compares every copy with it.
set -u
cd "$(dirname "$0")/.." || exit 1
file=${1:-$(${GO:-go} env GOROOT)/bin/go}
endpoint='epgm://127.0.0.1;239.192.77.72:7510'
receivers='1 2 3'
scratch=$(mktemp -d) || exit 1
pids=

# clean ends what this script started, and nothing else.
clean() {
	for pid in $pids; do
		kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null
	done
	rm -rf "$scratch"
}
trap clean EXIT
trap 'exit 130' INT TERM

for i in $receivers; do
	mkdir "$scratch/$i"
	bin/pgmrecv -e "$endpoint" --once --timeout 30s --name "receiver-$i" --drop 2% --progress none \
		--dir "$scratch/$i" >"$scratch/$i.log" 2>&1 &
	pids="$pids $!"
done

echo "sending $file ($(wc -c <"$file" | tr -d ' ') octets) to three receivers, each losing 2 % of its packets"
bin/pgmsend -e "$endpoint" --rate 60M --mtu 1500 --expect 3 --progress plain "$file"
status=$?

i=0
for pid in $pids; do
	i=$((i + 1))
	wait "$pid" || status=1
	sed "s/^/receiver-$i: /" "$scratch/$i.log"
	if cmp -s "$file" "$scratch/$i/$(basename "$file")"; then
		echo "receiver-$i: the copy is the same, octet for octet"
	else
		echo "receiver-$i: there is no right copy"
		status=1
	fi
done
pids=
exit $status
