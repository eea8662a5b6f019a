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
		{"file", `"file": pgmrecv takes no operands`},
		{"--drop 100%", `"100%" is not a share`},
		{"--drop -1", `"-1" is not a share`},
		{"--drop some", `"some" is not a share`},
		{"--timeout 0s", "--timeout 0s"},
		{"--timeout -3s", "--timeout -3s"},
		{"--stdout --dir x", "choose one"},
		{"--lines -d x", "choose one"},
		{"--stdout --lines", "choose one"},
		{"--dir=", "--dir"},
		{"--name " + strings.Repeat("x", 256), "--name"},
		{"--progress fancy", `"fancy" is not a way to show progress`},
		{"--check", "--check judges a capture"},
		{"--capture -", "name a file"},
		{"--capture=", "--capture: an empty path"},
		{"--replay=", "--replay: an empty path"},
		{"-r x --once", "--once is for listening"},
		{"-r x --drop 1%", "--drop is for listening"},
		{"-r x --name y", "--name is for listening"},
		{"-r x --capture y", "--capture is for listening"},
		{"-r x -e eth0;239.1.1.1", "does not know the interface eth0"},
		{"-r x --stdout --dir y", "choose one"},
		{"--doctor --lines", "--doctor receives nothing: leave --lines out"},
		{"--doctor -r x", "leave --replay out"},
		{"-r x y", `"y": pgmrecv takes no operands`},
		{"--nope", "there is no flag --nope"},
		{"-e epgm://lo;10.0.0.1", "10.0.0.1 is not a multicast group"},
		{"-e epgm://lo;232.1.1.1,239.1.1.1", "239.1.1.1"},
	} {
		var out, errs bytes.Buffer
		status := run(context.Background(), strings.Fields(test.args), nil, &out, &errs)
		first, _, _ := strings.Cut(errs.String(), "\n")
		if status != console.ExitUsage || !strings.Contains(first, test.want) || !strings.HasPrefix(first, "pgmrecv: ") || out.Len() > 0 {
			t.Errorf("pgmrecv %s: exit %d, %q; want exit 2 and %q", test.args, status, first, test.want)
		}
	}
}

func TestShare(t *testing.T) {
	for in, want := range map[string]float64{"0": 0, "2%": 0.02, "0.02": 0.02, " 12.5 % ": 0.125} {
		if got, err := parseShare(in); err != nil || got != want {
			t.Errorf("parseShare(%q) = %v, %v; want %v", in, got, err, want)
		}
	}
}

// Every flag that exists is in the usage text.
func TestUsageNamesEveryFlag(t *testing.T) {
	var out bytes.Buffer
	if status := run(context.Background(), []string{"-h"}, nil, &out, nil); status != 0 {
		t.Fatalf("--help: exit %d", status)
	}
	for _, flag := range []string{"endpoint", "dir", "stdout", "lines", "replay", "check", "capture", "once", "timeout", "name", "drop", "progress", "json", "verbose", "version", "help"} {
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
