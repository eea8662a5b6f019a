package conformance

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/gopgm/gopgm/nak"
	"github.com/gopgm/gopgm/pcap"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/source"
)

// What a capture does not show of a receiver or a source is told to one of ours here.

// gap is a session that lacks packet 2, which is presumed lost at 3 ms.
const gap story = `
0 spm 0 1..0
1 odata 1
2 odata 3
3 odata 4
`

// The window of an SPM that is older than what is known is ignored, its Path NLA is not [6.2-06], [6.2-07].
func TestStaleWindowOfAnSPM(t *testing.T) {
	b := newBench(t, nak.RecoveryConfig{})
	b.hear("0 spm 0 1..0\n1+1x5 odata 1++ trail 1\n10 spm 1 1..3 path 10.0.0.9\n11 odata 7\n12 odata 8", 20)
	if a := b.only(12, 17, 6); a.p.Dst.Addr() != netip.MustParseAddr("10.0.0.9") || b.ear.lost > 0 || !b.ear.got[5] {
		t.Errorf("the NAK went to %v; %d packets lost", a.p.Dst, b.ear.lost)
	}
}

// One later packet, and silence: a timeout takes the place of the second [6.3-06].
func TestPenultimatePacketIsMissed(t *testing.T) {
	b := newBench(t, nak.RecoveryConfig{})
	b.hear("0 spm 0 1..0\n1 odata 1\n2 odata 3", 15)
	b.only(3, 8, 2)
}

// NCFs without data: each is waited after for NAK_RDATA_IVL, and NAK_DATA_RETRIES end it [6.3-11], [6.3-27], [6.3-29].
func TestNAKsAfterNCFsEnd(t *testing.T) {
	b := newBench(t, nak.RecoveryConfig{DataRetries: 3})
	b.reply = func(*pcap.Packet) story { return "0 ncf 2" }
	b.hear(gap, 4000)
	all := b.naks()
	if len(all) != 4 || b.ear.lost != 1 {
		t.Fatalf("%d NAKs and %d packets lost, want 1 + NAK_DATA_RETRIES and 1", len(all), b.ear.lost)
	}
	for i := range all[1:] {
		if d := all[i+1].at - all[i].at; d < 51 {
			t.Errorf("a NAK %v ms after another, which was confirmed after 1 ms; NAK_RDATA_IVL is 50 ms", d)
		}
	}
}

// Data that comes while the NAK is pending is all that was wanted [6.3-12].
func TestRepairInTheBackOffIsEnough(t *testing.T) {
	b := newBench(t, nak.RecoveryConfig{})
	b.hear(gap+"3 rdata 2", 500)
	if n := b.naks(); len(n) > 0 || !b.ear.got[4] {
		t.Errorf("NAKs %+v", n)
	}
}

// [6.3-19], [9.3-03]
func TestOldestIsAskedForFirst(t *testing.T) {
	b := newBench(t, nak.RecoveryConfig{})
	b.hear("0 spm 0 0xfffffff0..0xffffffef\n1 odata 0xfffffff0 trail 0xfffffff0\n2 odata 5 trail 0xfffffff0\n2 odata 7 trail 0xfffffff0\n2.1+0.01x3 odata 8++ trail 0xfffffff0", 12)
	var order []packet.SQN
	for _, a := range b.naks() {
		order = append(order, a.sqns...)
	}
	if len(order) < 21 || !slices.IsSortedFunc(order, packet.SQN.Sub) {
		t.Errorf("asked for %v", order)
	}
}

// An NCF for another packet, or in another session, does not suppress [6.3-22].
func TestOnlyTheSameNumberSuppresses(t *testing.T) {
	b := newBench(t, nak.RecoveryConfig{})
	b.hear(gap+"3 ncf 3\n3 ncf 2 tsi 2000\n3 nak 2 tsi 2000 to 239.192.77.71 ttl 1 from 10.0.0.3", 10)
	b.only(3, 8, 2)
}

// [6.3-25]
func TestNAKNamesTheSourceNotThePath(t *testing.T) {
	b := newBench(t, nak.RecoveryConfig{})
	b.hear("0 spm 0 1..0 path 10.0.0.9\n1 odata 1\n2 odata 3\n3 odata 4", 10)
	if a := b.only(3, 8, 2); a.p.Dst.Addr() != netip.MustParseAddr("10.0.0.9") || a.nak.Source != sourceAddr || a.nak.Group != groupAddr {
		t.Errorf("NAK to %v with NAK_SRC %v and NAK_GRP %v", a.p.Dst, a.nak.Source, a.nak.Group)
	}
}

// [6.3-28]
func TestEachNCFRestartsTheWait(t *testing.T) {
	b := newBench(t, nak.RecoveryConfig{})
	b.hear(gap+"3+40x10 ncf 2", 430)
	b.only(413, 420, 2)
}

// [6.3-31]
func TestNCFsForWhatIsThereChangeNothing(t *testing.T) {
	b := newBench(t, nak.RecoveryConfig{})
	b.hear("0 spm 0 1..0\n1+1x3 odata 1++\n5 ncf 2\n6 ncf 100\n7 ncf 0xffffff00\n8 nak 2 to 239.192.77.71 ttl 1 from 10.0.0.3", 500)
	if n := b.naks(); len(n) > 0 || b.ear.lost > 0 {
		t.Errorf("NAKs %+v, %d packets lost", n, b.ear.lost)
	}
}

// [8-03]
func TestAnotherPortIsIgnored(t *testing.T) {
	b := newBench(t, nak.RecoveryConfig{})
	b.hear("0 spm 0 1..0 poke 2 1d4d\n1 odata 1 poke 2 1d4d", 500)
	if len(b.ear.got) > 0 || len(b.sent) > 0 || b.r.Stats().Foreign != 2 {
		t.Errorf("delivered %v, sent %d packets", b.ear.got, len(b.sent))
	}
}

// A packet of a type that is not known, or of another version, has no effect, wherever it goes [8-04], [8-06].
func TestUnknownTypesAreIgnored(t *testing.T) {
	for _, octet := range []string{"03", "06", "07", "0b", "0d", "0f", "44"} {
		b := newBench(t, nak.RecoveryConfig{})
		b.hear(story("0 odata 1 poke 4 "+octet+"\n1 odata 9 poke 14 0000 cut 16 poke 4 "+octet), 500)
		if len(b.ear.got) > 0 || len(b.sent) > 0 {
			t.Errorf("Type octet %s: delivered %v, sent %d packets", octet, b.ear.got, len(b.sent))
		}
		if sent := answers(t, story("0 nak 1 poke 4 "+octet)); len(sent) > 0 {
			t.Errorf("Type octet %s: a source answers with %v", octet, sent)
		}
	}
}

// [8.1-04]
func TestSPMWithoutAWindow(t *testing.T) {
	b := newBench(t, nak.RecoveryConfig{})
	b.hear("0 odata 1\n1 spm 0 0..0x80000000 path 10.0.0.9\n4 odata 3\n5 odata 4", 15)
	if a := b.only(5, 11, 2); a.p.Dst.Addr() != netip.MustParseAddr("10.0.0.9") || b.ear.lost > 0 {
		t.Errorf("the NAK went to %v; %d packets lost", a.p.Dst, b.ear.lost)
	}
}

// [8.3-05]
func TestNNAKIsNotAnswered(t *testing.T) {
	if sent := answers(t, "0 nnak 1"); len(sent) > 0 {
		t.Errorf("a source answers with %v", sent)
	}
	if sent := answers(t, "0 nak 1"); !slices.Equal(sent, []packet.Type{packet.TypeNCF, packet.TypeRDATA}) {
		t.Errorf("a source answers a NAK with %v", sent)
	}
}

// answers returns the types of what one of our sources, which has sent packets 1 to 5, sends when it hears the story.
func answers(t *testing.T, s story) (sent []packet.Type) {
	t.Helper()
	m := source.NewMemory(source.MemoryConfig{First: 1, MaxTSDU: sceneTSDU})
	e, err := source.New(source.Config{
		TSI: storyTSI, Dest: udpPort, Source: netip.AddrPortFrom(sourceAddr, udpPort), Group: storyGroup, MaxTSDU: sceneTSDU,
		First: 1, Store: m, Rand: rand.New(rand.NewPCG(1, 2)), Ambient: time.Hour, IHBMin: time.Hour, IHBMax: time.Hour,
	}, storyBegin)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		if err := m.WriteAPDU(fmt.Appendf(nil, "packet %d", i)); err != nil {
			t.Fatal(err)
		}
	}
	b := packet.NewBatch(packet.MaxRun)
	e.Wake(storyBegin)
	e.PollTransmit(storyBegin, b)
	b.Reset()
	for _, p := range s.draw(t) {
		e.HandlePacket(storyBegin, p.Src, p.Data) // what is refused is counted
		e.PollTransmit(storyBegin, b)
	}
	for _, msg := range b.Messages {
		for data := range slices.Chunk(msg.Data, msg.Size) {
			sent = append(sent, packet.Type(data[4]&0x0f))
		}
	}
	return sent
}

// [9-06], [9-09]
func TestUnknownOptionIsSkipped(t *testing.T) {
	b := newBench(t, nak.RecoveryConfig{})
	b.hear("0 spm 0 1..0 option 20040200\n1 odata 1 option 20080200ffffffff\n2 odata 2 option 20040300 option 7f040000", 5)
	if len(b.ear.got) != 2 {
		t.Errorf("delivered %v", b.ear.got)
	}
}

// [9-09]
func TestOptionsBehindAnUnknownOneAreRead(t *testing.T) {
	b := newBench(t, nak.RecoveryConfig{})
	b.hear("0 spm 0 1..4 option 20040000 join 4", 15)
	b.only(1, 6, 4)
}

// An APDU is put together from packets that were received, wherever the trailing edge is by then [9.2-02], [9.2.3-01].
func TestAPDUOutlivesTheTrail(t *testing.T) {
	b := newBench(t, nak.RecoveryConfig{})
	b.hear("0 spm 0 1..0\n1 odata 1 size 20 fragment 1+0/60\n2 odata 2 size 20 fragment 1+20/60\n3 odata 3 trail 3 size 20 fragment 1+40/60", 5)
	if len(b.apdus) != 1 || len(b.apdus[0]) != 60 {
		t.Errorf("APDUs %v", b.apdus)
	}
}

// [9.3.2-01]
func TestListIsAskedForInParts(t *testing.T) {
	b := newBench(t, nak.RecoveryConfig{})
	b.hear("0 spm 0 1..0\n1 odata 1\n2 odata 5\n3 odata 6\n9 ncf 2 3 4\n10 rdata 3", 70)
	all := b.naks()
	if len(all) != 2 || !slices.Equal(all[0].sqns, []packet.SQN{2, 3, 4}) || !slices.Equal(all[1].sqns, []packet.SQN{2, 4}) {
		t.Errorf("NAKs %+v", all)
	}
}

// [9.3.2-02]
func TestListOfAnNCFSuppressesAll(t *testing.T) {
	b := newBench(t, nak.RecoveryConfig{})
	b.hear("0 spm 0 1..0\n1 odata 1\n2 odata 5\n3 odata 6\n3 ncf 2 3 4", 52)
	if n := b.naks(); len(n) > 0 {
		t.Errorf("NAKs %+v", n)
	}
}

// [13.5-03], [13.5-06]
func TestOnlyAnIdenticalSPMRSuppresses(t *testing.T) {
	b := newBench(t, nak.RecoveryConfig{})
	b.hear("0 odata 1\n0.1 spmr tsi 2000 from 10.0.0.3 to 239.192.77.71 ttl 1\n0.1 spmr poke 0 1d4d from 10.0.0.3 to 239.192.77.71 ttl 1", 260)
	if n := b.count(packet.TypeSPMR); n < 2 {
		t.Errorf("%d SPMRs: those of others suppressed it", n)
	}
	b = newBench(t, nak.RecoveryConfig{})
	b.hear("0 odata 1\n0.1 spmr from 10.0.0.3 to 239.192.77.71 ttl 1", 260)
	if n := b.count(packet.TypeSPMR); n > 0 {
		t.Errorf("%d SPMRs though another receiver sent one", n)
	}
}
