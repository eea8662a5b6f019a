package conformance

import (
	"net/netip"
	"time"
)

// Config says what is known of a capture and of the hosts in it besides its packets. The zero Config knows nothing, and judges what
// can be judged all the same.
type Config struct {
	// Complete says that the capture has every packet that its hosts sent, in the order and at the time in which they left: a
	// number that is missing was never sent. A simulation can say so.
	Complete bool
	// At is the address of a receiver at which the capture was taken: it has all that this host heard and sent, from its start on.
	// What it asks for is held against what it knew.
	At netip.Addr
	// Delay bounds how long a packet is on its way, from the host that sends it, past the capture, to those that it is for:
	// within it hosts may not know what the capture shows. Default 250 ms.
	Delay time.Duration
	// Jitter is by how much a timer of a host may be late. Default 50 ms.
	Jitter time.Duration

	Rate, Depth int           // TXW_MAX_RTE in octets a second with network headers, and its bucket in octets; Rate 0: not known
	Ambient     time.Duration // the most time between SPMs while data flows; default 60 s
	IHBMin      time.Duration // IHB_MIN; 0: learned from what the source does
	NAKRepeat   time.Duration // NAK_RPT_IVL, the least time between identical NAKs of a receiver; default 1 ms
	NAKData     time.Duration // NAK_RDATA_IVL of At, the least time between an NCF and a NAK of the same packet; 0: not known
	NAKRetries  int           // NAK_NCF_RETRIES; default 100
	Repair      time.Duration // in which a source repairs what it confirmed; default 10 s

	Limits Limits
}

// Limits bounds what is remembered. What is beyond them is not judged, and the Verdict says so.
type Limits struct {
	Sessions  int // followed at once; default 1024
	Packets   int // data packets remembered, of all sessions; default 2^19, at most 2^16 of one session
	Receivers int // followed, of all sessions; default 4096
	Findings  int // told in full, of each clause; default 16. All are counted.
}

func (c Config) withDefaults() Config {
	duration := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	number := func(n *int, v int) {
		if *n <= 0 {
			*n = v
		}
	}
	duration(&c.Delay, 250*time.Millisecond)
	duration(&c.Jitter, 50*time.Millisecond)
	duration(&c.Ambient, time.Minute)
	duration(&c.NAKRepeat, time.Millisecond)
	duration(&c.Repair, 10*time.Second)
	number(&c.NAKRetries, 100)
	number(&c.Limits.Sessions, 1024)
	number(&c.Limits.Packets, 1<<19)
	number(&c.Limits.Receivers, 4096)
	number(&c.Limits.Findings, 16)
	return c
}
