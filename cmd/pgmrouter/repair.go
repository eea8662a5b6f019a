package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/gopgm/gopgm/internal/netio"
	"github.com/gopgm/gopgm/pgm/element"
)

// repairer opens the link of a designated local repairer, and makes its engine. What it returns runs it.
func (r *router) repairer(ctx context.Context) (run func(context.Context) error, err error) {
	r.o.listen = []string{"all"} // it listens, and need not ask who else does
	if err := r.open(ctx, r.o.interfaces[0]); err != nil {
		return nil, err
	}
	engine, err := element.NewRepairer(element.RepairerConfig{
		Group: r.endpoint.Group, Addr: r.links[0].conn.Local().Addr(), Cache: r.o.cache, RouterAlert: r.endpoint.Network == "pgm",
		Rand: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())),
	}, time.Now())
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) error { return r.repair(ctx, engine) }, nil
}

// repair is the goroutine that a repairer belongs to.
func (r *router) repair(ctx context.Context, engine *element.Repairer) error {
	conn := r.links[0].conn
	r.read(ctx)
	b := newOut()
	timer := time.NewTimer(0)
	var messages []netio.Message
	send := func(now time.Time) error {
		b.batch.Reset()
		engine.PollTransmit(now, b.batch)
		messages = messages[:0]
		for i := range b.batch.Messages {
			messages = append(messages, message(&b.batch.Messages[i]))
		}
		return r.links[0].write(messages)
	}
	for {
		now := time.Now()
		if t := engine.NextTimeout(); !t.IsZero() && !t.After(now) {
			engine.HandleTimeout(now)
			if err := send(now); err != nil {
				return err
			}
		}
		timer.Reset(until(now, engine.NextTimeout(), time.Second))
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case reply := <-r.asked:
			stats, c := engine.Stats(), conn.Stats()
			reply <- &status{
				Event: "status", Group: r.endpoint.String(), Repairer: &stats,
				Links: []linkStatus{{
					Name: r.links[0].name, Address: conn.Local().Addr(), Listens: true,
					Sent: c.WriteDatagrams, Heard: c.ReadDatagrams, Failed: c.WriteErrors, Drops: c.Drops,
				}},
			}
		case a := <-r.arrived:
			if a.err != nil {
				return fmt.Errorf("%s: %w", r.links[0].name, a.err)
			}
			now := time.Now()
			for i := range a.batch.Datagrams {
				d := &a.batch.Datagrams[i]
				_ = engine.HandlePacket(now, element.Arrival{From: d.From, Unicast: !a.batch.Multicast, TTL: d.TTL}, d.Data)
				if engine.Room() < 2*netio.MaxPayload {
					if err := send(now); err != nil {
						return err
					}
				}
			}
			a.batch.Release()
			if err := send(now); err != nil {
				return err
			}
		}
	}
}
