package main

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// match is nft's words for PGM packets, or those of one type.
func (l *lab) match(typ string) string {
	family := "meta protocol ip "
	if l.v6 {
		family = "meta protocol ip6 "
	}
	switch {
	case l.raw && typ == "":
		return family + "meta l4proto 113"
	case l.raw:
		return family + "meta l4proto 113 @th,32,8 " + typ
	case typ == "":
		return family + "udp dport 7500"
	}
	return family + "udp dport 7500 @th,96,8 " + typ
}

// watch counts, on each leaf, the repairs that come, and at the source the NAKs; and loses what is said on interfaces: "sw/p10" etc.
func (l *lab) watch(loss map[string]string) {
	l.t.Helper()
	table := func(host, device, typ string) {
		_ = l.command(host, "nft", "delete", "table", "netdev", "w"+device).Run()
		rules := fmt.Sprintf("table netdev w%s {\ncounter seen {}\ncounter lost {}\nchain in {\ntype filter hook ingress device %s priority 0;\n%s counter name seen\n", device, device, l.match(typ))
		if r := loss[host+"/"+device]; r != "" {
			rules += r + " counter name lost drop\n"
		}
		cmd := l.command(host, "nft", "-f", "-")
		cmd.Stdin = strings.NewReader(rules + "}\n}\n")
		if out, err := cmd.CombinedOutput(); err != nil {
			l.t.Fatalf("nft: %s\n%s", out, rules)
		}
	}
	l.before = l.lateness()
	table("s", "u0", "0x08")
	table("e1", "in0", "0x05")
	for k := 1; k <= 3; k++ {
		table("sw", fmt.Sprintf("p%d0", k), "0x05")
	}
}

func (l *lab) counter(host, device, name string) int {
	l.t.Helper()
	fields := strings.Fields(l.in(host, "nft", "list", "counter", "netdev", "w"+device, name))
	for i, f := range fields {
		if f == "packets" {
			n, _ := strconv.Atoi(fields[i+1])
			return n
		}
	}
	l.t.Fatalf("no counter in %v", fields)
	return 0
}

// lateness is what elements did because something took longer than their timers: on a busy machine the one before may take longer to confirm a NAK
// than NAK_RPT_IVL, a receiver may ask for a packet when its repair has just passed, and a repairer may not answer in time.
type lateness struct{ repeated, echoed, unredirected int }

func (l *lab) lateness() (n lateness) {
	for _, host := range []string{"e1", "e2"} {
		if e := l.shown(host).Element; e != nil {
			n.repeated += int(e.Repeated)
			n.echoed += int(e.Echoes)
			n.unredirected += int(e.Unredirected)
		}
	}
	return n
}

// late returns what has been late since watch began.
func (l *lab) late() lateness {
	n := l.lateness()
	return lateness{n.repeated - l.before.repeated, n.echoed - l.before.echoed, n.unredirected - l.before.unredirected}
}

// asked fails the test unless so many packets, lost, made as many NAKs at the source. There may be one more: on a busy machine a receiver may
// ask at the end for what was only late.
func (l *lab) asked(t *testing.T, lost int) {
	t.Helper()
	if naks, late := l.counter("s", "u0", "seen"), l.late(); lost == 0 || naks < lost || naks > lost+late.repeated+late.echoed+1 {
		t.Errorf("%d NAKs at the source for %d packets, %+v\ne1 %+v\ne2 %+v", naks, lost, late, l.shown("e1").Element, l.shown("e2").Element)
	}
}

// repaired fails the test unless leaf k has had a repair of each of so many packets, lost: once, or, where a receiver asked again for what was only
// late, as often as the source or an element has sent it, and the source no more often than it was asked.
func (l *lab) repaired(t *testing.T, lost, k int) {
	t.Helper()
	repairs, sent, naks := l.counter("sw", fmt.Sprintf("p%d0", k), "seen"), l.counter("e1", "in0", "seen"), l.counter("s", "u0", "seen")
	if late := l.late(); repairs < lost || repairs > sent+late.echoed || sent > naks {
		t.Errorf("%d lost: %d repairs on leaf %d, of %d that the source sent for %d NAKs, %+v", lost, repairs, k, sent, naks, late)
	}
}

// onePer200 loses one data packet in 200.
func (l *lab) onePer200() string { return l.match("0x04") + " numgen inc mod 200 == 100" }
