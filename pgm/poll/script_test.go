package poll

import (
	"bytes"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gopgm/gopgm/internal/script"
	"github.com/gopgm/gopgm/pgm/packet"
)

// stage is one of the engines, which the first command of a script chooses, and what it did.
type stage struct {
	t   *testing.T
	rng *rand.Rand
	now time.Time
	out bytes.Buffer

	child    *Child
	poller   *Poller
	tuner    *Tuner
	receiver *BackOff
	silence  Silence
}

func (st *stage) num(w string) uint32 {
	n, err := strconv.ParseUint(w, 0, 32)
	if err != nil {
		st.t.Fatal(err)
	}
	return uint32(n)
}

func (st *stage) duration(w string) time.Duration {
	d, err := time.ParseDuration(w)
	if err != nil {
		st.t.Fatal(err)
	}
	return d
}

func (st *stage) printf(format string, args ...any) {
	fmt.Fprintf(&st.out, "%v "+format+"\n", append([]any{st.now.Sub(start)}, args...)...)
}

// words maps the words behind the first n of a line to those that follow them.
func words(f []string, n int) map[string]string {
	m := map[string]string{}
	for i := n; i < len(f); i += 2 {
		m[f[i]] = ""
		if i+1 < len(f) {
			m[f[i]] = f[i+1]
		}
	}
	return m
}

// cast makes the engine that the first command of a script names.
func (st *stage) cast(f []string) {
	w := words(f, 1)
	set := func(d *time.Duration, name string) {
		if s, ok := w[name]; ok {
			*d = st.duration(s)
		}
	}
	switch f[0] {
	case "child":
		st.child = &Child{NodeID: st.num(w["id"])}
		_, st.child.DLR = w["dlr"]
	case "poller":
		c := PollerConfig{Path: path4}
		set(&c.Period, "period")
		set(&c.BackOff, "bo")
		if s, ok := w["want"]; ok {
			c.Want = int(st.num(s))
		}
		if s, ok := w["bits"]; ok {
			c.FirstBits = int(st.num(s))
		}
		_, c.Deterministic = w["deterministic"]
		if err := c.Check(); err != nil {
			st.t.Fatal(err)
		}
		st.poller = NewPoller(c, st.rng, st.now)
	case "tuner":
		var c TunerConfig
		set(&c.Default, "default")
		set(&c.Max, "max")
		if s, ok := w["probe"]; ok {
			c.Probe = int(st.num(s))
		}
		if s, ok := w["dupmax"]; ok {
			c.DupMax = int(st.num(s))
		}
		_, c.Polled = w["polled"]
		_, c.Counted = w["counted"]
		if err := c.Check(); err != nil {
			st.t.Fatal(err)
		}
		st.tuner = NewTuner(c)
	case "receiver":
		st.receiver = NewBackOff(0, Range{})
	default:
		st.t.Fatalf("script: who is %q?", f[0])
	}
}

// run does one line of a script:
//
//	child:     poll SQN [round N] [rand N] [mask N] [bo DURATION] [type N] [path ADDR]
//	poller:    replies N [of SQN ROUND]  stats
//	tuner:     nak SQN...  population N [sqn SQN]  regular  stats
//	receiver:  poll SQN [round N]  advert DURATION SQN  range MAX MIN  unreachable ncf PATH  unreachable spm SQN PATH  spm
//	           The last regular SPM had number 10 and came from 192.0.2.1.
//	all:       advance DURATION
func (st *stage) run(line string) {
	f := strings.Fields(line)
	switch f[0] {
	case "poll":
		p := Packet{SQN: packet.SQN(st.num(f[1])), Path: path4, BackOff: 50 * ms}
		for name, value := range words(f, 2) {
			switch name {
			case "round":
				p.Round = uint16(st.num(value))
			case "rand":
				p.Rand = st.num(value)
			case "mask":
				p.Mask = st.num(value)
			case "bo":
				p.BackOff = st.duration(value)
			case "type":
				p.Subtype = Subtype(st.num(value))
			case "path":
				p.Path = netip.MustParseAddr(value)
			}
		}
		if st.child != nil {
			st.printf("poll %v.%d: %v", p.SQN, p.Round, st.child.Heard(st.now, &p, st.rng))
			return
		}
		st.receiver.Polled(&p)
		st.permission()
	case "replies":
		p := st.poller.Packet()
		r := Reply{SQN: p.SQN, Round: p.Round}
		if len(f) > 2 {
			r = Reply{SQN: packet.SQN(st.num(f[3])), Round: uint16(st.num(f[4]))}
		}
		counted := 0
		for range st.num(f[1]) {
			if st.poller.Heard(st.now, &r) {
				counted++
			}
		}
		st.printf("%d replies counted", counted)
	case "nak":
		var list []packet.SQN
		for _, w := range f[1:] {
			list = append(list, packet.SQN(st.num(w)))
		}
		if st.tuner.Heard(st.now, list[0], list[1:]) {
			st.printf("multicast failure presumed")
		}
		st.advert()
	case "population":
		r := Result{Population: int(st.num(f[1]))}
		if len(f) > 2 {
			r.SQN = packet.SQN(st.num(f[3]))
		}
		st.tuner.Polled(st.now, r)
		st.advert()
	case "regular":
		st.tuner.Regular()
		st.advert()
	case "advert":
		st.receiver.Advertised(Interval{st.duration(f[1]), packet.SQN(st.num(f[2]))})
		st.permission()
	case "range":
		if !st.receiver.Range(Range{Max: st.duration(f[1]), Min: st.duration(f[2])}) {
			st.printf("no range")
		}
		st.permission()
	case "unreachable":
		honoured := false
		if f[1] == "ncf" {
			var path netip.Addr
			if len(f) > 2 {
				path = netip.MustParseAddr(f[2])
			}
			honoured = st.silence.NCF(path, path4)
		} else {
			honoured = st.silence.SPM(packet.SQN(st.num(f[2])), netip.MustParseAddr(f[3]), 10, path4)
		}
		if !honoured {
			st.printf("ignored")
		}
		st.permission()
	case "spm":
		st.silence.Regular()
		st.permission()
	case "stats":
		if st.poller != nil {
			n, ok := st.poller.Population()
			st.printf("%+v, %d children, known: %v", st.poller.Stats(), n, ok)
		} else {
			st.printf("%+v", st.tuner.Stats())
		}
	case "advance":
		st.advance(st.duration(f[1]))
	default:
		st.t.Fatalf("script: %q?", line)
	}
}

// permission writes down whether NAKs may be sent, and over what interval.
func (st *stage) permission() {
	switch {
	case st.silence.Active():
		st.printf("no NAKs: silence")
	case !st.receiver.MayNAK():
		st.printf("no NAKs: the interval may not be used; that before was %v", st.receiver.Interval())
	default:
		st.printf("NAKs within %v", st.receiver.Interval())
	}
}

// advert writes down what a parent advertises.
func (st *stage) advert() {
	i := st.tuner.Advert(st.now)
	how := ""
	if st.tuner.Unicast(st.now) {
		how = ", NCFs by unicast"
	}
	st.printf("advertise %v for poll %v%s", i.BackOff, i.SQN, how)
}

// advance lets time pass, stopping where the engine wants to be woken.
func (st *stage) advance(d time.Duration) {
	end := st.now.Add(d)
	for range 10000 {
		var next time.Time
		switch {
		case st.child != nil:
			for r, to, ok := st.child.Due(st.now); ok; r, to, ok = st.child.Due(st.now) {
				st.printf("send POLR %v.%d to %v", r.SQN, r.Round, to)
			}
			next = st.child.Next()
		case st.poller != nil:
			if r, ok := st.poller.HandleTimeout(st.now); ok {
				st.printf("poll %v: %d replies to %d bits, %d children", r.SQN, r.Replies, r.Bits, r.Population)
			}
			if st.poller.Due(st.now) {
				p := st.poller.Packet()
				st.printf("send POLL %v.%d, %d bits, replies within %v", p.SQN, p.Round, bits.OnesCount32(p.Mask), p.BackOff)
				st.poller.Sent(st.now)
			}
			next = st.poller.Next()
		}
		if next.IsZero() || next.After(end) {
			break
		}
		st.now = next
	}
	st.now = end
	if st.tuner != nil {
		st.advert()
	}
}

// Run has the first command choose the engine, and does what the others say.
func (st *stage) Run(line string) {
	if st.child == nil && st.poller == nil && st.tuner == nil && st.receiver == nil {
		st.cast(strings.Fields(line))
		return
	}
	st.run(line)
}

// Output returns what the engine did.
func (st *stage) Output() string {
	defer st.out.Reset()
	return st.out.String()
}

// TestScripts plays testdata/*.txt.
func TestScripts(t *testing.T) {
	script.Play(t, "testdata/*.txt", func(t *testing.T) script.Stage { return &stage{t: t, rng: newRand(), now: start} })
}
