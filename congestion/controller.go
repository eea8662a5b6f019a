package congestion

import (
	"net/netip"
	"time"

	"github.com/gopgm/gopgm/pgm/packet"
)

// Controller decides how fast a source sends. There are two: PGMCC, as the draft has it, and Auto. The source
//   - gives Rate to its Pacer after every call of Feedback and HandleTimeout, and sends no more ODATA than Tokens at a time;
//   - says with Sent what leaves;
//   - puts Stamp on each ODATA, if there is one (PGMCC), or sends an SPM with the options of Probe when ProbeAt says (Auto);
//   - gives each ACK and each NAK to Feedback.
//
// A Controller never allows more than the ceiling that it was given, and never nothing.
type Controller interface {
	// Rate returns how fast the source may send, in octets a second, network headers included; 0: as fast as it can, which only a
	// PGMCC without a ceiling says.
	Rate() int
	// Tokens returns how many new data packets may leave, whatever the rate allows.
	Tokens() int
	// Sent says that data packets left: so many octets, network headers included, and first their first SQN. Repairs are told too.
	Sent(now time.Time, t packet.Type, first packet.SQN, packets, octets int)
	// Stamp returns OPT_PGMCC_DATA for ODATA that leaves now; false if data bear none.
	Stamp(now time.Time) (Data, bool)
	// ProbeAt returns when an SPM with the options of Probe is to leave; zero: none is.
	ProbeAt() time.Time
	// Probe returns the options for such an SPM, which leaves now.
	Probe(now time.Time) (Data, Probe)
	// Feedback takes what an ACK or NAK says.
	Feedback(now time.Time, f *Feedback)
	// HandleTimeout says what time it is. Early is harmless.
	HandleTimeout(now time.Time)
	// NextTimeout returns when HandleTimeout has something to do; zero: never.
	NextTimeout() time.Time
	// SetCeiling changes the rate that is never exceeded, in octets a second; 0: none.
	SetCeiling(rate int)
	// Acker returns who acknowledges; invalid: nobody.
	Acker() netip.Addr
	// Exclude has what the receiver at a says about its reception be ignored from now on, or heard again.
	Exclude(a netip.Addr, excluded bool)
	// Receivers calls f for each of the receivers that were heard of lately, until it returns false.
	Receivers(f func(Receiver) bool)
}

// Receiver is what a source knows of a receiver by its feedback.
type Receiver struct {
	Addr     netip.Addr
	ID       uint32 // if several share the address, and the receiver is of our stack
	Heard    time.Time
	RTT      time.Duration // smoothed; 0: unknown
	Loss     float64       // 0..1, what the network loses
	Delay    time.Duration // in queues
	Rate     int           // of arrival, in octets a second; 0: unknown
	Limit    int           // what it can take in the long run; 0: no limit
	Overflow uint64        // packets that its socket had no room for
	Acker    bool
	Excluded bool
}

// zeroNLA returns the address that names nobody, of a's family.
func zeroNLA(a netip.Addr) netip.Addr {
	if a.Is6() && !a.Is4In6() {
		return netip.IPv6Unspecified()
	}
	return netip.IPv4Unspecified()
}
