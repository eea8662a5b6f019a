package vsync

import (
	"context"
	"hash/fnv"
	"iter"
	"net"
	"time"

	"github.com/gopgm/gopgm/vsync/check"
	"github.com/gopgm/gopgm/vsync/member"
)

// Next waits for the next event. Its last is an error: an *OutError when this member is out, net.ErrClosed after Close, or ctx's.
func (g *Group) Next(ctx context.Context) (Event, error) {
	g.next.Lock()
	defer g.next.Unlock()
	for {
		for g.at < g.n {
			if e := g.show(&g.batch[g.at]); e != nil {
				return e, nil
			}
			g.at++
		}
		if why := g.fetch(); why != nil {
			return nil, why
		}
		if g.n > 0 {
			continue
		}
		select {
		case <-g.news:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-g.closed:
			return nil, net.ErrClosed
		}
	}
}

// Events returns what Next returns, one after the other, up to the error that ends it.
func (g *Group) Events(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for {
			e, err := g.Next(ctx)
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// fetch gives back the events that were shown, and takes others. It returns why there will be no more.
func (g *Group) fetch() error {
	g.mu.Lock()
	for i := range g.n {
		g.m.Release(&g.batch[i])
		g.batch[i] = member.Event{}
	}
	g.at, g.n = 0, 0
	for g.n < len(g.batch) {
		e, ok := g.m.PollEvent()
		if !ok {
			break
		}
		if e.Kind == member.Ended {
			g.outWhy = &OutError{e.Why, e.By}
			break
		}
		g.batch[g.n] = e
		g.n++
	}
	var err error
	if g.n == 0 && g.outWhy != nil {
		if !g.told {
			g.told = true
			g.record(check.Event{Kind: check.Out, At: stamp()})
		}
		err = g.outWhy
	}
	wake := g.idle && g.m.Wants() || g.waiters > 0
	g.mu.Unlock()
	if wake {
		g.stir()
	}
	return err
}

// show returns what is next of an event, nil when it has been shown.
func (g *Group) show(e *member.Event) Event {
	switch e.Kind {
	case member.Messages:
		data, number, ok := e.Next()
		if !ok {
			return nil
		}
		g.message = Message{From: e.From, Number: number, View: e.View.ID, Data: data}
		if g.log != nil {
			g.note(check.Event{Kind: check.Recv, Message: check.Message{Sender: uint64(e.From), N: number}, Sum: sum(data)})
		}
		return &g.message
	case member.State:
		g.state = State{e.From, e.State, e.Restart, e.Last}
		if e.Last {
			g.note(check.Event{Kind: check.State, From: uint64(e.From)})
		}
		return g.past(&g.state)
	case member.Viewed:
		g.note(viewed(e.View))
		return g.past(&View{*e.View})
	case member.Requested:
		g.note(check.Event{Kind: check.Give})
		return g.past(&StateRequest{View: *e.View, g: g})
	case member.Blocked:
		g.note(check.Event{Kind: check.Block})
		return g.past(&Blocked{})
	case member.Slowed:
		return g.past(&SlowMember{Peer{ID: e.From}})
	}
	return nil
}

// past returns x, the only thing that its event shows: the next call of Next goes on behind it.
func (g *Group) past(x Event) Event {
	g.at++
	return x
}

func (g *Group) note(e check.Event) {
	if g.log == nil {
		return
	}
	e.At = stamp()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.record(e)
}

// stamp is the time in logs.
func stamp() time.Duration { return time.Duration(time.Now().UnixNano()) }

func sum(p []byte) uint64 {
	h := fnv.New64a()
	h.Write(p)
	return h.Sum64()
}

func viewID(v ViewID) check.ViewID {
	return check.ViewID{Counter: v.Counter, Coordinator: uint64(v.Coordinator)}
}

func viewed(v *member.View) check.Event {
	e := check.Event{Kind: check.View, Group: v.Group, View: viewID(v.ID)}
	for _, p := range v.Members {
		e.Members = append(e.Members, uint64(p.ID))
	}
	for _, id := range v.Together {
		e.Together = append(e.Together, uint64(id))
	}
	return e
}

func sent(n uint64, v ViewID, id ID, p []byte) check.Event {
	return check.Event{Kind: check.Send, At: stamp(), Message: check.Message{Sender: uint64(id), N: n}, View: viewID(v), Sum: sum(p)}
}
