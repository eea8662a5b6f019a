package mld

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gopgm/gopgm/internal/script"
)

var testStart = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// engine is what a Listener and a Router have in common.
type engine interface {
	HandlePacket(now time.Time, p *Packet) error
	HandleTimeout(now time.Time)
	NextTimeout() time.Time
	PollTransmit(now time.Time) (Packet, bool)
}

// stage plays scripts with a Listener or a Router. Each line of output begins with the time since the start.
type stage struct {
	t        *testing.T
	listener *Listener
	router   *Router
	e        engine
	family   Family
	now      time.Time
	out      bytes.Buffer
}

func (st *stage) Output() string {
	s := st.out.String()
	st.out.Reset()
	return s
}

func (st *stage) printf(format string, args ...any) {
	fmt.Fprintf(&st.out, "%v ", st.now.Sub(testStart))
	fmt.Fprintf(&st.out, format+"\n", args...)
}

// poll writes down what the engine sends, decoded again.
func (st *stage) poll() {
	st.t.Helper()
	st.e.HandleTimeout(st.now)
	for p, ok := st.e.PollTransmit(st.now); ok; p, ok = st.e.PollTransmit(st.now) {
		var m Message
		if err := m.Parse(st.family, &p); err != nil {
			st.t.Fatalf("sent %+v: %v", p, err)
		}
		from := ""
		if p.Src.IsUnspecified() {
			from = "from " + p.Src.String() + " "
		}
		st.printf("%sto %v: %v", from, p.Dst, &m)
	}
}

// advance lets time pass, stopping where the engine wants to be woken.
func (st *stage) advance(d time.Duration) {
	end := st.now.Add(d)
	for range 100000 {
		next := st.e.NextTimeout()
		if next.IsZero() || next.After(end) {
			break
		}
		if next.After(st.now) {
			st.now = next
		}
		st.poll()
	}
	st.now = end
	st.poll()
}

// words reads "key value" pairs and words alone.
type words struct {
	t    *testing.T
	line string
	f    []string
}

// after returns the word behind key, "" if key is not there.
func (w words) after(key string) string {
	if i := slices.Index(w.f, key); i >= 0 && i+1 < len(w.f) {
		return w.f[i+1]
	}
	return ""
}

func (w words) addr(key string, other netip.Addr) netip.Addr {
	if s := w.after(key); s != "" {
		return netip.MustParseAddr(s)
	}
	return other
}

func (w words) number(key string) int {
	n, err := strconv.Atoi(w.after(key))
	if err != nil && w.after(key) != "" {
		w.t.Fatalf("%s: %v", w.line, err)
	}
	return n
}

func (w words) span(key string) time.Duration {
	if w.after(key) == "" {
		return 0
	}
	d, err := time.ParseDuration(w.after(key))
	if err != nil {
		w.t.Fatalf("%s: %v", w.line, err)
	}
	return d
}

var versions = map[string]Version{"": 0, "v1": MLDv1, "v2": MLDv2, "igmpv1": IGMPv1, "igmpv2": IGMPv2, "igmpv3": IGMPv3}

// Run does one line of a script:
//
//	listener|router [igmp] [version V] [robustness N] [address ADDR] [interval D] [response D] [last D] [older D] [groups N] [sources N]
//	    [silence D] [rate N] [mtu N] [ignore-older] [always-done] [fast-leave]        first of all
//	listen SOCKET GROUP include|exclude [SOURCE...]   address ADDR        of a listener
//	start   present GROUP   filter GROUP [SOURCE]   querier                of a router
//	query v1|v2|igmpvN [of GROUP] [delay D] [qrv N] [qqi D] [S] [from ADDR] [to ADDR] [sources SOURCE...]
//	report v1|igmpv1|igmpv2 GROUP [from ADDR]   done GROUP [from ADDR]
//	IS_IN|IS_EX|TO_IN|TO_EX|ALLOW|BLOCK GROUP [SOURCE...]                 a report of a record
//	advance D   state GROUP   stats
func (st *stage) Run(line string) {
	st.t.Helper()
	w := words{st.t, line, strings.Fields(line)}
	switch w.f[0] {
	case "listener", "router":
		st.open(w)
		return
	case "advance":
		st.advance(w.span("advance"))
		return
	case "listen":
		socket, err := strconv.Atoi(w.f[1])
		if err != nil {
			st.t.Fatal(line)
		}
		f := Filter{w.f[3] == "exclude", addrs(strings.Join(w.f[4:], " "))}
		if err := st.listener.Listen(st.now, socket, addr(w.f[2]), f); err != nil {
			st.printf("%v", err)
		}
	case "address":
		if err := st.listener.SetAddress(st.now, addr(w.f[1])); err != nil {
			st.printf("%v", err)
		}
	case "start":
		st.router.Start(st.now)
	case "state":
		st.state(addr(w.f[1]))
	case "filter":
		st.filter(w)
	case "querier":
		st.printf("the querier is %v, robustness %d, interval %v", st.router.QuerierAddress(), st.router.robustness, st.router.interval)
	case "stats":
		st.stats()
	default:
		p := st.packet(w)
		if err := st.e.HandlePacket(st.now, &p); err != nil {
			st.printf("%v", err)
		}
	}
	st.poll()
}

func (st *stage) open(w words) {
	st.family = MLD
	own := addr("fe80::10")
	if slices.Contains(w.f, "igmp") {
		st.family, own = IGMP, addr("10.0.0.10")
	}
	own = w.addr("address", own)
	has := func(s string) bool { return slices.Contains(w.f, s) }
	var err error
	if w.f[0] == "listener" {
		st.listener, err = NewListener(ListenerConfig{
			Family: st.family, Address: own, MTU: w.number("mtu"), Version: versions[w.after("version")], Robustness: w.number("robustness"),
			IgnoreOlder: has("ignore-older"), AlwaysDone: has("always-done"), OlderReportInterval: w.span("older"),
			MaxGroups: w.number("groups"), MaxSources: w.number("sources"),
		}, rand.New(rand.NewPCG(1, 2)))
		st.e = st.listener
	} else {
		st.router, err = NewRouter(RouterConfig{
			Family: st.family, Address: own, MTU: w.number("mtu"), Version: versions[w.after("version")], Robustness: w.number("robustness"),
			QueryInterval: w.span("interval"), ResponseInterval: w.span("response"), LastInterval: w.span("last"),
			IgnoreOlder: has("ignore-older"), FastLeave: has("fast-leave"), MaxSilence: w.span("silence"),
			MaxGroups: w.number("groups"), MaxSources: w.number("sources"), QueriesPerSecond: w.number("rate"),
			Changed: func(now time.Time, group netip.Addr, f Filter) { st.printf("%v: forward %v", group, f) },
		})
		st.e = st.router
	}
	if err != nil {
		st.t.Fatal(err)
	}
}

// packet returns what a line says is received.
func (st *stage) packet(w words) Packet {
	st.t.Helper()
	from, to := addr("fe80::9"), st.family.AllNodes()
	if st.family == IGMP {
		from = addr("10.0.0.9")
	}
	var m Message
	switch w.f[0] {
	case "query":
		m = Message{Kind: Query, Version: versions[w.f[1]], Group: w.addr("of", st.family.Unspecified()), MaxDelay: w.span("delay"),
			Robustness: w.number("qrv"), Interval: w.span("qqi"), Suppress: slices.Contains(w.f, "S")}
		if i := slices.Index(w.f, "sources"); i > 0 {
			m.Sources = addrs(strings.Join(w.f[i+1:], " "))
		}
		if !m.Group.IsUnspecified() {
			to = m.Group
		}
	case "report":
		m = Message{Kind: Report, Version: versions[w.f[1]], Group: addr(w.f[2])}
		to = m.Group
	case "done":
		m = Message{Kind: Done, Version: MLDv1, Group: addr(w.f[1])}
		to = st.family.AllRouters()
	default:
		m = Message{Kind: Report, Version: MLDv2}
		to = st.family.ReportAddress()
		for t := IsIn; t <= Block; t++ {
			if t.String() == w.f[0] {
				m.Records = []Record{{t, addr(w.f[1]), addrs(strings.Join(w.f[2:], " "))}}
			}
		}
		if m.Records == nil {
			st.t.Fatalf("script: %q?", w.line)
		}
	}
	from, to = w.addr("from", from), w.addr("to", to)
	return Packet{Src: from, Dst: to, HopLimit: 1, Alert: true, Payload: m.Append(nil, st.family, from, to)}
}

func (st *stage) state(group netip.Addr) {
	if st.listener != nil {
		st.printf("%v: %v, %s", group, st.listener.State(group), st.family.Name(st.listener.Version()))
		return
	}
	g := st.router.groups[group]
	if g == nil {
		st.printf("%v: %v", group, NoListeners)
		return
	}
	left := func(t time.Time) time.Duration { return t.Sub(st.now) }
	var x, y []string
	for _, s := range g.sources {
		if s.timer.IsZero() {
			y = append(y, s.addr.String())
		} else {
			x = append(x, fmt.Sprintf("%v for %v", s.addr, left(s.timer)))
		}
	}
	mode := fmt.Sprintf("INCLUDE (%s)", strings.Join(x, ", "))
	if g.exclude {
		mode = fmt.Sprintf("EXCLUDE (%s; %s) for %v", strings.Join(x, ", "), strings.Join(y, ", "), left(g.timer))
	}
	st.printf("%v: %v, %s, %s", group, st.router.State(st.now, group), mode, st.family.Name(g.version()))
}

func (st *stage) filter(w words) {
	f, ok := st.router.Filter(addr(w.f[1]))
	if len(w.f) < 3 {
		st.printf("%v %v", f, ok)
		return
	}
	st.printf("forward what %s sends: %v", w.f[2], st.router.Forward(addr(w.f[1]), addr(w.f[2])))
}

// stats writes the counters that are not zero.
func (st *stage) stats() {
	var s string
	if st.listener != nil {
		s = fmt.Sprintf("%+v", st.listener.Stats())
	} else {
		s = fmt.Sprintf("%+v", st.router.Stats())
	}
	var kept []string
	for _, f := range strings.Fields(strings.NewReplacer("{", " ", "}", " ").Replace(s)) {
		if !strings.HasSuffix(f, ":0") && !strings.HasSuffix(f, ":") {
			kept = append(kept, f)
		}
	}
	st.printf("%s", strings.Join(kept, " "))
}

func TestScripts(t *testing.T) {
	script.Play(t, "testdata/*.txt", func(t *testing.T) script.Stage { return &stage{t: t, now: testStart} })
}

func TestConfigurationsThatCannotBeAreRefused(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, c := range []ListenerConfig{
		{Family: 5}, {Version: 9}, {Version: IGMPv1}, {Address: addr("fd00::1")}, {Address: addr("10.0.0.1")}, {Family: IGMP, Address: addr("fe80::1")},
		{MTU: 1279}, {MTU: 70000}, {Robustness: 8}, {Robustness: -1}, {UnsolicitedReportInterval: -1}, {MaxGroups: -1},
	} {
		if _, err := NewListener(c, rng); err == nil {
			t.Errorf("a listener: %+v is taken", c)
		}
	}
	own := addr("fe80::1")
	for _, c := range []RouterConfig{
		{}, {Family: 5, Address: own}, {Version: 9, Address: own}, {Address: addr("::")}, {Address: own, MTU: 100}, {Address: own, Robustness: 8},
		{Address: own, QueryInterval: time.Millisecond}, {Address: own, QueryInterval: 10 * time.Hour},
		{Address: own, QueryInterval: 5 * time.Second, ResponseInterval: 6 * time.Second}, {Address: own, LastInterval: time.Millisecond},
		{Address: own, StartupInterval: -1}, {Address: own, LastCount: -1},
	} {
		if _, err := NewRouter(c); err == nil {
			t.Errorf("a router: %+v is taken", c)
		}
	}
	l, err := NewListener(ListenerConfig{}, rng)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range []string{"ff02::1", "ff01::5", "ff00::5", "fe80::1", "239.1.2.3"} {
		if err := l.Listen(testStart, 1, addr(g), AnySource); !errors.Is(err, ErrGroup) {
			t.Errorf("listening to %s: %v, want %v", g, err, ErrGroup)
		}
	}
}
