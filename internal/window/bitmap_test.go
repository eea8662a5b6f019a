package window

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"github.com/gopgm/gopgm/pgm/packet"
)

// A model of a Bitmap: what was in from the beginning is a run from the trail, and a map holds every
// SQN that differs from that.
type model struct {
	trail, fullEnd packet.SQN // [trail, fullEnd) was in; not before the trail
	max            uint32
	differs        map[packet.SQN]bool
}

func (m *model) covers(s packet.SQN) bool { return uint32(s-m.trail) < m.max }

func (m *model) has(s packet.SQN) bool {
	return m.covers(s) && s.Before(m.fullEnd) != m.differs[s]
}

func (m *model) set(s packet.SQN, in bool) {
	if m.covers(s) && m.has(s) != in {
		m.differs[s] = !m.differs[s]
	}
}

func (m *model) advance(trail packet.SQN) {
	if !m.trail.Before(trail) {
		return
	}
	m.trail = trail
	if m.fullEnd.Before(trail) {
		m.fullEnd = trail
	}
	for s := range m.differs {
		if s.Before(trail) {
			delete(m.differs, s)
		}
	}
}

func (m *model) len() int {
	n := int(m.fullEnd - m.trail)
	for s, d := range m.differs {
		switch {
		case d && s.Before(m.fullEnd):
			n--
		case d:
			n++
		}
	}
	return n
}

// next can only end where it starts or where something changes.
func (m *model) next(from, lead packet.SQN, in bool) (packet.SQN, bool) {
	best, ok := packet.SQN(0), false
	if lead.Before(m.trail) {
		return best, ok
	}
	if from.Before(m.trail) {
		from = m.trail
	}
	try := func(s packet.SQN) {
		if m.covers(s) && s-m.trail >= from-m.trail && s-m.trail <= lead-m.trail && m.has(s) == in && (!ok || s.Before(best)) {
			best, ok = s, true
		}
	}
	try(from)
	try(m.fullEnd)
	for s := range m.differs {
		try(s)
		try(s + 1)
	}
	return best, ok
}

// newPair returns a Bitmap and its model, perhaps full from the trail on, near the wrap or not.
func newPair(t *rapid.T) (*Bitmap, *model) {
	trail := packet.SQN(rapid.OneOf(
		rapid.Uint32(),
		rapid.Uint32Range(0, 200),
		rapid.Map(rapid.Uint32Range(0, 3*regionSQNs), func(n uint32) uint32 { return -n }),
	).Draw(t, "trail"))
	max := rapid.OneOf(
		rapid.IntRange(1, 300),
		rapid.IntRange(1, 3*pageSQNs),
		rapid.SampledFrom([]int{pageSQNs, regionSQNs, 2 * regionSQNs, 3*regionSQNs + 1, packet.MaxWindow - 1, packet.MaxWindow}),
	).Draw(t, "max")
	full := rapid.OneOf(rapid.Just(0), rapid.IntRange(0, max), rapid.Just(max)).Draw(t, "full")
	b := newFull(trail, max, uint32(full))
	return b, &model{trail: trail, fullEnd: trail + packet.SQN(full), max: uint32(max), differs: map[packet.SQN]bool{}}
}

// newFull returns a Bitmap in which the first full SQNs are.
func newFull(trail packet.SQN, max int, full uint32) *Bitmap {
	b := NewBitmap(trail, max)
	s, end := trail, trail+packet.SQN(full)
	for ; s != end && s%wordSQNs != 0; s++ {
		b.Add(s)
	}
	for uint32(end-s) >= wordSQNs {
		s += packet.SQN(b.fillWords(s, uint32(end-s)/wordSQNs)) * wordSQNs
	}
	for ; s != end; s++ {
		b.Add(s)
	}
	return b
}

// drawSQN draws one that is likely to matter: near an edge of the window or of a page, or near another.
func drawSQN(t *rapid.T, m *model, label string) packet.SQN {
	edges := []packet.SQN{m.trail, m.trail + packet.SQN(m.max), m.fullEnd, 0,
		(m.trail + pageSQNs) &^ (pageSQNs - 1), (m.trail + regionSQNs) &^ (regionSQNs - 1), m.trail + packet.SQN(m.max/2)}
	if rapid.IntRange(0, 9).Draw(t, label+" anywhere") == 0 {
		return packet.SQN(rapid.Uint32().Draw(t, label))
	}
	edge := rapid.SampledFrom(edges).Draw(t, label+" near")
	return edge + packet.SQN(int32(rapid.IntRange(-70, 70).Draw(t, label+" by")))
}

// Whatever is added, removed and forgotten, a Bitmap answers as a map does.
func TestBitmapIsASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, m := newPair(t)
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				s := drawSQN(t, m, "s")
				if got, want := b.Add(s), m.covers(s) && !m.has(s); got != want {
					t.Fatalf("Add(%d) = %v, want %v", s, got, want)
				}
				m.set(s, true)
			},
			"add run": func(t *rapid.T) {
				s := drawSQN(t, m, "s")
				for range rapid.IntRange(1, 200).Draw(t, "n") {
					if got, want := b.Add(s), m.covers(s) && !m.has(s); got != want {
						t.Fatalf("Add(%d) = %v, want %v", s, got, want)
					}
					m.set(s, true)
					s++
				}
			},
			"remove": func(t *rapid.T) {
				s := drawSQN(t, m, "s")
				b.Remove(s)
				m.set(s, false)
			},
			"advance": func(t *rapid.T) {
				s := drawSQN(t, m, "trail")
				b.Advance(s)
				m.advance(s)
			},
			"search": func(t *rapid.T) {
				from, lead := drawSQN(t, m, "from"), drawSQN(t, m, "lead")
				got, ok := b.NextMissing(from, lead)
				if want, wantOK := m.next(from, lead, false); got != want && ok || ok != wantOK {
					t.Fatalf("NextMissing(%d, %d) = %d, %v; want %d, %v", from, lead, got, ok, want, wantOK)
				}
				got, ok = b.NextPresent(from, lead)
				if want, wantOK := m.next(from, lead, true); got != want && ok || ok != wantOK {
					t.Fatalf("NextPresent(%d, %d) = %d, %v; want %d, %v", from, lead, got, ok, want, wantOK)
				}
			},
			"store": func(t *rapid.T) {
				data, _ := b.AppendBinary(nil)
				var again Bitmap
				if err := again.UnmarshalBinary(data); err != nil {
					t.Fatal(err)
				}
				b = &again
			},
			"": func(t *rapid.T) {
				if got, want := b.Trail(), m.trail; got != want {
					t.Fatalf("Trail() = %d, want %d", got, want)
				}
				if got, want := b.Len(), m.len(); got != want {
					t.Fatalf("Len() = %d, want %d", got, want)
				}
				want, ok := m.next(m.trail, m.trail+packet.SQN(m.max-1), false)
				if !ok {
					want = m.trail + packet.SQN(m.max)
				}
				if got := b.Contiguous(); got != want {
					t.Fatalf("Contiguous() = %d, want %d", got, want)
				}
				s := drawSQN(t, m, "has")
				if got, want := b.Has(s), m.has(s); got != want {
					t.Fatalf("Has(%d) = %v, want %v", s, got, want)
				}
				checkCounts(t, b)
			},
		})
	})
}

// checkCounts fails unless every count says what is stored and nothing is stored needlessly.
func checkCounts(t rapid.TB, b *Bitmap) {
	t.Helper()
	for i, r := range b.root {
		if r.table == nil {
			if r.n != 0 && r.n != regionSQNs {
				t.Fatalf("region %d without a table holds %d", i, r.n)
			}
			continue
		}
		var sum uint32
		for j := range r.table {
			p := &r.table[j]
			sum += p.n
			if p.bits == nil {
				if p.n != 0 && p.n != pageSQNs {
					t.Fatalf("page %d.%d without bits holds %d", i, j, p.n)
				}
				continue
			}
			if got := p.count(0, pageSQNs); got != p.n || got == 0 || got == pageSQNs {
				t.Fatalf("page %d.%d stores %d, counts %d", i, j, got, p.n)
			}
		}
		if sum != r.n || sum == 0 || sum == regionSQNs {
			t.Fatalf("region %d stores %d, counts %d", i, sum, r.n)
		}
	}
}

// size returns the octets that b holds.
func size(b *Bitmap) int {
	n := 16*len(b.root) + b.spares*pageSQNs/8
	if b.table != nil {
		n += regionPages * 16
	}
	for _, r := range b.root {
		if r.table == nil {
			continue
		}
		n += regionPages * 16
		for _, p := range r.table {
			if p.bits != nil {
				n += pageSQNs / 8
			}
		}
	}
	return n
}

// 20 GB in packets of 1,400 octets, wherever on the circle the file begins: less than 2 MiB while every
// page has gaps, next to nothing once few are left.
func TestBitmapOfALargeFileIsSmall(t *testing.T) {
	const packets = 14_300_000
	for _, trail := range []packet.SQN{0, 1<<32 - packets/2} {
		b := NewBitmap(trail, packets)
		for i := range packet.SQN(packets) {
			if i%1000 != 999 {
				b.Add(trail + i)
			}
		}
		if got := size(b); got > 2<<20 {
			t.Errorf("trail %d: %d octets with gaps in every page, want at most 2 MiB", trail, got)
		}
		gaps := 0
		for s, ok := b.NextMissing(trail, trail+packets-1); ok; s, ok = b.NextMissing(s+1, trail+packets-1) {
			gaps++
			if gaps > 10 {
				b.Add(s)
			}
		}
		if gaps != packets/1000 {
			t.Errorf("trail %d: %d SQNs missing, want %d", trail, gaps, packets/1000)
		}
		if got := size(b); got > 32<<10 {
			t.Errorf("trail %d: %d octets with ten gaps, want at most 32 KiB", trail, got)
		}
	}
}

// The largest window costs nothing until packets come, and then what lies around them.
func TestBitmapAddressesHalfTheCircle(t *testing.T) {
	trail := packet.SQN(0xc000_0005)
	b := NewBitmap(trail, packet.MaxWindow)
	if got := size(b); got > 64<<10 {
		t.Errorf("empty: %d octets, want at most 64 KiB", got)
	}
	last := trail + packet.MaxWindow - 1
	if b.Add(last + 1) {
		t.Error("an SQN past the window was added")
	}
	if !b.Add(last) || !b.Has(last) || b.Len() != 1 {
		t.Error("the last SQN of the window was not added")
	}
	if got, ok := b.NextPresent(trail, last); got != last || !ok {
		t.Errorf("NextPresent = %d, %v; want %d", got, ok, last)
	}
	b.Advance(last)
	if b.Len() != 1 || !b.Has(last) {
		t.Error("the last SQN did not stay as the window moved up to it")
	}
	b.Advance(last + 1)
	if b.Len() != 0 || b.Has(last) {
		t.Error("the last SQN stayed as the window moved past it")
	}
}

// A window that runs around the circle with loss and reordering answers as a map does: once around, by
// jumps where nothing is lost, so that every slot of the root is used again.
func TestBitmapRunsAroundTheCircle(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	b := NewBitmap(7, 3*pageSQNs)
	in := map[packet.SQN]bool{}
	for travelled := uint64(0); travelled < 2<<32; {
		for range 200 {
			s := b.Trail() + packet.SQN(rng.Uint32N(3*pageSQNs))
			if got, want := b.Add(s), !in[s]; got != want {
				t.Fatalf("Add(%d) = %v, want %v", s, got, want)
			}
			in[s] = true
		}
		step := packet.SQN(rng.Uint32N(4 * pageSQNs))
		if rng.Uint32N(2) == 0 {
			step = packet.SQN(rng.Uint32N(packet.MaxWindow))
		}
		travelled += uint64(step)
		b.Advance(b.Trail() + step)
		for s := range in {
			if s.Before(b.Trail()) {
				delete(in, s)
			}
		}
		if b.Len() != len(in) {
			t.Fatalf("Len() = %d, want %d", b.Len(), len(in))
		}
		for s := range in {
			if !b.Has(s) {
				t.Fatalf("Has(%d) = false", s)
			}
		}
		checkCounts(t, b)
	}
}

// What a region held, before the trail or in storage that is used again, does not show in the region
// that takes its place.
func TestBitmapRegionsStartEmpty(t *testing.T) {
	b := newFull(0, 4*regionSQNs, regionSQNs)
	b.Advance(3 * pageSQNs)
	b.Remove(4 * pageSQNs) // the full region gets a table
	checkCounts(t, b)
	b.Advance(regionSQNs)
	if b.Len() != 0 {
		t.Fatalf("%d are in a window that has moved past all", b.Len())
	}
	for r := range packet.SQN(20) {
		s := (r + 1) * regionSQNs
		b.Advance(s)
		for i := packet.SQN(0); i < regionSQNs; i += pageSQNs {
			if b.Has(s + i) {
				t.Fatalf("Has(%d) in a new region", s+i)
			}
		}
		for i := packet.SQN(0); i < regionSQNs; i++ {
			if !b.Add(s + i) {
				t.Fatalf("Add(%d) = false in a new region", s+i)
			}
		}
		checkCounts(t, b)
	}
}

func TestBitmapRefusesImpossibleSizes(t *testing.T) {
	for _, max := range []int{-1, 0, packet.MaxWindow + 1} {
		if !panics(func() { NewBitmap(0, max) }) {
			t.Errorf("NewBitmap(0, %d) did not panic", max)
		}
		if !panics(func() { NewRing[int](0, max) }) {
			t.Errorf("NewRing(0, %d) did not panic", max)
		}
	}
}

func panics(f func()) (yes bool) {
	defer func() { yes = recover() != nil }()
	f()
	return false
}

// The zero Bitmap has no window, and says so to every question.
func TestZeroBitmapIsEmpty(t *testing.T) {
	var b Bitmap
	b.Advance(5)
	b.Remove(5)
	_, missing := b.NextMissing(0, 10)
	_, present := b.NextPresent(0, 10)
	if b.Add(5) || b.Has(5) || b.Len() != 0 || missing || present || b.Contiguous() != 5 || b.Trail() != 5 {
		t.Errorf("got %+v", b)
	}
}

func ExampleBitmap() {
	b := NewBitmap(0xffff_fffe, 100)
	for _, s := range []packet.SQN{0xffff_fffe, 0xffff_ffff, 0, 3} {
		b.Add(s)
	}
	fmt.Println("in order up to", b.Contiguous()-1)
	for s, ok := b.NextMissing(b.Trail(), 3); ok; s, ok = b.NextMissing(s+1, 3) {
		fmt.Println("missing", s)
	}
	// Output:
	// in order up to 0
	// missing 1
	// missing 2
}
