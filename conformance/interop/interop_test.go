package interop

import (
	"fmt"
	"os"
	"testing"
)

// everything says whether all combinations are played, not only those that are quick.
func everything() bool { return os.Getenv("GOPGM_INTEROP") == "full" }

// abreast is how many labs are played at once: they wait most of the time.
const abreast = 6

// labs are all combinations.
func labs() (all []lab) {
	small := plan{Count: 400, Sizes: []int{32, 64, 1008, 512, 1424}}
	large := plan{Count: 60, Sizes: []int{22784, 1424, 4272, 32, 14240}} // 16 fragments, 1, 3, 1 and 10
	add := func(peer, peerIs, ours string, raw bool, m plan, x lab) {
		x.peer, x.peerIs, x.ours, x.raw, x.plan = peer, peerIs, ours, raw, m
		x.family, x.sources = max(x.family, 4), max(x.sources, 1)
		if x.rate == 0 {
			// OpenPGM sends a message when its bucket holds all of it: one second of a rate of less than 1000 packets a second,
			// else one millisecond, in which there is no room for 16 fragments.
			x.rate = 9_600_000
		}
		x.name = fmt.Sprintf("%s %s/%s/%s", peer, peerIs, x.name, x.transport())
		all = append(all, x)
	}
	slow := plan{Count: 500, Sizes: []int{512}}
	lines := plan{Count: 400, Sizes: []int{32, 64, 1008, 512, 1424}, Lines: true}
	long := plan{Count: 100, Sizes: []int{64, 20000, 300, 32, 5000}, Lines: true}
	slowLines := plan{Count: 500, Sizes: []int{512}, Lines: true}
	single := plan{Count: 2000, Sizes: []int{32, 64, 1008, 512}} // of a packet each, with room for OPT_PGMCC_DATA
	large6 := plan{Count: 60, Sizes: []int{22400, 1408, 4224, 32, 14080}}
	for _, raw := range []bool{false, true} {
		add("openpgm", "source", "messages", raw, large6, lab{name: "IPv6", family: 6, loss: 5, always: raw})
		add("openpgm", "receiver", "framed", raw, large6, lab{name: "IPv6", family: 6, loss: 5, always: !raw})
		// Without loss: at many of them OpenPGM's source waits for its timeout. And over IPv4: see TestOpenPGMStalls.
		add("openpgm", "source", "stream", raw, single, lab{name: "congestion control", pgmcc: true, rate: controlRate, always: !raw})
		add("openpgm", "receiver", "stream", raw, single, lab{name: "congestion control", pgmcc: true, rate: controlRate, always: !raw})
		add("openpgm", "receiver", "framed", raw, single, lab{name: "congestion control with loss", pgmcc: true, rate: controlRate, loss: 2, always: raw})
		for _, peerIs := range []string{"source", "receiver"} {
			framed := "messages"
			if peerIs == "receiver" {
				framed = "framed"
			}
			add("openpgm", peerIs, "messages", raw, small, lab{name: "messages", always: true})
			add("openpgm", peerIs, framed, raw, large, lab{name: "fragments with loss", loss: 5, always: true})
			add("openpgm", peerIs, framed, raw, large, lab{name: "fragments"})
			add("openpgm", peerIs, "stream", raw, large, lab{name: "stream with loss", loss: 5, always: !raw})
			add("openpgm", peerIs, "stream", raw, small, lab{name: "stream"})
			add("openpgm", peerIs, "messages", raw, slow, lab{name: "late", late: true, rate: 1_000_000, always: raw})
			add("openpgm", peerIs, "stream", raw, small, lab{name: "three sources", sources: 3, loss: 5, always: !raw})
			add("openpgm", peerIs, "lines", raw, lines, lab{name: "lines", loss: 5, always: !raw})
			add("zeromq", peerIs, "zeromq", raw, lines, lab{name: "messages", always: true})
			add("zeromq", peerIs, "zeromq", raw, long, lab{name: "long messages with loss", loss: 5, always: true})
			add("zeromq", peerIs, "zeromq", raw, slowLines, lab{name: "late", late: true, rate: 1_000_000, always: !raw})
			add("zeromq", peerIs, "zeromq", raw, lines, lab{name: "three sources", sources: 3, loss: 5, always: raw})
		}
		add("openpgm", "source", "stdout", raw, plan{Count: 60, Sizes: large.Sizes, Lines: true}, lab{name: "stdout", loss: 5, always: raw})
	}
	return all
}

// Each byte arrives, at us and at the peers.
func TestPeers(t *testing.T) {
	tools := need(t)
	base := os.Getenv("GOPGM_INTEROP_DIR") // where the captures are to stay
	if base == "" {
		base = t.TempDir()
	}
	type result struct {
		outcome *outcome
		err     error
	}
	type played struct {
		lab
		dir    string
		result chan result
	}
	for peer, missing := range map[string]string{"openpgm": tools.noOpenPGM, "zeromq": tools.noZeroMQ} {
		if missing != "" {
			t.Run(peer, func(t *testing.T) { t.Skip(missing) })
		}
	}
	var all []played
	turns := make(chan struct{}, abreast)
	for _, x := range labs() {
		missing := map[string]string{"openpgm": tools.noOpenPGM, "zeromq": tools.noZeroMQ}[x.peer]
		if missing != "" || !x.always && !everything() {
			continue
		}
		p := played{x, x.dir(base), make(chan result, 1)}
		if err := os.MkdirAll(p.dir, 0o755); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
		go func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			o, err := x.run(p.dir, tools)
			p.result <- result{o, err}
		}()
	}
	for _, x := range all {
		t.Run(x.name, func(t *testing.T) {
			r := <-x.result
			if r.err != nil {
				t.Fatal(r.err)
			}
			o := r.outcome
			if err := x.judge(o.captures); err != nil {
				t.Error(err)
			}
			if x.pgmcc {
				if err := x.controlled(o); err != nil {
					t.Error(err)
				}
			}
			t.Logf("%v: %d messages, %d octets, from message %d on, %v", x, o.messages, o.octets, o.first, o.took.Round(1e6))
		})
	}
}
