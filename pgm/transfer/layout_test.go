package transfer

import (
	"errors"
	"testing"

	"github.com/gopgm/gopgm/pgm/packet"
)

func TestPacketsMapToOffsetsAcrossTheWrap(t *testing.T) {
	m := sampleManifest() // first 0xfffffffe: the record; then the directory, three blocks, a digest, the digest of the empty file
	l := layout{first: m.First}
	if err := l.add(m); err != nil {
		t.Fatal(err)
	}
	if got := l.end(); got != 4 {
		t.Errorf("ends at %d", got)
	}
	for _, c := range []struct {
		sqn     packet.SQN
		objects bool
		object  int
		block   uint32
		len     int // 0: the digest
	}{
		{0xffff_fffe, false, 0, 0, 0},
		{0xffff_ffff, true, 1, 0, 1400},
		{0, true, 1, 1, 1400},
		{1, true, 1, 2, 100},
		{2, true, 1, 3, 0},
		{3, true, 2, 0, 0},
	} {
		p := l.find(c.sqn)
		if p == nil || p.objects != c.objects {
			t.Errorf("%d: %+v", c.sqn, p)
			continue
		}
		if !c.objects {
			continue
		}
		i := m.find(c.sqn)
		o := &m.Objects[i]
		block := uint32(c.sqn - o.First)
		if i != c.object || block != c.block || (c.sqn == o.digestSQN(m.Block)) != (c.len == 0) {
			t.Errorf("%d: object %d, block %d", c.sqn, i, block)
		}
		if c.len > 0 && o.blockLen(block, m.Block) != c.len {
			t.Errorf("%d: %d octets, want %d", c.sqn, o.blockLen(block, m.Block), c.len)
		}
	}
	for _, s := range []packet.SQN{4, 0xffff_fffd, 1 << 31} {
		if l.find(s) != nil {
			t.Errorf("%d is found", s)
		}
	}
}

func TestRecordsThatClaimEachOthersPacketsAreRefused(t *testing.T) {
	file := []Object{{Name: "f", Size: 10_000}} // 100 blocks and a digest
	at := func(first, data packet.SQN) *Manifest {
		m := &Manifest{First: first, Data: data, Block: 128, Objects: append([]Object(nil), file...)}
		m.place()
		return m
	}
	l := layout{first: 100}
	if err := l.add(at(100, 110)); err != nil { // 100, and 110..189
		t.Fatal(err)
	}
	for _, c := range []struct {
		m  *Manifest
		ok bool
	}{
		{at(100, 300), false},
		{at(300, 100), false},
		{at(300, 189), false},
		{at(110, 300), false},
		{at(150, 300), false},
		{at(300, 31), false}, // before the first
		{at(99, 300), false},
		{at(300, 299), false}, // itself
		{at(300, 300), false},
		{at(1<<31+99, 300), false}, // beyond what a window holds
		{at(300, 1<<31+80), false},
		{at(101, 190), true},
		{at(103, 300), true},
	} {
		before := len(l.spans)
		if err := l.add(c.m); (err == nil) != c.ok || err != nil && !errors.Is(err, ErrManifest) {
			t.Errorf("record at %d, objects at %d: %v", c.m.First, c.m.Data, err)
		} else if err != nil && len(l.spans) != before {
			t.Errorf("record at %d, objects at %d: refused, but something was put in", c.m.First, c.m.Data)
		}
	}
}
