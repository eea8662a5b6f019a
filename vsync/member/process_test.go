package member

import (
	"bytes"
	"encoding/binary"
	"hash/fnv"
	"time"

	"github.com/gopgm/gopgm/vsync/check"
)

// process is a program in a simulation: a Member, a replica of some state, and the log that is judged.
type process struct {
	n       *network
	index   int
	m       *Member
	log     check.Log
	crashed bool
	ended   bool   // out
	why     Reason // when it is
	leaving bool
	paused  bool
	mute    bool          // it keeps no log
	inbox   []func()      // what came while it was paused
	next    time.Duration // when the member wants to be called
	waits   bool          // there is a timer,
	timer   time.Duration // for this time
	eager   float64       // how likely it answers what it receives
	lazy    time.Duration
	polling bool
	size    int // octets of its messages at most

	state    uint64 // digest of all that was applied
	order    Order
	strict   bool
	taking   []byte
	torn     bool // its state was not whole, or not of one giver
	gives    map[*View][]byte
	sent     int
	viewAt   []time.Duration
	bulk     int // octets of the state that it gives, at least
	restarts int // how often its state began
	members  int
	slowest  ID
}

// epoch is the time at which simulations begin.
var epoch = time.Unix(1_000_000_000, 0)

func (p *process) now() time.Time { return epoch.Add(p.n.now) }

// join starts a process.
func (n *network) join(c Config) *process {
	p := &process{n: n, index: len(n.procs), order: c.Order, strict: c.Strict, size: 40, gives: map[*View][]byte{}}
	c.ID = ID(p.index + 1)
	c.Rand = n.rng
	m, err := New(c, p.now())
	if err != nil {
		panic(err)
	}
	p.m, p.log.Process = m, uint64(c.ID)
	n.procs = append(n.procs, p)
	p.act()
	return p
}

// crash ends it without a word.
func (p *process) crash() {
	if p.crashed {
		return
	}
	p.crashed = true
	p.n.crash(p)
	if !p.ended {
		p.note(check.Event{Kind: check.Crash})
	}
}

func (p *process) note(e check.Event) {
	if p.mute {
		return
	}
	e.At = p.n.now
	p.log.Events = append(p.log.Events, e)
}

// do calls f now, or when the process runs again.
func (p *process) do(f func()) {
	switch {
	case p.crashed:
	case p.paused:
		p.inbox = append(p.inbox, f)
	default:
		f()
		p.act()
	}
}

func (p *process) receive(from ID, data []byte) {
	p.do(func() { _ = p.m.HandlePacket(p.now(), from, data) })
}

func (p *process) lost(from ID) { p.do(func() { p.m.HandleLost(p.now(), from) }) }

// pause stops the process for a time.
func (p *process) pause(d time.Duration) {
	if p.paused || p.crashed {
		return
	}
	p.paused = true
	p.n.at(p.n.now+d, func() {
		p.paused = false
		inbox := p.inbox
		p.inbox = nil
		for _, f := range inbox {
			p.do(f)
		}
		p.do(p.timeout)
	})
}

// act does what the process has to do after anything happened to it.
func (p *process) act() {
	if p.crashed || p.paused {
		return
	}
	if p.lazy == 0 {
		p.consume()
	} else if !p.polling {
		p.polling = true
		p.n.at(p.n.now+time.Duration(p.n.rng.Int64N(int64(p.lazy))), func() {
			p.polling = false
			p.do(p.consume)
		})
	}
	p.give()
	for d := p.m.PollTransmit(p.now()); d != nil; d = p.m.PollTransmit(p.now()) {
		p.n.multicast(p, d)
		if p.n.fatal(d) {
			p.crash()
			return
		}
	}
	if p.lazy == 0 {
		p.consume()
	}
	next := p.m.NextTimeout()
	if next.IsZero() {
		return
	}
	p.next = max(next.Sub(epoch), p.n.now)
	if p.waits && p.timer <= p.next {
		return
	}
	p.waits, p.timer = true, p.next
	p.n.at(p.next, p.wake)
}

// wake is what a timer calls. Of several the last to be due is enough.
func (p *process) wake() {
	if p.n.now >= p.timer {
		p.waits = false
	}
	if p.n.now >= p.next {
		p.do(p.timeout)
	} else {
		p.act()
	}
}

func (p *process) timeout() { p.m.HandleTimeout(p.now()) }

// send sends a message whose octets tell who sent it, and its number.
func (p *process) send() {
	if p.crashed || p.paused || p.ended || p.leaving {
		return
	}
	size := 16 + p.n.rng.IntN(p.size)
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(p.n.rng.Uint32())
	}
	binary.BigEndian.PutUint64(b, uint64(p.m.ID()))
	binary.BigEndian.PutUint64(b[8:], uint64(p.sent+1))
	number, err := p.m.Send(p.now(), b)
	if err != nil {
		return
	}
	p.sent++
	e := check.Event{Kind: check.Send, Message: check.Message{Sender: uint64(p.m.ID()), N: number}, Sum: sum(b)}
	if !p.strict {
		e.View = viewID(p.m.View().ID)
	}
	p.note(e)
}

func sum(b []byte) uint64 {
	h := fnv.New64a()
	h.Write(b)
	return h.Sum64()
}

func viewID(v ViewID) check.ViewID {
	return check.ViewID{Counter: v.Counter, Coordinator: uint64(v.Coordinator)}
}

// consume takes the events.
func (p *process) consume() {
	for e, ok := p.m.PollEvent(); ok; e, ok = p.m.PollEvent() {
		p.take(&e)
		p.m.Release(&e)
	}
}

func (p *process) take(e *Event) {
	switch e.Kind {
	case Viewed:
		v := check.Event{Kind: check.View, Group: e.View.Group, View: viewID(e.View.ID)}
		for _, q := range e.View.Members {
			v.Members = append(v.Members, uint64(q.ID))
		}
		for _, id := range e.View.Together {
			v.Together = append(v.Together, uint64(id))
		}
		p.members = len(v.Members)
		p.viewAt = append(p.viewAt, p.n.now)
		p.note(v)
	case Messages:
		answer := false
		for b, number, ok := e.Next(); ok; b, number, ok = e.Next() {
			p.apply(b)
			r := check.Event{Kind: check.Recv, Message: check.Message{Sender: uint64(e.From), N: number}, Sum: sum(b)}
			if p.order >= Total {
				r.State = p.state
			}
			p.note(r)
			answer = answer || p.n.rng.Float64() < p.eager
		}
		if answer && p.n.now < p.n.talkEnd {
			p.send()
		}
	case Requested:
		p.note(check.Event{Kind: check.Give, State: p.state})
		// What it is, how long, and octets that tell who gave it.
		size := max(p.bulk, p.n.rng.IntN(4000))
		state := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(nil, p.state), uint32(size))
		p.gives[e.View] = append(state, bytes.Repeat([]byte{byte(p.m.ID())}, size)...)
	case State:
		if e.Restart {
			p.restarts++
			p.taking = nil
		}
		p.taking = append(p.taking, e.State...)
		if e.Last {
			size := int(binary.BigEndian.Uint32(p.taking[8:]))
			if rest := p.taking[12:]; len(rest) != size || bytes.Count(rest, []byte{byte(e.From)}) != size {
				p.torn = true
			}
			p.state = binary.BigEndian.Uint64(p.taking)
			p.note(check.Event{Kind: check.State, State: p.state, From: uint64(e.From)})
		}
	case Slowed:
		p.slowest = e.From
	case Blocked:
		p.note(check.Event{Kind: check.Block})
	case Ended:
		p.ended, p.why = true, e.Why
		p.note(check.Event{Kind: check.Out})
	}
}

// apply changes the state: depending on the order of messages where it is total, else not.
func (p *process) apply(b []byte) {
	if p.order >= Total {
		p.state = p.state*1099511628211 ^ sum(b) | 1
	} else {
		p.state += sum(b)
	}
}

// give sends the next pieces of the state that others wait for.
func (p *process) give() {
	for v, rest := range p.gives {
		for len(rest) > 0 {
			k := min(len(rest), 700)
			err := p.m.SendState(p.now(), v, rest[:k])
			if err == ErrFull {
				break
			} else if err != nil {
				delete(p.gives, v)
				return
			}
			rest = rest[k:]
		}
		if p.gives[v] = rest; len(rest) == 0 {
			_ = p.m.EndState(p.now(), v)
			delete(p.gives, v)
		}
		if p.n.rng.IntN(2) == 0 {
			return // a slow one
		}
	}
}
