package poll

import (
	"errors"
	"math"
	"math/bits"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
)

// The defaults of PollerConfig: for a network with a round trip below 1 ms.
const (
	DefaultPeriod      = 30 * time.Second
	DefaultPollBackOff = 50 * time.Millisecond
	DefaultGrace       = 20 * time.Millisecond
	DefaultWant        = 64
	DefaultFirstBits   = 16
)

// PollerConfig says how a parent polls its children. Fields that are zero have their defaults.
type PollerConfig struct {
	Path    netip.Addr    // our address on the interface that is polled: POLL_PATH, where replies come
	Subtype Subtype       // who is asked
	Period  time.Duration // from one poll to the next; the first ones come sooner, after 1/16, 1/8, 1/4 and 1/2 of it
	// BackOff is POLL_BO_IVL when about as many replies are expected as are wanted; four times as long when their number is
	// unknown, so that a poll can be aborted while there still is something to abort [14.4-03].
	BackOff time.Duration
	Grace   time.Duration // how long after BackOff replies are still counted: more than the round trip to any child
	// Want is the number of replies to choose the probability for. With half of them the estimate is off by 18 %; an average of
	// four polls by 9 %. With more than four times Want, a poll is aborted.
	Want      int
	FirstBits int // the first poll asks one child in 2^FirstBits; 1..32
	// Deterministic asks every child, in one round: for specific polls to which few replies are expected [14.4-09].
	Deterministic bool
}

// WithDefaults returns c with its zero fields replaced.
func (c PollerConfig) WithDefaults() PollerConfig {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&c.Period, DefaultPeriod)
	set(&c.BackOff, DefaultPollBackOff)
	set(&c.Grace, DefaultGrace)
	if c.Want == 0 {
		c.Want = DefaultWant
	}
	if c.FirstBits == 0 {
		c.FirstBits = DefaultFirstBits
	}
	return c
}

// Check returns what is wrong with c, once defaults are in place.
func (c PollerConfig) Check() error {
	c = c.WithDefaults()
	switch {
	case !isHost(c.Path):
		return errors.New("poll: POLL_PATH is not the address of a host")
	case c.Period < 0 || c.BackOff < 0 || c.Grace < 0 || c.BackOff > maxBackOff:
		return errors.New("poll: an interval is negative, or a back-off above 1000 s")
	case c.Want < minWant || c.Want > maxWant || c.FirstBits < 1 || c.FirstBits > 32:
		return errors.New("poll: Want is not in 8..1000000, or FirstBits not in 1..32")
	}
	return nil
}

const (
	maxBackOff = 1000 * time.Second // four times as much still is a POLL_BO_IVL
	minWant    = 8                  // less is no estimate
	maxWant    = 1_000_000
	unknownFor = 4 // what BackOff is multiplied by when the number of replies is unknown
	tooMany    = 4 // times Want: the poll is aborted
	caution    = 4 // bits that the first round has more than the last estimate asks for: a population 16 times as large is no surprise
)

// Poller polls the children of a parent, again and again, for one session on one interface, and estimates how many they are
// [14.3.1], [14.4].
//
// Each poll is a group of rounds under one POLL_SQN. The first round has a probability that is low for what is known, and fixes who
// is counted: those who join later do not answer the next ones. Each further round opens the door as far as the replies to the
// one before make safe, until there are enough replies and not so few children that everybody can be asked. So a poll takes one to six rounds for one child
// to a million. A round that draws too many replies is aborted by a new poll with a very low probability [14.3.1-05].
type Poller struct {
	c        PollerConfig
	rng      *rand.Rand
	state    pollerState
	at       time.Time // when the state ends
	p        Packet    // the POLL that is to be sent, or was
	unknown  bool      // how many replies to expect of p
	replies  int
	opened   time.Time     // when the poll began
	interval time.Duration // to the next one
	estimate Estimate
	stats    PollerStats
}

type pollerState uint8

const (
	waiting    pollerState = iota // for the time of the next POLL; then it is due
	collecting                    // POLRs, until Grace after POLL_BO_IVL
)

// PollerStats counts what a Poller did.
type PollerStats struct {
	Polls   uint64 // POLLs sent: rounds
	Groups  uint64 // polls completed, of one round or several
	Aborts  uint64 // polls aborted because of too many replies
	Replies uint64 // POLRs counted
	Stray   uint64 // POLRs that answer another round than the outstanding one, or none
}

// Result is what came of a poll with all its rounds.
type Result struct {
	SQN        packet.SQN // POLL_SQN
	Population int        // the average of the last polls, this one included
	Replies    int        // to the last round
	Bits       int        // in the mask of the last round: this poll alone says Replies * 2^Bits
}

// NewPoller returns the Poller of a session that opens now; c must pass Check. The first POLL is due at once, with number 1: for
// NAK_BO_IVL_SQN, 0 is none.
func NewPoller(c PollerConfig, rng *rand.Rand, now time.Time) *Poller {
	p := &Poller{c: c.WithDefaults(), rng: rng}
	p.interval = p.c.Period / 16
	p.open(now)
	return p
}

// Due reports whether Packet is to be sent now.
func (p *Poller) Due(now time.Time) bool { return p.state == waiting && !now.Before(p.at) }

// Packet returns the POLL that is to be sent when Due says so, or was sent last.
func (p *Poller) Packet() *Packet { return &p.p }

// Sent says that the POLL left. Its replies are collected from now on.
func (p *Poller) Sent(now time.Time) {
	p.state, p.replies = collecting, 0
	p.at = now.Add(p.p.BackOff + p.c.Grace) // the next POLL is not earlier than POLL_BO_IVL [14.4-07]
	if p.p.Round == 0 {
		p.opened = now
	}
	p.stats.Polls++
}

// Heard takes a POLR for this session, and reports whether it counts: it answers the outstanding POLL [14.4-08]. Too many replies
// make a POLL due at once.
func (p *Poller) Heard(now time.Time, r *Reply) bool {
	if p.state != collecting || r.SQN != p.p.SQN || r.Round != p.p.Round {
		p.stats.Stray++
		return false
	}
	p.replies++
	p.stats.Replies++
	if !p.c.Deterministic && p.replies > tooMany*p.c.Want {
		p.abort(now)
	}
	return true
}

// HandleTimeout ends the collection of replies when it is time; early is harmless. If the poll is complete with that, ok is true.
func (p *Poller) HandleTimeout(now time.Time) (r Result, ok bool) {
	if p.state != collecting || now.Before(p.at) {
		return r, false
	}
	b := bits.OnesCount32(p.p.Mask)
	if next := p.wider(b); b > 0 && (p.replies < p.c.Want/2 || next == 0) {
		p.unknown = false
		p.ask(now, p.p.Round+1, next)
		return r, false
	}
	p.estimate.Add(p.replies, b)
	p.stats.Groups++
	r = Result{SQN: p.p.SQN, Replies: p.replies, Bits: b}
	r.Population, _ = p.estimate.Population()
	p.rest(now)
	return r, true
}

// Next returns when Due or HandleTimeout has something to do.
func (p *Poller) Next() time.Time { return p.at }

// Population returns how many children there are; ok is false before the first poll is complete.
func (p *Poller) Population() (n int, ok bool) { return p.estimate.Population() }

// Stats returns the counters.
func (p *Poller) Stats() PollerStats { return p.stats }

// open makes the first round of the next poll due at a time.
func (p *Poller) open(at time.Time) {
	p.p.SQN++ // [14.2.1-01]
	b := p.c.FirstBits
	n, known := p.estimate.Population()
	if known {
		b = min(bits.Len(uint(max(n-1, 0)/p.c.Want))+caution, 32)
	}
	p.unknown = !known
	p.ask(at, 0, b)
}

// ask makes a round due, which one child in 2^b is to answer.
func (p *Poller) ask(at time.Time, round uint16, b int) {
	if p.c.Deterministic {
		b = 0
	}
	p.p.Round, p.p.Subtype, p.p.Path = round, p.c.Subtype, p.c.Path
	p.p.BackOff = p.c.BackOff
	if p.unknown && !p.c.Deterministic {
		p.p.BackOff *= unknownFor
	}
	p.p.Rand = p.rng.Uint32() // for every POLL anew [14.4-04]
	p.p.Mask = mask(b, p.rng)
	p.state, p.at = waiting, at
}

// wider returns how many bits the next round has, after the replies to one with b. The number of children is taken to be no more
// than two standard deviations above what the replies say, and 3 if there were none: then half of what would abort the poll is
// expected at the most. It is less than b, but after a round with enough replies.
func (p *Poller) wider(b int) int {
	most := float64(p.replies) + 2*math.Sqrt(float64(p.replies)) + 3
	step := int(math.Floor(math.Log2(tooMany / 2 * float64(p.c.Want) / most)))
	if p.replies < p.c.Want/2 {
		step = max(step, 1)
	}
	return max(b-max(step, 0), 0)
}

// abort ends a poll that draws too many replies "by immediately starting a new poll (different POLL_SQN) and specifying a very low
// probability of replying" (RFC 3208 §14.4). What was known of the population is wrong. If even a probability of 2^-32 brings too
// many, they are no children's: then there is no new poll before its time.
func (p *Poller) abort(now time.Time) {
	b := bits.OnesCount32(p.p.Mask)
	p.stats.Aborts++
	p.estimate = Estimate{}
	if b == 32 {
		p.rest(now)
		return
	}
	p.p.SQN++
	p.unknown = true
	p.ask(now, 0, min(max(b+8, p.c.FirstBits), 32))
}

// rest waits for the time of the next poll.
func (p *Poller) rest(now time.Time) {
	at := p.opened.Add(p.interval)
	if at.Before(now) {
		at = now
	}
	p.interval = min(2*p.interval, p.c.Period)
	p.open(at)
}

// mask returns a POLL_MASK with n bits, 0..32. Which ones they are is drawn too: children whose identifiers are alike in some bits
// do not always answer together.
func mask(n int, rng *rand.Rand) (m uint32) {
	var places [32]uint8
	for i := range places {
		places[i] = uint8(i)
	}
	for i := range n {
		j := i + rng.IntN(32-i)
		places[i], places[j] = places[j], places[i]
		m |= 1 << places[i]
	}
	return m
}
