package main

import (
	"bufio"
	"fmt"
	"io"
	"sync/atomic"
	"testing"
	"time"
)

// A switch that snoops forwards a session for as long as it remembers that somebody joined. While pgmrouter asks, hosts say so again; when it
// does not, the session starves; and when it asks again, the session goes on. IPv4 and IPv6, by one process. The switch here forwards as the
// dumbest do: it believes for ever that there is a querier, and so never falls back to flooding; and it remembers for two seconds, not for 260.
func TestSnoopingSwitchKeepsSessionsAliveWhileTheRouterRuns(t *testing.T) {
	l := newHosts(t, "s", "e", "sw", "r")
	l.in("sw", "ip", "link", "add", "br0", "type", "bridge", "mcast_snooping", "1", "mcast_querier", "0", "mcast_querier_interval", "360000",
		"mcast_membership_interval", "200", "mcast_query_response_interval", "30", "mcast_last_member_interval", "30")
	l.in("sw", "ip", "link", "set", "br0", "up")
	for i, host := range []string{"s", "e", "r"} {
		port := fmt.Sprintf("p%d", i)
		l.link(host, "u0", fmt.Sprintf("10.70.0.%d/24", i+1), "sw", port, "")
		l.in("sw", "ip", "link", "set", port, "master", "br0")
	}
	l.link("e", "u1", "10.70.9.1/24", "s", "u1", "10.70.9.2/24") // for pgmrouter to have two

	groups := []string{"239.192.77.71", "[ff08::77]"}
	router := func() *program {
		return l.program(t, "e", "pgmrouter", "-e", groups[0]+":7500", "-e", groups[1]+":7500", "--query-interval", "1s", "--status", l.status("e"), "-i", "u0", "-i", "u1")
	}
	runs := router()
	for range 100 { // the switch has heard of a querier before anybody joins
		if len(l.shown("e").Links) > 0 {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	time.Sleep(500 * time.Millisecond)
	var lines [2]atomic.Int64
	for i, group := range groups {
		l.sayings(t, group, &lines[i])
	}
	// live returns how many lines of each session come while f lasts.
	live := func(d time.Duration) (four, six int64) {
		four, six = lines[0].Load(), lines[1].Load()
		time.Sleep(d)
		return lines[0].Load() - four, lines[1].Load() - six
	}
	flows := func(why string) {
		t.Helper()
		for range 50 {
			if four, six := live(200 * time.Millisecond); four > 0 && six > 0 {
				return
			}
		}
		t.Fatalf("%s: the sessions do not get through", why)
	}
	flows("with pgmrouter")
	if four, six := live(4 * time.Second); four < 40 || six < 40 {
		t.Errorf("with pgmrouter, for twice the memory of the switch: %d and %d lines came of some 80", four, six)
	}
	_ = runs.Process.Kill()
	_ = runs.Wait()
	live(3 * time.Second)
	if four, six := live(time.Second); four > 0 || six > 0 {
		t.Errorf("without pgmrouter: %d and %d lines came: the switch does not prune, and the test shows nothing", four, six)
	}
	router()
	flows("with pgmrouter again")
}

// sayings has s say a line to the group every 50 ms, and counts those that r hears.
func (l *lab) sayings(t *testing.T, group string, heard *atomic.Int64) {
	t.Helper()
	receive := l.command("r", l.bin+"/pgmrecv", "-e", "u0;"+group+":7500", "--lines", "--progress", "none")
	out, err := receive.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	send := l.command("s", l.bin+"/pgmsend", "-e", "u0;"+group+":7500", "--lines", "--progress", "none", "-")
	in, err := send.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []interface{ Start() error }{receive, send} {
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
	}
	stop := make(chan struct{})
	t.Cleanup(func() {
		close(stop)
		_ = send.Process.Kill()
		_ = receive.Process.Kill()
		_ = send.Wait()
		_ = receive.Wait()
	})
	go func() {
		for s := bufio.NewScanner(out); s.Scan(); {
			heard.Add(1)
		}
	}()
	go func() {
		for i := 0; ; i++ {
			if _, err := io.WriteString(in, fmt.Sprintln("line", i)); err != nil {
				return
			}
			select {
			case <-stop:
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
}
