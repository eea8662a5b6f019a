package interop

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/gopgm/gopgm/internal/netns"
	"github.com/gopgm/gopgm/pgm"
)

// What all labs have in common. Nobody else is on their net.
const (
	device  = "e0" // of each host
	port    = 7500
	groupV4 = "239.192.77.71"
	groupV6 = "ff08::7751"
)

// labTime bounds a lab.
const labTime = 30 * time.Second

// lab is one combination: sources on one side, a receiver on the other, one of the two sides a peer's.
type lab struct {
	name    string
	peer    string // "openpgm" or "zeromq"
	peerIs  string // "source" or "receiver"
	ours    string // "stream", "messages", "framed" (a role), "lines", "stdout" (pgmsend, pgmrecv), "zeromq" (the example)
	raw     bool
	family  int // 4 or 6
	loss    int // percent
	late    bool
	sources int
	rate    int // bits a second, of each source
	pgmcc   bool
	mute    bool // OpenPGM's receiver never answers an election of PGMCC
	plan
	always bool // in the short set too
}

// outcome is what is left of a lab.
type outcome struct {
	captures []string // by host: the receiver's, then those of the sources
	messages int
	octets   int
	first    uint32   // of the messages that the receiver got of the first source
	closed   []string // the last event of each source
	took     time.Duration
}

func (x lab) group() netip.Addr {
	if x.family == 6 {
		return netip.MustParseAddr(groupV6)
	}
	return netip.MustParseAddr(groupV4)
}

// transport names the network as endpoints do.
func (x lab) transport() string {
	if x.raw {
		return "pgm"
	}
	return "epgm"
}

// network is the transport, and the version of IP unless it is 4.
func (x lab) network() string {
	if x.family == 6 {
		return x.transport() + "6"
	}
	return x.transport()
}

// endpoint is the endpoint of our side and of ZeroMQ's, with the name or the address of the interface.
func (x lab) endpoint(iface string) string {
	return pgm.Endpoint{Network: x.transport(), Interface: iface, Group: netip.AddrPortFrom(x.group(), port)}.String()
}

// run plays the lab. dir gets the captures.
func (x lab) run(dir string, t *tools) (o *outcome, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), labTime)
	defer cancel()
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	began := time.Now()
	net := netns.New(ctx)
	defer net.Close()
	hosts, err := layOut(net, 1+x.sources, x.loss)
	if err != nil {
		return nil, err
	}
	o = &outcome{}
	var captures []*capture
	for i, h := range hosts {
		c, err := startCapture(ctx, h, captureName(dir, i), x.raw)
		if err != nil {
			return nil, err
		}
		captures = append(captures, c)
		o.captures = append(o.captures, c.name)
	}
	var parties []*party
	defer func() {
		for _, p := range parties {
			if e := p.stop(); err == nil && e != nil {
				err = fmt.Errorf("%s: %w: %s", p.name, e, p.lastWords())
			}
		}
		if cause := context.Cause(ctx); err != nil && cause != nil {
			err = fmt.Errorf("%w (%w)", err, cause)
		}
	}()
	receive := func() (*party, error) {
		p, err := x.startReceiver(ctx, hosts[0], t)
		if err != nil {
			return nil, err
		}
		parties = append(parties, p)
		if _, err = p.wait(ctx, "ready"); err == nil && !(p.waitJoined(ctx, x.group()) && pause(ctx, joinTime)) {
			err = fmt.Errorf("%s has not joined: %w", p.name, context.Cause(ctx)) // ZeroMQ does so some time after zmq_connect
		}
		return p, err
	}
	var receiver *party
	if !x.late {
		if receiver, err = receive(); err != nil {
			return nil, err
		}
	}
	for i := range x.sources {
		p, err := x.startSource(ctx, hosts[1+i], t, uint32(i))
		if err != nil {
			return nil, err
		}
		parties = append(parties, p)
	}
	sources := parties[len(parties)-x.sources:]
	if err := each(sources, func(p *party) error {
		_, err := p.wait(ctx, "ready")
		return err
	}); err != nil {
		return nil, err
	}
	for _, p := range sources {
		if err := p.tell("go"); err != nil {
			return nil, err
		}
		go func() { // without a source nobody need wait
			if <-p.done; p.status != nil {
				fail(fmt.Errorf("%s: %w: %s", p.name, p.status, p.lastWords()))
			}
		}()
	}
	if x.late {
		pause(ctx, 300*time.Millisecond)
		if receiver, err = receive(); err != nil {
			return nil, err
		}
	}
	for range x.sources {
		e, err := receiver.wait(ctx, "complete")
		if err != nil {
			return nil, err
		}
		if err := x.count(o, e); err != nil {
			return nil, err
		}
	}
	// The end of each session comes when the receiver has everything: OpenPGM does not stay for repairs.
	for _, order := range []string{"sent", "close", "closed"} {
		if err := each(sources, func(p *party) error {
			if order == "close" {
				return p.tell(order)
			}
			e, err := p.wait(ctx, order)
			if order == "closed" {
				o.closed = append(o.closed, e)
			}
			return err
		}); err != nil {
			return nil, err
		}
	}
	if x.peerIs == "source" && x.ours == "stream" {
		for range x.sources {
			if _, err := receiver.wait(ctx, "end"); err != nil {
				return nil, err
			}
		}
	}
	for _, c := range captures {
		if err := c.stop(); err != nil {
			return nil, fmt.Errorf("%s: %w: %s", c.name, err, c.said)
		}
	}
	o.took = time.Since(began)
	return o, nil
}

// count takes what a receiver says of a source of which it has everything.
func (x lab) count(o *outcome, event string) error {
	var source, first uint32
	var messages, octets int
	if _, err := fmt.Sscanf(event, "complete %d %d %d %d", &source, &first, &messages, &octets); err != nil {
		return fmt.Errorf("%q: %w", event, err)
	}
	o.messages += messages
	o.octets += octets
	o.first = first
	want := 0
	for i := int(first); i < x.Count; i++ {
		want += x.size(uint32(i))
	}
	if messages != x.Count-int(first) || octets != want || x.late != (first > 0) {
		return fmt.Errorf("%q of %d messages; joined late: %v", event, x.Count, x.late)
	}
	return nil
}

// each calls f for all, until one fails.
func each(parties []*party, f func(*party) error) error {
	for _, p := range parties {
		if err := f(p); err != nil {
			return err
		}
	}
	return nil
}

func (x lab) startReceiver(ctx context.Context, h *netns.Host, t *tools) (*party, error) {
	if x.peerIs == "receiver" {
		return startSpeaker(ctx, h, x.peer+" receiver", nil, x.peerCommand(t, 0, 0)...)
	}
	switch x.ours {
	case "lines", "stdout":
		return startReader(ctx, h, "pgmrecv", x.plan, x.ours == "lines",
			t.program("pgmrecv"), "--endpoint", x.endpoint(device), "--"+x.ours, "--progress", "none")
	case "zeromq":
		return startReader(ctx, h, "the ZeroMQ example", x.plan, true, t.program("zeromq"), "sub", x.endpoint(device))
	}
	return x.startRole(ctx, h, "our receiver", role{})
}

func (x lab) startSource(ctx context.Context, h *netns.Host, t *tools, source uint32) (*party, error) {
	if x.peerIs == "source" {
		return startSpeaker(ctx, h, fmt.Sprintf("%s source %d", x.peer, source), nil, x.peerCommand(t, 1+int(source), source)...)
	}
	switch x.ours {
	case "lines":
		return startWriter(ctx, h, "pgmsend", x.plan, source, t.program("pgmsend"), "--endpoint", x.endpoint(device),
			"--rate", strconv.Itoa(x.rate), "--linger", "200ms", "--lines", "--progress", "none", "-")
	case "zeromq":
		return startWriter(ctx, h, "the ZeroMQ example", x.plan, source, t.program("zeromq"), "--rate", strconv.Itoa(x.rate), "pub", x.endpoint(device))
	}
	return x.startRole(ctx, h, fmt.Sprintf("our source %d", source), role{Send: true, Source: source})
}

// startRole starts this test's own program.
func (x lab) startRole(ctx context.Context, h *netns.Host, name string, r role) (*party, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	r.plan, r.Endpoint, r.Socket, r.Rate, r.PGMCC = x.plan, x.endpoint(device), x.ours, x.rate, x.pgmcc
	text, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	return startSpeaker(ctx, h, name, []string{roleVariable + "=" + string(text), "GORACE=atexit_sleep_ms=0"}, self)
}

// peerCommand is the command line of a peer on a host; docs/interop.md explains the choices. OpenPGM gives up when it cannot ask a
// name server whether the name of an interface is that of a host: the interface is named by its address.
func (x lab) peerCommand(t *tools, host int, source uint32) []string {
	iface := address(host, x.family)
	if x.peer == "zeromq" {
		argv := []string{t.zeromq, map[string]string{"source": "pub", "receiver": "sub"}[x.peerIs], "--endpoint", x.endpoint(iface),
			"--source", strconv.Itoa(int(source)), "--rate", strconv.Itoa(x.rate / 1000), "--recovery", "10000"}
		return append(argv, x.flags()...)
	}
	argv := []string{t.openpgm, map[string]string{"source": "send", "receiver": "receive"}[x.peerIs],
		"--network", iface + ";" + x.group().String(), "--port", strconv.Itoa(port),
		"--source", strconv.Itoa(int(source)), "--rate", strconv.Itoa(x.rate / 8)}
	// With these each fragment of a message of OpenPGM's has 1424 octets, or 1408 over IPv6: a multiple of 16.
	mtu := 1488
	if !x.raw {
		argv = append(argv, "--udp", strconv.Itoa(port))
		mtu += 8
	}
	if x.family == 6 {
		argv = append(argv, "--family", "6")
		mtu += 4
	}
	if x.peerIs == "source" {
		argv = append(argv, "--mtu", strconv.Itoa(mtu))
	} else if x.ours == "stream" {
		argv = append(argv, "--octets")
	}
	if x.pgmcc {
		argv = append(argv, "--pgmcc", map[bool]string{false: "0", true: "127"}[x.mute])
	}
	return append(argv, x.flags()...)
}

// String says what the lab is about, as docs/interop.md has it.
func (x lab) String() string {
	words := []string{x.transport()}
	if x.family == 6 {
		words = append(words, "IPv6")
	}
	if x.loss > 0 {
		words = append(words, fmt.Sprintf("%d %% loss", x.loss))
	}
	if x.late {
		words = append(words, "late join")
	}
	if x.sources > 1 {
		words = append(words, fmt.Sprintf("%d sources", x.sources))
	}
	return strings.Join(words, ", ")
}

// dir is where a lab keeps its captures below a folder.
func (x lab) dir(base string) string {
	return filepath.Join(base, strings.ReplaceAll(x.name, "/", "_"))
}
