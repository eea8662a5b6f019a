package main

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/gopgm/gopgm/internal/console"
)

// What the command line gets wrong is said in one line, names the culprit, and exits with 2 without touching the network.
func TestUsageErrors(t *testing.T) {
	for _, test := range []struct {
		args string
		want string
	}{
		{"", "nothing to send"},
		{"--rate", "rate"},
		{"--rate fast x", `--rate: "fast" is not a rate`},
		{"--rate 0 x", `"0" is not a rate`},
		{"--cc fast x", `--cc: "fast": want auto, fixed or pgmcc`},
		{"--slow kill x", `--slow: "kill": want wait, shed or demote`},
		{"--slow shed --cc fixed x", "--slow needs --cc auto"},
		{"--slow demote -", "--slow demote is for files"},
		{"--one-way --cc auto x", "--cc needs answers"},
		{"--ttl 0 x", "--ttl 0: want 1 to 255"},
		{"--ttl 256 x", "--ttl 256: want 1 to 255"},
		{"--mtu 100 x", "--mtu 100: want 576 to 65535"},
		{"--expect -1 x", "--expect -1"},
		{"--timeout 0s x", "--timeout 0s"},
		{"--timeout soon x", "--timeout"},
		{"--linger -1s x", "--linger -1s"},
		{"--lines x", "--lines sends standard input"},
		{"--expect 1 -", "--expect and --expect-from are for files"},
		{"--expect-from a,b -", "--expect and --expect-from are for files"},
		{"- x", "cannot be sent together with files"},
		{"--capture - x", "--capture: standard output"},
		{"--capture= x", "--capture: an empty path"},
		{"--progress fancy x", `"fancy" is not a way to show progress`},
		{"--nope x", "there is no flag --nope"},
		{"-q x", "there is no flag"},
		{"-e epgm://lo;10.0.0.1 x", "10.0.0.1 is not a multicast group"},
		{"-e lo;239.1.1.1:0 x", "port"},
		{"-e http://239.1.1.1 x", "http"},
	} {
		var out, errs bytes.Buffer
		status := run(context.Background(), strings.Fields(test.args), nil, &out, &errs)
		first, _, _ := strings.Cut(errs.String(), "\n")
		if status != console.ExitUsage || !strings.Contains(first, test.want) || !strings.HasPrefix(first, "pgmsend: ") || out.Len() > 0 {
			t.Errorf("pgmsend %s: exit %d, %q; want exit 2 and %q", test.args, status, first, test.want)
		}
	}
}

func TestOptions(t *testing.T) {
	o, err := parseOptions(strings.Fields("a --rate 2.5G -e epgm://eth9;[ff08::1]:9000 --expect-from x,,y --linger 0 -v b --json -- -c"))
	if err != nil {
		t.Fatal(err)
	}
	if o.rate != 2_500_000_000 || o.endpoint.String() != "epgm://eth9;[ff08::1]:9000" || strings.Join(o.expectFrom, "|") != "x|y" ||
		o.linger >= 0 || !o.verbose || !o.json || strings.Join(o.paths, " ") != "a b -c" {
		t.Errorf("got %+v", o)
	}
}

// Every flag that exists is in the usage text, and no other.
func TestUsageNamesEveryFlag(t *testing.T) {
	var out bytes.Buffer
	if status := run(context.Background(), []string{"-h"}, nil, &out, nil); status != 0 {
		t.Fatalf("--help: exit %d", status)
	}
	for _, flag := range []string{"endpoint", "rate", "ttl", "mtu", "expect", "expect-from", "timeout", "linger", "cc", "slow", "fec", "one-way", "rounds", "querier", "capture", "lines", "progress", "json", "verbose", "version", "help"} {
		if !strings.Contains(out.String(), "--"+flag+" ") && !strings.Contains(out.String(), "--"+flag+"\n") {
			t.Errorf("--%s is not in the usage text", flag)
		}
	}
	for _, line := range strings.Split(out.String(), "\n") {
		if len(line) > 80 {
			t.Errorf("%q is wider than a terminal likes", line)
		}
	}
}
