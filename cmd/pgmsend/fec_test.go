package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gopgm/gopgm/internal/console"
	"github.com/gopgm/gopgm/pgm"
)

// What --fec says, where receivers can answer and where they cannot.
func TestFECFlag(t *testing.T) {
	for _, row := range []struct {
		args string
		want pgm.FEC
	}{
		{"x", autoFEC},
		{"-", pgm.FEC{}},
		{"--lines -", pgm.FEC{}},
		{"--fec auto -", autoFEC},
		{"--fec off x", pgm.FEC{}},
		{"--fec k=64 x", pgm.FEC{Group: 64, OnDemand: true}},
		{"--fec k=64,proactive=8 x", pgm.FEC{Group: 64, Proactive: 8, OnDemand: true}},
		{"--fec proactive=2,parity=16,k=16 x", pgm.FEC{Group: 16, Proactive: 2, Parity: 16, OnDemand: true}},
		{"--fec k=128,parity=127 x", pgm.FEC{Group: 128, Parity: 127, OnDemand: true}},
		{"--one-way x", autoFEC},
		{"--one-way --fec off x", noneUnasked},
		{"--one-way --fec k=64,parity=16,proactive=8 x", pgm.FEC{Group: 64, Parity: 16, Proactive: 8, OnDemand: true}},
	} {
		o, err := parseOptions(strings.Fields(row.args))
		if err != nil || o.fec != row.want {
			t.Errorf("pgmsend %s: %+v, %v; want %+v", row.args, o.fec, err, row.want)
		}
	}
}

// What cannot be is said in one line, with what can be instead.
func TestFECFlagRefusesWhatCannotBe(t *testing.T) {
	const form = "want auto, off, or k=64,proactive=8"
	for _, row := range []struct{ args, want string }{
		{"--fec= x", form},
		{"--fec on x", form},
		{"--fec AUTO x", form},
		{"--fec 64 x", form},
		{"--fec k=4.5 x", form},
		{"--fec k=64,proactive x", form},
		{"--fec k=64,proactive=8, x", form},
		{"--fec k=64;proactive=8 x", form},
		{"--fec k=64,n=8 x", form},
		{"--fec k=99999999999999999999 x", form},
		{"--fec k=64,k=32 x", `"k=64,k=32": k is there twice`},
		{"--fec proactive=8 x", "how many packets does a group have?"},
		{"--fec k=0 x", "how many packets does a group have?"},
		{"--fec k=1 x", "--fec: a group of 1 packets: want a power of two from 2 to 128"},
		{"--fec k=3 x", "a group of 3 packets: want a power of two from 2 to 128"},
		{"--fec k=-2 x", "a group of -2 packets"},
		{"--fec k=129 x", "a group of 129 packets"},
		{"--fec k=2147483647 x", "a group of 2147483647 packets"},
		{"--fec k=64,proactive=192 x", "192 pro-active parity packets: want 0 to 191"},
		{"--fec k=64,proactive=-1 x", "-1 pro-active parity packets"},
		{"--fec k=64,parity=192 x", "192 parity packets for a group of 64: want 1 to 191"},
		{"--fec k=64,parity=8 x", "want parity=64 at least"},
		{"--fec k=128,parity=126 x", "want parity=127 at least"},
		{"--one-way --fec k=64 x", "with --one-way nobody can ask for parity: want k=64,proactive=8, say, or off"},
		{"--one-way --fec k=2 x", "want k=2,proactive=1"},
		{"--rounds 2 x", "--rounds is for --one-way"},
		{"--one-way --rounds 0 x", "--rounds 0: want how often to send"},
		{"--one-way --rounds -1 x", "--rounds -1: want how often to send"},
		{"--one-way --rounds often x", "--rounds"},
		{"--one-way -", "--one-way is for files"},
		{"--one-way --expect 1 x", "wait for answers, and with --one-way there are none"},
	} {
		var out, errs bytes.Buffer
		status := run(t.Context(), strings.Fields(row.args), nil, &out, &errs)
		first, _, _ := strings.Cut(errs.String(), "\n")
		if status != console.ExitUsage || !strings.Contains(first, row.want) || strings.Contains(first, "fec: fec:") || out.Len() > 0 {
			t.Errorf("pgmsend %s: exit %d, %q; want exit 2 and %q", row.args, status, first, row.want)
		}
	}
}

// One way, parity goes out unasked, unless it is off; and everything is sent as often as was asked for.
func TestOneWaySendsWhatFECSays(t *testing.T) {
	name := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(name, make([]byte, 200_000), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		args   string
		parity bool
		rounds float64
	}{{"--rounds 1", true, 0}, {"--rounds 3", true, 2}, {"--rounds 2 --fec off", false, 1}, {"--rounds 1 --fec k=16,proactive=2", true, 0}} {
		var out, errs bytes.Buffer
		args := append(strings.Fields("--one-way --rate 500M --mtu 1500 --json -e lo;239.192.77.90:7590 "+row.args), name)
		if status := run(t.Context(), args, nil, &out, &errs); status != 0 {
			t.Fatalf("%s: exit %d: %s", row.args, status, errs.String())
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		last := map[string]any{}
		if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil {
			t.Fatal(err)
		}
		rounds, _ := last["rounds"].(float64)
		if _, parity := last["parity"]; parity != row.parity || rounds != row.rounds || last["naks"] != nil {
			t.Errorf("%s: %v", row.args, last)
		}
	}
}
