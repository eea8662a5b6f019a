package receiver

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/gopgm/gopgm/nak"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/spm"
)

// A session is of one address family: an SPM that names an upstream of the other makes no session known, and changes none.
func TestSPMOfTheOtherFamilyIsRefused(t *testing.T) {
	st := newStage(t, Config{}, false)
	other := spmPacket(spm.Packet{SQN: 9, Trail: 1, Lead: 0, Path: netip.MustParseAddr("2001:db8::1")}, nil)
	if err := st.r.HandlePacket(st.now, testFrom, other); !errors.Is(err, packet.ErrReserved) || st.r.Session(testTSI) != nil {
		t.Errorf("first of its session: error %v, session %v", err, st.r.Session(testTSI))
	}
	st.handle(spmPacket(spm.Packet{SQN: 1, Trail: 1, Lead: 0, Path: testPath}, nil))
	if err := st.r.HandlePacket(st.now, testFrom, other); !errors.Is(err, packet.ErrReserved) {
		t.Errorf("of a known session: error %v", err)
	}
	if got := st.r.Session(testTSI).path.Upstream(); got != testPath {
		t.Errorf("upstream is %v, want %v", got, testPath)
	}
	if n := st.r.Stats().Malformed; n != 2 {
		t.Errorf("%d malformed packets, want 2", n)
	}
}

// A source without UDP has no port, and gets each NAK once. NLAs have AFI 2 and no zones (8-18); the zone that a link-local source was heard in
// says where the NAK goes.
func TestNAKOverIPv6GoesOnceToTheLinkOfTheSource(t *testing.T) {
	group := netip.MustParseAddrPort("[ff02::77%eth7]:7500")
	from := netip.MustParseAddrPort("[fe80::1%eth7]:0")
	r, err := New(Config{
		Dest: testDest, Group: group, Rand: rand.New(rand.NewPCG(1, 2)),
		Accept: func(time.Time, *Session) Sink { return discard{} },
	})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, p := range [][]byte{
		spmPacket(spm.Packet{SQN: 1, Trail: 1, Lead: 0, Path: from.Addr()}, nil),
		dataPacket(packet.TypeODATA, 2, 1, "x", nil), dataPacket(packet.TypeODATA, 3, 1, "x", nil),
	} {
		if err := r.HandlePacket(now, from, p); err != nil {
			t.Fatal(err)
		}
	}
	b := packet.NewBatch(1 << 12)
	r.PollTransmit(now.Add(5*time.Millisecond), b)
	if len(b.Messages) != 1 || b.Messages[0].To.Addr() != from.Addr() || b.Messages[0].Packets() != 1 {
		t.Fatalf("NAKs %+v, want one to %v", b.Messages, from.Addr())
	}
	var h packet.Header
	body, err := h.Parse(b.Messages[0].Data)
	if err != nil || len(body) != 44 || body[5] != packet.AFIv6 || body[25] != packet.AFIv6 {
		t.Fatalf("NAK body %x, error %v", body, err)
	}
	var list [nak.MaxList]packet.SQN
	n := nak.Packet{List: list[:0]}
	if _, err := n.Parse(&h, body); err != nil || n.Source != from.Addr().WithZone("") || n.Group != group.Addr().WithZone("") {
		t.Errorf("NAK names %v and %v, error %v", n.Source, n.Group, err)
	}
}
