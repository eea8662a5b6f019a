package receiver

import (
	"github.com/gopgm/gopgm/pgm/packet"
)

// Assembler puts the APDUs of an ordered session together again [9.2.3-01]. The zero value takes APDUs of up to 64 KiB.
type Assembler struct {
	Max int // octets of an APDU at most; longer ones are dropped and counted

	buf     []byte
	first   packet.SQN // of the APDU that is being put together
	length  uint32     // of it; 0: none is
	next    packet.SQN
	Dropped uint64 // APDUs that were not whole, too long, or whose fragments disagreed
}

const defaultMaxAPDU = 64 << 10

// Add takes the next packet in order and returns the APDU that it completes; ok is false when there is none yet. The APDU is valid
// until the next call. Fragments of an APDU whose beginning was lost, or came before we joined, are passed over.
func (a *Assembler) Add(d Data) (apdu []byte, ok bool) {
	f := d.Fragment
	if f.Length == 0 {
		a.abandon()
		return d.TSDU, true
	}
	if a.length != 0 && (f.First != a.first || f.Length != a.length || d.SQN != a.next || int(f.Offset) != len(a.buf)) {
		a.abandon()
	}
	if a.length == 0 {
		limit := a.Max
		if limit <= 0 {
			limit = defaultMaxAPDU
		}
		if f.Offset != 0 {
			return nil, false
		}
		if uint64(f.Length) > uint64(limit) {
			a.Dropped++
			return nil, false
		}
		a.first, a.length, a.buf = f.First, f.Length, a.buf[:0]
	}
	a.buf = append(a.buf, d.TSDU...)
	a.next = d.SQN + 1
	if len(a.buf) < int(a.length) {
		return nil, false
	}
	a.length = 0
	return a.buf, true
}

// Lost says that packets are missing before the next one: what was begun cannot be completed.
func (a *Assembler) Lost() { a.abandon() }

func (a *Assembler) abandon() {
	if a.length != 0 {
		a.Dropped++
		a.length = 0
	}
}
