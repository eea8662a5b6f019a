package element

import (
	"errors"

	"github.com/gopgm/gopgm/pgm/packet"
)

// The causes for which packets are refused, besides those of package packet.
var (
	ErrInterface = errors.New("element: not by the way that leads to its source")
	ErrLoop      = errors.New("element: it has been here before")
	ErrUnknown   = errors.New("element: of no session that is known")
	ErrForeign   = errors.New("element: it names another source, group or neighbour")
	ErrMoved     = errors.New("element: another source has this session")
	ErrSequence  = errors.New("element: out of sequence")
	ErrOutside   = errors.New("element: outside the window of the source")
	ErrOption    = errors.New("element: an unknown option asks that it be dropped")
)

// refuse returns cause: a packet is refused without an allocation, of which a flood could ask for many.
func refuse(_ *packet.Header, cause error) error { return cause }

// Stats counts what an Element did.
type Stats struct {
	ODATA, RDATA, SPMs uint64 // forwarded; an SPM counts for each interface
	NAKs               uint64 // NAKs heard that were sent to the element
	NCFs               uint64 // sent
	NCFsHeld           uint64 // not sent: the rate was spent
	HeardNCFs          uint64
	Echoes             uint64 // repairs sent again, from those that passed last
	Forwarded          uint64 // NAKs that were sent on
	Repeated           uint64 // NAKs sent again for want of an NCF
	Eliminated         uint64 // NAKs and NNAKs that were not
	Limited            uint64 // nor these, because the rate was spent
	Withheld           uint64 // nor these, while the parent is out of reach
	Shed               uint64 // NAKs of children that ask for too much
	Full               uint64 // NAKs without room for their repair state
	Failures           uint64 // multicast failures presumed
	NNAKs, POLLs       uint64 // sent
	POLRs              uint64
	Redirections       uint64 // repairers that offered themselves
	Unredirected       uint64 // repairers that did not answer
	Distrusted         uint64 // offers of those
	Unasked            uint64 // RDATA that nobody asked for
	Own, Ignored       uint64 // our own packets; those that are not for elements
	Strangers          uint64 // packets of sessions without room, switched
	Overflows          uint64 // packets for which PollTransmit came too late
	Expiries           uint64 // packets whose TTL ended here
	Sessions, Expired  uint64 // sessions that were made known and forgotten
	Bad                Bad
	Active             int // sessions now
	Repairs            int // repair states now
}

// Bad counts packets that were refused, by cause.
type Bad struct {
	Malformed                                                                  uint64
	Interface, Loop, Unknown, Foreign, Moved, Sequence, Outside, UnknownOption uint64
}

func (s *Stats) count(err error) {
	for _, c := range [...]struct {
		cause error
		n     *uint64
	}{
		{ErrInterface, &s.Bad.Interface}, {ErrLoop, &s.Bad.Loop}, {ErrUnknown, &s.Bad.Unknown}, {ErrForeign, &s.Bad.Foreign},
		{ErrMoved, &s.Bad.Moved}, {ErrSequence, &s.Bad.Sequence}, {ErrOutside, &s.Bad.Outside}, {ErrOption, &s.Bad.UnknownOption},
	} {
		if errors.Is(err, c.cause) {
			*c.n++
			return
		}
	}
	s.Bad.Malformed++
}

// Stats returns the counters.
func (e *Element) Stats() Stats {
	st := e.stats
	st.Active = len(e.sessions)
	for _, s := range e.order {
		st.Repairs += s.repairs.Len()
	}
	return st
}
