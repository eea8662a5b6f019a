// Package pcap reads and writes captures of PGM: pcap and pcapng files, the network headers in front of PGM, and PGM inside UDP,
// which it finds by itself. It also has gopacket layers for every packet and option of PGM; to import the package registers
// them for IP protocol 113, so that any program that decodes with gopacket decodes PGM.
package pcap

import (
	"encoding/binary"
	"io"
	"net/netip"
	"time"
)

// Packet is one PGM packet of a capture.
type Packet struct {
	Number      int            // of the frame in the capture, from 1; of a fragmented packet, of the frame that completed it
	Time        time.Time      // when that frame was captured; zero if the capture does not say
	Src, Dst    netip.AddrPort // the ports are those of UDP, 0 if there is none
	TTL         int            // IPv4 time to live or IPv6 hop limit
	RouterAlert bool           // the network header has IP Router Alert
	UDP         bool           // inside UDP; otherwise IP protocol 113
	Fragmented  bool           // put together from IP fragments
	Coalesced   bool           // one of several in the frame, which the network card was to cut up or has put together
	Data        []byte         // the PGM packet, from its fixed header on; valid until the next Read
	Length      int            // of the PGM packet on the wire, in octets
	Truncated   bool           // Data is shorter than that: the snap length cut it off
}

// Stats counts what a Reader has met.
type Stats struct {
	Frames  uint64 // in the capture
	Packets uint64 // PGM packets found

	// The frames that are not, or not yet, part of a PGM packet, by cause.
	OtherLink     uint64 // of an interface with a link type that is not read
	NotIP         uint64 // or too short to tell
	OtherProtocol uint64 // IP with neither UDP nor PGM
	OtherUDP      uint64 // UDP without PGM, or of which too little was captured to tell
	Malformed     uint64 // UDP headers that cannot be, or nothing behind them
	Waiting       uint64 // IP fragments of what has not been completed; they may be frames of other protocols

	Reassembled uint64 // IP datagrams put together from fragments
	Incomplete  uint64 // IP datagrams given up, because a fragment did not come in time, contradicted another, or there were too many
	Forgotten   uint64 // flows and sessions that the reader had no room to remember; PGM of them may have been counted as OtherUDP
}

// Config says how to look for PGM. The zero Config finds it by itself.
type Config struct {
	// Ports are the UDP ports that PGM is on. If there are any, all datagrams from and to them are taken for PGM, whatever
	// they hold, and no others are looked at.
	Ports []uint16
}

// Reader reads the PGM packets of a capture, as a stream, in memory that does not depend on the capture. It is not safe for
// concurrent use.
type Reader struct {
	frames frames
	frame  frame
	finder *finder
	reass  reassembly
	stats  Stats
	err    error

	found Packet // the last packet, and
	rest  []byte // the packets that came with it in one frame,
	left  int    // octets of which were on the wire,
	size  int    // each of so many
}

// Open begins to read a pcap or pcapng file, which it tells apart, of either byte order.
func Open(r io.Reader) (*Reader, error) { return OpenConfig(r, Config{}) }

// OpenConfig is Open with a Config.
func OpenConfig(r io.Reader, c Config) (*Reader, error) {
	f, err := openFrames(r)
	if err != nil {
		return nil, err
	}
	return &Reader{frames: f, finder: newFinder(c.Ports)}, nil
}

// Stats returns what has been met so far.
func (r *Reader) Stats() Stats {
	s := r.stats
	s.Incomplete = r.reass.lost + uint64(r.reass.waiting())
	s.Forgotten = r.finder.refused
	return s
}

// Read reads the next PGM packet. At the end of the capture it returns io.EOF; where reading has to stop before the end, a
// *FormatError that says where and why. Both stay.
func (r *Reader) Read(p *Packet) error {
	for {
		if r.left > 0 {
			r.next()
			*p = r.found
			return nil
		}
		if r.err == nil {
			r.err = r.frames.next(&r.frame)
		}
		if r.err != nil {
			return r.err
		}
		r.stats.Frames++
		r.take()
	}
}

// next makes found the next of the packets in a frame.
func (r *Reader) next() {
	size := min(r.size, r.left)
	r.found.Data = r.rest[:min(size, len(r.rest))]
	r.found.Length = size
	r.found.Truncated = len(r.found.Data) < size
	r.rest, r.left = r.rest[len(r.found.Data):], r.left-size
	if len(r.rest) == 0 {
		r.left = 0 // what the snap length left nothing of is not worth a packet
	}
	r.stats.Packets++
}

// take looks for PGM in the frame.
func (r *Reader) take() {
	if !r.frame.link.known() {
		r.stats.OtherLink++
		return
	}
	var d datagram
	b, wire, ok := r.frame.network()
	if !ok || !d.parse(b, wire) {
		r.stats.NotIP++
		return
	}
	fragmented := d.fragment
	if fragmented {
		if !r.reass.add(r.frame.time, &d) {
			r.stats.Waiting++
			return
		}
		r.stats.Reassembled++
		if !d.resume() {
			r.stats.NotIP++
			return
		}
	}
	if d.proto != protoPGM && d.proto != protoUDP {
		r.stats.OtherProtocol++
		return
	}
	r.found = Packet{
		Number:      int(r.stats.Frames),
		Time:        r.frame.time,
		TTL:         int(d.ttl),
		RouterAlert: d.alert,
		UDP:         d.proto == protoUDP,
		Fragmented:  fragmented,
	}
	var from, to uint16
	if d.proto == protoUDP {
		if len(d.payload) < 8 {
			r.stats.Malformed++
			return
		}
		from, to = binary.BigEndian.Uint16(d.payload), binary.BigEndian.Uint16(d.payload[2:])
		length := int(binary.BigEndian.Uint16(d.payload[4:]))
		if length == 0 { // too long to say
			length = d.length
		}
		if length < 8 || length > d.length {
			r.stats.Malformed++
			return
		}
		d.payload, d.length = cut(d.payload, 8, length), length-8
	}
	r.found.Src, r.found.Dst = netip.AddrPortFrom(d.src, from), netip.AddrPortFrom(d.dst, to)
	if r.found.UDP && !r.finder.isPGM(r.found.Src, r.found.Dst, d.payload, d.length) {
		r.stats.OtherUDP++
		return
	}
	if d.length == 0 {
		r.stats.Malformed++
		return
	}
	r.rest, r.left, r.size = d.payload, d.length, d.length
	if _, ok := session(d.payload); ok {
		if size, ok := measure(d.payload, d.length); ok && size < d.length &&
			sameSession(d.payload, size, len(d.payload) < d.length) {
			r.size, r.found.Coalesced = size, true
		}
	}
}
