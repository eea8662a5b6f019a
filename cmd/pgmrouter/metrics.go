package main

import (
	"fmt"
	"io"
	"reflect"

	"github.com/gopgm/gopgm/pgm/element"
)

// writeMetrics writes the status of each group in the text format of Prometheus.
func writeMetrics(w io.Writer, groups []*status) {
	// family begins a family, whose samples value writes for each group, if it has any.
	family := func(name, kind, help string, samples func(s *status, print func(label, value string, n uint64))) {
		begun := false
		for _, s := range groups {
			samples(s, func(label, value string, n uint64) {
				if !begun {
					fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
					begun = true
				}
				labels := fmt.Sprintf("group=%q", s.Group)
				if label != "" {
					labels += fmt.Sprintf(",%s=%q", label, value)
				}
				fmt.Fprintf(w, "%s{%s} %d\n", name, labels, n)
			})
		}
	}
	// Counters are named as the fields of the engine's statistics.
	all := func(print func(label, value string, n uint64), label string, v reflect.Value) {
		for i := range v.NumField() {
			if f := v.Field(i); f.Kind() == reflect.Uint64 {
				print(label, v.Type().Field(i).Name, f.Uint())
			}
		}
	}
	family("pgmrouter_events_total", "counter", "What the engine did, by the name of its counter.", func(s *status, print func(label, value string, n uint64)) {
		if s.Element != nil {
			all(print, "event", reflect.ValueOf(*s.Element))
		}
		if s.Repairer != nil {
			all(print, "event", reflect.ValueOf(*s.Repairer))
		}
	})
	family("pgmrouter_refused_total", "counter", "Packets that were refused, by cause.", func(s *status, print func(label, value string, n uint64)) {
		if s.Element != nil {
			all(print, "cause", reflect.ValueOf(s.Element.Bad))
		}
	})
	engine := func(name, help string, element func(*element.Stats) int, repairer func(*element.RepairerStats) int) {
		family(name, "gauge", help, func(s *status, print func(label, value string, n uint64)) {
			if s.Element != nil && element != nil {
				print("", "", uint64(element(s.Element)))
			}
			if s.Repairer != nil && repairer != nil {
				print("", "", uint64(repairer(s.Repairer)))
			}
		})
	}
	engine("pgmrouter_sessions", "Sessions that are known.", func(e *element.Stats) int { return e.Active }, nil)
	engine("pgmrouter_repair_states", "Repair states of all sessions.", func(e *element.Stats) int { return e.Repairs }, nil)
	engine("pgmrouter_cache_bytes", "Octets that are kept for repairs.", nil, func(e *element.RepairerStats) int { return e.Octets })
	kernel := func(name, help string, value func(f *flowStatus) uint64) {
		family(name, "counter", help, func(s *status, print func(label, value string, n uint64)) {
			for i := range s.Kernel {
				print("source", s.Kernel[i].Source.String(), value(&s.Kernel[i]))
			}
		})
	}
	kernel("pgmrouter_kernel_packets_total", "Packets that came to the kernel's forwarding from a source.", func(f *flowStatus) uint64 { return f.Packets })
	kernel("pgmrouter_kernel_bytes_total", "Octets of those packets.", func(f *flowStatus) uint64 { return f.Bytes })
	kernel("pgmrouter_kernel_astray_total", "Packets of those that did not come by the way to the source, and were dropped.", func(f *flowStatus) uint64 { return f.Astray })
	family("pgmrouter_kernel_missed_total", "counter", "What should have been an entry of the kernel's forwarding and is none, by cause.", func(s *status, print func(label, value string, n uint64)) {
		if s.Forward == forwardKernel {
			print("cause", "Refused", s.KernelRefused)
			print("cause", "Failed", s.KernelFailed)
		}
	})
	links := func(name, kind, help string, value func(l *linkStatus) uint64) {
		family(name, kind, help, func(s *status, print func(label, value string, n uint64)) {
			for i := range s.Links {
				print("link", s.Links[i].Name, value(&s.Links[i]))
			}
		})
	}
	links("pgmrouter_link_sent_total", "counter", "Datagrams sent on a link.", func(l *linkStatus) uint64 { return l.Sent })
	links("pgmrouter_link_heard_total", "counter", "Datagrams read from a link.", func(l *linkStatus) uint64 { return l.Heard })
	links("pgmrouter_link_failed_total", "counter", "System calls to send on a link that failed.", func(l *linkStatus) uint64 { return l.Failed })
	links("pgmrouter_link_drops_total", "counter", "Datagrams that the kernel dropped before they were read.", func(l *linkStatus) uint64 { return l.Drops })
	links("pgmrouter_link_listens", "gauge", "Whether someone listens on a link.", func(l *linkStatus) uint64 {
		if l.Listens {
			return 1
		}
		return 0
	})
	legMetrics(family)
}
