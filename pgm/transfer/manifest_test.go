package transfer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gopgm/gopgm/pgm/packet"
)

// A record of three objects: an empty directory, a file of two blocks and a bit, an empty file.
func sampleManifest() *Manifest {
	m := &Manifest{
		Session: SessionID{1, 2, 3, 15: 16},
		First:   0xffff_fffe, Data: 0xffff_ffff, Next: 4, Last: true,
		Block: 1400, Count: 3, Total: 2900,
		Objects: []Object{
			{Name: "d", Dir: true, Mode: 0o755, ModTime: 1_700_000_000_000_000_001},
			{Name: "d/two and a bit", Mode: 0o640, Size: 2900, ModTime: -5},
			{Name: "empty", Mode: 0o600},
		},
	}
	if _, err := m.place(); err != nil {
		panic(err)
	}
	return m
}

func TestManifestRoundTrip(t *testing.T) {
	want := sampleManifest()
	b := want.Append(nil)
	if len(b) != want.length() {
		t.Errorf("%d octets, length says %d", len(b), want.length())
	}
	var got Manifest
	if err := got.Parse(b); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(*want, got); d != "" {
		t.Error(d)
	}
	if firsts := fmt.Sprint(got.Objects[0].First, got.Objects[1].First, got.Objects[2].First); firsts != "4294967295 4294967295 3" {
		t.Errorf("first numbers %s", firsts)
	}
}

func TestEveryPrefixOfAManifestIsRefused(t *testing.T) {
	b := sampleManifest().Append(nil)
	for n := range b {
		var m Manifest
		if err := m.Parse(b[:n]); !errors.Is(err, ErrManifest) {
			t.Fatalf("%d of %d octets: %v", n, len(b), err)
		}
		if n < recordHeader {
			continue
		}
		short := append([]byte(nil), b[:n]...) // as if it were whole
		binary.BigEndian.PutUint32(short[40:], uint32(n))
		if err := m.Parse(short); !errors.Is(err, ErrManifest) {
			t.Fatalf("%d of %d octets, length mended: %v", n, len(b), err)
		}
	}
}

func TestHostileManifestsAreRefused(t *testing.T) {
	for _, c := range []struct {
		name string
		mend func(m *Manifest, b []byte) []byte
	}{
		{"no magic", func(_ *Manifest, b []byte) []byte { b[0] = 'X'; return b }},
		{"version 2", func(_ *Manifest, b []byte) []byte { b[4] = 2; return b }},
		{"block size 0", func(_ *Manifest, b []byte) []byte { binary.BigEndian.PutUint16(b[6:], 0); return b }},
		{"block size 65535", func(_ *Manifest, b []byte) []byte { binary.BigEndian.PutUint16(b[6:], 65535); return b }},
		{"a million objects in 100 octets", func(m *Manifest, b []byte) []byte {
			binary.BigEndian.PutUint32(b[56:], 1_000_000)
			binary.BigEndian.PutUint32(b[44:], 1_000_000)
			return b
		}},
		{"2^32-1 objects", func(m *Manifest, b []byte) []byte {
			binary.BigEndian.PutUint32(b[56:], 0xffff_ffff)
			binary.BigEndian.PutUint32(b[44:], 0xffff_ffff)
			return b
		}},
		{"more objects than in the session", func(_ *Manifest, b []byte) []byte { binary.BigEndian.PutUint32(b[44:], 2); return b }},
		{"size 2^63-1", func(m *Manifest, _ []byte) []byte { m.Objects[1].Size = 1<<63 - 1; return m.Append(nil) }},
		{"size 2^63", func(m *Manifest, _ []byte) []byte { m.Objects[1].Size = -1 << 63; return m.Append(nil) }},
		{"size 2^64-1", func(m *Manifest, _ []byte) []byte { m.Objects[1].Size = -1; return m.Append(nil) }},
		{"2^31 packets", func(m *Manifest, _ []byte) []byte { m.Objects[1].Size = 1 << 31 * 1400; return m.Append(nil) }},
		{"2^31 packets in two", func(m *Manifest, _ []byte) []byte {
			m.Objects[1].Size, m.Objects[2].Size = 1<<30*1400, 1<<30*1400
			return m.Append(nil)
		}},
		{"directory with content", func(m *Manifest, _ []byte) []byte { m.Objects[0].Size = 1; return m.Append(nil) }},
		{"octets left over", func(_ *Manifest, b []byte) []byte {
			b = append(b, 0)
			binary.BigEndian.PutUint32(b[40:], uint32(len(b)))
			return b
		}},
		{"another length", func(_ *Manifest, b []byte) []byte { return append(b, 0) }},
		{"session of 2^63 octets", func(m *Manifest, _ []byte) []byte { m.Total = 1 << 63; return m.Append(nil) }},
		{"over-long", func(m *Manifest, _ []byte) []byte {
			m.Objects[1].Name = strings.Repeat("x", MaxRecord)
			return m.Append(nil)
		}},
	} {
		m := sampleManifest()
		b := c.mend(m, m.Append(nil))
		var got Manifest
		if err := got.Parse(b); !errors.Is(err, ErrManifest) {
			t.Errorf("%s: %v", c.name, err)
		}
		if n := testing.AllocsPerRun(1, func() { got.Parse(b) }); n > 20 {
			t.Errorf("%s: %v allocations", c.name, n)
		}
	}
}

func TestHostileNamesDoNotSpoilTheRecord(t *testing.T) {
	m := sampleManifest()
	m.Objects[1].Name = "../../etc/passwd"
	m.Objects[2].Name = ""
	var got Manifest
	if err := got.Parse(m.Append(nil)); err != nil {
		t.Fatal(err)
	}
	if CheckName(got.Objects[0].Name) != nil || CheckName(got.Objects[1].Name) == nil || CheckName(got.Objects[2].Name) == nil {
		t.Error("not the first name alone is good")
	}
}

func TestDigestRoundTrip(t *testing.T) {
	want := [32]byte{1, 31: 9}
	b := appendDigest(nil, 7, 99, &want)
	if got, err := parseDigest(b, 7, 99); err != nil || got != want {
		t.Errorf("%x, %v", got, err)
	}
	if len(b) != digestLen {
		t.Errorf("%d octets", len(b))
	}
	for n := range b {
		if _, err := parseDigest(b[:n], 7, 99); !errors.Is(err, ErrManifest) {
			t.Errorf("%d octets: %v", n, err)
		}
	}
	for _, c := range [][2]uint64{{8, 99}, {7, 98}} {
		if _, err := parseDigest(b, uint32(c[0]), int64(c[1])); !errors.Is(err, ErrManifest) {
			t.Errorf("object %d of %d octets: %v", c[0], c[1], err)
		}
	}
}

func FuzzManifest(f *testing.F) {
	f.Add(sampleManifest().Append(nil))
	f.Add((&Manifest{Block: 128, Last: true}).Append(nil))
	big := &Manifest{Block: MaxBlock, Count: 1, Total: 1 << 40, First: 1 << 31,
		Objects: []Object{{Name: strings.Repeat("n", 300), Size: 1 << 40, Mode: 0o777, ModTime: 1<<63 - 1}}}
	f.Add(big.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		var m, again Manifest
		if err := m.Parse(b); err != nil {
			if !errors.Is(err, ErrManifest) {
				t.Fatal(err)
			}
			return
		}
		if err := again.Parse(m.Append(nil)); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(m, again); d != "" {
			t.Fatal(d)
		}
		l := layout{first: m.First}
		if l.add(&m) != nil {
			return
		}
		for i := range m.Objects {
			o := &m.Objects[i]
			if o.Dir {
				continue
			}
			for _, s := range []packet.SQN{o.First, o.digestSQN(m.Block)} {
				if p := l.find(s); p == nil || !p.objects || m.find(s) != i {
					t.Fatalf("packet %d of object %d is not found", s, i)
				}
			}
		}
	})
}
