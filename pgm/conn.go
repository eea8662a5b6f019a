package pgm

import (
	"context"
	"io"
	"net"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
)

// Conn is a stream of octets from one source to all who listen: dialled, it is the end that is written; accepted by a Listener, an
// end that is read. It is a net.Conn, and safe for concurrent use. The other half of each gives ErrOneWay.
type Conn struct {
	reader  *streamReader // nil when dialled
	writer  *writer       // nil when accepted
	local   Addr
	remote  Addr
	release func() // accepted: lets go of the Listener's receiver, once
}

var _ net.Conn = (*Conn)(nil)

// Dialer holds what Dial may be told.
type Dialer struct {
	Config Config
}

// Dial opens a stream to the group of an endpoint (ParseEndpoint has the form) with the default Config: what is written to it, all
// who listen read. The network is "epgm" or "pgm", with a 4 or 6 behind it for one address family, or "" for what the endpoint says.
//
// There need not be anyone who listens, and none that comes late gets more than what is still in the transmit window.
func Dial(network, endpoint string) (net.Conn, error) {
	c, err := new(Dialer).DialContext(context.Background(), network, endpoint)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// DialContext opens a stream to the group of an endpoint. ctx bounds the opening; the Conn lasts until Close.
func (d *Dialer) DialContext(ctx context.Context, network, endpoint string) (*Conn, error) {
	ep, err := resolve(network, endpoint)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: networkName(network), Err: err}
	}
	sender, err := openSender(ctx, ep, d.Config)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: ep.network(), Addr: ep.addr(), Err: err}
	}
	w := newWriter(sender, true)
	if err := w.start(); err != nil {
		sender.abandon()
		return nil, &net.OpError{Op: "dial", Net: ep.network(), Addr: ep.addr(), Err: err}
	}
	return &Conn{writer: w, local: sender.addr(), remote: ep.addr()}, nil
}

// Read reads the stream of an accepted Conn: octets in order, then, when all were read, io.EOF if the source closed the stream,
// or else an error that says how it broke: ErrLost, ErrReset, ErrExpired. A dialled Conn has nothing to read: ErrOneWay.
func (c *Conn) Read(b []byte) (int, error) {
	if c.reader == nil {
		return 0, c.opError("read", ErrOneWay)
	}
	n, err := c.reader.read(b)
	if err != nil && err != io.EOF {
		err = c.opError("read", err)
	}
	return n, err
}

// Write sends octets to all who listen. It returns when they are in the transmit window, and waits while that has no room: until the
// rate allows for what was written before. It does not wait for receivers. What is written in small pieces faster than the
// rate allows travels in full packets. An accepted Conn cannot be written: ErrOneWay.
func (c *Conn) Write(b []byte) (int, error) {
	if c.writer == nil {
		return 0, c.opError("write", ErrOneWay)
	}
	n, err := c.writer.stream(b)
	if err != nil {
		err = c.opError("write", err)
	}
	return n, err
}

// WriteMessage sends p as one message to those who receive messages (ListenPacket), whole, whatever its size. It waits as Write does. A
// Listener reads its octets like those of Write.
func (c *Conn) WriteMessage(p []byte) (int, error) {
	if c.writer == nil {
		return 0, c.opError("write", ErrOneWay)
	}
	n, err := c.writer.message(p)
	if err != nil {
		err = c.opError("write", err)
	}
	return n, err
}

// Close ends the Conn; Read and Write that wait return. An accepted Conn is no longer received. Of a dialled one, what was written is
// still sent, then OPT_FIN, and repairs go on for SourceConfig.Linger: Close returns at once all the same, as package net has it. A
// program that is about to exit calls CloseWait instead, or the rest is lost.
func (c *Conn) Close() error {
	first := false
	if c.reader != nil {
		if first = c.reader.close(); first {
			c.release()
		}
	} else {
		first = c.writer.close()
	}
	if !first {
		return c.opError("close", net.ErrClosed)
	}
	return nil
}

// CloseWait closes the Conn and waits until everything is sent and the time for repairs is over, or ctx is done, whose error it
// returns. It may follow Close. An accepted Conn has nothing to wait for.
func (c *Conn) CloseWait(ctx context.Context) error {
	c.Close()
	if c.writer == nil {
		return nil
	}
	return c.writer.wait(ctx)
}

// Reset gives up the stream of a dialled Conn: what is not yet sent is dropped, and those who listen get an ErrReset with the code, 0 to
// 63 [9.8].
func (c *Conn) Reset(code uint8) error {
	if c.writer == nil {
		return c.opError("reset", ErrOneWay)
	}
	if !c.writer.reset(code) {
		return c.opError("reset", net.ErrClosed)
	}
	return nil
}

// LocalAddr returns an Addr: of a dialled Conn the address of the source, of an accepted one the group.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr returns an Addr: of a dialled Conn the group, of an accepted one the address of the source.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// TSI returns the identifier of the session that carries the stream.
func (c *Conn) TSI() packet.TSI {
	if c.reader != nil {
		return c.remote.TSI
	}
	return c.local.TSI
}

// FromStart reports whether an accepted Conn has begun with the first octet of the stream. It is false until the first octets came, and of
// a stream that was joined when its beginning was no longer to be had [9.6-02].
func (c *Conn) FromStart() bool { return c.reader != nil && c.reader.fromStart() }

// Stats returns the counters of a dialled Conn; those of accepted ones are the Listener's.
func (c *Conn) Stats() SenderStats {
	if c.writer == nil {
		return SenderStats{}
	}
	return c.writer.sender.Stats()
}

// SetDeadline sets both deadlines. They hold for calls that wait already, too.
func (c *Conn) SetDeadline(t time.Time) error {
	if c.reader != nil {
		return c.SetReadDeadline(t)
	}
	return c.SetWriteDeadline(t)
}

// SetReadDeadline bounds the waiting of Read; the zero time is no bound. A dialled Conn never waits to read.
func (c *Conn) SetReadDeadline(t time.Time) error {
	if c.reader == nil {
		return nil
	}
	if err := c.reader.setDeadline(t); err != nil {
		return c.opError("set", err)
	}
	return nil
}

// SetWriteDeadline bounds the waiting of Write; the zero time is no bound. An accepted Conn never waits to write.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	if c.writer == nil {
		return nil
	}
	if err := c.writer.setDeadline(t); err != nil {
		return c.opError("set", err)
	}
	return nil
}

// opError dresses an error as package net does: the source and the group as they are seen from this end.
func (c *Conn) opError(op string, err error) error {
	return &net.OpError{Op: op, Net: c.local.Network(), Source: c.local, Addr: c.remote, Err: err}
}
