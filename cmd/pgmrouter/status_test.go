package main

import (
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// noDescriptor is a listener of a process that for a while has no descriptor left, and then is closed.
type noDescriptor struct {
	net.Listener
	until time.Time
	asked int // how often
	conn  net.Conn
}

func (l *noDescriptor) Accept() (net.Conn, error) {
	l.asked++
	if c := l.conn; time.Now().After(l.until) {
		if l.conn = nil; c == nil {
			return nil, &net.OpError{Op: "accept", Net: "unix", Err: net.ErrClosed}
		}
		return c, nil
	}
	return nil, &net.OpError{Op: "accept", Net: "unix", Err: syscall.EMFILE}
}

// What cannot be accepted is tried again, soon at first and once a second then, and who asks is answered when it can be.
func TestStatusWaitsWhenNothingCanBeAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		defer there.Close()
		l, served := &noDescriptor{until: time.Now().Add(time.Minute), conn: here}, 0
		acceptEach(l, func(c net.Conn) {
			served++
			c.Close()
		})
		if served != 1 || l.asked < 60 || l.asked > 75 {
			t.Errorf("%d were served, Accept was called %d times in a minute; want 1, after some 68", served, l.asked)
		}
	})
}
