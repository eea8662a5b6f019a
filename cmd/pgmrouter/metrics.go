package main

import (
	"fmt"
	"io"
	"reflect"
)

// writeMetrics writes s in the text format of Prometheus.
func writeMetrics(w io.Writer, s *status) {
	family := func(name, kind, help string) { fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind) }
	// Counters are named as the fields of the engine's statistics.
	all := func(name, label string, v reflect.Value) {
		for i := range v.NumField() {
			if f := v.Field(i); f.Kind() == reflect.Uint64 {
				fmt.Fprintf(w, "%s{%s=%q} %d\n", name, label, v.Type().Field(i).Name, f.Uint())
			}
		}
	}
	family("pgmrouter_events_total", "counter", "What the engine did, by the name of its counter.")
	if s.Element != nil {
		all("pgmrouter_events_total", "event", reflect.ValueOf(*s.Element))
		family("pgmrouter_refused_total", "counter", "Packets that were refused, by cause.")
		all("pgmrouter_refused_total", "cause", reflect.ValueOf(s.Element.Bad))
		family("pgmrouter_sessions", "gauge", "Sessions that are known.")
		fmt.Fprintf(w, "pgmrouter_sessions %d\n", s.Element.Active)
		family("pgmrouter_repair_states", "gauge", "Repair states of all sessions.")
		fmt.Fprintf(w, "pgmrouter_repair_states %d\n", s.Element.Repairs)
	}
	if s.Repairer != nil {
		all("pgmrouter_events_total", "event", reflect.ValueOf(*s.Repairer))
		family("pgmrouter_cache_bytes", "gauge", "Octets that are kept for repairs.")
		fmt.Fprintf(w, "pgmrouter_cache_bytes %d\n", s.Repairer.Octets)
	}
	links := func(name, kind, help string, value func(l *linkStatus) uint64) {
		family(name, kind, help)
		for i := range s.Links {
			fmt.Fprintf(w, "%s{link=%q} %d\n", name, s.Links[i].Name, value(&s.Links[i]))
		}
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
}
