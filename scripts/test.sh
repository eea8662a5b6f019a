#!/bin/sh
# Everything that can be checked on this machine: formatting, go vet, staticcheck, builds for other systems, and all tests
# with the race detector. What needs root, network namespaces or a Debian package runs when it can be had and is skipped
# otherwise; the end of the output says what was skipped and why. The exit status is 0 only if all that ran is right.
set -u
cd "$(dirname "$0")/.." || exit 1
go=${GO:-go}
status=0

# Peers and witnesses that some tests run against, and the C compiler of the race detector.
packages="gcc libc6-dev pkg-config iproute2 nftables ethtool libpgm-dev libzmq3-dev tshark tcpdump uftp"

heading() { printf '== %s\n' "$*"; }

installed() { dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'ok installed'; }

# apt runs apt-get without questions and without waiting long for anything; what it says is shown only if it fails.
apt() {
	if ! said=$(DEBIAN_FRONTEND=noninteractive apt-get -qq -o Acquire::Retries=1 -o Acquire::http::Timeout=20 \
		-o DPkg::Lock::Timeout=60 "$@" </dev/null 2>&1); then
		printf '%s\n' "$said" | tail -n 5
		return 1
	fi
}

install_packages() {
	missing=
	for p in $packages; do
		installed "$p" || missing="$missing $p"
	done
	if [ -z "$missing" ]; then
		return
	fi
	if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
		heading "not installed, and not root on a Debian system:$missing"
		return
	fi
	heading "installing$missing"
	apt update || echo "apt-get update failed: going on with the lists that are here"
	for p in $missing; do # one by one: one that cannot be had is no reason to do without the others
		apt install -y --no-install-recommends "$p" || echo "no $p: the tests that need it are skipped"
	done
}

# check runs a command and remembers that it failed.
check() {
	heading "$*"
	"$@" || status=1
}

# formatted lists the files that gofmt would change, and fails if there are any.
formatted() {
	unformatted=$("$("$go" env GOROOT)/bin/gofmt" -l .) && [ -z "$unformatted" ] && return
	printf 'gofmt would change:\n%s\n' "$unformatted"
	return 1
}

install_packages

check formatted
check "$go" vet ./...
check "$go" tool staticcheck ./...
for system in darwin/arm64 windows/amd64; do
	check env GOOS=${system%/*} GOARCH=${system#*/} CGO_ENABLED=0 "$go" build ./...
done

race=-race
if [ "$("$go" env CGO_ENABLED)" != 1 ] || ! command -v "$("$go" env CC | cut -d ' ' -f 1)" >/dev/null; then
	race=
	heading "no C compiler: the tests run without the race detector"
fi
check "$go" test -tags netio_portable ./internal/netio # what macOS and Windows run

# Engines have no goroutine (internal/house holds them to it), so the race detector would only make their simulations slow.
engines='/(spm|nak|ncf|fec|congestion|pgm/(packet|poll|source|receiver|element)|internal/(window|sim)|vsync/(member|check))$'
all=$("$go" list ./...) || status=1
GO=$go RACE=$race ENGINES=$(echo "$all" | grep -E "$engines") REST=$(echo "$all" | grep -Ev "$engines")
export GO RACE ENGINES REST
check "$go" run ./internal/testreport sh -c '
	$GO test -json -count=1 -timeout 8m $ENGINES; engines=$?
	$GO test $RACE -json -count=1 -timeout 8m $REST && exit $engines'
exit $status
