package vsync

import (
	"time"

	"github.com/gopgm/gopgm/pgm"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/receiver"
	"github.com/gopgm/gopgm/pgm/source"
	"github.com/gopgm/gopgm/vsync/member"
)

// outlet is the transmit window of this member's source, a source.Store. Packets are taken from the engine at the last moment, when the
// source may send: until then messages gather in the engine, and travel together.
type outlet struct {
	g      *Group
	memory *source.Memory
	held   []byte // a packet for which there was no room
}

// fill takes what the engine has to send, as far as the source is about to. The lock of g is held.
func (o *outlet) fill() {
	now := time.Now()
	for o.memory.Backlog() < pull {
		p := o.held
		if p == nil {
			p = o.g.m.PollTransmit(now)
		}
		if p == nil {
			break
		}
		if o.held = nil; o.memory.WriteAPDU(p) != nil {
			o.held = p
			break
		}
	}
	o.g.idle = o.memory.Backlog() == 0
	o.g.notify() // what this member has sent, it receives
}

// pull is how many octets wait for the source at most: what leaves by one or two system calls.
const pull = 64 << 10

// Load implements source.Store.
func (o *outlet) Load(first packet.SQN, dst []source.TSDU) (int, error) {
	o.g.mu.Lock()
	defer o.g.mu.Unlock()
	n, err := o.memory.Load(first, dst)
	o.fill()
	return n, err
}

// Next implements source.Store.
func (o *outlet) Next() packet.SQN {
	o.g.mu.Lock()
	defer o.g.mu.Unlock()
	if o.memory.Backlog() == 0 {
		o.fill()
	}
	return o.memory.Next()
}

// Trail implements source.Store.
func (o *outlet) Trail() packet.SQN {
	o.g.mu.Lock()
	defer o.g.mu.Unlock()
	return o.memory.Trail()
}

// Age implements source.Ager.
func (o *outlet) Age(now time.Time, next packet.SQN) {
	o.g.mu.Lock()
	defer o.g.mu.Unlock()
	o.memory.Age(now, next)
}

// inlet takes what one source sends: the packets of one incarnation, and no other's.
type inlet struct {
	g       *Group
	session *receiver.Session
	apdus   receiver.Assembler
	id      member.ID // 0 until the first packet
	heard   time.Time
}

// maxPacket is the longest packet of a group, with what a flush puts before it.
const maxPacket = 96 << 10

// Data takes the next part of a packet.
func (i *inlet) Data(d receiver.Data) bool {
	p, ok := i.apdus.Add(d)
	if !ok {
		return true
	}
	g := i.g
	g.mu.Lock()
	wanted := i.id != 0 || i.bind(p)
	if wanted {
		_ = g.m.HandlePacket(time.Now(), i.id, p) // counted by cause
	}
	g.mu.Unlock()
	if !wanted {
		i.session.Close() // it says End
	}
	return true
}

// bind gives the session the incarnation that its first packet names, unless that is of another group, or another session has it.
func (i *inlet) bind(p []byte) bool {
	id, group, ok := member.Sender(p)
	if !ok || group != i.g.group || i.g.inlets[id] != nil || id == i.g.m.ID() {
		return false
	}
	i.id = id
	i.g.inlets[id] = i
	return true
}

// Flush passes on what a batch of datagrams brought about.
func (i *inlet) Flush(pgm.Lease) bool {
	i.g.stir()
	return false
}

// Lost implements receiver.Sink.
func (i *inlet) Lost(first, last packet.SQN) {
	i.apdus.Lost()
	i.g.mu.Lock()
	defer i.g.mu.Unlock()
	if i.id != 0 {
		i.g.m.HandleLost(time.Now(), i.id)
	}
}

// End implements receiver.Sink.
func (i *inlet) End(receiver.End, packet.Reset) {
	i.g.mu.Lock()
	defer i.g.mu.Unlock()
	if i.id != 0 {
		i.g.m.HandleEnd(time.Now(), i.id)
		delete(i.g.inlets, i.id)
		i.id = 0
	}
}

// listen lets the engine know of sessions of which only SPMs, or data whose turn has not come, were heard. It runs on the goroutine of the
// receiver.
func (g *Group) listen() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for id, i := range g.inlets {
		if t := i.session.Heard(); t.After(i.heard) {
			i.heard = t
			g.m.HandleHeard(time.Now(), id)
		}
	}
}
