package source

import (
	"bytes"
	"errors"
	"fmt"
	"math/bits"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gopgm/gopgm/internal/script"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/poll"
	"github.com/gopgm/gopgm/spm"
)

// stage is a Source, the store it sends from, and what it did.
type stage struct {
	t     testing.TB
	s     *Source
	store *fake
	now   time.Time
	asked poll.Packet // the last POLL
	out   bytes.Buffer
}

// open makes a source as the first line of a script says: words such as "rate 100000", "join", "first 7".
func (st *stage) open(words []string) {
	st.store, st.now = &fake{first: 1, next: 1, trail: 1}, start
	c := testConfig(st.store)
	c.Report = func(_ time.Time, from netip.AddrPort, body []byte) {
		fmt.Fprintf(&st.out, "report %q from %v\n", body, from)
	}
	for i := 0; i < len(words); i++ {
		switch words[i] {
		case "join":
			c.Join = true
			continue
		case "polls":
			c.Poll.Period = 0
			continue
		case "polled":
			c.Tuner.Polled = true
			continue
		}
		i++
		switch words[i-1] {
		case "rate":
			c.MaxRate = int(st.num(words[i]))
		case "share":
			c.RepairShare, _ = strconv.ParseFloat(words[i], 64)
		case "first":
			first := st.num(words[i])
			st.store.first, st.store.next, st.store.trail = first, first, first
		case "ambient":
			c.Ambient = st.duration(words[i])
		case "ihb":
			c.IHBMin = st.duration(words[i])
		case "linger":
			c.Linger = st.duration(words[i])
		case "repairs":
			c.MaxRepairs = int(st.num(words[i]))
		case "period":
			c.Poll.Period = st.duration(words[i])
		case "bits":
			c.Poll.FirstBits = int(st.num(words[i]))
		case "want":
			c.Poll.Want = int(st.num(words[i]))
		case "probe":
			c.Tuner.Probe = int(st.num(words[i]))
		case "dupmax":
			c.Tuner.DupMax = int(st.num(words[i]))
		default:
			st.t.Fatalf("script: source %q?", words[i-1])
		}
	}
	c.First = st.store.first
	st.s = newSource(st.t, c)
	st.s.spmSQN = 0
}

func (st *stage) num(w string) packet.SQN {
	n, err := strconv.ParseUint(w, 0, 32)
	if err != nil {
		st.t.Fatal(err)
	}
	return packet.SQN(n)
}

func (st *stage) duration(w string) time.Duration {
	d, err := time.ParseDuration(w)
	if err != nil {
		st.t.Fatal(err)
	}
	return d
}

// poll writes down what the source sends now, packets that are consecutive in one line.
func (st *stage) poll() {
	b := packet.NewBatch(1 << 18)
	st.s.PollTransmit(st.now, b)
	out := drain(st.t, b, st.now)
	for i := 0; i < len(out); i++ {
		p := &out[i]
		fmt.Fprintf(&st.out, "%v send %v", st.now.Sub(start), p.h.Type)
		switch p.h.Type {
		case packet.TypeSPM:
			fmt.Fprintf(&st.out, " %v window %v..%v", p.spm.SQN, p.spm.Trail, p.spm.Lead)
		case packet.TypeNCF:
			for s := range p.nak.All() {
				fmt.Fprintf(&st.out, " %v", s)
			}
			if p.to != testGrp {
				fmt.Fprintf(&st.out, " to %v", p.to)
			}
		case packet.TypePOLL:
			st.asked = p.poll
			fmt.Fprintf(&st.out, " %v.%d to one in 2^%d, replies to %v within %v", p.poll.SQN, p.poll.Round,
				bits.OnesCount32(p.poll.Mask), p.poll.Path, p.poll.BackOff)
		case packet.TypeReport:
			fmt.Fprintf(&st.out, " %q to %v", p.body, p.to)
		default:
			fmt.Fprintf(&st.out, " %v", p.data.SQN)
			j := i
			for j+1 < len(out) && out[j+1].h.Type == p.h.Type && out[j+1].data.SQN == out[j].data.SQN+1 && len(out[j+1].opts)+len(p.opts) == 0 {
				j++
			}
			if j > i {
				fmt.Fprintf(&st.out, "..%v", out[j].data.SQN)
			}
			fmt.Fprintf(&st.out, " trail %v", p.data.Trail)
			i = j
		}
		for o := range packet.Options(p.opts) {
			switch o.Type {
			case packet.OptJoin:
				min, _ := packet.ParseJoin(o)
				fmt.Fprintf(&st.out, " join %v", min)
			case packet.OptNAKBOIvl:
				v, err := poll.ParseInterval(o)
				if err != nil {
					st.t.Error(err)
				}
				fmt.Fprintf(&st.out, " back-off %v", v.BackOff)
				if v.SQN != 0 {
					fmt.Fprintf(&st.out, " of poll %v", v.SQN)
				}
			case packet.OptNAKBORng:
				v, err := poll.ParseRange(o)
				if err != nil {
					st.t.Error(err)
				}
				fmt.Fprintf(&st.out, " within %v..%v", v.Min, v.Max)
			case packet.OptNbrUnreach:
				st.out.WriteString(" unreachable")
			case packet.OptPathNLA:
				v, err := poll.ParsePath(o)
				if err != nil {
					st.t.Error(err)
				}
				fmt.Fprintf(&st.out, " path %v", v)
			case packet.OptFragment:
				f, err := packet.ParseFragment(o, p.data.SQN, len(p.data.TSDU))
				if err != nil {
					st.t.Error(err)
				}
				fmt.Fprintf(&st.out, " fragment %v+%d/%d", f.First, f.Offset, f.Length)
			case packet.OptSyn:
				st.out.WriteString(" syn")
			case packet.OptFin:
				st.out.WriteString(" fin")
			case packet.OptRst:
				r := packet.ParseReset(o)
				fmt.Fprintf(&st.out, " rst %d", r.Code)
				if r.NoRepair {
					st.out.WriteString(" no repair")
				}
			}
		}
		st.out.WriteByte('\n')
	}
}

// advance lets time pass, stopping where the source wants to be woken.
func (st *stage) advance(d time.Duration) {
	end := st.now.Add(d)
	for range 100000 {
		st.poll()
		next := st.s.NextTimeout()
		if next.IsZero() || next.After(end) {
			break
		}
		if next.After(st.now) {
			st.now = next
		}
		st.s.HandleTimeout(st.now)
		if st.s.Done(st.now) {
			fmt.Fprintf(&st.out, "%v done\n", st.now.Sub(start))
		}
	}
	st.now = end
}

// run does one line of a script:
//
//	data N      N more packets may be sent     trail SQN      the store gives up what is before
//	from ADDR COMMAND   for what comes from another host      polr N [SQN ROUND]   N replies to the last POLL, or to another
//	nak SQN...  nnak SQN...  foreign SQN (a NAK for another group)  spmr  report TEXT  answer TEXT (SendReport)
//	syn SQN  fin SQN  fragment SQN OFFSET/LENGTH   options of that packet      block  unblock  break   the store's Load
//	close       reset CODE [norepair]           advance DURATION
func (st *stage) run(line string) {
	f := strings.Fields(line)
	from := testFrom
	if f[0] == "from" {
		from = netip.AddrPortFrom(netip.MustParseAddr(f[1]), testFrom.Port())
		f = f[2:]
	}
	var list []packet.SQN
	if slices.Contains([]string{"nak", "nnak", "foreign"}, f[0]) {
		for _, w := range f[1:] {
			list = append(list, st.num(w))
		}
	}
	handle := func(p []byte) {
		if err := st.s.HandlePacket(st.now, from, p); err != nil {
			fmt.Fprintf(&st.out, "error: %v\n", err)
		}
	}
	switch f[0] {
	case "data":
		st.store.next += st.num(f[1])
		st.s.Wake(st.now)
	case "trail":
		st.store.trail = st.num(f[1])
	case "nak":
		handle(nakWire(list[0], list[1:]...))
	case "nnak":
		p := nakWire(list[0], list[1:]...)
		p[4] = byte(packet.TypeNNAK)
		packet.Seal(p)
		handle(p)
	case "foreign":
		p := nakWire(list[0])
		p[len(p)-1]++
		packet.Seal(p)
		handle(p)
	case "polr":
		r := poll.Reply{SQN: st.asked.SQN, Round: st.asked.Round}
		if len(f) > 2 {
			r = poll.Reply{SQN: st.num(f[2]), Round: uint16(st.num(f[3]))}
		}
		for range st.num(f[1]) {
			handle(poll.AppendReply(nil, testTSI, testDest, r))
		}
	case "children":
		x := st.s.Stats()
		fmt.Fprintf(&st.out, "receivers %d, known %v; polls %+v\nback-off %v %+v\n", x.Receivers, x.ReceiversKnown, x.Polls, x.BackOff, x.Tuning)
	case "spmr":
		handle(spm.AppendRequest(nil, testTSI, testDest))
	case "report":
		handle(appendReport(nil, testTSI, testDest, []byte(f[1])))
	case "answer":
		if !st.s.SendReport(testFrom, []byte(f[1])) {
			st.out.WriteString("no room\n")
		}
	case "syn", "fin", "fragment":
		at, mark := st.num(f[1]), st.store.mark
		var part packet.Fragment
		if f[0] == "fragment" {
			fmt.Sscanf(f[2], "%d+%d/%d", &part.First, &part.Offset, &part.Length)
		}
		st.store.size = 100
		st.store.mark = func(s packet.SQN, t *TSDU) {
			if mark != nil {
				mark(s, t)
			}
			if s == at {
				t.Syn, t.Fin = t.Syn || f[0] == "syn", t.Fin || f[0] == "fin"
				if part.Length > 0 {
					t.Fragment = part
				}
			}
		}
	case "block":
		st.store.blocked = true
	case "unblock":
		st.store.blocked = false
		st.s.Wake(st.now)
	case "break":
		st.store.err = errors.New("the file is shorter than it was")
	case "close":
		st.s.Close(st.now)
	case "reset":
		st.s.Reset(st.now, uint8(st.num(f[1])), len(f) > 2)
	case "advance":
		st.advance(st.duration(f[1]))
	case "stats":
		x := st.s.Stats()
		fmt.Fprintf(&st.out, "NAKs %d held %d dropped %d, requests %d merged %d outside %d dropped %d, SPMRs %d held %d, NNAKs %d, foreign %d\n",
			x.NAKs, x.NCFsHeld, x.NCFsDropped, x.Requested, x.Merged, x.Outside, x.RepairsDropped, x.SPMRs, x.SPMRsHeld, x.NNAKs, x.Bad.Foreign)
	case "err":
		fmt.Fprintf(&st.out, "err: %v\n", st.s.Err())
	default:
		st.t.Fatalf("script: %q?", line)
	}
}

// Run makes the source with the first command, and does what the others say.
func (st *stage) Run(line string) {
	if words := strings.Fields(line); words[0] == "source" {
		st.open(words[1:])
		return
	}
	if st.s == nil {
		st.open(nil)
	}
	st.run(line)
}

// Output returns what the source did.
func (st *stage) Output() string {
	defer st.out.Reset()
	return st.out.String()
}

// TestScripts plays testdata/*.txt. A first command "source" says how the source is configured. Commands up to "----" happen at once;
// packets leave when time advances.
func TestScripts(t *testing.T) {
	script.Play(t, "testdata/*.txt", func(t *testing.T) script.Stage { return &stage{t: t} })
}
