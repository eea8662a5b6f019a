package main

import (
	"fmt"
	"time"

	legs "github.com/gopgm/gopgm/pgm/leg"
)

// legStatus is what is known of the other end of a leg, for all groups together.
type legStatus struct {
	Peer   string  `json:"peer"` // where its packets come from
	Alive  bool    `json:"alive"`
	Silent float64 `json:"silent"` // seconds since it was heard; below 0: never
	Hops   int     `json:"hops"`   // legs to the nearest listener beyond; 0: there is none
	legs.Stats
}

// hubStatus is what is known of the socket of all legs.
type hubStatus struct {
	Local    string `json:"local"`
	Forged   uint64 `json:"forged"`   // datagrams of hosts that are not named
	Foreign  uint64 `json:"foreign"`  // packets of groups that are not forwarded here
	Unsent   uint64 `json:"unsent"`   // packets that the kernel did not take
	Overflow uint64 `json:"overflow"` // packets for which the way out was too narrow
	Drops    uint64 `json:"drops"`    // datagrams that the kernel dropped before they were read
}

// status returns what is known of a leg.
func (l *leg) status(now time.Time) *legStatus {
	h := l.site.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	s := &legStatus{Peer: l.site.addr.String(), Alive: l.site.peer.Alive(), Silent: -1, Hops: l.site.peer.Wants(l.group), Stats: l.site.peer.Stats()}
	if l.site.reached.IsValid() {
		s.Peer = l.site.reached.String()
	}
	if heard := l.site.peer.Heard(); !heard.IsZero() {
		s.Silent = now.Sub(heard).Seconds()
	}
	return s
}

// status returns what is known of the socket of all legs.
func (h *hub) status() *hubStatus {
	drops := h.conn.Stats().Drops
	h.mu.Lock()
	defer h.mu.Unlock()
	return &hubStatus{Local: h.conn.Local().String(), Forged: h.forged, Foreign: h.foreign, Unsent: h.unsent, Overflow: h.overflow, Drops: drops}
}

// legStatus returns what is known of the legs of a router: of those of its links that are, and of their socket.
func (r *router) legStatus(links []linkStatus) *hubStatus {
	var h *hubStatus
	for i, l := range r.links {
		if x := l.asLeg(); x != nil {
			links[i].Leg = x.status(time.Now())
			h = x.site.hub.status()
		}
	}
	return h
}

// printLegs prints what is known of the legs of a group.
func printLegs(s *status, printf func(format string, args ...any)) {
	if s.Legs == nil {
		return
	}
	printf("\nleg\tpeer\tstate\tsent\tunsent\theard\tstale\n")
	for _, l := range s.Links {
		if l.Leg == nil {
			continue
		}
		state := "never heard"
		if x := l.Leg; x.Alive {
			state = "there, nobody listens"
			if x.Hops > 0 {
				state = "there, listens"
			}
		} else if x.Silent >= 0 {
			state = fmt.Sprintf("silent for %.0f s", x.Silent)
		}
		printf("%s\t%s\t%s\t%d\t%d\t%d\t%d\n", l.Name, l.Leg.Peer, state, l.Leg.Sent, l.Leg.Unsent, l.Leg.Heard, l.Leg.Stale)
	}
	h := s.Legs
	printf("legs\tat %s\t%d of strangers, %d of other groups, %d too many for the way out, %d refused by the kernel, %d dropped unread\n",
		h.Local, h.Forged, h.Foreign, h.Overflow, h.Unsent, h.Drops)
}

// legMetrics writes what is known of legs.
func legMetrics(
	family func(name, kind, help string, samples func(s *status, print func(label, value string, n uint64))),
) {
	// leg has a counter of what concerns all groups of a leg, with each group: they are one leg's.
	leg := func(name, kind, help string, value func(l *legStatus) uint64) {
		family(name, kind, help, func(s *status, print func(label, value string, n uint64)) {
			for _, l := range s.Links {
				if l.Leg != nil {
					print("link", l.Name, value(l.Leg))
				}
			}
		})
	}
	leg("pgmrouter_leg_alive", "gauge", "Whether the other side of a leg is there.", func(l *legStatus) uint64 {
		if l.Alive {
			return 1
		}
		return 0
	})
	leg("pgmrouter_leg_unsent_total", "counter", "Packets that were not put on a leg.", func(l *legStatus) uint64 { return l.Unsent })
	leg("pgmrouter_leg_stale_total", "counter", "Packets from a leg's address without our cookie.", func(l *legStatus) uint64 { return l.Stale })
	leg("pgmrouter_leg_restarts_total", "counter", "How often the other side came up anew.", func(l *legStatus) uint64 { return l.Restarts })
	leg("pgmrouter_leg_silences_total", "counter", "How often the other side fell silent.", func(l *legStatus) uint64 { return l.Silences })
	family("pgmrouter_legs_dropped_total", "counter", "Packets at the socket of all legs that went nowhere, by cause.", func(s *status, print func(label, value string, n uint64)) {
		if h := s.Legs; h != nil {
			print("cause", "Forged", h.Forged)
			print("cause", "Foreign", h.Foreign)
			print("cause", "Unsent", h.Unsent)
			print("cause", "Overflow", h.Overflow)
			print("cause", "Drops", h.Drops)
		}
	})
}
