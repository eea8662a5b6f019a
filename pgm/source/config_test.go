package source

import (
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
)

func TestNewRefuses(t *testing.T) {
	for _, tt := range []struct {
		want string // in the error
		edit func(*Config)
	}{
		{"Store", func(c *Config) { c.Store = nil }},
		{"source's address", func(c *Config) { c.Source = netip.AddrPort{} }},
		{"source's address", func(c *Config) { c.Source = netip.MustParseAddrPort("0.0.0.0:1") }},
		{"source's address", func(c *Config) { c.Source = c.Group }},
		{"group's address", func(c *Config) { c.Group = netip.AddrPort{} }},
		{"group's address", func(c *Config) { c.Group = netip.MustParseAddrPort("239.1.1.1:0") }},
		{"families", func(c *Config) { c.Group = netip.MustParseAddrPort("[ff08::1]:7500") }},
		{"MaxTSDU", func(c *Config) { c.MaxTSDU = 63 }},
		{"MaxTSDU", func(c *Config) { c.MaxTSDU = packet.MaxRun }},
		{"negative", func(c *Config) { c.MaxRate = -1 }},
		{"RepairShare", func(c *Config) { c.RepairShare = 1 }},
		{"RepairShare", func(c *Config) { c.RepairShare = -0.1 }},
		{"IHB_MIN", func(c *Config) { c.IHBMin, c.IHBMax = time.Second, time.Millisecond }},
		{"peak", func(c *Config) { c.MaxRate, c.Peak = 100_000, 50_000 }},
		{"burst", func(c *Config) { c.MaxRate, c.Burst = 100_000, 1000 }},
	} {
		c := testConfig(&fake{})
		tt.edit(&c)
		if _, err := New(c, start); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v, want one about %q", err, tt.want)
		}
	}
}

// OpenPGM takes no first SPM_SQN above 2^31, and a session may be long (reading A-26).
func TestFirstSPMIsLow(t *testing.T) {
	seen := map[packet.SQN]bool{}
	for i := range uint64(100) {
		c := testConfig(&fake{})
		c.Rand = rand.New(rand.NewPCG(i, i))
		out := pull(t, newSource(t, c), start)
		if len(out) != 1 || out[0].spm.SQN >= 1<<30 {
			t.Fatalf("the first SPM has number %v", out[0].spm.SQN)
		}
		seen[out[0].spm.SQN] = true
	}
	if len(seen) < 90 {
		t.Errorf("%d numbers in 100 sessions", len(seen))
	}
}

// A session that lingers is over at the latest LingerMax after it ended, whatever is asked for.
func TestLingerIsBounded(t *testing.T) {
	f := &fake{first: 1, trail: 1, next: 10}
	c := testConfig(f)
	c.Linger, c.LingerMax = time.Second, 5*time.Second
	s := newSource(t, c)
	pollAll(t, s, start)
	s.Close(start)
	for now := start; ; now = now.Add(100 * ms) {
		if s.Done(now) {
			if got := now.Sub(start); got != 5*time.Second {
				t.Errorf("done after %v, want 5s", got)
			}
			break
		}
		ask(t, s, now, 1)
		pollAll(t, s, now)
	}
	if len(pollAll(t, s, start.Add(time.Hour))) > 0 || !s.NextTimeout().IsZero() {
		t.Error("something is to be sent when all is over")
	}
	if s.SendReport(testFrom, nil) {
		t.Error("a report is queued when all is over")
	}
}

// A request that comes at the end of the linger is still answered, though its repair has to wait for the rate.
func TestLateRequestIsRepaired(t *testing.T) {
	f := &fake{first: 1, trail: 1, next: 5}
	c := testConfig(f)
	c.MaxRate, c.Linger = 1_000_000, time.Second
	s := newSource(t, c)
	s.Close(start)
	play(t, s, start, start.Add(900*ms), func(sent) {})
	s.SetRate(500) // a packet takes longer than what is left
	now := start.Add(950 * ms)
	pull(t, s, now)
	ask(t, s, now, 1, 2, 3)
	repaired := 0
	play(t, s, now, now.Add(time.Minute), func(p sent) {
		if p.h.Type == packet.TypeRDATA {
			repaired++
		}
	})
	if repaired != 3 || !s.Done(now.Add(time.Minute)) {
		t.Errorf("%d were repaired", repaired)
	}
}

func TestNoLinger(t *testing.T) {
	c := testConfig(&fake{first: 1, trail: 1, next: 2})
	c.Linger = -1
	s := newSource(t, c)
	pollAll(t, s, start)
	s.Close(start)
	out := pollAll(t, s, start)
	if len(out) != 1 || !s.Done(start) {
		t.Errorf("%d packets, done %v", len(out), s.Done(start))
	}
}
