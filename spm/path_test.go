package spm

import (
	"net/netip"
	"testing"

	"github.com/gopgm/gopgm/pgm/packet"
)

// [6.2-02], [6.2-03], [6.2-04]
func TestPathFollowsSPMsInSequence(t *testing.T) {
	for _, tt := range []struct {
		name        string
		first, then packet.SQN
		inSequence  bool
	}{
		{"next", 1, 2, true},
		{"later", 1, 100, true},
		{"again", 1, 1, false},
		{"older", 100, 99, false},
		{"across the wrap", 0xffff_ffff, 0, true},
		{"half the circle less one", 1, 0x8000_0000, true},
		{"half the circle", 1, 0x8000_0001, false},
		{"first above 2^31", 0x8000_0001, 0x8000_0002, true},
	} {
		var p Path
		if p.Known() || p.Upstream().IsValid() {
			t.Fatal("something is known before the first SPM")
		}
		if !p.Accept(&Packet{SQN: tt.first, Path: path4}) || !p.Known() || p.Upstream() != path4 {
			t.Errorf("%s: the first SPM is not in sequence", tt.name)
		}
		wantPath, wantLast := path4, tt.first
		if tt.inSequence {
			wantPath, wantLast = path6, tt.then
		}
		if got := p.Accept(&Packet{SQN: tt.then, Path: path6}); got != tt.inSequence || p.Upstream() != wantPath || p.Last() != wantLast {
			t.Errorf("%s: accepted %v, NAKs go to %v", tt.name, got, p.Upstream())
		}
	}
}

// NAKs go to a host: a Path NLA that is none counts as unknown.
func TestPathRefusesWhatIsNoHost(t *testing.T) {
	for i, s := range []string{"0.0.0.0", "239.1.2.3", "255.255.255.255", "::", "ff02::1"} {
		var p Path
		if !p.Accept(&Packet{SQN: packet.SQN(i), Path: netip.MustParseAddr(s)}) || !p.Known() || p.Upstream().IsValid() {
			t.Errorf("Path NLA %s: NAKs go to %v", s, p.Upstream())
		}
	}
}
