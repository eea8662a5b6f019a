package pgm

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/nettest"

	"github.com/gopgm/gopgm/internal/netio"
)

// host puts a configuration on a host of a network in memory.
func host(c Config, m *netio.Memory, address string) Config {
	c.open = func(_ context.Context, nc netio.Config) (netio.Conn, error) {
		return m.Open(nc, netip.AddrPortFrom(netip.MustParseAddr(address), nc.Group.Port())), nil
	}
	return c
}

// testPort numbers the ports of the tests of this process, so that what lingers of one does not reach another.
var testPort atomic.Uint32

// loopback returns an endpoint on the loopback interface that no other test has.
func loopback() string {
	return fmt.Sprintf("epgm://127.0.0.1;239.255.77.71:%d", 17500+testPort.Add(1))
}

// duplex is a two-way connection made of two streams.
type duplex struct {
	out *Conn // dialled
	in  *Conn // accepted
}

func (d *duplex) Read(b []byte) (int, error)         { return d.in.Read(b) }
func (d *duplex) Write(b []byte) (int, error)        { return d.out.Write(b) }
func (d *duplex) LocalAddr() net.Addr                { return d.out.LocalAddr() }
func (d *duplex) RemoteAddr() net.Addr               { return d.in.RemoteAddr() }
func (d *duplex) SetReadDeadline(t time.Time) error  { return d.in.SetReadDeadline(t) }
func (d *duplex) SetWriteDeadline(t time.Time) error { return d.out.SetWriteDeadline(t) }

func (d *duplex) SetDeadline(t time.Time) error {
	if err := d.in.SetDeadline(t); err != nil {
		return err
	}
	return d.out.SetDeadline(t)
}

func (d *duplex) Close() error {
	err := d.out.Close()
	if e := d.in.Close(); err == nil {
		err = e
	}
	return err
}

// half opens one stream and returns both its ends.
func half(listen, dial Config, endpoint string) (out, in *Conn, l *Listener, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	l, err = (&ListenConfig{Config: listen}).Listen(ctx, "epgm", endpoint)
	if err != nil {
		return nil, nil, nil, err
	}
	out, err = (&Dialer{Config: dial}).DialContext(ctx, "epgm", endpoint)
	if err != nil {
		l.Close()
		return nil, nil, nil, err
	}
	l.SetDeadline(time.Now().Add(10 * time.Second))
	conn, err := l.Accept()
	if err != nil {
		out.Close()
		l.Close()
		return nil, nil, nil, err
	}
	return out, conn.(*Conn), l, nil
}

// pipe makes connections out of two streams in opposite directions, each in a group of its own.
func pipe(left, right func(Config) Config) nettest.MakePipe {
	// What nobody reads piles up for 100 ms in some of the tests, and is to be found whole after that.
	c := Config{Rate: 100_000_000, ReadBuffer: 8 << 20, Source: SourceConfig{Linger: 200 * time.Millisecond}}
	return func() (c1, c2 net.Conn, stop func(), err error) {
		out1, in2, l1, err := half(right(c), left(c), loopback())
		if err != nil {
			return nil, nil, nil, err
		}
		out2, in1, l2, err := half(left(c), right(c), loopback())
		if err != nil {
			return nil, nil, nil, err
		}
		d1, d2 := &duplex{out1, in1}, &duplex{out2, in2}
		return d1, d2, func() {
			d1.Close()
			d2.Close()
			l1.Close()
			l2.Close()
			out1.writer.sender.CloseNow()
			out2.writer.sender.CloseNow()
		}, nil
	}
}

// Two streams in opposite directions are what package net calls a connection.
func TestConnOverLoopback(t *testing.T) {
	same := func(c Config) Config { return c }
	nettest.TestConn(t, pipe(same, same))
}

// The same without a kernel in between.
func TestConnInMemory(t *testing.T) {
	m := netio.NewMemory()
	left := func(c Config) Config { return host(c, m, "192.0.2.1") }
	right := func(c Config) Config { return host(c, m, "192.0.2.2") }
	nettest.TestConn(t, pipe(left, right))
}
