// Package mroute has the Linux kernel forward multicast of IPv4, as a routing daemon does: a [Table] says which packets go where, and hears of
// those that it says nothing about; a [Transit] sends on what interception of Router Alert takes out of the way of other hosts; a
// [Sampler] sees some of what the kernel forwards; [Queues] say what interfaces dropped of it; [Joined] says whether a program on this host listens
// itself. It knows no PGM.
//
// Of IPv6 there is none: the kernel forwards multicast with Router Alert as it does any other, and hands it to nobody (ip6_mc_input), so that who
// must change some packets on their way cannot leave the others to it.
//
// Everything here needs CAP_NET_ADMIN or CAP_NET_RAW. What a Table says is gone when it is closed, or when the process ends.
package mroute

import (
	"encoding/binary"
	"net/netip"
)

// MaxLinks is how many links a Table has at most: MAXVIFS.
const MaxLinks = 32

// Entry says where the packets of a source to a group go.
type Entry struct {
	Source, Group netip.Addr
	In            int    // the link that they must come by
	Out           uint32 // bit i: they leave by link i; 0: by none, and the kernel asks no more
}

// Count is what the kernel has counted of an entry.
type Count struct {
	Packets, Bytes uint64 // that came
	Astray         uint64 // packets of those that came by another link than In, and were dropped
}

// Miss is a packet that there is no entry for. The kernel keeps a few of them for some seconds, and forwards them when there is one.
type Miss struct {
	Link          int
	Source, Group netip.Addr
}

// Kind says which packets are many to a Sampler: those whose octet At after the IP header is Value, as far as Mask goes. Of these one in OneIn is seen, by chance.
type Kind struct {
	At          int
	Mask, Value byte
	OneIn       uint32
}

// Sample is a packet that a Sampler saw.
type Sample struct {
	Source, Group netip.Addr
	TTL           int
	Payload       []byte // in the memory that was given to its Read
}

// QueueCount is what the queue of an interface has counted since the interface was made; both wrap around.
type QueueCount struct {
	Packets uint32 // that left
	Dropped uint32 // that did not fit
}

// The structures of linux/mroute.h, and what is in their fields. Numbers are in the byte order of the host, addresses as on the wire.
const (
	optionInit    = 200    // MRT_INIT
	optionAddLink = 202    // MRT_ADD_VIF
	optionSet     = 204    // MRT_ADD_MFC
	optionDelete  = 205    // MRT_DEL_MFC
	requestCount  = 0x89e1 // SIOCGETSGCNT
	linkLen       = 16     // struct vifctl
	entryLen      = 60     // struct mfcctl
	missLen       = 20     // struct igmpmsg
	linkByIndex   = 8      // VIFF_USE_IFINDEX
	missNoEntry   = 1      // IGMPMSG_NOCACHE
	threshold     = 1      // packets leave with at least this time to live
)

// appendLink appends the vifctl that makes the interface with the index link i.
func appendLink(b []byte, i, index int) []byte {
	n := len(b)
	b = append(b, make([]byte, linkLen)...)
	v := b[n:]
	binary.NativeEndian.PutUint16(v, uint16(i))
	v[2], v[3] = linkByIndex, threshold
	binary.NativeEndian.PutUint32(v[8:], uint32(index))
	return b
}

// append appends e as an mfcctl.
func (e *Entry) append(b []byte) []byte {
	n := len(b)
	b = append(b, make([]byte, entryLen)...)
	v := b[n:]
	source, group := e.Source.As4(), e.Group.As4()
	copy(v, source[:])
	copy(v[4:], group[:])
	binary.NativeEndian.PutUint16(v[8:], uint16(e.In))
	for i := range MaxLinks {
		if e.Out&(1<<i) != 0 {
			v[10+i] = threshold
		}
	}
	return b
}

// parseMiss reads an igmpmsg; not ok if b is none, or about something else.
func parseMiss(b []byte) (m Miss, ok bool) {
	if len(b) < missLen || b[8] != missNoEntry || b[9] != 0 {
		return m, false
	}
	return Miss{
		Link:   int(b[10]) | int(b[11])<<8,
		Source: netip.AddrFrom4([4]byte(b[12:])), Group: netip.AddrFrom4([4]byte(b[16:])),
	}, true
}
