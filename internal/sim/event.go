package sim

import (
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
)

// Kind says what happened to a packet.
type Kind uint8

// What happens to packets. One that is sent to many is delivered and lost many times.
const (
	Sent       Kind = iota // Host sent it
	Delivered              // it reached Host
	Lost                   // it was lost on a link: Host is who would have had it, or its sender when those would be several
	Overflowed             // it met a full queue; Host likewise
	Refused                // Host's engine returned an error for it
	kinds
)

// String names the kind.
func (k Kind) String() string {
	return [...]string{"sent", "delivered", "lost", "overflowed", "refused"}[k]
}

// Event is what Net.Observe is told.
type Event struct {
	At   time.Time
	Kind Kind
	Host Host
	Data []byte // the packet; valid during the call only
	Err  error  // why it was refused
}

// Tally counts what happened, by the type of the packet.
type Tally [kinds][16]uint64

// Tally returns what has happened so far.
func (n *Net) Tally() *Tally { return &n.tally }

// Count returns how often k happened to packets of type t.
func (t *Tally) Count(k Kind, p packet.Type) uint64 { return t[k][p&0x0f] }

func (n *Net) tell(k Kind, h Host, p *shared) {
	n.tellErr(k, h, p, nil)
}

func (n *Net) tellErr(k Kind, h Host, p *shared, err error) {
	n.tally[k][p.typ&0x0f]++
	if n.Observe != nil {
		n.Observe(Event{At: n.Now(), Kind: k, Host: h, Data: p.data, Err: err})
	}
}

// Type returns the type in the packet's header; packet.NoType when it is too short to have one.
func (e *Event) Type() packet.Type {
	if len(e.Data) <= 4 {
		return packet.NoType
	}
	return packet.Type(e.Data[4] & 0x0f)
}
