package sim

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/gopgm/gopgm/fec"
	"github.com/gopgm/gopgm/nak"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/poll"
	"github.com/gopgm/gopgm/pgm/receiver"
	"github.com/gopgm/gopgm/pgm/source"
)

// tsduLen is the room for data in the packets of these tests; longestLen is what the longest of all packets takes of a link: an NCF
// with a full list of SQNs and the options of a multicast failure, over IPv6.
const (
	tsduLen    = 200
	longestLen = packet.HeaderLen + 4 + 20 + 20 + 4 + 4 + 4*nak.MaxList + poll.IntervalLen + 4 + 20 + Overhead
)

// trial is a net with sources and receivers on it, all of which are watched: that receivers get what was sent, once, and in order
// if they want it so; that sources keep to their rate; that no engine finds fault with a packet of another.
type trial struct {
	t       testing.TB
	net     *Net
	talkers []*talker
	ears    []*ear
	pending int // sessions that are still to end at a receiver
	missed  map[request]bool

	reopened bool // a source has a second session
}

// request is a data packet that somebody missed.
type request struct {
	tsi packet.TSI
	sqn packet.SQN
}

func newTrial(t testing.TB, rng *rand.Rand) *trial {
	x := &trial{t: t, net: New(rng), missed: map[request]bool{}}
	x.net.Observe = x.observe
	return x
}

// star returns a trial with a source and so many receivers, half of which want order, at one router. link is the one to them.
func star(t testing.TB, rng *rand.Rand, c talk, receivers int, link *Link, h hear) *trial {
	x := newTrial(t, rng)
	x.talk(Root, &Link{}, c)
	for i := range receivers {
		h.unordered = i%2 == 1
		x.listen(Root, link, &Link{Delay: link.Delay}, h)
	}
	return x
}

// run lets the trial go on until every receiver has had every session to its end, which must be before limit.
func (x *trial) run(limit time.Duration) {
	x.t.Helper()
	if x.net.Run(limit) && x.pending == 0 {
		return
	}
	shown := 0
	for _, e := range x.ears {
		for _, w := range e.witnesses {
			if shown < 3 && !w.ended {
				shown++
				trail, lead, _ := w.session.Window()
				x.t.Errorf("receiver %d: session %v is not over after %v: it has %d packets, next %v, window %v..%v, %+v",
					e.host, w.session.TSI(), x.net.Elapsed(), w.count, w.next, trail, lead, w.session.Stats())
			}
		}
	}
	for _, k := range x.talkers {
		x.t.Logf("source %d: %+v", k.host, k.Stats())
	}
	x.t.Fatalf("%d sessions have not ended after %v", x.pending, x.net.Elapsed())
}

func (x *trial) observe(e Event) {
	switch e.Kind {
	case Sent:
		for _, k := range x.talkers {
			if k.host == e.Host {
				k.spend(e)
			}
		}
	case Refused:
		if x.reopened && errors.Is(e.Err, source.ErrForeign) {
			return // a NAK for the session before
		}
		x.t.Errorf("%v: host %d refused a %v: %v", x.net.Elapsed(), e.Host, e.Type(), e.Err)
	case Lost, Overflowed:
		if e.Type() == packet.TypeODATA {
			var h packet.Header
			body, _ := h.Parse(e.Data)
			x.missed[request{h.TSI(), packet.SQN(binary.BigEndian.Uint32(body))}] = true
		}
	}
}

// talk says what a source does.
type talk struct {
	port    uint16 // Data-Source Port; 0: that of its number
	first   packet.SQN
	packets int
	rate    int  // octets a second; 0: 500,000
	noJoin  bool // SPMs bear no OPT_JOIN
	store   source.Store
	source  source.Config // what else it is configured with
}

// talker is a source on the net.
type talker struct {
	*source.Source
	x     *trial
	host  Host
	c     talk
	store *text
	level int64 // of the bucket that its rate is held against, in octets times nanoseconds
	depth int64
	at    time.Time
}

// talk adds a source that opens at once, sends c.packets packets and closes.
func (x *trial) talk(at Router, link *Link, c talk) *talker {
	h := x.net.Host(at, link, link)
	x.net.Leave(h)
	k := &talker{x: x, host: h}
	x.talkers = append(x.talkers, k)
	k.open(c)
	return k
}

// open starts a session on the source's host, in the place of what ran there.
func (k *talker) open(c talk) {
	if c.rate == 0 {
		c.rate = 500_000
	}
	if c.port == 0 {
		c.port = uint16(1000 + k.host)
	}
	net := k.x.net
	k.x.reopened = k.x.reopened || k.Source != nil
	s := c.source
	s.TSI = packet.TSI{GSI: packet.GSI{1, 2, 3, 4, 5, 6}, Port: c.port}
	s.Dest, s.Source, s.Group = Group.Port(), net.Addr(k.host), Group
	s.MaxTSDU, s.Overhead, s.MaxRate = tsduLen, Overhead, c.rate
	s.First, s.Join, s.Rand = c.first, !c.noJoin, net.Rand()
	s.Store = c.store
	if s.Store == nil {
		k.store = &text{salt: uint64(c.port), first: c.first, packets: c.packets}
		s.Store = k.store
	}
	e, err := source.New(s, net.Now())
	if err != nil {
		k.x.t.Fatal(err)
	}
	k.Source, k.c = e, c
	// The depth of the pacer: 8 ms of the rate, or 1.25 ms and the longest packet, which is a full NCF.
	k.depth = int64(max(c.rate/125, longestLen+c.rate/800))
	k.at, k.level = net.Now(), 0
	if c.store == nil {
		e.Close(net.Now())
	}
	net.Start(k.host, e)
}

// spend holds what leaves against the rate: "Over any arbitrarily chosen interval, the number of bytes the source may transmit MUST
// NOT exceed the token bucket size plus the product of the token rate and the chosen interval" [5.1.2-02].
func (k *talker) spend(e Event) {
	k.level = max(0, k.level-int64(k.c.rate)*int64(e.At.Sub(k.at))) + int64(len(e.Data)+Overhead)*int64(time.Second)
	k.at = e.At
	if k.level > k.depth*int64(time.Second) {
		k.x.t.Errorf("%v: source %d is %d octets above its rate", k.x.net.Elapsed(), k.host, k.level/int64(time.Second)-k.depth)
	}
}

// text is the Store of a session whose contents everybody knows: what packet n says follows from salt and n.
type text struct {
	salt    uint64
	first   packet.SQN
	packets int
	trail   packet.SQN // oldest packet that is kept, counted from first
}

// tsdu writes what packet n says to dst, and returns it.
func tsdu(dst []byte, salt uint64, n packet.SQN) []byte {
	x := (salt<<32 | uint64(n)) * 0x9e3779b97f4a7c15
	size := tsduLen - 24 - int(x>>60) // they differ in length
	dst = dst[:size]
	for i := 0; i < size; i += 8 {
		var word [8]byte
		binary.LittleEndian.PutUint64(word[:], x+uint64(i))
		copy(dst[i:], word[:])
	}
	return dst
}

func (s *text) Load(first packet.SQN, dst []source.TSDU) (int, error) {
	for i := range dst {
		n := first + packet.SQN(i)
		if !n.InWindow(s.Trail(), s.Next()-1) {
			return i, nil
		}
		dst[i].Data = tsdu(dst[i].Data, s.salt, n)
	}
	return len(dst), nil
}

func (s *text) Next() packet.SQN  { return s.first + packet.SQN(s.packets) }
func (s *text) Trail() packet.SQN { return s.first + s.trail }

// hear says what a receiver expects.
type hear struct {
	unordered bool
	after     time.Duration // when it is started
	refuse    float64       // probability that the application has no room for a packet
	reads     func() int    // how many packets the application reads at once, each hundredth of a second that it has read all before; nil: all
	late      bool          // it may begin with any packet
	lossy     bool          // it may be told that packets are lost
	ends      func(*witness, receiver.End) bool
	receiver  receiver.Config // what else it is configured with
}

// ear is a receiver on the net.
type ear struct {
	*receiver.Receiver
	x         *trial
	host      Host
	c         hear
	witnesses []*witness // of the sessions that it heard, in their order
}

// listen adds a receiver, which expects a session of each source that there is.
func (x *trial) listen(at Router, down, up *Link, c hear) *ear {
	e := &ear{x: x, host: x.net.Host(at, down, up), c: c}
	x.ears = append(x.ears, e)
	x.pending += len(x.talkers)
	if c.after > 0 {
		x.net.After(c.after, e.begin)
	} else {
		e.begin()
	}
	return e
}

// begin starts the receiver: it has heard nothing.
func (e *ear) begin() {
	r := e.c.receiver
	r.Dest, r.Group, r.Rand = Group.Port(), Group, e.x.net.Rand()
	r.Self, r.Overhead = e.x.net.Addr(e.host).Addr(), Overhead
	r.Accept = e.accept
	var err error
	if e.Receiver, err = receiver.New(r); err != nil {
		e.x.t.Fatal(err)
	}
	e.x.net.Start(e.host, e.Receiver)
}

func (e *ear) accept(now time.Time, s *receiver.Session) receiver.Sink {
	if e.c.unordered {
		s.Unordered()
	}
	for _, k := range e.x.talkers {
		if s.TSI().Port == k.c.port {
			w := &witness{ear: e, talker: k, session: s, c: k.c, next: k.c.first}
			e.witnesses = append(e.witnesses, w)
			if e.c.reads != nil {
				w.read()
			}
			return w
		}
	}
	e.x.t.Errorf("a session of nobody: %v", s.TSI())
	return nil
}

// witness is the Sink of one session at one receiver: it holds what is delivered against what was sent.
type witness struct {
	ear     *ear
	talker  *talker
	session *receiver.Session
	c       talk
	began   bool
	next    packet.SQN // ordered: what is to be delivered next
	seen    []bool     // unordered: what was delivered, by distance from the first
	count   int
	lost    int
	credit  int // packets that the application takes now, if it does not take all
	ended   bool
	end     receiver.End
	decoder *fec.Decoder // nil: nothing was decoded
}

func (w *witness) errorf(format string, args ...any) {
	w.ear.x.t.Errorf("%v: receiver %d, session %v: %s", w.ear.x.net.Elapsed(), w.ear.host, w.session.TSI(), fmt.Sprintf(format, args...))
}

func (w *witness) Data(d receiver.Data) bool {
	var room [tsduLen]byte
	i := d.SQN - w.c.first
	switch {
	case w.ended:
		w.errorf("packet %v after the end", d.SQN)
	case int(i) >= w.c.packets:
		w.errorf("packet %v, which was never sent", d.SQN)
		return true
	case string(d.TSDU) != string(tsdu(room[:], uint64(w.c.port), d.SQN)):
		w.errorf("packet %v is not what was sent", d.SQN)
	}
	if x := w.ear.x; w.ear.c.refuse > 0 && x.net.rng.Float64() < w.ear.c.refuse {
		if !w.ear.c.unordered {
			x.net.After(time.Duration(1+x.net.rng.IntN(10))*time.Millisecond, w.resume)
		}
		return false
	}
	if w.ear.c.reads != nil {
		if w.credit == 0 {
			return false
		}
		w.credit--
	}
	w.count++
	if !w.ear.c.unordered {
		if d.SQN != w.next && (w.began || !w.ear.c.late) {
			w.errorf("packet %v, want %v", d.SQN, w.next)
		}
		w.began, w.next = true, d.SQN+1
		return true
	}
	if w.seen == nil {
		w.seen = make([]bool, w.c.packets)
	}
	if w.seen[i] {
		w.errorf("packet %v twice", d.SQN)
	}
	w.seen[i] = true
	return true
}

// read has the application read what it does at once, and again in a hundredth of a second.
func (w *witness) read() {
	if w.ended {
		return
	}
	w.credit = max(w.credit, w.ear.c.reads())
	w.ear.x.net.After(10*time.Millisecond, w.read)
	w.ear.x.net.After(0, w.resume)
}

// resume takes up again what had no room.
func (w *witness) resume() {
	w.session.Resume(w.ear.x.net.Now())
	w.ear.x.net.Wake(w.ear.host)
}

func (w *witness) Lost(first, last packet.SQN) {
	if !w.ear.c.lossy {
		w.errorf("packets %v..%v are lost", first, last)
	}
	w.lost += int(last - first + 1)
	w.next = last + 1
}

func (w *witness) End(end receiver.End, _ packet.Reset) {
	w.end = end
	switch {
	case w.ended:
		w.errorf("a second end: %v", end)
	case w.ear.c.ends != nil && !w.ear.c.ends(w, end):
		w.errorf("end: %v", end)
	case w.ear.c.ends == nil && end != receiver.Finished:
		w.errorf("end: %v", end)
	case end == receiver.Finished && !w.ear.c.late && w.count+w.lost != w.c.packets:
		w.errorf("it ended with %d of %d packets, and %d lost", w.count, w.c.packets, w.lost)
	case end == receiver.Finished && !w.ear.c.unordered && w.next != w.c.first+packet.SQN(w.c.packets):
		w.errorf("it ended before packet %v", w.next)
	}
	w.ended = true
	if w.ear.x.pending--; w.ear.x.pending == 0 {
		w.ear.x.net.Halt()
	}
}
