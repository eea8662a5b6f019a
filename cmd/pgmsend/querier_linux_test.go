package main

import (
	"net"
	"testing"
	"time"

	"github.com/gopgm/gopgm/mld"
)

// pgmsend --querier asks who listens on the interface of its endpoint, in both families, for as long as it runs.
func TestSenderIsQuerierOfItsLink(t *testing.T) {
	a, b := newPair(t, true)
	heard := make(chan mld.Message)
	for _, f := range []mld.Family{mld.MLD, mld.IGMP} {
		var port *mld.Port
		if err := b.by(func() error {
			ifi, err := net.InterfaceByName("v0")
			if err != nil {
				return err
			}
			port, err = mld.OpenPort(ifi, f)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			var m mld.Message
			for {
				p, err := port.Read()
				if err != nil {
					return
				}
				if m.Parse(f, &p) == nil && m.General() {
					select {
					case heard <- m:
					case <-time.After(5 * time.Second):
					}
					return
				}
			}
		}()
		t.Cleanup(func() {
			port.Close()
			<-done
		})
	}
	s := startBy(t, a.by, []byte("data"), "pgmsend", "-e", "epgm://v0;239.1.2.3:7500", "--querier", "-")
	versions := map[string]bool{}
	for range 2 {
		select {
		case m := <-heard:
			versions[m.String()] = true
		case <-time.After(10 * time.Second):
			t.Fatalf("heard %v, want a general query of each family", versions)
		}
	}
	for _, want := range []string{"MLDv2 Query of all groups delay 10s robustness 2 interval 2m5s", "IGMPv3 Query of all groups delay 10s robustness 2 interval 2m5s"} {
		if !versions[want] {
			t.Errorf("heard %v, want %q", versions, want)
		}
	}
	s.exit(0)
}
