package main

import (
	"context"
	cryptorand "crypto/rand"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gopgm/gopgm/internal/netio"
	legs "github.com/gopgm/gopgm/pgm/leg"
)

// legPort is the UDP port of legs.
const legPort = 7501

// outboxSize is how many octets wait for the socket of all legs, and what the kernel is to keep of them; together they are what a leg that is
// narrow just here delays. hubBuffer is what may have come and was not read yet.
const (
	outboxSize = 512 << 10
	hubBuffer  = 8 << 20
)

// hub is the socket of all legs, and who is at their other ends.
type hub struct {
	conn   netio.Conn
	stderr io.Writer
	out    *queue

	mu       sync.Mutex
	sites    []*site
	at       map[netip.AddrPort]*site // port 0 stands for any
	forged   uint64                   // datagrams of strangers
	foreign  uint64                   // of groups that are not forwarded here
	unsent   uint64                   // that the kernel did not take
	overflow uint64                   // that there was no room for
	scratch  []byte
	packet   legs.Packet
}

// site is the other end of a leg.
type site struct {
	hub     *hub
	name    string         // as it was given
	addr    netip.AddrPort // port 0: as soon as it has said who it is, that from which it did
	reached netip.AddrPort // where packets go; not valid: not known yet
	from    netip.AddrPort // what came last
	peer    *legs.Peer
	groups  []*leg
	alive   bool // as it was said in the log
}

// openHub opens the socket of legs, and finds the addresses of their other ends.
func openHub(ctx context.Context, names []string, listen string, stderr io.Writer) (*hub, error) {
	h := &hub{at: make(map[netip.AddrPort]*site), out: newQueue(outboxSize), stderr: stderr}
	var seed [32]byte
	_, _ = cryptorand.Read(seed[:]) // it never fails
	rng := rand.New(rand.NewChaCha8(seed))
	for _, name := range names {
		addr, err := resolve(ctx, name)
		switch {
		case err != nil:
			return nil, fmt.Errorf("--leg %s: %w", name, err)
		case h.at[addr] != nil:
			return nil, fmt.Errorf("--leg %s: that is where %s leads, too", name, h.at[addr].name)
		case len(h.sites) > 0 && h.sites[0].addr.Addr().Is4() != addr.Addr().Is4():
			return nil, fmt.Errorf("--leg %s: one leg is over IPv4 and one over IPv6: give the addresses of all of one family", name)
		}
		s := &site{hub: h, name: name, addr: addr, peer: legs.NewPeer(time.Now(), rng)}
		if addr.Port() != 0 {
			s.reached = addr
		}
		h.sites = append(h.sites, s)
		h.at[addr] = s
	}
	local, err := localAddress(listen, h.sites[0].addr.Addr())
	if err != nil {
		return nil, err
	}
	if h.conn, err = netio.OpenPeers(ctx, local, hubBuffer, outboxSize); err != nil {
		return nil, fmt.Errorf("--leg-listen %s: %w", listen, err)
	}
	return h, nil
}

// splitLeg splits HOST[:PORT].
func splitLeg(name string) (host string, port uint16, err error) {
	host, p := strings.TrimSuffix(strings.TrimPrefix(name, "["), "]"), ""
	if a, err := netip.ParseAddr(host); err != nil || !a.IsValid() {
		if h, q, err := net.SplitHostPort(name); err == nil {
			host, p = h, q
		} else {
			host = name
		}
	}
	if host == "" || strings.ContainsAny(host, " /,") {
		return "", 0, fmt.Errorf("%q is not HOST or HOST:PORT", name)
	}
	if p == "" {
		return host, legPort, nil
	}
	n, err := strconv.ParseUint(p, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("%q is not a port: 1 to 65535, or 0 for any", p)
	}
	return host, uint16(n), nil
}

// resolve returns the address of the other end of a leg.
func resolve(ctx context.Context, name string) (netip.AddrPort, error) {
	host, port, err := splitLeg(name)
	if err != nil {
		return netip.AddrPort{}, err
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		if err != nil {
			return netip.AddrPort{}, err
		}
		a = addrs[0]
	}
	if a = a.Unmap(); a.IsMulticast() || a.IsUnspecified() {
		return netip.AddrPort{}, fmt.Errorf("%v is not the address of a host", a)
	}
	return netip.AddrPortFrom(a, port), nil
}

// localAddress returns where to hear legs: [ADDRESS:]PORT.
func localAddress(listen string, peer netip.Addr) (netip.AddrPort, error) {
	all := netip.IPv6Unspecified()
	if peer.Is4() {
		all = netip.IPv4Unspecified()
	}
	if n, err := strconv.ParseUint(strings.TrimPrefix(listen, ":"), 10, 16); err == nil {
		return netip.AddrPortFrom(all, uint16(n)), nil
	}
	a, err := netip.ParseAddrPort(listen)
	if err != nil || a.Addr().Unmap().Is4() != peer.Is4() {
		return a, fmt.Errorf("--leg-listen %s is not [ADDRESS:]PORT, of the family of %v", listen, peer)
	}
	return a, nil
}

// leg returns the leg to a site for a group.
func (s *site) leg(group netip.AddrPort, own netip.Addr, ttl int) *leg {
	group = netip.AddrPortFrom(group.Addr().Unmap().WithZone(""), group.Port())
	l := &leg{site: s, group: group, own: own.Unmap().WithZone(""), ttl: ttl, in: [2]*queue{newQueue(inboxSize), newQueue(inboxSize)}}
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	s.groups = append(s.groups, l)
	return l
}

// run has the legs work until they are closed or the socket fails, which ends the reading of all legs; no hello is sent after ctx is done.
func (h *hub) run(ctx context.Context) {
	go h.write()
	go h.greetings(ctx)
	go func() {
		defer h.close()
		var b netio.Batch
		for {
			if err := h.conn.Readers()[0].ReadBatch(&b); err != nil {
				if !errors.Is(err, net.ErrClosed) { // what ends the program says no more than that the legs are closed
					fmt.Fprintf(h.stderr, "pgmrouter: the legs are not heard any more: %v\n", err)
				}
				return
			}
			h.take(time.Now(), &b)
		}
	}()
}

func (h *hub) close() {
	h.conn.Close()
	h.out.close()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.sites {
		for _, l := range s.groups {
			l.Close()
		}
	}
}

// greetings sends hellos when they are due, and notices who does not.
func (h *hub) greetings(ctx context.Context) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		h.mu.Lock()
		now := time.Now()
		for _, s := range h.sites {
			s.peer.HandleTimeout(now)
			h.greet(now, s)
		}
		h.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// greet sends the hellos that are due to a site, and says so when it has come or gone.
func (h *hub) greet(now time.Time, s *site) {
	for {
		b, answer, ok := s.peer.PollTransmit(now, h.scratch[:0])
		if !ok {
			break
		}
		h.scratch = b
		to := s.reached
		if answer && s.addr.Port() == 0 {
			to = s.from
		}
		if to.IsValid() {
			h.out.put(b, to, 0)
		}
	}
	if alive := s.peer.Alive(); alive != s.alive {
		s.alive = alive
		if alive {
			fmt.Fprintf(h.stderr, "pgmrouter: leg %s: the other side is there\n", s.name)
		} else {
			fmt.Fprintf(h.stderr, "pgmrouter: leg %s: nothing was heard of the other side for %v\n", s.name, now.Sub(s.peer.Heard()).Round(100*time.Millisecond))
		}
	}
}

// listen tells a site which groups have listeners here.
func (s *site) listen(now time.Time) {
	var wanted []legs.Interest
	for _, l := range s.groups {
		if l.hops > 0 {
			wanted = append(wanted, legs.Interest{Group: l.group, Hops: l.hops})
		}
	}
	s.peer.Listen(now, wanted)
}

// send puts a packet on the way to a site. Its caller has the lock.
func (h *hub) send(s *site, k *legs.Packet) bool {
	b, ok := s.peer.Append(h.scratch[:0], k)
	if h.scratch = b; !ok || !s.reached.IsValid() {
		return false
	}
	before := h.out.drops()
	h.out.put(b, s.reached, 0)
	if h.out.drops() != before {
		h.overflow++
		return false
	}
	return true
}

// write hands what is to be sent to the kernel. That waits while the socket is full; the router does not.
func (h *hub) write() {
	var b burst
	var messages []netio.Message
	for h.out.take(&b) == nil {
		messages = messages[:0]
		start := 0
		for _, e := range b.entries {
			messages = append(messages, netio.Message{To: e.addr, Data: b.slab[start:e.end]})
			start = e.end
		}
		for rest := messages; len(rest) > 0; {
			n, err := h.conn.WriteBatch(rest)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				break
			}
			h.mu.Lock()
			h.unsent++
			h.mu.Unlock()
			rest = rest[n+1:]
		}
	}
}

// take takes what came to the socket: of those who are named, and of nobody else.
func (h *hub) take(now time.Time, b *netio.Batch) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range b.Datagrams {
		d := &b.Datagrams[i]
		s := h.at[d.From]
		if s == nil {
			s = h.at[netip.AddrPortFrom(d.From.Addr(), 0)]
		}
		if s == nil {
			h.forged++
			continue
		}
		s.from = d.From
		hellos := s.peer.Stats().Hellos
		data, _ := s.peer.Handle(now, d.Data, &h.packet) // it is counted
		switch {
		case data:
			h.deliver(s)
			continue
		case s.peer.Stats().Hellos != hellos && s.addr.Port() == 0:
			s.reached = d.From
		}
		h.greet(now, s)
	}
}

// deliver hands a packet to the leg of its group.
func (h *hub) deliver(s *site) {
	i := slices.IndexFunc(s.groups, func(l *leg) bool { return l.group == h.packet.Group })
	if i < 0 {
		h.foreign++
		return
	}
	s.groups[i].heard(&h.packet)
}
