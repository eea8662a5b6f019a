package source

import (
	"net/netip"
	"time"

	"github.com/gopgm/gopgm/congestion"
	"github.com/gopgm/gopgm/nak"
	"github.com/gopgm/gopgm/pgm/packet"
)

// Slow says what becomes of a receiver that holds up the others, where congestion control finds the rate.
type Slow uint8

// What may become of it.
const (
	Wait   Slow = iota // the others wait for it
	Shed               // it is heard no more
	Demote             // it has the rest when the others have everything
)

// String returns the name that command lines have for it.
func (p Slow) String() string {
	switch p {
	case Shed:
		return "shed"
	case Demote:
		return "demote"
	}
	return "wait"
}

// SlowStats counts what became of slow receivers.
type SlowStats struct {
	Behind  int    // receivers that are shed or demoted now
	Found   uint64 // in all
	Ignored uint64 // requests of theirs for packets that were not queued
	Delayed uint64 // that were, behind everything else
}

// slow lets receivers fall behind that hold up the others. What those that are demoted ask for is confirmed, to them alone, and
// queued; of the queue as much leaves as tells them that somebody still repairs, until all that the others want has been sent. Then they count
// again, and have all of the rate that they can take.
type slow struct {
	policy Slow
	finder congestion.Slow
	behind map[netip.Addr]bool
	later  repairs   // what they asked for
	pollAt time.Time // when the finder is asked next
	fedAt  time.Time // when something of later left last
	wanted time.Time // when one of the others asked for something last, or new data left
	stats  SlowStats
}

const (
	slowEvery = 50 * time.Millisecond
	// feedEvery is how often a run of repairs leaves for those who are behind, so that they do not give up.
	feedEvery = 200 * time.Millisecond
	// slowRest is for how long the others want nothing before those behind count again.
	slowRest = 300 * time.Millisecond
	// maxBehind bounds those behind: more are waited for.
	maxBehind = 256
)

// lags reports whether what the NAK in k.feedback, which came from an address, asks for is to wait.
func (k *control) lags(from netip.Addr) bool {
	if k == nil || len(k.slow.behind) == 0 {
		return false
	}
	if k.feedback.HasEcho && !k.feedback.IsACK {
		from = k.feedback.Echo.Receiver // network elements are in between
	}
	return k.slow.behind[from]
}

// next returns when handleTimeout has something to do.
func (l *slow) next() time.Time { return l.pollAt }

// handleTimeout looks for receivers that hold up others, and has those behind count again when it is their turn. It reports whether any of
// that changed anything.
func (l *slow) handleTimeout(now time.Time, s *Source) (changed bool) {
	if l.policy == Wait || s.state == done {
		l.pollAt = time.Time{}
		return false
	}
	if now.Before(l.pollAt) {
		return false
	}
	l.pollAt = now.Add(slowEvery)
	if s.waiting() > 0 || s.repairs.len() > 0 || s.repeating {
		l.wanted = now
		if found, ok := l.finder.Poll(now, s.control.Controller, s.others()); ok && len(l.behind) < maxBehind {
			l.leave(found, s)
		}
		if s.waiting() > 0 {
			l.feed(now, s)
		}
		return true // a trial may have begun or ended
	}
	if l.policy == Demote && len(l.behind) > 0 && now.Sub(l.wanted) >= slowRest {
		l.rejoin(s)
		return true
	}
	return false
}

// leave has a receiver fall behind.
func (l *slow) leave(a netip.Addr, s *Source) {
	if l.behind == nil {
		l.behind = make(map[netip.Addr]bool)
		l.later = newRepairs(s.c.MaxRepairs)
	}
	l.behind[a] = true
	l.stats.Found++
	l.stats.Behind = len(l.behind)
	if s.c.Lag != nil {
		s.c.Lag(a, true)
	}
}

// rejoin has those behind count again, and what they asked for repaired.
func (l *slow) rejoin(s *Source) {
	for a := range l.behind {
		s.control.Exclude(a, false)
		if s.c.Lag != nil {
			s.c.Lag(a, false)
		}
	}
	clear(l.behind)
	l.stats.Behind = 0
	for l.later.len() > 0 {
		first, n := l.later.next(packet.MaxRunPackets)
		for i := range n {
			s.repair(first + packet.SQN(i))
		}
		l.later.sent(first, n)
	}
	l.policy = Wait // there is nobody left to be held up
}

// feed has some of what those behind asked for repaired, if that was long ago.
func (l *slow) feed(now time.Time, s *Source) {
	if l.stats.Behind == 0 || now.Sub(l.fedAt) < feedEvery || l.later.len() == 0 {
		return
	}
	l.fedAt = now
	first, n := l.later.next(s.maxRun())
	for i := range n {
		s.repair(first + packet.SQN(i))
	}
	l.later.sent(first, n)
}

// handleLate takes the NAK p of a receiver that is behind.
func (s *Source) handleLate(now time.Time, from netip.AddrPort, p *nak.Packet, isParity bool) {
	l := &s.control.slow
	if l.policy == Shed {
		l.stats.Ignored += uint64(p.Count())
		return
	}
	if !isParity {
		s.confirm.HeardFrom(now, p, from)
	} else {
		s.parity.confirm.HeardFrom(now, p, from)
	}
	s.delay(p, isParity)
	s.due = now
}

// delay queues what p asks for behind everything else. Of a group of which it asks for parity, it may lack any packet.
func (s *Source) delay(p *nak.Packet, isParity bool) {
	l := &s.control.slow
	for q := range p.All() {
		first, last := q, q
		if isParity {
			first, _ = s.parity.k.Requested(q)
			last = s.parity.k.Next(first) - 1
		}
		for ; !last.Before(first); first++ {
			if first.InWindow(s.trail, s.lead()) && s.parity.exists(first) && l.later.add(first, s.trail) != dropped {
				l.stats.Delayed++
			} else {
				l.stats.Ignored++
			}
		}
	}
}

// SetReceivers says how many receivers there are, as far as the application knows: 0 if it does not. It matters to Config.Slow alone.
func (s *Source) SetReceivers(n int) { s.receivers = n }

// others returns how many receivers there are besides the acker and those behind.
func (s *Source) others() int {
	n := s.receivers
	if p := s.children.poller; n == 0 && p != nil {
		n, _ = p.Population()
	}
	known := 0
	s.control.Receivers(func(r congestion.Receiver) bool {
		known++
		return true
	})
	return max(n, known) - 1 - len(s.control.slow.behind)
}
