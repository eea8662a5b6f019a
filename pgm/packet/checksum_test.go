package packet

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// naiveSum is the definition [8-10]: 16-bit words, an odd octet at the end padded with zero, carries added at the low end.
func naiveSum(b []byte) uint16 {
	var s uint32
	for i := 0; i < len(b); i += 2 {
		w := uint32(b[i]) << 8
		if i+1 < len(b) {
			w |= uint32(b[i+1])
		}
		s += w
		if s > 0xffff {
			s -= 0xffff
		}
	}
	return uint16(s)
}

func TestSumIsTheOnesComplementSum(t *testing.T) {
	for _, tt := range []struct {
		name string
		b    string
		want uint16
	}{
		{"nothing", "", 0},
		{"one octet is padded behind", "12", 0x1200},
		{"one word", "1234", 0x1234},
		{"the example of RFC 1071 §3", "0001 f203 f4f5 f6f7", 0xddf2},
		{"a carry is added at the low end", "ffff 0002", 0x0002},
		{"zero from words that are not zero is 0xffff", "ffff", 0xffff},
		{"zero of both signs", "ffff ffff", 0xffff},
		{"0x8000 twice", "8000 8000", 0x0001},
	} {
		if got := Sum(unhex(t, tt.b)); got != tt.want {
			t.Errorf("%s: Sum = %#04x, want %#04x", tt.name, got, tt.want)
		}
	}
}

func TestSumOfEveryLengthAndAlignment(t *testing.T) {
	buf := make([]byte, 512)
	for fill := range 3 { // low values, values that wrap, and all ones: carries at every place
		for i := range buf {
			buf[i] = []byte{byte(i), byte(i*7 + 129), 0xff}[fill]
		}
		for at := range 16 {
			for n := 0; at+n <= 400; n++ {
				if got, want := Sum(buf[at:at+n]), naiveSum(buf[at:at+n]); got != want {
					t.Fatalf("fill %d: Sum of %d octets at %d = %#04x, want %#04x", fill, n, at, got, want)
				}
			}
		}
	}
}

func TestSumAgreesWithItsDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(0, 9000).Draw(t, "size")
		seed := rapid.SliceOfN(rapid.Byte(), 1, 64).Draw(t, "pattern")
		at := rapid.IntRange(0, 7).Draw(t, "alignment")
		b := make([]byte, at+size)
		for i := range b {
			b[i] = seed[i%len(seed)] + byte(i/len(seed))
		}
		b = b[at:]
		if got, want := Sum(b), naiveSum(b); got != want {
			t.Fatalf("Sum = %#04x, want %#04x", got, want)
		}
		// the sum of two pieces, the first of even length
		cut := rapid.IntRange(0, size/2).Draw(t, "cut") * 2
		if got, want := Add(Sum(b[:cut]), Sum(b[cut:])), naiveSum(b); got != want {
			t.Fatalf("Add at %d = %#04x, want %#04x", cut, got, want)
		}
	})
}

func TestAddIsCommutativeAndAssociative(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := rapid.Uint16().Draw(t, "a"), rapid.Uint16().Draw(t, "b"), rapid.Uint16().Draw(t, "c")
		if Add(a, b) != Add(b, a) || Add(Add(a, b), c) != Add(a, Add(b, c)) {
			t.Fatalf("Add(%#x, %#x, %#x) depends on the order", a, b, c)
		}
	})
}

func TestFinishNeverYieldsZero(t *testing.T) { // [8-11]
	for s := range 1 << 16 {
		sum := uint16(s)
		got := Finish(sum)
		if got == 0 {
			t.Fatalf("Finish(%#04x) = 0, which means that there is no checksum", sum)
		}
		if check := Add(sum, got); check != 0xffff {
			t.Fatalf("Finish(%#04x) = %#04x; together they sum to %#04x", sum, got, check)
		}
	}
	if got := Finish(0xffff); got != 0xffff {
		t.Errorf("Finish(0xffff) = %#04x, want 0xffff", got)
	}
}

func BenchmarkSum(b *testing.B) {
	for _, size := range []int{24, 64, 200, 1400, 1448, 8900, 65507} {
		p := make([]byte, size)
		for i := range p {
			p[i] = byte(i * 31)
		}
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			b.SetBytes(int64(size))
			for b.Loop() {
				sink = Sum(p)
			}
		})
	}
}

var sink uint16
