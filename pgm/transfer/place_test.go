package transfer

import (
	"testing"
	"time"

	"github.com/gopgm/gopgm/pgm"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/receiver"
)

// Blocks wait for others, so that the writer is not woken for each batch: until there are many octets or batches, or until nothing may be kept
// back. An order waits for nothing.
func TestBlocksWaitForMore(t *testing.T) {
	r, record := handInbox(t)
	m := &Manifest{First: 10, Data: 11, Last: true, Block: 1400, Count: 1, Total: 1000 * 1400, Objects: []Object{{Name: "a", Size: 1000 * 1400}}}
	m.place()
	m.Next = 10 + 1002
	if !record(m) {
		t.Fatal("the record is not taken")
	}
	s := packet.SQN(11)
	batch := func(n int, l pgm.Lease) bool {
		for range n {
			r.in.Data(receiver.Data{SQN: s, TSDU: make([]byte, 1400)})
			s++
		}
		return r.in.Flush(l)
	}
	lease := &fakeLease{l: r.loop}
	lease.Retain()
	for i := 1; i <= maxLeases; i++ {
		if held, want := batch(1, lease), i < maxLeases; held != want {
			t.Errorf("batch %d of one block is kept back: %v", i, held)
		}
	}
	if batch(jobSize/1400+1, lease) {
		t.Error("much is kept back")
	}
	if !batch(1, lease) || batch(0, pgm.NoLease{}) {
		t.Error("a block is not kept back, or though it must not be")
	}
	sum := sum256(nil)
	s = 11 + 1000
	r.in.Data(receiver.Data{SQN: s, TSDU: appendDigest(nil, 0, 1000*1400, &sum)})
	if r.in.Flush(lease) {
		t.Error("a digest is kept back")
	}
	for deadline := time.Now().Add(5 * time.Second); lease.holders.Load() > 1; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d leases are still held", lease.holders.Load()-1)
		}
	}
}
