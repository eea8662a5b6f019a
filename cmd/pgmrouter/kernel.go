package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/gopgm/gopgm/internal/mroute"
	"github.com/gopgm/gopgm/pgm/packet"
)

// kernel is what the groups have together of the kernel's multicast routing. Data of groups that are raw and of IPv4 does not pass through the
// program then: the kernel forwards it by the entries of their flows, and leaves to them what bears Router Alert.
type kernel struct {
	table    *mroute.Table
	transit  *mroute.Transit
	samplers []*mroute.Sampler

	mu      sync.Mutex
	groups  map[netip.Addr]*flows
	foreign map[mroute.Miss]time.Time // entries of groups that are none of ours, by when they were made
}

// sampling is how much of the data is looked at: enough that an element is never behind by as much as it allows for.
const sampling = 64

// odata are data packets that bear no Router Alert: by the type in a PGM header.
var odata = mroute.Kind{At: 4, Mask: 0x0f, Value: byte(packet.TypeODATA), OneIn: sampling}

// event is what the kernel says to a group: it misses an entry, or a packet was seen that it forwarded, whose memory goes back by done.
type event struct {
	miss   mroute.Miss
	link   int
	sample mroute.Sample
	done   chan<- struct{}
}

// openKernel takes the kernel's multicast routing for groups, which have the same interfaces. Without it they would hear nothing but what bears
// Router Alert.
func openKernel(links []*link, groups []*flows) (*kernel, error) {
	k := &kernel{groups: make(map[netip.Addr]*flows), foreign: make(map[mroute.Miss]time.Time)}
	if err := k.open(links); err != nil {
		k.close()
		return nil, err
	}
	for _, f := range groups {
		k.groups[f.group] = f
		f.kernel, f.table = k, k.table
	}
	return k, nil
}

func (k *kernel) open(links []*link) (err error) {
	var interfaces []*net.Interface
	for _, l := range links {
		interfaces = append(interfaces, l.conn.Interface())
	}
	if k.transit, err = mroute.OpenTransit(protocol); err != nil {
		return err
	}
	for _, ifi := range interfaces {
		s, err := mroute.OpenSampler(ifi, protocol, odata)
		if err != nil {
			return err
		}
		k.samplers = append(k.samplers, s)
	}
	k.table, err = mroute.Open(interfaces)
	return err
}

// run tells the groups what the kernel says, until ctx is done or something fails.
func (k *kernel) run(ctx context.Context) error {
	ended := make(chan error, 2+len(k.samplers))
	stop := context.AfterFunc(ctx, k.close)
	defer stop()
	go func() { ended <- k.transit.Run() }()
	go func() { ended <- k.miss(ctx) }()
	for i, s := range k.samplers {
		go func() { ended <- k.sample(ctx, i, s) }()
	}
	err := <-ended
	k.close()
	for range 1 + len(k.samplers) {
		<-ended
	}
	if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return fmt.Errorf("the kernel's forwarding has ended: %w", err)
}

// close ends the kernel's forwarding.
func (k *kernel) close() {
	if k.transit != nil {
		k.transit.Close()
	}
	for _, s := range k.samplers {
		s.Close()
	}
	if k.table != nil {
		k.table.Close()
	}
}

// flows returns who has a group, nil for nobody.
func (k *kernel) flows(group netip.Addr) *flows {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.groups[group]
}

// release forgets a group that is forwarded by the program from now on.
func (k *kernel) release(group netip.Addr) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.groups, group)
}

// miss hears of flows that there is no entry for.
func (k *kernel) miss(ctx context.Context) error {
	for {
		m, err := k.table.Read()
		if err != nil {
			return err
		}
		f := k.flows(m.Group)
		if f == nil {
			k.ignore(time.Now(), m)
			continue
		}
		select {
		case f.events <- event{miss: m}:
		case <-f.over:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// The entries of groups that are none of ours: how many there may be, and for how long.
const (
	maxForeign = 1024
	foreignAge = 5 * time.Minute
)

// ignore has the kernel drop what is of no group of ours, so that it does not keep asking: what it asks about waits in a queue for ten flows.
func (k *kernel) ignore(now time.Time, m mroute.Miss) {
	if len(k.foreign) >= maxForeign {
		for old, at := range k.foreign {
			if now.Sub(at) >= foreignAge {
				_ = k.table.Delete(old.Source, old.Group)
				delete(k.foreign, old)
			}
		}
		if len(k.foreign) >= maxForeign {
			return
		}
	}
	m.Link = 0
	if k.table.Set(mroute.Entry{Source: m.Source, Group: m.Group}) == nil {
		k.foreign[m] = now
	}
}

// sample hands packets that the kernel forwarded to the groups.
func (k *kernel) sample(ctx context.Context, link int, s *mroute.Sampler) error {
	b := make([]byte, 1<<16)
	done := make(chan struct{}, 1)
	for {
		p, err := s.Read(b)
		if err != nil {
			return err
		}
		f := k.flows(p.Group)
		if f == nil {
			continue
		}
		select {
		case f.events <- event{link: link, sample: p, done: done}:
		case <-f.over:
			continue
		case <-ctx.Done():
			return ctx.Err()
		}
		select {
		case <-done:
		case <-f.over: // nobody reads what waits, nor the memory
			done = make(chan struct{}, 1)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// joined returns the interfaces of a group on which this host has joined it.
func (f *flows) joined() (names []string) {
	all, err := mroute.Joined(f.group)
	if err != nil {
		return nil // without /proc, it cannot be known
	}
	for _, n := range all {
		if slices.Contains(f.names, n) {
			names = append(names, n)
		}
	}
	return names
}
