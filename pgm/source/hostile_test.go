package source

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/poll"
	"github.com/gopgm/gopgm/spm"
)

// Every kind of packet that is not for this source, or broken, is refused with its cause, counted, and answered by nothing.
func TestHostilePacketsChangeNothing(t *testing.T) {
	edit := func(p []byte, f func(p []byte)) []byte {
		p = bytes.Clone(p)
		f(p)
		packet.Seal(p)
		return p
	}
	nak, spmr := nakWire(3, 4), spm.AppendRequest(nil, testTSI, testDest)
	other := testTSI
	other.Port++
	broken := bytes.Clone(nak)
	broken[20]++
	for _, tt := range []struct {
		name string
		p    []byte
		want error
		bad  Bad
	}{
		{"nothing", nil, packet.ErrTruncated, Bad{Truncated: 1}},
		{"half a header", nak[:9], packet.ErrTruncated, Bad{Truncated: 1}},
		{"half a NAK", edit(nak[:30], func([]byte) {}), packet.ErrTruncated, Bad{Truncated: 1}},
		{"a NAK and more", edit(append(bytes.Clone(nak), 0, 0, 0, 0), func([]byte) {}), packet.ErrLength, Bad{Length: 1}},
		{"another version", edit(nak, func(p []byte) { p[4] |= 0x40 }), packet.ErrVersion, Bad{Version: 1}},
		{"a bit is wrong", broken, packet.ErrChecksum, Bad{Checksum: 1}},
		{"an unknown type", edit(nak, func(p []byte) { p[4] = 0x0f }), packet.ErrType, Bad{Type: 1}},
		{"an acknowledgement of PGMCC", edit(nak, func(p []byte) { p[4] = 0x0d }), packet.ErrType, Bad{Type: 1}},
		{"a POLR", edit(nak, func(p []byte) { p[4] = byte(packet.TypePOLR) }), packet.ErrType, Bad{Type: 1}},
		{"our own SPM", edit(spmr, func(p []byte) {
			p[4] = byte(packet.TypeSPM)
			p[0], p[1], p[2], p[3] = p[2], p[3], p[0], p[1]
		}), ErrForeign, Bad{Foreign: 1}},
		{"another session's NAK", edit(nak, func(p []byte) { p[3]++ }), ErrForeign, Bad{Foreign: 1}},
		{"another source's NAK", edit(nak, func(p []byte) { p[8]++ }), ErrForeign, Bad{Foreign: 1}},
		{"NAK_SRC of another", edit(nak, func(p []byte) { p[27]++ }), ErrForeign, Bad{Foreign: 1}},
		{"NAK_GRP of another", edit(nak, func(p []byte) { p[35]++ }), ErrForeign, Bad{Foreign: 1}},
		{"a parity NAK", edit(nak, func(p []byte) { p[5] |= byte(packet.FlagParity) }), packet.ErrReserved, Bad{Reserved: 1}},
		{"AFI 7", edit(nak, func(p []byte) { p[21] = 7 }), packet.ErrReserved, Bad{Reserved: 1}},
		{"a TSDU Length", edit(nak, func(p []byte) { p[15] = 1 }), packet.ErrReserved, Bad{Reserved: 1}},
		{"a broken list", edit(nak, func(p []byte) { p[41] = 3 }), packet.ErrOption, Bad{Option: 1}},
		{"another session's SPMR", spm.AppendRequest(nil, other, testDest), ErrForeign, Bad{Foreign: 1}},
		{"an SPMR and more", edit(append(bytes.Clone(spmr), 0), func([]byte) {}), packet.ErrLength, Bad{Length: 1}},
		{"a report with broken options", edit(appendReport(nil, testTSI, testDest, []byte{1, 2, 3, 4}), func(p []byte) { p[5] = 1 }), packet.ErrOption, Bad{Option: 1}},
	} {
		f := &fake{first: 1, trail: 1, next: 10}
		c := testConfig(f)
		c.Report = func(time.Time, netip.AddrPort, []byte) { t.Errorf("%s is a report", tt.name) }
		s := newSource(t, c)
		pollAll(t, s, start)
		now := start.Add(5 * ms)
		before := s.Stats()
		err := s.HandlePacket(now, testFrom, tt.p)
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
		after := s.Stats()
		if after.Bad != tt.bad || after.Bad.Total() != 1 {
			t.Errorf("%s: counted as %+v", tt.name, after.Bad)
		}
		if after.Bad = before.Bad; after != before {
			t.Errorf("%s: changed %+v to %+v", tt.name, before, after)
		}
		if out := pull(t, s, now); len(out) > 0 {
			t.Errorf("%s: answered by %v", tt.name, out[0].h.Type)
		}
	}
}

// Every length that an option can say it has, in every type of packet: never a panic, and a list that is refused changes nothing.
func TestEveryOptionLengthInEveryType(t *testing.T) {
	f := &fake{first: 1, trail: 1, next: 100}
	s := newSource(t, testConfig(f))
	pollAll(t, s, start)
	now := start
	for typ := range packet.Type(16) {
		for _, opt := range []packet.OptionType{packet.OptNAKList, packet.OptFin, 0x20} {
			for length := range 256 {
				now = now.Add(10 * ms)
				p := packet.Upstream(typ, testTSI, testDest).Append(nil)
				if typ == packet.TypeNAK || typ == packet.TypeNNAK {
					p = append(p, nakWire(3)[packet.HeaderLen:]...)
				}
				at := len(p)
				p = packet.BeginOptions(p)
				p = packet.AppendOption(p, opt, 0, make([]byte, 8)...)
				p = packet.EndOptions(p, at)
				p[at+5] = byte(length)
				packet.Seal(p)
				err := s.HandlePacket(now, testFrom, p)
				out := pollAll(t, s, now)
				if length != 12 && (err == nil || count(out, packet.TypeNCF)+count(out, packet.TypeRDATA) > 0) {
					t.Fatalf("%v with option %d of length %d: %v, answered by %d packets", typ, opt, length, err, len(out))
				}
				if wantNCF := typ == packet.TypeNAK && length == 12; wantNCF != (count(out, packet.TypeNCF) == 1) {
					t.Fatalf("%v with option %d of length %d: %v, answered by %d packets", typ, opt, length, err, len(out))
				}
			}
		}
	}
}

// A jump of half the circle and more: sequence numbers that no window holds are confirmed and not repaired.
func TestNAKsFromAllOverTheCircle(t *testing.T) {
	f := &fake{first: 0xffff_ff00, trail: 0xffff_ff00, next: 0x100}
	s := newSource(t, testConfig(f))
	pollAll(t, s, start)
	now := start
	for _, q := range []packet.SQN{0xffff_feff, 0x100, 0x7fff_ffff, 0x8000_0000, 0x8000_0001, 0x4000_0000} {
		now = now.Add(10 * ms)
		ask(t, s, now, q)
		if out := pollAll(t, s, now); count(out, packet.TypeNCF) != 1 || count(out, packet.TypeRDATA) != 0 {
			t.Errorf("NAK for %v: %d RDATA", q, count(out, packet.TypeRDATA))
		}
	}
	now = now.Add(10 * ms)
	ask(t, s, now, 0xffff_ffff, 0)
	if got := sqns(pollAll(t, s, now), packet.TypeRDATA); len(got) != 2 || got[1] != 0 {
		t.Errorf("across the wrap, %v were repaired", got)
	}
}

// FuzzSource feeds the engine packets and time: it never panics, its queues stay bounded, it keeps to its rate, and what it
// sends is well formed.
func FuzzSource(f *testing.F) {
	step := func(kind byte, p []byte) []byte { return append([]byte{kind, byte(len(p))}, p...) }
	f.Add(step(0, nakWire(3, 4, 5)))
	f.Add(bytes.Join([][]byte{step(0, nakWire(1)), step(1, []byte{1, 0}), step(0, nakWire(1, 2, 200)), step(2, nil), step(1, []byte{255, 255})}, nil))
	f.Add(bytes.Join([][]byte{step(0, spm.AppendRequest(nil, testTSI, testDest)), step(3, []byte{9}), step(1, []byte{16, 0}), step(4, []byte{1})}, nil))
	f.Add(bytes.Join([][]byte{step(0, appendReport(nil, testTSI, testDest, []byte("held"))), step(5, []byte("yes")), step(6, []byte{40}), step(0, nakWire(60, 61))}, nil))
	reply := poll.AppendReply(nil, testTSI, testDest, poll.Reply{SQN: 1})
	f.Add(append(step(1, []byte{1, 0}), bytes.Repeat(step(0, reply), 20)...))
	f.Add(append(bytes.Repeat(step(0, nakWire(3)), 3), step(1, []byte{1, 0})...))
	for n := range 3 { // the length decides how the rate is found
		f.Add(bytes.Join([][]byte{step(1, []byte{1, 0}), step(0, ackWire()), step(1, make([]byte, n)), step(0, nakWire(1, 2)), step(0, ackWire()), step(1, []byte{9, 0})}, nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		const rate = 200_000
		store := &fake{first: 1, trail: 1, next: 50}
		c := testConfig(store)
		c.MaxRate, c.MaxRepairs, c.MaxReports, c.Linger = rate, 16, 4, 100*ms
		c.Poll, c.Tuner.DupMax = poll.PollerConfig{Want: 8}, 2
		if c.CC = CC(len(b) % 3); c.CC != Fixed { // the rate is a ceiling then
			c.Slow = Demote
		}
		s := newSource(t, c)
		now := start
		limit := limiter{rate: rate, depth: float64(1750 + c.stampLen())}
		each := func(p sent) { limit.take(t, p.at, p.wire) }
		steps := 0
		for ; len(b) >= 2 && steps < 200; steps++ {
			kind, n := b[0], min(int(b[1]), len(b)-2)
			arg := b[2 : 2+n]
			b = b[2+n:]
			num := 0
			for _, x := range arg[:min(len(arg), 3)] {
				num = num<<8 | int(x)
			}
			switch kind % 8 {
			case 0: // as it came, then with a checksum that is right
				_ = s.HandlePacket(now, testFrom, arg)
				if p := bytes.Clone(arg); len(p) >= packet.HeaderLen {
					packet.Seal(p)
					_ = s.HandlePacket(now, testFrom, p)
				}
			case 1:
				next := now.Add(time.Duration(num) * time.Microsecond * 10)
				play(t, s, now, next, each)
				now = next
			case 2:
				s.Close(now)
			case 3:
				store.next += packet.SQN(num % 100)
				s.Wake(now)
			case 4:
				s.Reset(now, byte(num), num&0x100 != 0)
			case 5:
				s.SendReport(testFrom, arg)
			case 6:
				if trail := store.trail + packet.SQN(num%100); !trail.After(store.next) {
					store.trail = trail
				}
			case 7:
				store.blocked = num%2 == 0
			}
			st := s.Stats()
			if st.PendingRepairs > 16 || s.reports.n > 4 || s.confirm.Pending() > 1024 || st.Lead.Sub(st.Trail) < -1 {
				t.Fatalf("out of bounds: %+v", st)
			}
		}
		play(t, s, now, now.Add(10*time.Second), each)
		if s.Finished() && !s.Done(now.Add(10*time.Second)) {
			t.Fatal("lingers for ever")
		}
	})
}

// The corpus of FuzzSource is fed in pieces here too, in another order each time: state that one session left must not matter.
func TestRandomPackets(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	f := &fake{first: 1, trail: 1, next: 1000}
	s := newSource(t, testConfig(f))
	pollAll(t, s, start)
	now := start
	for range 20000 {
		now = now.Add(time.Duration(rng.IntN(2000)) * time.Microsecond)
		p := nakWire(packet.SQN(rng.IntN(1100)), packet.SQN(rng.IntN(1100)))
		for range rng.IntN(3) {
			p[rng.IntN(len(p))] = byte(rng.Uint32())
		}
		if rng.IntN(2) == 0 {
			packet.Seal(p)
		}
		if rng.IntN(10) == 0 {
			p = p[:rng.IntN(len(p))]
		}
		if rng.IntN(10) == 0 {
			binary.BigEndian.PutUint16(p[:max(len(p), 2)], uint16(rng.Uint32()))
		}
		_ = s.HandlePacket(now, testFrom, p)
		pollAll(t, s, now)
	}
	if st := s.Stats(); st.PendingRepairs != 0 || st.RDATA == 0 || st.Bad.Total() == 0 {
		t.Errorf("%+v", st)
	}
}
