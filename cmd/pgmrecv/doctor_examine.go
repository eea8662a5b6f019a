package main

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"github.com/gopgm/gopgm/internal/netio"
	"github.com/gopgm/gopgm/mld"
	"github.com/gopgm/gopgm/pgm/packet"
)

// observation is what the doctor has seen of a path, at three places: on the link, at the socket, and in the packets of PGM.
type observation struct {
	iface string
	mtu   int
	group netip.AddrPort
	from  netip.Addr // the only source that is joined; zero: any
	raw   bool       // PGM as an IP protocol
	d     time.Duration

	blind    error // why the link cannot be seen; nil: it can
	unasked  error // why the querier cannot be looked for; nil: it can
	queriers []querier
	probed   bool // a group was left, and whoever is querier had the time to ask about it

	link       uint64 // packets for the group, wherever they go to
	wanted     uint64 // of these, those for the endpoint's port and encapsulation, and from its source
	fragments  uint64 // of the wanted
	otherPorts map[uint16]uint64
	otherWay   uint64 // packets in the other encapsulation
	otherFrom  map[netip.Addr]uint64
	ttls       map[netip.Addr]uint8 // the least TTL of each host's wanted packets
	near       []netip.Prefix       // of this interface
	filtered   uint64               // packets that the kernel dropped for want of a route back

	socket    uint64 // datagrams that the socket got
	drops     uint64 // that it did not, for want of a buffer
	checksums uint64 // datagrams with a wrong checksum of PGM
	malformed uint64 // and others that are no PGM
	sessions  map[packet.TSI]*hearing
}

// querier is who asks on the link.
type querier struct {
	addr    netip.Addr
	version string
	general bool // it was heard asking about all groups
}

// hearing is what was heard of one session.
type hearing struct {
	hosts       map[netip.Addr]uint64 // by packets
	spms        uint64
	data        uint64
	first, last packet.SQN
	got         map[packet.SQN]bool // the last packets, at most maxGot
	repeated    uint64              // ODATA that came before
	missing     uint64              // numbers passed over, and not come since
}

// Limits of what is kept: hosts, ports, sessions, and numbers of a session.
const (
	maxKept = 64
	maxGot  = 4096
)

// examine watches for a time. conn has joined the group.
func examine(ctx context.Context, conn netio.Conn, c netio.Config, d time.Duration) *observation {
	o := &observation{
		iface: conn.Interface().Name, mtu: conn.MTU(), group: conn.Group(), from: c.Source.WithZone(""), raw: c.Protocol != 0, d: d,
		otherPorts: map[uint16]uint64{}, otherFrom: map[netip.Addr]uint64{}, ttls: map[netip.Addr]uint8{}, near: ownPrefixes(conn.Interface()),
		sessions: map[packet.TSI]*hearing{},
	}
	before := reversePathDrops()
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	var lock sync.Mutex
	var work sync.WaitGroup
	tap, err := netio.OpenTap(conn.Interface(), o.group.Addr().WithZone(""))
	if o.blind = err; err == nil {
		context.AfterFunc(ctx, func() { tap.Close() })
		work.Go(func() {
			b := make([]byte, 256)
			for {
				n, err := tap.Read(b)
				if isEnd(err) {
					return
				}
				if err == nil {
					lock.Lock()
					o.onLink(b[:n])
					lock.Unlock()
				}
			}
		})
	}
	family := mld.MLD
	if o.group.Addr().Is4() {
		family = mld.IGMP
	}
	port, err := mld.OpenPort(conn.Interface(), family)
	if o.unasked = err; err == nil {
		context.AfterFunc(ctx, func() { port.Close() })
		work.Go(func() {
			for {
				p, err := port.Read()
				if err != nil {
					return
				}
				lock.Lock()
				o.query(family, &p)
				lock.Unlock()
			}
		})
		work.Go(func() { o.probe(ctx, port, family, &lock) })
	}
	for _, r := range conn.Readers() {
		if !r.Multicast() {
			continue
		}
		work.Go(func() {
			var b netio.Batch
			for r.ReadBatch(&b) == nil {
				lock.Lock()
				for _, dg := range b.Datagrams {
					o.datagram(dg.Data, dg.From.Addr())
				}
				lock.Unlock()
			}
		})
	}
	<-ctx.Done()
	o.drops = conn.Stats().Drops
	conn.Close()
	work.Wait()
	o.filtered = reversePathDrops() - before
	return o
}

// probe joins a group that nobody else has, and leaves it: the querier, if there is one, asks at once whether anybody else listens to it, and is heard
// so long before its next general query.
func (o *observation) probe(ctx context.Context, port *mld.Port, f mld.Family, lock *sync.Mutex) {
	scratch := netip.AddrFrom4([4]byte{239, 255, byte(rand.Uint32()), byte(rand.Uint32())})
	if f == mld.MLD {
		b := [16]byte{0: 0xff, 1: 0x15} // of this site's scope, transient
		binary.BigEndian.PutUint32(b[12:], rand.Uint32())
		scratch = netip.AddrFrom16(b)
	}
	sleep := func(d time.Duration) bool {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(d):
			return true
		}
	}
	// Both reports are repeated within a second, so that one may be lost; a switch takes a moment to learn.
	if port.Join(scratch) != nil || !sleep(min(1500*time.Millisecond, o.d/4)) || port.Leave(scratch) != nil || !sleep(min(1500*time.Millisecond, o.d/4)) {
		return
	}
	lock.Lock()
	o.probed = true
	lock.Unlock()
}

// query takes note of a query.
func (o *observation) query(f mld.Family, p *mld.Packet) {
	var m mld.Message
	if m.Parse(f, p) != nil || m.Kind != mld.Query {
		return
	}
	for i := range o.queriers {
		if q := &o.queriers[i]; q.addr == p.Src {
			q.general = q.general || m.General()
			return
		}
	}
	if len(o.queriers) < maxKept {
		o.queriers = append(o.queriers, querier{p.Src, f.Name(m.Version), m.General()})
	}
}

// onLink takes note of an IP packet to the group.
func (o *observation) onLink(b []byte) {
	o.link++
	src, protocol, ttl, fragment, rest, ok := readIP(b)
	if !ok {
		return
	}
	switch {
	case protocol != udpProtocol && protocol != pgmProtocol:
		return
	case (protocol == pgmProtocol) != o.raw:
		o.otherWay++
		return
	case !o.raw && len(rest) >= 4 && binary.BigEndian.Uint16(rest[2:]) != o.group.Port():
		add(o.otherPorts, binary.BigEndian.Uint16(rest[2:]))
		return
	case o.from.IsValid() && src != o.from:
		add(o.otherFrom, src)
		return
	}
	o.wanted++
	if fragment {
		o.fragments++
	}
	if least, ok := o.ttls[src]; (!ok && len(o.ttls) < maxKept) || (ok && ttl < least) {
		o.ttls[src] = ttl
	}
}

// The protocols that PGM travels in.
const (
	udpProtocol = 17
	pgmProtocol = 113
)

// readIP reads an IP header. rest is what is behind it, empty in a fragment that is not the first.
func readIP(b []byte) (src netip.Addr, protocol, ttl uint8, fragment bool, rest []byte, ok bool) {
	switch {
	case len(b) >= 20 && b[0]>>4 == 4:
		head := int(b[0]&0x0f) * 4
		frag := binary.BigEndian.Uint16(b[6:])
		if fragment = frag&0x3fff != 0; frag&0x1fff == 0 && len(b) >= head {
			rest = b[head:]
		}
		return netip.AddrFrom4([4]byte(b[12:])), b[9], b[8], fragment, rest, true
	case len(b) >= 40 && b[0]>>4 == 6:
		protocol, rest = b[6], b[40:]
		for (protocol == 0 || protocol == 44) && len(rest) >= 8 { // hop-by-hop options, fragment
			size := 8
			if protocol == 0 {
				size += 8 * int(rest[1])
			} else {
				fragment = true
			}
			if len(rest) < size {
				return src, 0, 0, false, nil, false
			}
			first := protocol == 0 || binary.BigEndian.Uint16(rest[2:])>>3 == 0
			if protocol, rest = rest[0], rest[size:]; !first {
				rest = nil
			}
		}
		return netip.AddrFrom16([16]byte(b[8:])), protocol, b[7], fragment, rest, true
	}
	return src, 0, 0, false, nil, false
}

// datagram takes note of what the socket got.
func (o *observation) datagram(b []byte, from netip.Addr) {
	o.socket++
	var h packet.Header
	body, err := h.Parse(b)
	switch {
	case err != nil && isChecksum(err):
		o.checksums++
		return
	case err != nil:
		o.malformed++
		return
	case h.Type.IsUpstream():
		return // a receiver's, to the group
	}
	s := o.sessions[h.TSI()]
	if s == nil {
		if len(o.sessions) >= maxKept {
			return
		}
		s = &hearing{hosts: map[netip.Addr]uint64{}, got: map[packet.SQN]bool{}}
		o.sessions[h.TSI()] = s
	}
	add(s.hosts, from.WithZone(""))
	switch {
	case h.Type == packet.TypeSPM:
		s.spms++
	case h.Type.IsData():
		var d packet.Data
		if d.Parse(&h, body) == nil {
			s.packet(h.Type, d.SQN)
		}
	}
}

// packet takes note of a data packet.
func (s *hearing) packet(t packet.Type, sqn packet.SQN) {
	s.data++
	switch {
	case s.data == 1:
		s.first, s.last = sqn, sqn
	case s.last.Before(sqn):
		s.missing += uint64(sqn - s.last - 1)
		s.last = sqn
	case s.got[sqn] && t == packet.TypeODATA:
		s.repeated++
	case !s.got[sqn] && s.first.Before(sqn) && s.missing > 0:
		s.missing--
	}
	s.got[sqn] = true
	delete(s.got, sqn-maxGot)
	for len(s.got) > 2*maxGot { // numbers that jump about
		clear(s.got)
	}
}

// add counts a thing, if there is room for it.
func add[K comparable](m map[K]uint64, k K) {
	if _, ok := m[k]; ok || len(m) < maxKept {
		m[k]++
	}
}
