package fec

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gopgm/gopgm/pgm/packet"
	"pgregory.net/rapid"
)

// drawGroup draws the data packets of a group that begins at tg: of one length or several, with and without OPT_FRAGMENT.
func drawGroup(t *rapid.T, tg packet.SQN, size, longest int) []Original {
	r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "octets"), 0))
	several, fragments := rapid.Bool().Draw(t, "several lengths"), rapid.Bool().Draw(t, "fragments")
	all := make([]Original, size)
	for i := range all {
		n := longest
		if several {
			n = r.IntN(longest + 1)
		}
		all[i].TSDU = randomPackets(r, 1, n)[0]
		if fragments && n > 0 && r.IntN(3) > 0 {
			offset := uint32(i + r.IntN(100))
			all[i].Fragment = packet.Fragment{First: tg - 1, Offset: offset + 1, Length: offset + 1 + uint32(n) + r.Uint32N(9)}
		}
	}
	return all
}

func (o Original) equal(p Original) bool {
	return o.Fragment == p.Fragment && bytes.Equal(o.TSDU, p.TSDU)
}

// receiver is what a receiver has of one group.
type receiver struct {
	tg   packet.SQN
	have []Original
	has  []bool
}

func (r *receiver) Has(s packet.SQN) bool {
	i := int(s - r.tg)
	return i < len(r.has) && r.has[i]
}

// load gives packets as memory of the receiver's, tight or with room behind, or writes them into the room.
func (r *receiver) load(s packet.SQN, room []byte) (Original, bool) {
	if !r.Has(s) {
		return Original{}, false
	}
	o := r.have[s-r.tg]
	switch {
	case s%3 == 0 && room != nil:
		o.TSDU = room[:copy(room, o.TSDU)]
	case s%3 == 1:
		o.TSDU = o.TSDU[:len(o.TSDU):len(o.TSDU)]
	default:
		o.TSDU = append(make([]byte, 0, len(o.TSDU)+64), o.TSDU...)
	}
	return o, true
}

// [11.2-17..20], [11.2-23..27], [11.4-16], [11.5-12], [11.5-15]: whatever the lengths, options and losses, what parity brings back is what was
// lost.
func TestLostPacketsComeBackAsTheyWere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := Size(1) << rapid.IntRange(1, 7).Draw(t, "log k")
		tg := k.Group(packet.SQN(rapid.Uint32().Draw(t, "tg")))
		size := int(k)
		if rapid.Bool().Draw(t, "short") {
			size = rapid.IntRange(1, int(k)).Draw(t, "size")
		}
		longest := rapid.SampledFrom([]int{0, 1, 61, 62, 63, 64, 65, 126, 128, 190}).Draw(t, "longest")
		all := drawGroup(t, tg, size, longest)
		e := NewEncoder(k, longest)
		e.Begin(tg, size)
		for i, o := range all {
			if i%2 == 0 {
				o.TSDU = e.Room(i)[:copy(e.Room(i), o.TSDU)]
			}
			e.Set(i, o)
		}
		r := receiver{tg: tg, have: all, has: make([]bool, size)}
		seed := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "loss"), 0))
		m := rapid.IntRange(1, min(size, MaxPackets-size)).Draw(t, "missing")
		lost := seed.Perm(size)
		for n, i := range lost {
			r.has[i] = n >= m
		}
		g := NewGroups(GroupsConfig{Size: k, Has: r.Has})
		if size < int(k) && !g.Learn(tg+packet.SQN(size)-1, size) {
			t.Fatalf("a group of %d of %d is no news", size, k)
		}
		need := g.Need(tg)
		if want := k.Missing(m, size, 0); need != want {
			t.Fatalf("%d of %d of %d are missing: asks for %d, want %d", m, size, k, need, want)
		}
		indexes := seed.Perm(min(MaxPackets-size, k.MaxParity()+int(k)))[:m]
		for n, j := range indexes {
			wire := e.Append(nil, packet.Downstream(packet.TypeRDATA, testTSI, 7500), tg, j)
			if e.Len(j) != len(wire) {
				t.Fatalf("Len is %d of %d octets", e.Len(j), len(wire))
			}
			if most := packet.DataHeaderLen + longest + Reserve(k, MaxPackets, true); len(wire) > most {
				t.Fatalf("%d octets, where %d are reserved", len(wire), most)
			}
			q, _, err := parse(k, wire)
			if err != nil {
				t.Fatal(err)
			}
			want := Kept
			if n == m-1 {
				want = Decodable
			}
			if v := g.Parity(&q); v != want {
				t.Fatalf("parity packet %d of %d: verdict %d, want %d: %+v", n, m, v, want, g.Stats())
			}
		}
		j := g.Next()
		if j == nil || j.Missing() != m {
			t.Fatalf("no job, or not for %d packets: %+v", m, j)
		}
		d := NewDecoder(k)
		if rapid.Bool().Draw(t, "attach") && !j.Attach(r.load) {
			t.Fatal("not attached")
		}
		if err := d.Decode(j, r.load); err != nil {
			t.Fatal(err)
		}
		n := 0
		for s, o := range j.Rebuilt() {
			if want := all[s-tg]; r.Has(s) || !o.equal(want) {
				t.Fatalf("packet %d of %v is %+v, want %+v", s-tg, tg, o, want)
			}
			r.has[s-tg] = true
			g.Have(s)
			n++
		}
		g.Done(j)
		if n != m || g.Open() != 0 || g.Memory() != 0 || g.Need(tg) != 0 || g.Next() != nil {
			t.Fatalf("%d of %d rebuilt; %d groups open with %d octets", n, m, g.Open(), g.Memory())
		}
	})
}

// Preparing several packets changes nothing but the time that it takes.
func TestPreparedParityIsTheSame(t *testing.T) {
	const k = Size(16)
	fill := func() *Encoder {
		e := NewEncoder(k, 100)
		e.Begin(32, int(k))
		for i := range int(k) {
			e.Set(i, text(fmt.Sprint("packet ", i*i)))
		}
		return e
	}
	h := packet.Downstream(packet.TypeODATA, testTSI, 7500)
	one, many := fill(), fill()
	for _, run := range [][2]int{{0, 16}, {3, 9}, {20, 40}, {230, 9}, {0, 1}} {
		n := many.Prepare(run[0], run[1])
		if want := min(run[1], 16); n != want {
			t.Errorf("%d prepared, want %d", n, want)
		}
		for j := run[0]; j < run[0]+run[1]; j++ {
			if got, want := many.Append(nil, h, 0, j), one.Append(nil, h, 0, j); !bytes.Equal(got, want) {
				t.Errorf("parity packet %d: %x, want %x", j, got, want)
			}
		}
	}
	if tg, size, ok := one.Group(); tg != 32 || size != int(k) || !ok {
		t.Errorf("the group is %v of %d, %v", tg, size, ok)
	}
}

func TestEncoderDoesNotAllocate(t *testing.T) {
	const k = Size(64)
	e := NewEncoder(k, 1400)
	data := randomPackets(rand.New(rand.NewPCG(1, 1)), int(k), 1400)
	b := make([]byte, 0, 4096)
	h := packet.Downstream(packet.TypeODATA, testTSI, 7500)
	group := func() {
		e.Begin(64, int(k))
		for i, p := range data {
			e.Set(i, Original{TSDU: p})
		}
		for first := 0; first < 16; {
			n := e.Prepare(first, 16-first)
			for j := range n {
				b = e.Append(b[:0], h, 0, first+j)
			}
			first += n
		}
	}
	group()
	if n := testing.AllocsPerRun(20, group); n > 2 { // for a run of sixteen; see TestCodecDoesNotAllocate
		t.Errorf("%v allocations for a group of 80 packets", n)
	}
}

func TestReceivingParityDoesNotAllocate(t *testing.T) {
	const k = Size(64)
	all := make([]Original, k)
	for i, p := range randomPackets(rand.New(rand.NewPCG(1, 1)), int(k), 1400) {
		all[i].TSDU = p
	}
	var wires [][]byte
	for j := range 4 {
		wires = append(wires, encoded(k, packet.TypeODATA, 64, j, all...))
	}
	r := receiver{tg: 64, have: all, has: make([]bool, k)}
	g, d := NewGroups(GroupsConfig{Size: k, Has: r.Has}), NewDecoder(k)
	load := func(s packet.SQN, room []byte) (Original, bool) {
		return Original{TSDU: room[:copy(room, all[s-64].TSDU)]}, true
	}
	var q Parity
	var h packet.Header
	var data packet.Data
	group := func() {
		for i := range r.has {
			r.has[i] = i%20 != 3 // four are missing
		}
		for _, p := range wires {
			body, _ := h.Parse(p)
			if data.Parse(&h, body) != nil || q.Parse(k, &h, &data) != nil {
				t.Fatal("refused")
			}
			g.Parity(&q)
		}
		j := g.Next()
		if err := d.Decode(j, load); err != nil {
			t.Fatal(err)
		}
		for s := range j.Rebuilt() {
			r.has[s-64] = true
			g.Have(s)
		}
		g.Done(j)
	}
	group()
	if n := testing.AllocsPerRun(20, group); n > 0 {
		t.Errorf("%v allocations for a group of 64 packets, 4 of them rebuilt", n)
	}
	if got := g.Stats(); got.Rebuilt == 0 || got.Rebuilt != 4*got.Decoded {
		t.Errorf("%+v", got)
	}
}

func TestEncoderHoldsItsCallerToWhatItSays(t *testing.T) {
	begun := func() *Encoder {
		e := NewEncoder(4, 10)
		e.Begin(8, 4)
		return e
	}
	for name, f := range map[string]func(){
		"no size of groups": func() { NewEncoder(3, 10) },
		"no group":          func() { begun().Begin(9, 4) },
		"too many":          func() { begun().Begin(8, 5) },
		"none":              func() { begun().Begin(8, 0) },
		"too long":          func() { begun().Set(0, Original{TSDU: make([]byte, 11)}) },
		"twice":             func() { e := begun(); e.Set(0, text("")); e.Set(0, text("")) },
		"not all":           func() { e := begun(); e.Set(0, text("a")); e.Len(0) },
		"not begun":         func() { NewEncoder(4, 10).Len(0) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}

// What the next group leaves behind does not show in another.
func TestGroupsDoNotShowThroughEachOther(t *testing.T) {
	e := NewEncoder(4, 200)
	h := packet.Downstream(packet.TypeODATA, testTSI, 7500)
	groups := [][]Original{
		{{TSDU: bytes.Repeat([]byte{0xff}, 200), Fragment: packet.Fragment{First: 0, Length: 999}}, text("x"), text("y"), text("z")},
		{text("a"), text("b"), text("c"), text("d")},
		{text(""), text(""), text("c")},
		{text("aaa"), text("b"), text("c")},
	}
	for n, all := range slices.Concat(groups, groups) {
		tg := packet.SQN(4 * n)
		e.Begin(tg, len(all))
		for i, o := range all {
			e.Set(i, o)
		}
		for _, j := range []int{5, 0, 5} { // what is asked for first was asked for last before
			if got, want := e.Append(nil, h, tg, j), encoded(4, packet.TypeODATA, tg, j, all...); !bytes.Equal(got, want) {
				t.Errorf("group %d: %x, want %x", n, got, want)
			}
		}
	}
}
