//go:build !netio_portable

package netio

import (
	"bytes"
	"context"
	"net/netip"
	"testing"
)

// Hosts talk over endpoints without a group, whatever the size of what they say: it is sent in fragments.
func TestPeersTalk(t *testing.T) {
	for _, at := range []string{"127.0.0.1:0", "[::1]:0"} {
		local := netip.MustParseAddrPort(at)
		a, err := OpenPeers(context.Background(), local, 1<<20, 1<<20)
		if err != nil && local.Addr().Is6() {
			t.Skipf("no IPv6: %v", err)
		}
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		b, err := OpenPeers(context.Background(), local, 1<<20, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		for _, size := range []int{1, 1500, 65507} {
			want := bytes.Repeat([]byte{byte(size)}, size)
			if n, err := a.WriteBatch([]Message{{To: b.Local(), Data: want}}); n != 1 || err != nil {
				t.Fatalf("%s: %d octets: %v", at, size, err)
			}
			var batch Batch
			if err := b.Readers()[0].ReadBatch(&batch); err != nil {
				t.Fatal(err)
			}
			d := batch.Datagrams
			if len(d) != 1 || !bytes.Equal(d[0].Data, want) || d[0].From != a.Local() || batch.Multicast {
				t.Errorf("%s: got %d datagrams from %v", at, len(d), d[0].From)
			}
		}
	}
}

// What is put into a batch lies there until it is full.
func TestPut(t *testing.T) {
	var b Batch
	b.Begin(true)
	from := netip.MustParseAddrPort("10.0.0.1:7")
	n := 0
	for data := make([]byte, 60000); b.Put(data, from, 3); n++ {
		data[0]++
	}
	if n != 4 || len(b.Datagrams) != n || !b.Multicast || b.Datagrams[2].Data[0] != 2 || b.Datagrams[2].TTL != 3 || b.Datagrams[2].From != from {
		t.Errorf("%d datagrams", n)
	}
	if b.Begin(false); len(b.Datagrams) != 0 || b.Multicast {
		t.Error("it is not empty")
	}
}
