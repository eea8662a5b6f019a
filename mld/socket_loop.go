package mld

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"
)

// Engine is what a Loop drives: a Listener or a Router.
type Engine interface {
	HandlePacket(now time.Time, p *Packet) error
	HandleTimeout(now time.Time)
	NextTimeout() time.Time
	PollTransmit(now time.Time) (Packet, bool)
}

// Loop joins engines to ports and the clock. One goroutine, that of Run, owns them all, so that a Proxy over several links needs no lock; Do
// reaches them from elsewhere.
type Loop struct {
	attached []attachment
	work     chan func(time.Time)
	packets  chan arrival
	done     chan struct{}
}

type attachment struct {
	port   *Port
	engine Engine
}

type arrival struct {
	engine Engine
	packet Packet
}

// NewLoop returns a loop without engines.
func NewLoop() *Loop {
	return &Loop{work: make(chan func(time.Time)), packets: make(chan arrival, 64), done: make(chan struct{})}
}

// Add has what comes in at the port given to the engine, and sends what the engine wants sent. It is called before Run.
func (l *Loop) Add(p *Port, e Engine) { l.attached = append(l.attached, attachment{p, e}) }

// Do calls f in the loop and waits for it. It returns net.ErrClosed when the loop has ended.
func (l *Loop) Do(f func(now time.Time)) error {
	ran := make(chan struct{})
	select {
	case l.work <- func(now time.Time) { f(now); close(ran) }:
		<-ran
		return nil
	case <-l.done:
		return net.ErrClosed
	}
}

// Run drives the engines until the context ends, or a port fails for good: its interface is gone. It closes the ports. What cannot be sent is
// counted by its port.
func (l *Loop) Run(ctx context.Context) error {
	failed := make(chan error, len(l.attached))
	var readers sync.WaitGroup
	defer func() {
		close(l.done)
		for _, a := range l.attached {
			a.port.Close()
		}
		readers.Wait()
	}()
	for _, a := range l.attached {
		readers.Go(func() { failed <- l.read(a) })
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return err
		case in := <-l.packets:
			in.engine.HandlePacket(time.Now(), &in.packet) // refused packets are in the engine's counters
		case f := <-l.work:
			f(time.Now())
		case <-timer.C:
		}
		timer.Reset(l.serve(time.Now()))
	}
}

// serve does what is due, sends what is to be sent, and returns how long there is nothing to do.
func (l *Loop) serve(now time.Time) time.Duration {
	var next time.Time
	for _, a := range l.attached {
		if due(a.engine.NextTimeout(), now) {
			a.engine.HandleTimeout(now)
		}
	}
	for _, a := range l.attached {
		for p, ok := a.engine.PollTransmit(now); ok; p, ok = a.engine.PollTransmit(now) {
			a.port.Send(&p) // a failure is counted: the link may be down for a while
			l.asked(now, a, &p)
		}
	}
	for _, a := range l.attached {
		next = earliest(next, a.engine.NextTimeout())
	}
	if next.IsZero() {
		return time.Hour
	}
	return time.Until(next)
}

// asked gives what a Router has sent to the Listeners on the same link, whose ports do not hear what this host sends: the other routers of the
// link know of the querier's own host, as of any, only by its answers. To the Router it is no news that this host listens.
func (l *Loop) asked(now time.Time, by attachment, p *Packet) {
	if _, ok := by.engine.(*Router); !ok {
		return
	}
	for _, a := range l.attached {
		if h, ok := a.engine.(*Listener); ok && a.port.family == by.port.family && a.port.ifi.Index == by.port.ifi.Index {
			h.HandlePacket(now, p)
		}
	}
}

// read takes in packets until the port is closed or fails.
func (l *Loop) read(a attachment) error {
	for {
		p, err := a.port.Read()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		select {
		case l.packets <- arrival{a.engine, p}:
		case <-l.done:
			return nil
		}
	}
}
