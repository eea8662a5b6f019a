package main

import (
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
)

// flowStatus is what the kernel forwards of one source, and has counted since.
type flowStatus struct {
	Source  netip.Addr `json:"source"`
	Link    string     `json:"link"`
	To      []string   `json:"to"`
	Packets uint64     `json:"packets"` // that came, but for those with Router Alert
	Bytes   uint64     `json:"bytes"`
	Astray  uint64     `json:"astray"` // packets of those that came by another link, and were dropped
}

// flowStatuses returns what the kernel forwards, by source.
func (r *router) flowStatuses() (all []flowStatus) {
	if r.flows == nil {
		return nil
	}
	for s, p := range r.flows.paths {
		v := flowStatus{Source: s, Link: r.links[p.entry.In].name, To: []string{}}
		for i, l := range r.links {
			if p.entry.Out&(1<<i) != 0 {
				v.To = append(v.To, l.name)
			}
		}
		if c, err := r.flows.table.Count(s, r.flows.group); err == nil {
			v.Packets, v.Bytes, v.Astray = c.Packets, c.Bytes, c.Astray
		}
		all = append(all, v)
	}
	slices.SortFunc(all, func(a, b flowStatus) int { return a.Source.Compare(b.Source) })
	return all
}

// forwarder returns who forwards data.
func (r *router) forwarder() string {
	if r.flows == nil {
		return forwardUser
	}
	return forwardKernel
}

// printFlows writes what the kernel forwards, for people.
func (s *status) printFlows(w io.Writer) {
	if s.Forward != forwardKernel {
		return
	}
	fmt.Fprintf(w, "\nkernel\tsource\tlink\tto\tpackets\tbytes\tastray\n")
	for _, f := range s.Kernel {
		fmt.Fprintf(w, "\t%v\t%s\t%s\t%d\t%d\t%d\n", f.Source, f.Link, strings.Join(f.To, " "), f.Packets, f.Bytes, f.Astray)
	}
	if s.KernelRefused+s.KernelFailed > 0 {
		fmt.Fprintf(w, "\tno room %d times, %d entries not taken\n", s.KernelRefused, s.KernelFailed)
	}
}
