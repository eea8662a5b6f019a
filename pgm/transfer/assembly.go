package transfer

import (
	"fmt"

	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/receiver"
)

// assembly puts records together from packets that come in any order, each once.
type assembly struct {
	open []pending
}

// pending is a record of which something has come.
type pending struct {
	first packet.SQN
	body  []byte
	got   int
}

// maxEarly is how many records may be in assembly at once, the next one included, for which there is always room. A sender sends one ahead of
// the one whose objects it sends, but does not wait for those who lag.
const maxEarly = 4

// add puts a part of a record in; next is the first packet of the record that is needed next. It returns the number of the record's first
// packet, and the record if that made it whole. A part for which there is no room is not ok: it has to come again.
func (a *assembly) add(d *receiver.Data, next packet.SQN) (first packet.SQN, body []byte, ok bool, err error) {
	f := &d.Fragment
	if f.Length > MaxRecord || uint64(f.Offset)+uint64(len(d.TSDU)) > uint64(f.Length) {
		return 0, nil, true, fmt.Errorf("%w: a record of %d octets", ErrManifest, f.Length)
	}
	p := a.find(f.First)
	if p == nil {
		room := maxEarly
		if f.First != next && a.find(next) == nil {
			room--
		}
		if len(a.open) >= room {
			return 0, nil, false, nil
		}
		a.open = append(a.open, pending{first: f.First, body: make([]byte, f.Length)})
		p = &a.open[len(a.open)-1]
	}
	if int(f.Length) != len(p.body) || p.got+len(d.TSDU) > len(p.body) {
		return 0, nil, true, manifestError("the parts of a record disagree")
	}
	p.got += copy(p.body[f.Offset:], d.TSDU)
	return f.First, a.whole(f.First), true, nil
}

func (a *assembly) find(first packet.SQN) *pending {
	for i := range a.open {
		if a.open[i].first == first {
			return &a.open[i]
		}
	}
	return nil
}

// whole returns the record that begins at first; nil if it is not whole.
func (a *assembly) whole(first packet.SQN) []byte {
	if p := a.find(first); p != nil && p.got == len(p.body) {
		return p.body
	}
	return nil
}

// done forgets the record that begins at first.
func (a *assembly) done(first packet.SQN) {
	for i := range a.open {
		if a.open[i].first == first {
			a.open = append(a.open[:i], a.open[i+1:]...)
			return
		}
	}
}
