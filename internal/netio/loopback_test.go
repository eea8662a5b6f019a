package netio

import (
	"context"
	"net/netip"
	"testing"
)

// openLoopback opens an endpoint on lo that is closed with the test.
func openLoopback(t testing.TB, c Config) Conn {
	t.Helper()
	if c.Interface == "" {
		c.Interface = "127.0.0.1"
	}
	if !c.Group.IsValid() {
		c.Group = netip.MustParseAddrPort("239.255.77.1:17500")
	}
	conn, err := Open(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func TestSmoke(t *testing.T) {
	r := openLoopback(t, Config{Receive: true})
	s := openLoopback(t, Config{})
	data := make([]byte, 100*1400+7)
	n, err := s.WriteBatch([]Message{{To: s.Group(), SegmentSize: 1400, Data: data}, {To: s.Group(), TTL: 3, Data: data[:9]}})
	if n != 2 || err != nil {
		t.Fatal(n, err)
	}
	var b Batch
	for got := 0; got < 102; {
		if err := r.Readers()[1].ReadBatch(&b); err != nil {
			t.Fatal(err)
		}
		t.Log(len(b.Datagrams), len(b.Datagrams[0].Data), b.Datagrams[0].From)
		got += len(b.Datagrams)
	}
	t.Logf("%+v", r.Stats())
	t.Logf("%+v", s.Stats())
	t.Log(r.Local(), s.Local(), r.Interface(), r.MTU())
}
