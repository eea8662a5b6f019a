package window

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/gopgm/gopgm/pgm/packet"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var encodings = []struct {
	name  string
	trail packet.SQN
	max   int
	in    []packet.SQN // pairs: first and last of each run
	wire  string
}{
	{"empty", 7, 100, nil, "01 00000007 00000064 00000000"},
	{"one", 0, 100, []packet.SQN{1, 1}, "01 00000000 00000064 00000001 06 0000000000000002"},
	{"a long run, then one", 0, 10000, []packet.SQN{0, 8191, 8193, 8193},
		"01 00000000 00002710 00002001 8104 06 0000000000000002"},
	{"far from the trail", 64, 10000, []packet.SQN{8192, 8192}, "01 00000040 00002710 00000001 fc03 06 0000000000000001"},
	{"two literals", 60, 100, []packet.SQN{60, 60, 64, 64}, "01 0000003c 00000064 00000002 0a 1000000000000000 0000000000000001"},
	{"across the wrap", 0xffff_fffe, 100, []packet.SQN{0xffff_fffe, 63},
		"01 fffffffe 00000064 00000042 06 c000000000000000 05"},
}

// The encoding is what its comment draws.
func TestBitmapEncoding(t *testing.T) {
	for _, tt := range encodings {
		b := NewBitmap(tt.trail, tt.max)
		for i := 0; i < len(tt.in); i += 2 {
			for s := tt.in[i]; s != tt.in[i+1]+1; s++ {
				b.Add(s)
			}
		}
		got, err := b.MarshalBinary()
		if want := unhex(t, tt.wire); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: got %x, %v; want %x", tt.name, got, err, want)
		}
	}
}

// Every prefix of an encoding is refused.
func TestBitmapEncodingIsNotCutShort(t *testing.T) {
	for _, tt := range encodings {
		wire := unhex(t, tt.wire)
		for n := range wire {
			var b Bitmap
			if err := b.UnmarshalBinary(wire[:n]); !errors.Is(err, ErrEncoding) {
				t.Errorf("%s: %d octets of %d: got %v", tt.name, n, len(wire), err)
			}
		}
	}
}

func TestBitmapRefusesBadEncodings(t *testing.T) {
	for _, tt := range []struct{ name, wire, want string }{
		{"version", "02 00000000 00000064 00000000", "version 2"},
		{"window of 2^31", "01 00000000 80000000 00000000", "a window of 2147483648 packets"},
		{"more in than the window holds", "01 00000000 00000064 00000065", "101 SQNs in a window of 100"},
		{"more in than announced", "01 00000000 00000064 00000000 06 0000000000000002", "1 SQNs are in, 0 announced"},
		{"before the trail", "01 00000002 00000064 00000001 06 0000000000000002", "outside the window at offset 14"},
		{"ones before the trail", "01 00000002 00000064 00000040 05", "outside the window at offset 14"},
		{"past the window", "01 00000000 00000003 00000001 06 0000000000000008", "outside the window at offset 14"},
		{"ones past the window", "01 00000000 0000003f 0000003f 05", "outside the window at offset 14"},
		{"run past the window", "01 00000000 00000064 00000000 0c", "a run of no words, or past the window, at offset 13"},
		{"the longest run", "01 00000000 00000064 00000000 fdffffffffffffffff01", "past the window"},
		{"run of no words", "01 00000000 00000064 00000000 00", "a run of no words"},
		{"kind 3", "01 00000000 00000064 00000000 07", "an unknown token at offset 13"},
		{"uvarint without end", "01 00000000 00000064 00000000 ffffffffffffffffffffff", "a token that does not end"},
		{"anything in a window of nothing", "01 00000001 00000000 00000000 04", "past the window"},
	} {
		b := NewBitmap(9, 0x7fff_ffff)
		b.Add(11)
		err := b.UnmarshalBinary(unhex(t, tt.wire))
		if !errors.Is(err, ErrEncoding) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
		if b.Trail() != 9 || b.Len() != 1 || !b.Has(11) {
			t.Errorf("%s: the set was changed", tt.name)
		}
	}
}

// A Bitmap that has a size takes no set with a larger one, and keeps its own.
func TestBitmapKeepsItsSizeAsItIsRestored(t *testing.T) {
	small, large := newFull(5, 100, 3), newFull(50, 1000, 3)
	data, _ := large.MarshalBinary()
	if err := small.UnmarshalBinary(data); !errors.Is(err, ErrEncoding) {
		t.Errorf("a larger set: got %v", err)
	}
	data, _ = small.MarshalBinary()
	if err := large.UnmarshalBinary(data); err != nil {
		t.Fatal(err)
	}
	if large.Trail() != 5 || large.Max() != 1000 || large.Len() != 3 || !large.Add(1004) {
		t.Errorf("got trail %d, max %d, len %d", large.Trail(), large.Max(), large.Len())
	}
}

// Whatever is in, 64 SQNs take at most 9 octets, and the set comes back.
func TestBitmapEncodingIsBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const packets = 2 * pageSQNs
		trail := packet.SQN(rapid.Uint32().Draw(t, "trail"))
		b := NewBitmap(trail, packets)
		pattern := rapid.SliceOfN(rapid.IntRange(1, 200), 1, 50).Draw(t, "runs")
		for i, s, end := 0, trail, trail+packets; s.Before(end); i++ {
			for range pattern[i%len(pattern)] {
				if i%2 == 0 {
					b.Add(s)
				}
				s++
			}
		}
		data, _ := b.MarshalBinary()
		if limit := encodingHeader + 9*int(windowWords(trail, packets)); len(data) > limit {
			t.Fatalf("%d octets, want at most %d", len(data), limit)
		}
		var again Bitmap
		if err := again.UnmarshalBinary(data); err != nil {
			t.Fatal(err)
		}
		if again.Len() != b.Len() {
			t.Fatalf("%d came back of %d", again.Len(), b.Len())
		}
		for s := trail; s != trail+packets; s++ {
			if again.Has(s) != b.Has(s) {
				t.Fatalf("Has(%d) = %v", s, again.Has(s))
			}
		}
	})
}

// Any octets are a set or an error; a set goes out and comes back the same.
func FuzzBitmapEncoding(f *testing.F) {
	for _, tt := range encodings {
		f.Add(unhex(f, tt.wire))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		b := NewBitmap(0, 1<<24)
		if err := b.UnmarshalBinary(data); err != nil {
			if !errors.Is(err, ErrEncoding) {
				t.Fatalf("got %v", err)
			}
			return
		}
		checkCounts(t, b)
		once, _ := b.MarshalBinary()
		again := NewBitmap(0, 1<<24)
		if err := again.UnmarshalBinary(once); err != nil {
			t.Fatal(err)
		}
		if twice, _ := again.MarshalBinary(); !bytes.Equal(once, twice) || again.Len() != b.Len() {
			t.Fatalf("got %x, want %x", twice, once)
		}
	})
}

func BenchmarkBitmapAppendBinary(bench *testing.B) {
	const packets = 14_000_000
	b := newFull(5, packets, packets)
	for i := packet.SQN(99); i < packets; i += 100 {
		b.Remove(5 + i)
	}
	buf, _ := b.AppendBinary(nil)
	bench.ReportAllocs()
	for bench.Loop() {
		buf, _ = b.AppendBinary(buf[:0])
	}
	bench.ReportMetric(float64(len(buf)), "octets")
}
