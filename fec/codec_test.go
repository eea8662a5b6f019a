package fec

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// unhex returns the octets of a row of a table.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The field of the deployed stacks: alpha^8, and three worked products.
func TestFieldIsThatOfTheDeployedStacks(t *testing.T) {
	mul := func(a, b byte) byte { return power(int(log[a]) + int(log[b])) }
	for _, row := range []struct{ a, b, want byte }{{0x02, 0x80, 0x1d}, {0x53, 0xca, 0x8f}, {0x03, 0xf4, 0x01}} {
		if got := mul(row.a, row.b); got != row.want {
			t.Errorf("%#02x times %#02x is %#02x, want %#02x", row.a, row.b, got, row.want)
		}
	}
	if got := power(8); got != 0x1d {
		t.Errorf("alpha^8 is %#02x, want 0x1d", got)
	}
	seen := map[byte]bool{}
	for _, x := range points {
		seen[x] = true
	}
	if len(seen) != MaxPackets {
		t.Errorf("%d points, want %d", len(seen), MaxPackets)
	}
}

// The digests of all coefficients of each size of group, which OpenPGM's matrices have.
func TestCoefficientsAreThoseOfTheDeployedStacks(t *testing.T) {
	for _, row := range []struct {
		k    int
		want string
	}{
		{2, "13fed3469f460f4fe871f8da47bf6c64c31bf95a629fe57e073f686b579f5cb3"},
		{4, "0cbe4978a2edcb4d57f1f4b23b3c0685e36a4290141ffe791864751e7ed86eaf"},
		{8, "e96438193c4f1d2f78e9ec734a637898e9670e4045205ae5206575124babbdfc"},
		{16, "3476558f8ed7b92ca7d9383a7174c2eca98e28641a1837d8ce6a106e765ac860"},
		{32, "ecedfbe130f3db64f6cf9808d9fba254df621e2620db39446f920854516025be"},
		{64, "6cb75845a456e94a3109a8eff50d8d6585b1eae38ab173e4619cadc096cdf0b7"},
		{128, "690c0d84792e60f06c452fa485cce4dc046e9c9b5277f6642dfcbaded0082859"},
	} {
		c := NewCodec(row.k)
		var all []byte
		for j := range MaxPackets - row.k {
			all = c.AppendRow(all, row.k, j)
		}
		if sum := sha256.Sum256(all); hex.EncodeToString(sum[:]) != row.want {
			t.Errorf("k=%d: coefficients have the digest %x, want %s", row.k, sum, row.want)
		}
	}
}

func TestCoefficientsInHex(t *testing.T) {
	c := NewCodec(MaxGroup)
	for _, row := range []struct {
		s, j int
		want string
	}{
		{2, 0, "03 02"}, {2, 1, "05 04"}, {2, 2, "09 08"}, {2, 3, "11 10"},
		{4, 0, "77 40 38 0e"}, {4, 1, "c7 a7 0d 6c"}, {4, 2, "53 02 6f 3f"}, {4, 3, "f1 7b 83 08"},
		{8, 0, "89 18 d0 7d 92 a4 f5 fe"}, {8, 3, "ed 91 24 90 dc 90 57 d2"},
		{16, 1, "7d 17 d7 13 60 a9 a8 9d cd a3 7d b4 ab 28 6d 1a"},
		// Groups that were ended early are coded over their own size.
		{1, 0, "01"}, {1, 200, "01"}, {3, 0, "0f 08 06"}, {5, 0, "54 74 e7 d8 1e"}, {6, 0, "06 26 c5 e5 3f 3e"}, {7, 0, "9b 75 31 3a 9e 04 7e"},
	} {
		if got, want := c.AppendRow(nil, row.s, row.j), unhex(t, row.want); !bytes.Equal(got, want) {
			t.Errorf("group of %d, parity packet %d: coefficients %x, want %x", row.s, row.j, got, want)
		}
	}
}

func TestWorkedOctets(t *testing.T) {
	c := NewCodec(4)
	src := [][]byte{{1}, {2}, {3}, {4}}
	dst := [][]byte{{0}, {0}, {0}, {0}}
	c.Encode(dst, 0, src)
	if got := slices.Concat(dst...); !bytes.Equal(got, unhex(t, "87 2e 1a bf")) {
		t.Errorf("01 02 03 04 have the parity %x, want 872e1abf", got)
	}
}

// reference is the definition, octet by octet.
func reference(row []byte, src [][]byte) []byte {
	out := make([]byte, len(src[0]))
	for i, p := range src {
		for n, x := range p {
			if x != 0 {
				out[n] ^= power(int(log[row[i]]) + int(log[x]))
			}
		}
	}
	return out
}

func randomPackets(r *rand.Rand, n, size int) [][]byte {
	p := make([][]byte, n)
	for i := range p {
		p[i] = make([]byte, size)
		for at := range p[i] {
			p[i][at] = byte(r.Uint32())
		}
	}
	return p
}

// Whatever the run, the size of the group and the length: each parity packet is the sum that its row says.
func TestParityIsTheSumOfItsRow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := 1 << rapid.IntRange(1, 7).Draw(t, "log k")
		s := k
		if rapid.Bool().Draw(t, "short") {
			s = rapid.IntRange(1, k).Draw(t, "s")
		}
		size := rapid.SampledFrom([]int{0, 1, 24, 63, 64, 65, 128, 200}).Draw(t, "size")
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		c := NewCodec(k)
		src := randomPackets(r, s, size)
		before := slices.Concat(src...)
		for range 2 {
			first := rapid.IntRange(0, MaxPackets-s-1).Draw(t, "first")
			dst := randomPackets(r, rapid.IntRange(0, min(MaxPackets-s-first, 40)).Draw(t, "n"), size)
			c.Encode(dst, first, src)
			for i := range dst {
				if want := reference(c.AppendRow(nil, s, first+i), src); !bytes.Equal(dst[i], want) {
					t.Fatalf("parity packet %d of a group of %d of %d, %d octets: %x, want %x", first+i, s, k, size, dst[i], want)
				}
			}
		}
		if !bytes.Equal(slices.Concat(src...), before) {
			t.Fatal("the data packets were changed")
		}
	})
}

// [11.1-01] Any k of the n packets of a group bring back the rest.
func TestAnyKOfNBringBackTheRest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := 1 << rapid.IntRange(1, 7).Draw(t, "log k")
		s := k
		if rapid.Bool().Draw(t, "short") {
			s = rapid.IntRange(1, k).Draw(t, "s")
		}
		size := rapid.SampledFrom([]int{1, 24, 64, 130}).Draw(t, "size")
		m := rapid.IntRange(0, min(s, MaxPackets-s)).Draw(t, "missing")
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		missing := r.Perm(s)[:m]
		slices.Sort(missing)
		parity := r.Perm(MaxPackets - s)[:m]
		if first := rapid.IntRange(0, 2*(MaxPackets-s-m)).Draw(t, "first"); first <= MaxPackets-s-m { // consecutive, as it mostly comes
			for n := range parity {
				parity[n] = first + n
			}
		}
		c := NewCodec(k)
		if k+16 <= MaxPackets { // another group, which leaves nothing behind
			c.Encode(randomPackets(r, 16, size), 0, randomPackets(r, k, size))
		}
		checkRepair(t, c, randomPackets(r, s, size), missing, parity)
	})
}

type failer interface{ Fatalf(string, ...any) }

func checkRepair(t failer, c *Codec, data [][]byte, missing, parity []int) {
	size := len(data[0])
	src := slices.Clone(data)
	scratch := make([][]byte, len(missing))
	for n, i := range missing {
		src[i] = make([]byte, size)
		c.Encode(src[i:i+1], parity[n], data)
		scratch[n] = bytes.Repeat([]byte{0xee}, size)
	}
	c.Decode(src, missing, parity, scratch)
	for i, p := range src {
		if !bytes.Equal(p, data[i]) {
			t.Fatalf("group of %d without %v, with parity %v: packet %d is %x, want %x", len(data), missing, parity, i, p, data[i])
		}
	}
}

// Every choice of packets of a small group.
func TestEveryLossOfASmallGroupIsRepaired(t *testing.T) {
	const k, h = 4, 5
	c := NewCodec(k)
	data := randomPackets(rand.New(rand.NewPCG(1, 2)), k, 7)
	for there := range 1 << (k + h) {
		var missing, parity []int
		for i := range k {
			if there>>i&1 == 0 {
				missing = append(missing, i)
			}
		}
		for j := range h {
			if there>>(k+j)&1 == 1 {
				parity = append(parity, j)
			}
		}
		if len(parity) == len(missing) {
			checkRepair(t, c, data, missing, parity)
		}
	}
}

func TestCodecRefusesWhatIsNoGroup(t *testing.T) {
	panics := func(name string, f func()) {
		t.Helper()
		defer func() {
			if recover() == nil {
				t.Errorf("%s: no panic", name)
			}
		}()
		f()
	}
	for _, k := range []int{-1, 0, 129, 1 << 30} {
		panics("size", func() { NewCodec(k) })
	}
	c := NewCodec(4)
	one := func(n int) [][]byte { return randomPackets(rand.New(rand.NewPCG(0, 0)), n, 8) }
	panics("parity packet 251 of 4", func() { c.Encode(one(1), 251, one(4)) })
	panics("five packets", func() { c.Encode(one(1), 0, one(5)) })
	panics("no packets", func() { c.Encode(one(1), 0, nil) })
	panics("lengths", func() { c.Encode([][]byte{make([]byte, 9)}, 0, one(4)) })
	panics("a parity packet twice", func() { c.Decode(one(4), []int{0, 1}, []int{3, 3}, one(2)) })
	panics("a packet missing twice", func() { c.Decode(one(4), []int{1, 1}, []int{3, 4}, one(2)) })
	panics("less parity than is missing", func() { c.Decode(one(4), []int{0, 1}, []int{3}, one(2)) })
}

// Neither way allocates for each packet: an encoder that works on sixteen packets at a time allocates twice for each run.
func TestCodecDoesNotAllocate(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	c := NewCodec(64)
	data, dst := randomPackets(r, 64, 1408), randomPackets(r, 16, 1408)
	missing, parity := []int{0, 7, 9}, []int{1, 2, 17}
	c.Encode(dst, 0, data)
	if n := testing.AllocsPerRun(20, func() { c.Encode(dst, 0, data) }); n > 2 {
		t.Errorf("16 parity packets: %v allocations", n)
	}
	if n := testing.AllocsPerRun(20, func() { c.Encode(dst[:1], 17, data) }); n > 0 {
		t.Errorf("one parity packet: %v allocations", n)
	}
	if n := testing.AllocsPerRun(20, func() { c.Decode(data, missing, parity, dst[:3]) }); n > 0 {
		t.Errorf("decoding: %v allocations", n)
	}
}
