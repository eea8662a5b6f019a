package conformance

import (
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gopgm/gopgm/pcap"
	"github.com/gopgm/gopgm/pgm/packet"
)

// flood returns packets made by f until it says that there are enough.
func flood(n int, f func(i int, p *pcap.Packet)) func(*pcap.Packet) error {
	i := 0
	return func(p *pcap.Packet) error {
		if i == n {
			return io.EOF
		}
		p.Number, p.UDP, p.TTL = i+1, true, 16
		p.Time = storyBegin.Add(time.Duration(i) * 10 * time.Microsecond)
		p.Src, p.Dst = netip.AddrPortFrom(sourceAddr, udpPort), storyGroup
		f(i, p)
		i++
		return nil
	}
}

// holds returns how many octets Check holds at its fullest.
func holds(t *testing.T, c Config, next func(*pcap.Packet) error) (uint64, *Verdict) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	v, err := c.Check(func(p *pcap.Packet) error {
		err := next(p)
		if err == io.EOF {
			runtime.GC()
			runtime.ReadMemStats(&after)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return after.HeapAlloc - min(before.HeapAlloc, after.HeapAlloc), v
}

const mostHeld = 200 << 20

func unjudged(v *Verdict, what string) uint64 {
	for _, u := range v.Unjudged {
		if u.What == what {
			return u.Count
		}
	}
	return 0
}

// A million sessions: a bounded number is followed, and the verdict says so.
func TestMillionSessions(t *testing.T) {
	data := packet.Data{SQN: 1, Trail: 1, TSDU: []byte("data")}
	n, v := holds(t, Config{}, flood(1_000_000, func(i int, p *pcap.Packet) {
		h := packet.Downstream(packet.TypeODATA, packet.TSI{GSI: packet.GSI{0, byte(i >> 24), byte(i >> 16), byte(i >> 8), byte(i)}, Port: 1}, 7500)
		h.TSDULength = 4
		p.Data = data.Append(h.Append(p.Data[:0]))
		packet.Seal(p.Data)
	}))
	if n > mostHeld {
		t.Errorf("%d MB are held", n>>20)
	}
	if len(v.Sessions) > 2*1024 || unjudged(v, unjudgedSessions) == 0 {
		t.Errorf("%d sessions in the verdict, %d packets not judged", len(v.Sessions), unjudged(v, unjudgedSessions))
	}
	t.Logf("%d MB", n>>20)
}

// A session whose numbers leap all over the circle, and NAKs for all of it by a crowd.
func TestAbsurdWindows(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	spmWire, nakWire := story("0 spm 0 1..0").draw(t)[0].Data, story("0 nak 1 2 3 4 5 6 7 8").draw(t)[0].Data
	n, v := holds(t, Config{}, flood(300_000, func(i int, p *pcap.Packet) {
		at := packet.SQN(rng.Uint32())
		switch i % 3 {
		case 0:
			h := packet.Downstream(packet.TypeODATA, storyTSI, 7500)
			p.Data = packet.Data{SQN: at, Trail: at - packet.SQN(rng.Uint32()>>2)}.Append(h.Append(p.Data[:0]))
		case 1:
			p.Data = append(p.Data[:0], spmWire...)
			binary.BigEndian.PutUint32(p.Data[16:], rng.Uint32())
			binary.BigEndian.PutUint32(p.Data[20:], uint32(at))
			binary.BigEndian.PutUint32(p.Data[24:], uint32(at)+rng.Uint32()>>2)
		case 2:
			p.Src = netip.AddrPortFrom(netip.AddrFrom4([4]byte{11, byte(i >> 16), byte(i >> 8), byte(i)}), 7500)
			p.Data = append(p.Data[:0], nakWire...)
			for k := range 7 {
				binary.BigEndian.PutUint32(p.Data[44+4*k:], rng.Uint32())
			}
		}
		packet.Seal(p.Data)
	}))
	if n > mostHeld {
		t.Errorf("%d MB are held", n>>20)
	}
	if unjudged(v, unjudgedReceiver) == 0 || len(v.Findings) > 16*len(v.Tally) {
		t.Errorf("%d findings of %d clauses; %+v", len(v.Findings), len(v.Tally), v.Unjudged)
	}
	t.Logf("%d MB", n>>20)
}

// A capture that begins in mid-session is judged from there on, and the verdict says so.
func TestMidSession(t *testing.T) {
	all := plain.draw(t)
	v := tell(t, Config{}, all[3:])
	if len(v.Tally) > 0 || v.Sessions[0].Beginning || !strings.Contains(text(v), "begins in mid-session") {
		t.Errorf("%s", text(v))
	}
	if v := tell(t, Config{}, all); !v.Sessions[0].Beginning || strings.Contains(text(v), "mid-session") {
		t.Errorf("%s", text(v))
	}
}

// A capture that cannot be read to its end is judged as far as it goes, and says where it stopped.
func TestStopsWhereReadingDoes(t *testing.T) {
	broken := errors.New("a record of 4 GB at offset 77")
	all := plain.draw(t)
	i := 0
	v, err := Check(func(p *pcap.Packet) error {
		if i == 5 {
			return broken
		}
		*p = all[i]
		i++
		return nil
	})
	if !errors.Is(err, broken) || v.Packets != 5 || !strings.Contains(text(v), "reading stopped: "+broken.Error()) {
		t.Errorf("%v\n%s", err, text(v))
	}
}

// Where the capture lacks packets of the source, what is missing is not held against it.
func TestWhatTheCaptureLacksIsNoFinding(t *testing.T) {
	const lost story = "0 spm 0 1..0\n1+1x5 odata 1++\n8 nak 2\n10 rdata 2\n12 odata 9"
	v := tell(t, Config{}, lost.draw(t))
	if len(v.Tally) > 0 || v.Sessions[0].Missing != 3 || unjudged(v, unjudgedDoubt) != 1 {
		t.Errorf("%s", text(v))
	}
}

// What is cut short is counted.
func TestCutPacketsAreNotJudged(t *testing.T) {
	all := plain.draw(t)
	all[2].Data, all[2].Truncated = all[2].Data[:20], true
	all[4].Data = all[4].Data[:7]
	v := tell(t, Config{}, all)
	if len(v.Tally) > 0 || unjudged(v, unjudgedCut) != 1 || unjudged(v, unjudgedShort) != 1 {
		t.Errorf("%s", text(v))
	}
}

// Whatever is in a capture, judging it ends, and does not panic.
func FuzzCheck(f *testing.F) {
	for _, s := range []story{plain, open + other, parityShort + nextGroup, "0 spm 0 1..0\n1 odata 1 size 20 fragment 1+0/40\n2 nak 1 2 3\n3 ncf 1 2 3\n4 nnak 1\n5 spmr"} {
		var all []byte
		for _, p := range s.draw(f) {
			all = append(all, byte(len(p.Data)))
			all = append(all, p.Data...)
		}
		f.Add(all, uint16(1000), true)
	}
	f.Fuzz(func(t *testing.T, b []byte, step uint16, complete bool) {
		c := Config{Complete: complete, At: readerAddr, Rate: 1000, Depth: 1000, NAKData: time.Second, Limits: Limits{Sessions: 2, Packets: 256, Receivers: 2}}
		n := 0
		v, err := c.Check(func(p *pcap.Packet) error {
			if len(b) == 0 {
				return io.EOF
			}
			size := min(int(b[0]), len(b)-1)
			*p = pcap.Packet{
				Number: n, Time: storyBegin.Add(time.Duration(n) * time.Duration(step) * time.Microsecond), UDP: n%2 == 0, TTL: n % 3,
				Src: netip.AddrPortFrom(sourceAddr, 1), Dst: storyGroup, Data: b[1 : 1+size],
			}
			if n%4 == 3 {
				p.Src, p.Dst = netip.AddrPortFrom(readerAddr, 1), netip.AddrPortFrom(sourceAddr, 1)
			}
			if size > packet.HeaderLen && step%2 == 0 {
				packet.Seal(p.Data)
			}
			b = b[1+size:]
			n++
			return nil
		})
		if err != nil || int(v.Packets) != n {
			t.Fatalf("%d packets of %d, %v", v.Packets, n, err)
		}
		text(v)
	})
}

// A capture may say that it spans the age of the universe: time does not go back for that.
func TestTimesBeyondReason(t *testing.T) {
	all := story("0 spm 0 1..0\n1 odata 1\n2 odata 2").draw(t)
	all[1].Time = time.Unix(1<<40, 0)
	k := NewChecker(Config{})
	for i := range all {
		if k.Take(&all[i]); k.now <= 0 {
			t.Errorf("packet %d comes at %d", i+1, k.now)
		}
	}
	k.Verdict()
}
