package main

import "testing"

// A file goes to every receiver by --cc pgmcc, at no more than --rate, and the reports say who acknowledges.
func TestFileByPGMCC(t *testing.T) {
	const octets, rate = 4_000_000, 50_000_000
	data := content(octets)
	src := t.TempDir()
	write(t, src+"/file", data)
	e := endpoint()
	var receivers []*program
	var dirs []string
	for range 2 {
		dirs = append(dirs, t.TempDir())
		r := start(t, nil, "pgmrecv", "-e", e, "--once", "-d", dirs[len(dirs)-1], "--drop", "0.1%")
		r.says("listening")
		receivers = append(receivers, r)
	}
	s := start(t, nil, "pgmsend", "-e", e, "--cc", "pgmcc", "--rate", "50M", "--mtu", "1500", "--expect", "2", "--json", src+"/file")
	s.exit(0)
	for i, r := range receivers {
		r.exit(0)
		same(t, dirs[i]+"/file", data)
	}
	acker, seconds := false, 0.0
	for _, e := range s.events() {
		if a, ok := e["acker"].(string); ok && a != "" {
			acker = true
		}
		if e["event"] == "done" {
			seconds, _ = e["seconds"].(float64)
		}
	}
	t.Logf("%.2f s", seconds)
	if least := octets * 8.0 / rate; !acker || seconds < 0.95*least || seconds > 20 {
		t.Errorf("an acker is reported: %v; it took %.2f s, the rate alone takes %.2f", acker, seconds, least)
	}
}

// Who sends to receivers that acknowledge nothing is told why it is slow.
func TestNobodyAcknowledgesPGMCC(t *testing.T) {
	s := start(t, []byte("one\ntwo\nthree\n"), "pgmsend", "-e", endpoint(), "--cc", "pgmcc", "--lines", "--linger", "1ms", "-")
	s.says("--cc fixed --rate R needs none")
}
