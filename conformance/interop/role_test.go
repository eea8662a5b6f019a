package interop

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/gopgm/gopgm/pgm"
)

// roleVariable says what this test's own program is to be on a host of a lab: a role in JSON.
const roleVariable = "GOPGM_INTEROP_ROLE"

// role is a source or a receiver on the sockets of package pgm.
type role struct {
	plan
	Endpoint string
	Socket   string // "stream": Dial and Listen; "messages": ListenPacket; "framed": Dial and WriteMessage
	Send     bool
	Source   uint32
	Rate     int // bits a second
	PGMCC    bool
}

func TestMain(m *testing.M) {
	text := os.Getenv(roleVariable)
	if text == "" {
		os.Exit(m.Run())
	}
	var r role
	err := json.Unmarshal([]byte(text), &r)
	if err == nil {
		orders := make(chan string)
		go func() {
			defer close(orders)
			for s := bufio.NewScanner(os.Stdin); s.Scan(); {
				orders <- s.Text()
			}
		}()
		err = r.play(orders)
	}
	if err != nil {
		say("wrong: %v", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// say tells the test something; lines do not mix.
func say(format string, args ...any) { fmt.Fprintf(os.Stdout, format+"\n", args...) }

func (r role) play(orders <-chan string) error {
	switch {
	case r.Send:
		return r.send(orders)
	case r.Socket == "stream":
		return r.receiveStreams(orders)
	default:
		return r.receiveMessages(orders)
	}
}

// closer is what Conn and PacketConn have in common for a source.
type closer interface {
	io.Writer
	CloseWait(context.Context) error
}

func (r role) send(orders <-chan string) error {
	ctx := context.Background()
	c := pgm.Config{Rate: r.Rate, Source: pgm.SourceConfig{Linger: 200 * time.Millisecond}}
	if r.PGMCC {
		c.CC = pgm.CCPGMCC
	}
	var conn closer
	var err error
	if r.Socket == "messages" {
		conn, err = (&pgm.ListenConfig{Config: c}).ListenPacket(ctx, "", r.Endpoint)
	} else {
		conn, err = (&pgm.Dialer{Config: c}).DialContext(ctx, "", r.Endpoint)
	}
	if err != nil {
		return err
	}
	say("ready")
	if _, ok := <-orders; !ok {
		return nil
	}
	write := conn.Write
	if r.Socket == "framed" {
		write = conn.(*pgm.Conn).WriteMessage
	}
	octets := 0
	var b []byte
	for i := range r.Count {
		b = r.message(b[:0], r.Source, uint32(i))
		if _, err := write(b); err != nil {
			return err
		}
		octets += len(b)
	}
	say("sent %d %d", r.Count, octets)
	closed := "closed"
	if _, ok := <-orders; ok {
		if err := conn.CloseWait(ctx); err != nil {
			return err
		}
		if c, ok := conn.(*pgm.Conn); ok && r.PGMCC {
			k := c.Stats().Control
			closed = fmt.Sprintf("closed %d %v", k.ACKs, k.Acker.Addr)
		}
	}
	say("%s", closed)
	return nil
}

func (r role) receiveMessages(orders <-chan string) error {
	lost := make(chan error, 1)
	c := pgm.ListenConfig{Lost: func(source pgm.Addr, err *pgm.LostError) {
		select {
		case lost <- fmt.Errorf("%v: %w", source, err):
		default:
		}
	}}
	conn, err := c.ListenPacket(context.Background(), "", r.Endpoint)
	if err != nil {
		return err
	}
	defer conn.Close()
	say("ready")
	heard := map[net.Addr]*hearing{}
	buf := make([]byte, maxMessage)
	for {
		select {
		case _, ok := <-orders:
			if !ok {
				return nil
			}
		case err := <-lost:
			return err
		default:
		}
		conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		n, from, err := conn.ReadFrom(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			continue
		} else if err != nil {
			return err
		}
		h := heard[from]
		if h == nil {
			h = &hearing{plan: r.plan}
			heard[from] = h
		}
		if err := h.take(buf[:n]); err != nil {
			return err
		}
		if h.complete() {
			say("%s", h.event())
		}
	}
}

func (r role) receiveStreams(orders <-chan string) error {
	l, err := pgm.Listen("", r.Endpoint)
	if err != nil {
		return err
	}
	defer l.Close()
	say("ready")
	var group sync.WaitGroup
	defer group.Wait()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return // closed
			}
			group.Go(func() {
				if err := r.receiveStream(conn); err != nil {
					say("wrong: %v", err)
				}
			})
		}
	}()
	for range orders {
	}
	return nil
}

// receiveStream reads a stream to its end.
func (r role) receiveStream(conn net.Conn) error {
	defer conn.Close()
	h := &hearing{plan: r.plan}
	buf := make([]byte, 1<<16)
	for {
		n, err := conn.Read(buf)
		before := h.complete()
		if err := h.stream(buf[:n]); err != nil {
			return err
		}
		if h.complete() && !before {
			say("%s", h.event())
		}
		if err == io.EOF && h.complete() {
			say("end %d", h.Source)
			return nil
		} else if err != nil {
			return fmt.Errorf("after message %d: %w", h.Next, err)
		}
	}
}
