package main

import (
	"github.com/gopgm/gopgm/internal/netio"
	"github.com/gopgm/gopgm/pgm/packet"
)

// out is memory for what an engine wants sent.
type out struct {
	batch *packet.Batch
}

func newOut() *out { return &out{packet.NewBatch(4 * packet.MaxRun)} }

// message returns m as sockets take it.
func message(m *packet.Message) netio.Message {
	n := netio.Message{To: m.To, TTL: m.TTL, Alert: m.Alert, Data: m.Data, Source: m.Route.Source}
	if m.Packets() > 1 {
		n.SegmentSize = m.Size
	}
	return n
}
