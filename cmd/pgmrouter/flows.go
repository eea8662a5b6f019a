package main

import (
	"net/netip"
	"time"

	"github.com/gopgm/gopgm/internal/mroute"
)

// flows is what the kernel forwards of a router's group: an entry for each source. It belongs to the goroutine of the router.
type flows struct {
	kernel *kernel
	table  interface {
		Set(mroute.Entry) error
		Delete(source, group netip.Addr) error
		Count(source, group netip.Addr) (mroute.Count, error)
	}
	group  netip.Addr
	only   netip.Addr                               // the one source that is wanted; not valid: any
	names  []string                                 // of the links
	toward func(source netip.Addr) int              // the link that leads to a source, -1 if none does
	own    func(netip.Addr) bool                    // whether it is an address of the router
	wants  func(sources []netip.Addr, out []uint32) // by which links somebody listens to each
	events chan event
	queues *mroute.Queues // of the links; nil: what they drop is not known
	counts map[int]mroute.QueueCount
	over   chan struct{} // closed when the kernel forwards nothing of the group any more

	paths   map[netip.Addr]*path // by source
	sources []netip.Addr         // of paths
	out     []uint32
	counted time.Time
	looked  time.Time
	refused uint64 // sources that there was no room for
	failed  uint64 // entries that the kernel did not take
	silent  map[netip.Addr]bool
}

// path is the entry of a source.
type path struct {
	entry mroute.Entry
	made  bool // the kernel has it
	count mroute.Count
	heard time.Time // when something of it last came
}

// The bounds of flows. Whoever sends to the group has an entry, under as many addresses as he likes; when there are too many, those go soon that
// nothing comes of, and none that something does.
const (
	maxFlows     = 1024
	flowAge      = time.Minute      // of silence, after which an entry is removed
	pressedAge   = 10 * time.Second // the same when there are maxFlows
	countTime    = 5 * time.Second  // how often the kernel's counters are looked at
	pressedTime  = time.Second      // the same when there are maxFlows
	joinedTime   = time.Second      // how often it is looked whether a program on this host has joined
	maxUnalerted = 64               // sources without Router Alert that are told apart in what is said of them
)

func newFlows(group, only netip.Addr) *flows {
	return &flows{group: group, only: only, paths: make(map[netip.Addr]*path), silent: make(map[netip.Addr]bool), events: make(chan event, 16), over: make(chan struct{})}
}

// heard takes note that something of a source came by a link: in front of its first data there is an entry, so that none waits or is lost.
func (f *flows) heard(now time.Time, source netip.Addr, link int) {
	if p := f.paths[source]; p != nil {
		p.heard = now
		return
	}
	if f.toward(source) == link {
		f.add(now, source, link)
	}
}

// add makes the entry of a source; that of one by whose link nothing leads to it, and that of a router's own, drops.
func (f *flows) add(now time.Time, source netip.Addr, link int) {
	if f.paths[source] != nil {
		return
	}
	if len(f.paths) >= maxFlows && now.Sub(f.counted) >= pressedTime {
		f.count(now, pressedAge)
	}
	if len(f.paths) >= maxFlows {
		f.refused++
		return
	}
	one, out := [1]netip.Addr{source}, [1]uint32{}
	f.wants(one[:], out[:])
	p := &path{heard: now, entry: mroute.Entry{Source: source, Group: f.group, In: link}}
	f.paths[source] = p
	f.set(p, out[0])
}

// set has the kernel do what is wanted of a source, if it does not yet.
func (f *flows) set(p *path, out uint32) {
	want := p.entry
	in := f.toward(want.Source)
	switch {
	case in < 0, f.own(want.Source), f.only.IsValid() && f.only != want.Source:
		want.Out = 0
	default:
		want.In, want.Out = in, out&^(1<<in)
	}
	if p.made && want == p.entry {
		return
	}
	if f.table.Set(want) != nil {
		f.failed++
		return
	}
	p.entry, p.made = want, true
}

// refresh follows who listens and which way leads to sources, and removes the entries of those that are silent.
func (f *flows) refresh(now time.Time) {
	if now.Sub(f.counted) >= countTime {
		f.count(now, flowAge)
	}
	f.sources = f.sources[:0]
	for s := range f.paths {
		f.sources = append(f.sources, s)
	}
	f.out = append(f.out[:0], make([]uint32, len(f.sources))...)
	f.wants(f.sources, f.out)
	for i, s := range f.sources {
		f.set(f.paths[s], f.out[i])
	}
}

// count looks at the kernel's counters, and removes entries of which nothing came for so long.
func (f *flows) count(now time.Time, age time.Duration) {
	f.counted = now
	for s, p := range f.paths {
		c, err := f.table.Count(s, f.group)
		if err == nil && c.Packets != p.count.Packets {
			p.count, p.heard = c, now
		}
		if now.Sub(p.heard) >= age {
			_ = f.table.Delete(s, f.group)
			delete(f.paths, s)
		}
	}
}

// end removes all entries, and has nothing more come.
func (f *flows) end() {
	f.kernel.release(f.group)
	for s := range f.paths {
		_ = f.table.Delete(s, f.group)
	}
	clear(f.paths)
	close(f.over)
	f.close()
}

// close gives back what the kernel need not be asked for any more.
func (f *flows) close() {
	if f != nil && f.queues != nil {
		f.queues.Close()
		f.queues = nil
	}
}
