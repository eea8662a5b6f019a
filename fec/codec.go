package fec

import (
	"fmt"

	"github.com/klauspost/reedsolomon"
)

// The limits of the code.
const (
	MinGroup   = 2   // the least PARITY_PRM_TGS
	MaxGroup   = 128 // the greatest
	MaxPackets = 255 // data and parity packets of one group: points that there are
)

// alignment is the unit, in octets, in which SIMD code takes packets. What does not fill one costs as much as several.
const alignment = 64

// align returns n rounded up to whole units.
func align(n int) int { return (n + alignment - 1) &^ (alignment - 1) }

// Codec computes parity packets from data packets and missing data packets from others, for groups of up to k. It is
// github.com/klauspost/reedsolomon with the coefficients of the deployed stacks, at the speed of its SIMD code, and without what its
// doors cost per call: matrices to invert, slices to allocate, goroutines. It is not safe for concurrent use.
type Codec struct {
	k       int
	low     reedsolomon.LowLevel
	weights [MaxGroup + 1]*weights // by the size of the group, once it was needed

	// Runs of parity packets of full groups are computed with all of a run's coefficients in registers, by an encoder made for it.
	encoders [len(runs)][]reedsolomon.Encoder
	shards   [][]byte

	solution solution
	rows     [maxRows][]byte
	present  [][]byte // of a group that is decoded: what is missing is nil
	results  [][]byte
	zeros    []byte
	ends     []byte // the ends of packets that are no multiple of alignment long
}

// runs are how many parity packets an encoder computes at once, beginning at a multiple of it.
var runs = [...]int{16, 8}

// maxRows is how many packets are computed in one pass over those that they follow from: as many as have room in a first-level cache.
const maxRows = 16

// NewCodec returns a Codec for groups of up to k packets, 1 <= k <= MaxGroup. It takes memory as it is used: some 1 MiB at
// most, when k is 128 and all of its parity packets are computed.
func NewCodec(k int) *Codec {
	if k < 1 || k > MaxGroup {
		panic(fmt.Sprintf("fec: a code for groups of %d packets", k))
	}
	c := &Codec{k: k}
	for i := range c.rows {
		c.rows[i] = make([]byte, 0, k)
	}
	return c
}

func (c *Codec) weightsOf(s int) *weights {
	if c.weights[s] == nil {
		c.weights[s] = newWeights(s)
	}
	return c.weights[s]
}

// AppendRow appends the coefficients of parity packet j of a group of s packets, one for each data packet: the parity packet is the
// sum of the data packets times these. It panics unless 1 <= s <= k and 0 <= j < MaxPackets-s.
func (c *Codec) AppendRow(row []byte, s, j int) []byte {
	c.check(s, j, 1)
	return c.weightsOf(s).appendParityRow(row, j)
}

func (c *Codec) check(s, j, n int) {
	if s < 1 || s > c.k || j < 0 || n < 0 || j+n > MaxPackets-s {
		panic(fmt.Sprintf("fec: parity packets %d..%d of a group of %d, of a code for %d", j, j+n-1, s, c.k))
	}
}

// Encode computes the parity packets first..first+len(dst)-1 of the group of the packets src, into dst. All slices are of the same
// length. A length that is a multiple of 64 is the fastest. It
// panics when the numbers are not those of AppendRow, or the lengths differ.
func (c *Codec) Encode(dst [][]byte, first int, src [][]byte) {
	c.check(len(src), first, len(dst))
	if len(dst) > 0 {
		checkLengths(src, len(src[0]))
		checkLengths(dst, len(src[0]))
		c.encode(dst, first, src)
	}
}

// encode is Encode, where packets that are nil count as zeros.
func (c *Codec) encode(dst [][]byte, first int, src [][]byte) {
	for len(dst) > 0 {
		n := len(dst)
		if run := c.run(len(src), first, n); run >= 0 {
			n = runs[run]
			c.encodeRun(run, dst[:n], first, src)
		} else {
			// Up to where a run begins; there may be none.
			n = min(n, runs[len(runs)-1]-first%runs[len(runs)-1])
			if len(src) != c.k {
				n = min(len(dst), maxRows)
			}
			w := c.weightsOf(len(src))
			for i := range n {
				c.rows[i] = w.appendParityRow(c.rows[i][:0], first+i)
			}
			c.multiply(dst[:n], src)
		}
		first += n
		dst = dst[n:]
	}
}

func checkLengths(packets [][]byte, size int) {
	for _, p := range packets {
		if len(p) != size {
			panic(fmt.Sprintf("fec: packets of %d and of %d octets", size, len(p)))
		}
	}
}

// run returns which of runs the parity packets from first on begin with, at most n of a group of s: -1 if they are too few.
func (c *Codec) run(s, first, n int) int {
	if s != c.k {
		return -1
	}
	for i, size := range runs {
		if first%size == 0 && n >= size {
			return i
		}
	}
	return -1
}

// encodeRun computes one run: whole units where they lie, what is left by way of a copy.
func (c *Codec) encodeRun(run int, dst [][]byte, first int, src [][]byte) {
	e := c.encoder(run, first)
	size := len(dst[0])
	whole := size &^ (alignment - 1)
	if len(c.zeros) < whole {
		c.zeros = make([]byte, whole)
	}
	shards := c.shards[:0]
	for _, p := range src {
		if p == nil {
			p = c.zeros
		}
		shards = append(shards, p[:whole])
	}
	for _, p := range dst {
		shards = append(shards, p[:whole])
	}
	c.shards = shards
	if whole > 0 {
		encode(e, shards)
	}
	if whole == size {
		return
	}
	if need := (len(src) + len(dst)) * alignment; cap(c.ends) < need {
		c.ends = make([]byte, need)
	}
	for i := range shards {
		shards[i] = c.ends[i*alignment : (i+1)*alignment]
	}
	for i, p := range src {
		if p == nil {
			clear(shards[i])
		} else {
			copy(shards[i], p[whole:]) // what an earlier one left behind it is in columns of its own
		}
	}
	encode(e, shards)
	for i, p := range dst {
		copy(p[whole:], shards[len(src)+i])
	}
}

func encode(e reedsolomon.Encoder, shards [][]byte) {
	if err := e.Encode(shards); err != nil {
		panic(fmt.Sprintf("fec: encoding %d packets of %d octets: %v", len(shards), len(shards[0]), err))
	}
}

// encoder returns the encoder of the run that begins with parity packet first.
func (c *Codec) encoder(run, first int) reedsolomon.Encoder {
	size := runs[run]
	if c.encoders[run] == nil {
		c.encoders[run] = make([]reedsolomon.Encoder, MaxPackets/size)
	}
	e := &c.encoders[run][first/size]
	if *e == nil {
		w := c.weightsOf(c.k)
		rows := make([][]byte, size)
		for i := range rows {
			rows[i] = w.appendParityRow(nil, first+i)
		}
		var err error
		*e, err = reedsolomon.New(c.k, size, reedsolomon.WithCustomMatrix(rows), reedsolomon.WithMaxGoroutines(1),
			reedsolomon.WithInversionCache(false))
		if err != nil {
			panic(fmt.Sprintf("fec: an encoder for %d and %d packets: %v", c.k, size, err))
		}
	}
	return *e
}

// Decode brings back the data packets missing of a group. src has all packets of the group in their places, with the parity packets
// parity, in this order, in the places of those that are missing: they become what is missing. missing ascends; where consecutive
// numbers follow each other in parity, decoding is the fastest. scratch is as many packets, to compute with. All packets are of the same
// length, as for Encode. It panics when that is not so, or the numbers are not those of AppendRow, or one is there twice.
func (c *Codec) Decode(src [][]byte, missing, parity []int, scratch [][]byte) {
	c.checkDecode(src, missing, parity, scratch)
	if len(missing) == 0 {
		return
	}
	w := c.weightsOf(len(src))
	c.solution.solve(w, missing, parity)
	c.present, c.results = append(c.present[:0], src...), c.results[:0]
	for _, i := range missing {
		c.present[i] = nil
		c.results = append(c.results, src[i])
	}
	// What the packets that are there have in each parity packet goes out of it; then each is a sum of nothing but missing packets,
	for n := 0; n < len(parity); {
		run := 1
		for n+run < len(parity) && parity[n+run] == parity[n]+run {
			run++
		}
		c.encode(scratch[n:n+run], parity[n], c.present)
		n += run
	}
	for n, p := range c.results {
		c.low.GalMulSliceXor(1, p, scratch[n])
	}
	// and each missing packet is a sum of these.
	for n := 0; n < len(missing); n += maxRows {
		results := c.results[n:min(n+maxRows, len(missing))]
		for i := range results {
			c.rows[i] = c.solution.appendRow(c.rows[i][:0], w, missing[n+i])
		}
		c.multiply(results, scratch)
	}
}

func (c *Codec) checkDecode(src [][]byte, missing, parity []int, scratch [][]byte) {
	c.check(len(src), 0, 0)
	if len(missing) != len(parity) || len(missing) != len(scratch) {
		panic(fmt.Sprintf("fec: %d missing packets, %d parity packets, %d to compute with", len(missing), len(parity), len(scratch)))
	}
	for n, i := range missing {
		if i < 0 || i >= len(src) || n > 0 && i <= missing[n-1] {
			panic(fmt.Sprintf("fec: packets %v of %d are missing", missing, len(src)))
		}
		c.check(len(src), parity[n], 1)
		for _, j := range parity[:n] {
			if j == parity[n] {
				panic(fmt.Sprintf("fec: parity packet %d twice", j))
			}
		}
	}
	checkLengths(src, len(src[0]))
	checkLengths(scratch, len(src[0]))
}

// multiply sets each of dst to the sum of src times the coefficients in rows. What is nil counts as zeros.
func (c *Codec) multiply(dst, src [][]byte) {
	first := true
	for i, p := range src {
		if p == nil {
			continue
		}
		for r, out := range dst {
			if first {
				c.low.GalMulSlice(c.rows[r][i], p, out)
			} else {
				c.low.GalMulSliceXor(c.rows[r][i], p, out)
			}
		}
		first = false
	}
	if first {
		for _, out := range dst {
			clear(out)
		}
	}
}
