package netio

import "net/netip"

// Begin empties the batch for datagrams that are put into it one by one, of those that came to the group or of the others: by a Reader
// that is not a socket's, but of a Conn that carries datagrams in some other way.
func (b *Batch) Begin(multicast bool) {
	b.reset()
	b.Multicast = multicast
}

// Put appends a copy of a datagram, and reports whether there was room for it.
func (b *Batch) Put(data []byte, from netip.AddrPort, ttl int) bool {
	to := b.room(len(data))
	if to == nil {
		return false
	}
	copy(to, data)
	b.Datagrams = append(b.Datagrams, Datagram{Data: to, From: from, TTL: ttl})
	return true
}
