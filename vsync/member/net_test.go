package member

import (
	"container/heap"
	"math/rand/v2"
	"time"
)

// network carries packets between the processes of a simulation, in virtual time: reliable and FIFO for each pair of processes, as PGM is as
// long as it says nothing. A packet that was lost and repaired comes late, and all behind it too. What a process had sent when it crashed
// reaches some and not others. A cut holds back what is sent; when it heals soon all of it comes, and when it does not, the receiver is
// told that something will never come.
type network struct {
	rng   *rand.Rand
	now   time.Duration
	queue agenda
	seq   int
	links map[[2]int]*link
	procs []*process
	heard func(p []byte) // sees all that is sent, and may change it

	deadly float64 // how likely a step of a view change is the last that its process takes
	deaths int     // how often that was so

	delay, jitter time.Duration
	talkEnd       time.Duration // nobody sends after that
	loss          float64       // of packets that are repaired
	repair        time.Duration
}

// link is the way from one process to another.
type link struct {
	queue  []packet // sent and not there yet
	last   time.Duration
	cut    bool
	cutAt  time.Duration
	broken bool // the receiver is to be told of a loss before the next packet
}

type packet struct {
	at   time.Duration
	data []byte
}

// appointment is something that happens at a time.
type appointment struct {
	at  time.Duration
	seq int
	do  func()
}

type agenda []appointment

func (a agenda) Len() int { return len(a) }
func (a agenda) Less(i, k int) bool {
	return a[i].at < a[k].at || a[i].at == a[k].at && a[i].seq < a[k].seq
}
func (a agenda) Swap(i, k int) { a[i], a[k] = a[k], a[i] }
func (a *agenda) Push(x any)   { *a = append(*a, x.(appointment)) }
func (a *agenda) Pop() any {
	old := *a
	x := old[len(old)-1]
	old[len(old)-1] = appointment{}
	*a = old[:len(old)-1]
	return x
}

func newNetwork(rng *rand.Rand) *network {
	return &network{rng: rng, links: map[[2]int]*link{}, delay: 50 * time.Microsecond, jitter: 200 * time.Microsecond, repair: 20 * time.Millisecond}
}

// at has f called at a time.
func (n *network) at(t time.Duration, f func()) {
	n.seq++
	heap.Push(&n.queue, appointment{max(t, n.now), n.seq, f})
}

// run lets time pass until end.
func (n *network) run(end time.Duration) {
	for len(n.queue) > 0 && n.queue[0].at <= end {
		a := heap.Pop(&n.queue).(appointment)
		n.now = a.at
		a.do()
	}
	n.now = end
}

func (n *network) link(from, to int) *link {
	k := [2]int{from, to}
	l := n.links[k]
	if l == nil {
		l = &link{}
		n.links[k] = l
	}
	return l
}

// multicast sends a packet to all processes but the sender.
func (n *network) multicast(from *process, data []byte) {
	data = append([]byte(nil), data...)
	if n.heard != nil {
		n.heard(data)
	}
	for _, p := range n.procs {
		if p == from || p.crashed {
			continue
		}
		l := n.link(from.index, p.index)
		at := n.now + n.delay + time.Duration(n.rng.Int64N(int64(n.jitter)+1))
		if n.rng.Float64() < n.loss {
			at += n.repair + time.Duration(n.rng.Int64N(int64(n.repair)+1))
		}
		at = max(at, l.last)
		l.last = at
		l.queue = append(l.queue, packet{at, data})
		if !l.cut && len(l.queue) == 1 {
			n.schedule(from, p, l)
		}
	}
}

// fatal draws whether the process that has just sent p ends there.
func (n *network) fatal(p []byte) bool {
	switch kind(p[3]) {
	case kindPrepare, kindAck, kindAccept, kindAccepted, kindInstall:
		if n.now > 500*time.Millisecond && n.now < n.talkEnd && n.deaths < 2 && n.rng.Float64() < n.deadly {
			n.deaths++
			return true
		}
	}
	return false
}

func (n *network) schedule(from, to *process, l *link) {
	n.at(l.queue[0].at, func() { n.arrive(from, to, l) })
}

// arrive hands over what has come, and waits for the next.
func (n *network) arrive(from, to *process, l *link) {
	if l.cut || len(l.queue) == 0 {
		return
	}
	if l.queue[0].at > n.now {
		n.schedule(from, to, l)
		return
	}
	q := l.queue[0]
	l.queue = l.queue[1:]
	if l.broken {
		l.broken = false
		to.lost(from.m.ID())
	}
	to.receive(from.m.ID(), q.data)
	if len(l.queue) > 0 {
		n.schedule(from, to, l)
	}
}

// crash drops what the process had sent from some point on, another for each receiver.
func (n *network) crash(p *process) {
	for _, to := range n.procs {
		if l := n.links[[2]int{p.index, to.index}]; l != nil && len(l.queue) > 0 {
			l.queue = l.queue[:n.rng.IntN(len(l.queue)+1)]
		}
	}
}

// cut ends the way from one to the other.
func (n *network) cut(from, to *process) {
	if l := n.link(from.index, to.index); !l.cut {
		l.cut, l.cutAt = true, n.now
	}
}

// keeps is for how long what could not be delivered is repaired later.
const keeps = 400 * time.Millisecond

// heal opens it again.
func (n *network) heal(from, to *process) {
	l := n.link(from.index, to.index)
	if !l.cut {
		return
	}
	l.cut = false
	if n.now-l.cutAt > keeps && len(l.queue) > 0 {
		l.queue = l.queue[len(l.queue):]
		l.broken = true
	}
	for i := range l.queue {
		l.queue[i].at = max(l.queue[i].at, n.now+n.delay)
	}
	if len(l.queue) > 0 {
		n.schedule(from, to, l)
	}
}
