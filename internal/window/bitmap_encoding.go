package window

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"

	"github.com/gopgm/gopgm/pgm/packet"
)

// ErrEncoding is what UnmarshalBinary's errors wrap.
var ErrEncoding = errors.New("not an encoded bitmap")

// A bitmap is encoded as a version (1 octet), TRAIL, MAX and how many SQNs are in (4 octets each, in
// network order), then tokens that describe words of 64 SQNs, from the word that holds the trail up to
// the last one in which an SQN is in. A token is a uvarint n<<2|kind: n words of zeros or of ones, or n
// words (at most 31, so that the token is one octet) that follow in network order, the lowest SQN in
// the lowest bit. That is never more than 9 octets for 64 SQNs, and a few for a long run.
const (
	encodingVersion = 1
	encodingHeader  = 13

	wordsZero    = 0
	wordsOne     = 1
	wordsLiteral = 2

	maxLiteral = 31
)

// MarshalBinary returns the set and its window in the form that UnmarshalBinary reads.
func (b *Bitmap) MarshalBinary() ([]byte, error) { return b.AppendBinary(nil) }

// AppendBinary is MarshalBinary into the caller's buffer. It never fails.
func (b *Bitmap) AppendBinary(buf []byte) ([]byte, error) {
	buf = append(buf, encodingVersion)
	buf = binary.BigEndian.AppendUint32(buf, uint32(b.trail))
	buf = binary.BigEndian.AppendUint32(buf, b.max)
	buf = binary.BigEndian.AppendUint32(buf, b.n)

	s := b.trail - b.trail%wordSQNs
	kind, run := uint64(wordsZero), uint64(0)
	token := 0 // where the octet of the last literal token is
	for words, seen := windowWords(b.trail, b.max), uint32(0); seen < b.n; {
		w, n := b.words(s)
		n = min(n, words)
		if s.Before(b.trail) {
			w, n = w&^(bitMask(b.trail)-1), 1
		}
		words -= n
		s += packet.SQN(n) * wordSQNs
		seen += uint32(bits.OnesCount64(w)) * n

		k := uint64(wordsLiteral)
		switch w {
		case 0:
			k = wordsZero
		case ^uint64(0):
			k = wordsOne
		}
		if k != kind || k == wordsLiteral && run == maxLiteral {
			buf = appendRun(buf, kind, run)
			kind, run = k, 0
		}
		if k != wordsLiteral {
			run += uint64(n)
			continue
		}
		if run == 0 {
			token = len(buf)
			buf = append(buf, 0)
		}
		run++
		buf[token] = byte(run<<2 | wordsLiteral)
		buf = binary.BigEndian.AppendUint64(buf, w)
	}
	return appendRun(buf, kind, run), nil
}

// appendRun appends the token of a run that has ended. A literal one has been written as it grew.
func appendRun(buf []byte, kind, run uint64) []byte {
	if kind == wordsLiteral || run == 0 {
		return buf
	}
	return binary.AppendUvarint(buf, run<<2|kind)
}

// windowWords returns how many words a window touches.
func windowWords(trail packet.SQN, max uint32) uint32 {
	return (uint32(trail)%wordSQNs + max + wordSQNs - 1) / wordSQNs
}

// words returns the word at s, which begins one, and for how many words at least the bitmap stays so.
func (b *Bitmap) words(s packet.SQN) (w uint64, n uint32) {
	r := b.region(s)
	if r.table == nil {
		if r.n != 0 {
			w = ^uint64(0)
		}
		return w, (regionSQNs - uint32(s)%regionSQNs) / wordSQNs
	}
	p := &r.table[pageIndex(s)]
	if p.bits == nil {
		if p.n != 0 {
			w = ^uint64(0)
		}
		return w, (pageSQNs - uint32(s)%pageSQNs) / wordSQNs
	}
	return p.bits[wordIndex(s)], 1
}

// UnmarshalBinary makes b the set that was encoded. A Bitmap from NewBitmap keeps its own size and
// refuses a set with a larger one, which bounds the memory that data can ask for to one bit for each
// SQN of the window; the zero Bitmap takes the size that data says. The trail is the one in data. On
// an error, which wraps ErrEncoding, b is unchanged.
func (b *Bitmap) UnmarshalBinary(data []byte) error {
	if len(data) < encodingHeader {
		return fmt.Errorf("window: bitmap: %d octets, shorter than the header: %w", len(data), ErrEncoding)
	}
	if data[0] != encodingVersion {
		return fmt.Errorf("window: bitmap: version %d, want %d: %w", data[0], encodingVersion, ErrEncoding)
	}
	trail := packet.SQN(binary.BigEndian.Uint32(data[1:]))
	max := binary.BigEndian.Uint32(data[5:])
	want := binary.BigEndian.Uint32(data[9:])
	if max > packet.MaxWindow || b.max != 0 && max > b.max {
		return fmt.Errorf("window: bitmap: a window of %d packets, more than %d: %w", max, b.limit(), ErrEncoding)
	}
	if want > max {
		return fmt.Errorf("window: bitmap: %d SQNs in a window of %d: %w", want, max, ErrEncoding)
	}

	got := Bitmap{trail: trail, max: max, first: trail}
	if b.max != 0 {
		got.max = b.max
	}
	got.root = make([]region, rootLen(got.max))
	if reason, at := got.fill(data[encodingHeader:], max); reason != "" {
		return fmt.Errorf("window: bitmap: %s at offset %d: %w", reason, encodingHeader+at, ErrEncoding)
	}
	if got.n != want {
		return fmt.Errorf("window: bitmap: %d SQNs are in, %d announced: %w", got.n, want, ErrEncoding)
	}
	*b = got
	return nil
}

func (b *Bitmap) limit() uint32 {
	if b.max != 0 {
		return b.max
	}
	return packet.MaxWindow
}

// fill puts in what the tokens say, into an empty set. All of it must be within max of the trail. It
// returns what is wrong and where, or "".
func (b *Bitmap) fill(tokens []byte, max uint32) (reason string, at int) {
	s := b.trail - b.trail%wordSQNs
	words := windowWords(b.trail, max)
	if max == 0 {
		words = 0
	}
	for at < len(tokens) {
		v, size := binary.Uvarint(tokens[at:])
		if size <= 0 {
			return "a token that does not end", at
		}
		kind, run := v&3, v>>2
		switch {
		case run == 0 || run > uint64(words):
			return "a run of no words, or past the window,", at
		case kind > wordsLiteral || kind == wordsLiteral && run > maxLiteral:
			return "an unknown token", at
		case kind == wordsLiteral && uint64(len(tokens)-at-size) < 8*run:
			return "a token without its words", at
		}
		at += size
		words -= uint32(run)
		for n := uint32(run); n > 0; {
			step := uint32(1)
			switch kind {
			case wordsZero:
				step = n
			case wordsOne:
				if s.Before(b.trail) || s+wordSQNs-1-b.trail >= packet.SQN(max) {
					return "an SQN outside the window", at
				}
				step = b.fillWords(s, min(n, (max-uint32(s-b.trail))/wordSQNs))
			default:
				w := binary.BigEndian.Uint64(tokens[at:])
				if w&^windowMask(s, b.trail, max) != 0 {
					return "an SQN outside the window", at
				}
				b.setWord(s, w)
				at += 8
			}
			s += packet.SQN(step) * wordSQNs
			n -= step
		}
	}
	return "", at
}

// windowMask returns which of the SQNs of the word at s are in [trail, trail+max).
func windowMask(s, trail packet.SQN, max uint32) uint64 {
	mask := ^uint64(0)
	if s.Before(trail) { // it is the trail's own word
		mask &^= bitMask(trail) - 1
	}
	if end := trail + packet.SQN(max); uint32(end-s) < wordSQNs {
		mask &= bitMask(end) - 1
	}
	return mask
}

// fillWords puts in all of the words from s on that make a region, a page or a word, at most n; none
// of them is in. It returns how many words those were.
func (b *Bitmap) fillWords(s packet.SQN, n uint32) uint32 {
	r := b.region(s)
	switch {
	case s%regionSQNs == 0 && n >= regionSQNs/wordSQNs:
		r.n = regionSQNs
		b.n += regionSQNs
		return regionSQNs / wordSQNs
	case s%pageSQNs == 0 && n >= pageWords:
		if r.table == nil {
			r.table = b.newTable()
		}
		p := &r.table[pageIndex(s)]
		p.n = pageSQNs
		r.n += pageSQNs
		b.n += pageSQNs
		b.settle(r, p)
		return pageWords
	}
	b.setWord(s, ^uint64(0))
	return 1
}

// setWord puts in w's ones at the word at s, none of which is in.
func (b *Bitmap) setWord(s packet.SQN, w uint64) {
	if w == 0 {
		return
	}
	r := b.region(s)
	if r.table == nil {
		r.table = b.newTable()
	}
	p := &r.table[pageIndex(s)]
	if p.bits == nil {
		p.bits = b.newPage()
	}
	p.bits[wordIndex(s)] = w
	n := uint32(bits.OnesCount64(w))
	p.n += n
	r.n += n
	b.n += n
	b.settle(r, p)
}
