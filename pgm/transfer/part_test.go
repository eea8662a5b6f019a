package transfer

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func statePart(size int64, block int) *part {
	return newPart(&segment{m: &Manifest{Block: block, Objects: []Object{{Name: "d/name", Size: size, ModTime: 42}}}}, 0)
}

func TestStateRoundTrip(t *testing.T) {
	for _, size := range []int64{1, 100_000, 10_000_000} {
		p := statePart(size, 1400)
		for i := uint32(0); i < p.held.n; i += 1 + i%3 {
			p.held.add(i)
		}
		b := p.appendState(nil)
		q := statePart(size, 1400)
		if err := q.parseState(b); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(p.held.append(nil), q.held.append(nil)); d != "" {
			t.Error(d)
		}
		for n := 0; n < len(b); n += 1 + n/50 {
			if statePart(size, 1400).parseState(b[:n]) == nil {
				t.Errorf("%d of %d octets pass", n, len(b))
			}
		}
		for name, other := range map[string]*part{"size": statePart(size+1, 1400), "block": statePart(size, 1401)} {
			if other.parseState(b) == nil {
				t.Errorf("the state passes for one of another %s", name)
			}
		}
		other := statePart(size, 1400)
		other.o.ModTime++
		if other.parseState(b) == nil {
			t.Error("the state passes for one of another time")
		}
		other = statePart(size, 1400)
		other.o.Name = "d/nama"
		if other.parseState(b) == nil {
			t.Error("the state passes for one of another name")
		}
	}
}

func FuzzState(f *testing.F) {
	p := statePart(100_000, 1400)
	p.held.add(3)
	f.Add(p.appendState(nil), true)
	f.Fuzz(func(t *testing.T, b []byte, seal bool) {
		if seal && len(b) > stateSum { // get past the checksum
			sum := sum256(b[:len(b)-stateSum])
			copy(b[len(b)-stateSum:], sum[:])
		}
		p := statePart(100_000, 1400)
		if p.parseState(b) != nil {
			if p.held.len() != 0 {
				t.Fatal("refused, but not without a trace")
			}
			return
		}
		q := statePart(100_000, 1400)
		if err := q.parseState(p.appendState(nil)); err != nil || q.held.len() != p.held.len() {
			t.Fatal(err)
		}
		if p.held.len() > p.held.n {
			t.Fatal("more blocks than there are")
		}
	})
}

// The name of an unfinished file depends on all that tells versions of a file apart, fits, and is not one that a manifest may give.
func TestPartNames(t *testing.T) {
	o := Object{Name: "d/name", Size: 1, ModTime: 2}
	seen := map[string]bool{}
	for _, v := range []Object{o, {Name: "d/name", Size: 2, ModTime: 2}, {Name: "d/name", Size: 1, ModTime: 3}, {Name: "d/nama", Size: 1, ModTime: 2}} {
		name := partName(&v)
		if seen[name] || CheckName(name) == nil || CheckName(name+stateSuffix) == nil || CheckName(name+stateSuffix+stateNew) == nil {
			t.Errorf("%s", name)
		}
		seen[name] = true
	}
	long := make([]rune, 85)
	for i := range long {
		long[i] = '語'
	}
	o.Name = "d/" + string(long)
	if name := partName(&o) + stateSuffix + stateNew; len(name) > 2+MaxComponent || name[:3] != "d/." {
		t.Errorf("%d octets: %s", len(name), name)
	}
}
