package element

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

	"github.com/gopgm/gopgm/congestion"
	"github.com/gopgm/gopgm/fec"
	"github.com/gopgm/gopgm/internal/script"
	"github.com/gopgm/gopgm/nak"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/poll"
	"github.com/gopgm/gopgm/spm"
)

// The network of the tests: an element between the link to the source, which is interface 0, and three others. A host of interface i is
// 10.i.0.x; the element is 10.i.0.1 there, and 10.0.0.2 on interface 0, where its parent is 10.0.0.1.
var (
	testGroup  = netip.MustParseAddrPort("239.192.77.71:7500")
	testSource = netip.MustParseAddr("10.9.9.9")
	// otherSource is by the same way.
	otherSource = netip.MustParseAddr("10.8.8.8")
	testTSI     = packet.TSI{GSI: packet.GSI{1, 2, 3, 4, 5, 6}, Port: 40000}
	start       = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
)

func testConfig() Config {
	return Config{
		Group: testGroup,
		Interfaces: []netip.Addr{
			netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.1.0.1"), netip.MustParseAddr("10.2.0.1"), netip.MustParseAddr("10.3.0.1"),
		},
		Toward: func(source netip.Addr) int {
			if source == testSource || source == otherSource {
				return 0
			}
			return -1
		},
		Rand: rand.New(rand.NewPCG(1, 2)),
	}
}

func newElement(t testing.TB, c Config) *Element {
	t.Helper()
	e, err := New(c, start)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// sent is one packet that left.
type sent struct {
	h      packet.Header
	to     netip.AddrPort
	ttl    int
	route  packet.Route
	alert  bool
	packet []byte
}

// drained is exchanged with what engines have sent; tests of this package run one after the other.
var drained = *packet.NewBatch(outSize)

func drain(t testing.TB, poll func(now time.Time, b *packet.Batch), now time.Time) (all []sent) {
	t.Helper()
	b := &drained
	b.Reset()
	poll(now, b)
	for _, m := range b.Messages {
		for data := m.Data; len(data) > 0; data = data[min(m.Size, len(data)):] {
			one := sent{to: m.To, ttl: m.TTL, route: m.Route, alert: m.Alert, packet: bytes.Clone(data[:min(m.Size, len(data))])}
			if _, err := one.h.Parse(one.packet); err != nil {
				t.Errorf("what was sent is wrong: %v", err)
			}
			all = append(all, one)
		}
	}
	return all
}

// stage is an Element or a Repairer, and what it did.
type stage struct {
	t   testing.TB
	e   engine
	now time.Time
	out bytes.Buffer
}

// engine is what Element and Repairer have in common.
type engine interface {
	HandleTimeout(now time.Time)
	NextTimeout() time.Time
	PollTransmit(now time.Time, b *packet.Batch)
}

// words are what a line of a script says behind its verb: pairs, but for flags.
type words map[string]string

var flags = map[string]bool{"unicast": true, "parity": true, "dlr": true, "unreachable": true, "special": true, "off": true, "crqst": true, "fin": true, "syn": true}

func parse(t testing.TB, fields []string) (first string, w words) {
	w = words{}
	if len(fields) > 0 && (fields[0][0] >= '0' && fields[0][0] <= '9') {
		first, fields = fields[0], fields[1:]
	}
	for i := 0; i < len(fields); i++ {
		switch {
		case flags[fields[i]]:
			w[fields[i]] = "yes"
		case i+1 < len(fields):
			w[fields[i]] = fields[i+1]
			i++
		default:
			t.Fatalf("script: %q has no value", fields[i])
		}
	}
	return first, w
}

func (w words) num(t testing.TB, name string, def uint64) uint64 {
	v, ok := w[name]
	if !ok {
		return def
	}
	return num(t, v)
}

func num(t testing.TB, v string) uint64 {
	n, err := strconv.ParseUint(v, 0, 32)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (w words) duration(t testing.TB, name string, def time.Duration) time.Duration {
	v, ok := w[name]
	if !ok {
		return def
	}
	d, err := time.ParseDuration(v)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (w words) addr(name string, def netip.Addr) netip.Addr {
	if v, ok := w[name]; ok {
		return netip.MustParseAddr(v)
	}
	return def
}

// arrival is how the packet of a line comes: by default from the source by interface 0, or from 10.i.0.9 to the element.
func (w words) arrival(t testing.TB, upstream bool) Arrival {
	a := Arrival{TTL: int(w.num(t, "ttl", 0)), Unicast: !upstream || w["unicast"] != ""}
	i := int(w.num(t, "on", 0))
	from := testSource
	if i != 0 || !upstream {
		from = netip.AddrFrom4([4]byte{10, byte(i), 0, 9})
	}
	a.Interface, a.From = i, netip.AddrPortFrom(w.addr("from", from), 7500)
	return a
}

// data returns ODATA or RDATA.
func (w words) data(t testing.TB, typ packet.Type, first string) []byte {
	h := packet.Downstream(typ, testTSI, 7500)
	d := packet.Data{SQN: packet.SQN(num(t, first)), Trail: packet.SQN(w.num(t, "trail", 1)), TSDU: []byte("payload " + first)}
	if w["parity"] != "" {
		h.Options |= packet.FlagParity
	}
	h.TSDULength = uint16(len(d.TSDU))
	p := h.Append(nil)
	opts := packet.BeginOptions(p)
	if v, ok := w["tgsize"]; ok {
		opts = fec.AppendCurrentSize(opts, int(num(t, v)))
	}
	if v, ok := w["unknown"]; ok { // with OPX
		opts = append(opts, 0x70, 4, byte(num(t, v)), 0)
	}
	if w["syn"] != "" {
		opts = packet.AppendOption(opts, packet.OptSyn, 0)
	}
	if w["fin"] != "" {
		opts = packet.AppendOption(opts, packet.OptFin, 0)
	}
	if len(opts) > len(p)+4 {
		opts = packet.EndOptions(opts, len(p))
		d.Options = opts[len(p):]
		h.Options = packet.Flags(opts[5])
		p = h.Append(nil)
	}
	p = d.Append(p)
	packet.Seal(p)
	return p
}

func (w words) spm(t testing.TB, first string) []byte {
	m := spm.Packet{SQN: packet.SQN(num(t, first)), Trail: 1, Lead: packet.SQN(w.num(t, "lead", 100)), Path: w.addr("path", netip.MustParseAddr("10.0.0.1"))}
	p := m.Append(packet.Downstream(packet.TypeSPM, testTSI, 7500).Append(nil))
	at := len(p)
	p = packet.BeginOptions(p)
	if _, ok := w["interval"]; ok {
		p = poll.Interval{BackOff: w.duration(t, "interval", 0), SQN: 9}.AppendTo(p)
	}
	if w["crqst"] != "" {
		p = congestion.AppendRequest(p, congestion.ReceiverWorstPath)
	}
	if v, ok := w["tgs"]; ok {
		p = fec.Params{Group: fec.Size(num(t, v)), OnDemand: true}.AppendTo(p)
	}
	if v, ok := w["tgsize"]; ok {
		p = fec.AppendCurrentSize(p, int(num(t, v)))
	}
	if w["special"] != "" {
		p = poll.AppendUnreachable(p)
	}
	p = packet.EndOptions(p, at)
	packet.Seal(p)
	return p
}

// request returns a NAK, NNAK or NCF.
func (w words) request(t testing.TB, typ packet.Type, first string) []byte {
	h := packet.Upstream(typ, testTSI, 7500)
	if typ == packet.TypeNCF {
		h = packet.Downstream(typ, testTSI, 7500)
	}
	n := nak.Packet{Source: w.addr("source", testSource), Group: testGroup.Addr()}
	for i, v := range strings.Split(first, ",") {
		if i == 0 {
			n.SQN = packet.SQN(num(t, v))
		} else {
			n.List = append(n.List, packet.SQN(num(t, v)))
		}
	}
	if v, ok := w["count"]; ok { // of the group that the first number begins, of 8 packets
		h.Options |= packet.FlagParity
		n.SQN = fec.Size(8).Request(n.SQN, int(num(t, v)))
	}
	if v, ok := w["worst"]; ok { // the receiver's worst path, in percent
		r := congestion.Report{
			Kinds: congestion.ReceiverWorstPath | congestion.ElementWorstPath | congestion.ElementWorstLink, Lead: packet.SQN(w.num(t, "lead", 50)),
			ReceiverPath: uint16(num(t, v) * 65535 / 100), Receiver: netip.MustParseAddr("10.1.0.9"),
		}
		n.Extra = r.AppendTo(n.Extra)
	}
	if w["unreachable"] != "" {
		n.Extra = poll.AppendUnreachable(n.Extra)
		n.Extra = poll.AppendPath(n.Extra, w.addr("path", netip.MustParseAddr("10.0.0.1")))
	}
	return nak.Append(nil, h, &n)
}

// drive has the engine do what is due until now, and writes down what it sends.
func (st *stage) drive() {
	for range 50 {
		st.e.HandleTimeout(st.now)
		all := drain(st.t, st.e.PollTransmit, st.now)
		for i := range all {
			st.show(&all[i])
		}
		if t := st.e.NextTimeout(); len(all) == 0 && (t.IsZero() || t.After(st.now)) {
			return
		}
	}
	st.t.Fatalf("the engine spins: its next timeout is %v at %v", st.e.NextTimeout().Sub(start), st.now.Sub(start))
}

// advance lets time pass, from one timeout to the next.
func (st *stage) advance(d time.Duration) {
	end := st.now.Add(d)
	for {
		t := st.e.NextTimeout()
		if t.IsZero() || t.After(end) {
			break
		}
		if t.After(st.now) {
			st.now = t
		}
		st.drive()
	}
	st.now = end
	st.drive()
}

func (st *stage) show(s *sent) {
	body := s.packet[packet.HeaderLen:]
	fmt.Fprintf(&st.out, "%v send %v", st.now.Sub(start), s.h.Type)
	var opts []byte
	switch s.h.Type {
	case packet.TypeSPM:
		var m spm.Packet
		opts, _ = m.Parse(&s.h, body)
		fmt.Fprintf(&st.out, " %v path %v", m.SQN, m.Path)
		if m.NoWindow() {
			fmt.Fprintf(&st.out, " no window")
		}
	case packet.TypeNAK, packet.TypeNNAK, packet.TypeNCF:
		var n nak.Packet
		opts, _ = n.Parse(&s.h, body)
		if s.h.Options&packet.FlagParity != 0 {
			tg, count := fec.Size(8).Requested(n.SQN)
			fmt.Fprintf(&st.out, " %d of group %v", count, tg)
		} else {
			for q := range n.All() {
				fmt.Fprintf(&st.out, " %v", q)
			}
		}
	case packet.TypePOLL:
		var p poll.Packet
		_, _ = p.Parse(&s.h, body)
		fmt.Fprintf(&st.out, " %v.%d subtype %d path %v within %v", p.SQN, p.Round, p.Subtype, p.Path, p.BackOff)
	case packet.TypePOLR:
		var r poll.Reply
		opts, _ = r.Parse(&s.h, body)
		fmt.Fprintf(&st.out, " %v.%d", r.SQN, r.Round)
		if s.h.Options&packet.FlagParity != 0 {
			fmt.Fprintf(&st.out, " parity")
		}
	case packet.TypeODATA, packet.TypeRDATA:
		var d packet.Data
		_ = d.Parse(&s.h, body)
		fmt.Fprintf(&st.out, " %v", d.SQN)
		opts = d.Options
	}
	for o := range packet.Options(opts) {
		switch o.Type {
		case packet.OptNAKBOIvl:
			v, _ := poll.ParseInterval(o)
			fmt.Fprintf(&st.out, " interval %v", v.BackOff)
		case packet.OptNbrUnreach:
			fmt.Fprintf(&st.out, " unreachable")
		case packet.OptPathNLA:
			v, _ := poll.ParsePath(o)
			fmt.Fprintf(&st.out, " from path %v", v)
		case packet.OptRedirect:
			v, _ := poll.ParseRedirect(o)
			fmt.Fprintf(&st.out, " redirect %v", v)
		case packet.OptCR:
			r, _ := congestion.ParseReport(o)
			fmt.Fprintf(&st.out, " report link %d%% path %d%% receiver %d%% of %v as of %v",
				percent(r.WorstLink), percent(r.WorstPath), percent(r.ReceiverPath), r.Receiver, r.Lead)
		case packet.OptNAKList:
		default:
			fmt.Fprintf(&st.out, " option %#x", byte(o.Type))
		}
	}
	if s.to != testGroup {
		fmt.Fprintf(&st.out, " to %v", s.to.Addr())
	}
	if s.route.Source.IsValid() && s.route.Source != testSource {
		fmt.Fprintf(&st.out, " as %v", s.route.Source)
	}
	for m := s.route.Interfaces; m != 0; m &= m - 1 {
		fmt.Fprintf(&st.out, " on %d", bits.TrailingZeros32(m))
	}
	if s.ttl > 0 {
		fmt.Fprintf(&st.out, " ttl %d", s.ttl)
	}
	if s.to == testGroup && s.route.Source != testSource {
		fmt.Fprintf(&st.out, " under its own address")
	}
	st.out.WriteByte('\n')
}

func percent(v uint16) int { return (int(v)*100 + 32767) / 65535 }

func (st *stage) Output() string {
	defer st.out.Reset()
	return st.out.String()
}

// elementStage plays the scripts of an Element.
type elementStage struct {
	stage
	e *Element
}

func (st *elementStage) Run(line string) {
	t := st.t
	fields := strings.Fields(line)
	first, w := parse(t, fields[1:])
	if fields[0] == "element" {
		c := testConfig()
		c.Repairs.Max = int(w.num(t, "max", 0))
		c.Shed = int(w.num(t, "shed", 0))
		c.NAKRate = int(w.num(t, "nakrate", 0))
		c.MaxSessions = int(w.num(t, "sessions", 0))
		c.Discover = w.duration(t, "discover", 0)
		c.Tuner.DupMax = int(w.num(t, "dupmax", 0))
		c.Poll.Period = w.duration(t, "polls", 0)
		st.now = start
		st.e = newElement(t, c)
		st.stage.e = st.e
		return
	}
	var p []byte
	upstream := true
	switch fields[0] {
	case "advance":
		d, err := time.ParseDuration(first)
		if err != nil {
			t.Fatal(err)
		}
		st.advance(d)
		return
	case "listen":
		st.e.Listen(int(num(t, first)), w["off"] == "")
		return
	case "load": // in percent
		st.e.Loaded(st.now, int(w.num(t, "on", 0)), 100, num(t, first))
		return
	case "stats":
		fmt.Fprintf(&st.out, "%+v\n", st.e.Stats())
		return
	case "spm":
		p = w.spm(t, first)
	case "odata":
		p = w.data(t, packet.TypeODATA, first)
	case "rdata":
		p = w.data(t, packet.TypeRDATA, first)
	case "ncf":
		p = w.request(t, packet.TypeNCF, first)
	case "nak":
		p, upstream = w.request(t, packet.TypeNAK, first), false
	case "nnak":
		p, upstream = w.request(t, packet.TypeNNAK, first), false
	case "poll":
		m := poll.Packet{SQN: packet.SQN(num(t, first)), Path: w.addr("path", netip.MustParseAddr("10.0.0.1")), BackOff: 50 * time.Millisecond}
		p = m.Append(packet.Downstream(packet.TypePOLL, testTSI, 7500).Append(nil))
		packet.Seal(p)
	case "polr":
		upstream = w["on"] == ""
		p = poll.AppendRedirection(nil, testTSI, 7500, poll.Reply{SQN: packet.SQN(num(t, first))}, w.addr("redirect", netip.MustParseAddr("10.3.0.9")), w["parity"] != "")
	default:
		t.Fatalf("script: %q?", fields[0])
	}
	if v, ok := w["tsi"]; ok { // of another session
		p[13] = byte(num(t, v))
		packet.Seal(p)
	}
	if err := st.e.HandlePacket(st.now, w.arrival(t, upstream), p); err != nil {
		fmt.Fprintf(&st.out, "%v refused: %v\n", st.now.Sub(start), err)
	}
	st.drive()
}

func TestScripts(t *testing.T) {
	script.Play(t, "testdata/element_*.txt", func(t *testing.T) script.Stage { return &elementStage{stage: stage{t: t}} })
}
