package interop

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/gopgm/gopgm/congestion"
	"github.com/gopgm/gopgm/pcap"
	"github.com/gopgm/gopgm/pgm/packet"
)

// openPGMTimeout is after what time without an ACK that it counts OpenPGM's source sends a packet; ours does so before it knows a round trip.
const openPGMTimeout = 3 * time.Second

// controlRate is the ceiling of the sources whose rate receivers control, in bits a second: far beyond a packet in a round trip.
const controlRate = 80_000_000

// acknowledged is what a capture at a receiver shows of PGMCC.
type acknowledged struct {
	odata, elections, named, acks int
	unstamped                     int // ODATA without OPT_PGMCC_DATA
	foreign                       int // ACKs in another's name
	bare                          int // ACKs without OPT_PGMCC_FEEDBACK
	ahead                         int // the most packets that left beyond what was acknowledged
	last, acked                   packet.SQN
	pause                         time.Duration // the longest between two ODATA
}

// controlSeen looks for PGMCC in the capture of a receiver with an address.
func controlSeen(name string, self netip.Addr) (a acknowledged, err error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return a, err
	}
	r, err := pcap.Open(bytes.NewReader(b))
	if err != nil {
		return a, err
	}
	var p pcap.Packet
	var before time.Time
	for r.Read(&p) == nil {
		var h packet.Header
		body, err := h.Parse(p.Data)
		if err != nil {
			return a, err
		}
		switch {
		case congestion.IsACK(h.Type):
			var f congestion.Feedback
			if err := f.ParseACK(&h, body); err != nil {
				return a, fmt.Errorf("packet %d: %w", p.Number, err)
			}
			a.acks++
			if !f.HasEcho {
				a.bare++
			} else if f.Echo.Receiver != self || p.Src.Addr() != self {
				a.foreign++
			}
			if a.acks == 1 || f.Max.After(a.acked) {
				a.acked = f.Max
			}
		case h.Type == packet.TypeODATA:
			var d packet.Data
			if err := d.Parse(&h, body); err != nil {
				return a, fmt.Errorf("packet %d: %w", p.Number, err)
			}
			if a.odata++; a.odata > 1 {
				a.pause = max(a.pause, p.Time.Sub(before))
			}
			before, a.last = p.Time, d.SQN
			if a.acks > 0 {
				a.ahead = max(a.ahead, d.SQN.Sub(a.acked))
			}
			o, ok := packet.FindOption(d.Options, congestion.OptPGMCCData)
			if !ok {
				a.unstamped++
				continue
			}
			s, err := congestion.ParseData(o)
			if err != nil {
				return a, fmt.Errorf("packet %d: %w", p.Number, err)
			}
			if s.None() {
				a.elections++
			} else if s.Acker == self {
				a.named++
			}
		}
	}
	return a, nil
}

// controlled reports what keeps the outcome of a lab from being one of a source whose rate the ACKs of the receiver controlled.
func (x lab) controlled(o *outcome) error {
	self := netip.MustParseAddr(address(0, x.family))
	a, err := controlSeen(o.captures[0], self)
	if err != nil {
		return err
	}
	var errs []error
	want := func(ok bool, what string) {
		if !ok {
			errs = append(errs, fmt.Errorf("%s: %+v", what, a))
		}
	}
	want(a.unstamped == 0 && a.foreign == 0 && a.bare == 0, "packets are not as those of PGMCC")
	want(a.elections > 0 && a.named > a.odata/2, "the receiver was not elected and named")
	want(a.acks >= x.Count/64 && !a.acked.Before(a.last-lastUnheard), "the receiver does not acknowledge what it got")
	want(a.ahead >= 4, "the window did not open")
	if x.peerIs == "source" {
		// Its history of ACKs begins with packet 0 acknowledged, so that the first ACK brings nothing new.
		want(a.pause > openPGMTimeout*9/10, "OpenPGM's source did not stall at its opening, as docs/interop.md has it")
	} else { // of OpenPGM nothing can be asked
		var acks int
		var acker string
		for _, e := range o.closed {
			if _, err := fmt.Sscanf(e, "closed %d %s", &acks, &acker); err != nil || acks < a.acks*9/10*(100-x.loss)/100 || acker != self.String() {
				errs = append(errs, fmt.Errorf("our source says %q: %+v", e, a))
			}
		}
	}
	return errors.Join(errs...)
}

// lastUnheard is how many packets may come after the last ACK that a receiver's own capture has: those that were lost on the way.
const lastUnheard = 8

// Where OpenPGM goes on by nothing but timeouts, everything arrives all the same, a packet in three seconds: docs/interop.md has the reasons.
func TestOpenPGMStalls(t *testing.T) {
	if !everything() {
		t.Skip("it takes ten seconds of waiting: GOPGM_INTEROP=full")
	}
	tools := need(t)
	if tools.noOpenPGM != "" {
		t.Skip(tools.noOpenPGM)
	}
	x := lab{peer: "openpgm", sources: 1, pgmcc: true, rate: controlRate, plan: plan{Count: 4, Sizes: []int{64}}}
	mute, six := x, x
	mute.name, mute.peerIs, mute.ours, mute.family, mute.mute = "never answers", "receiver", "framed", 4, true
	six.name, six.peerIs, six.ours, six.family = "IPv6", "source", "messages", 6
	for _, test := range []struct {
		lab
		named bool
	}{{mute, false}, {six, true}} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			o, err := test.run(t.TempDir(), tools)
			if err != nil {
				t.Fatal(err)
			}
			a, err := controlSeen(o.captures[0], netip.MustParseAddr(address(0, test.family)))
			if err != nil {
				t.Fatal(err)
			}
			if o.took < 3*openPGMTimeout || test.named != (a.named > 0 && a.acks >= test.Count) || !test.named && a.acks > 0 {
				t.Errorf("after %v: %+v", o.took, a)
			}
		})
	}
}

// What is kept of PGMCC between OpenPGM and this module is what labs find.
func TestGoldenCapturesOfPGMCC(t *testing.T) {
	for _, x := range goldens() {
		if !x.pgmcc {
			continue
		}
		o := &outcome{captures: []string{x.goldenName(".pcap")}}
		if err := x.controlled(o); err != nil {
			t.Errorf("%s: %v", x.name, err)
		}
	}
}

// The ACKs that OpenPGM's receiver sent open the window of our source, with either of the types that ACKs have in the field: it elects the
// receiver, and has nothing left that is not acknowledged.
func TestOpenPGMsACKsOpenTheWindow(t *testing.T) {
	b, err := os.ReadFile("testdata/openpgm-receiver-pgmcc-epgm.pcap")
	if err != nil {
		t.Fatal(err)
	}
	self := netip.MustParseAddr(address(0, 4))
	for _, typ := range []packet.Type{congestion.TypeACK, congestion.TypeOldACK} {
		c, err := congestion.NewPGMCC(congestion.PGMCCConfig{Self: netip.MustParseAddr(address(1, 4))})
		if err != nil {
			t.Fatal(err)
		}
		var skew uint32 // of the clock of the source that was captured
		acks, most := 0, 0.0
		packets(t, b, func(p *pcap.Packet) {
			data := bytes.Clone(p.Data)
			if congestion.IsACK(packet.Type(data[4])) {
				data[4] = byte(typ)
				packet.Seal(data)
			}
			var h packet.Header
			body, err := h.Parse(data)
			if err != nil {
				t.Fatal(err)
			}
			switch h.Type {
			case typ:
				var f congestion.Feedback
				if err := f.ParseACK(&h, body); err != nil {
					t.Fatalf("packet %d: %v", p.Number, err)
				}
				f.Echo.Timestamp += skew
				c.Feedback(p.Time, &f)
				acks++
				w, _ := c.Window()
				most = max(most, w)
			case packet.TypeODATA:
				var d packet.Data
				if err := d.Parse(&h, body); err != nil {
					t.Fatal(err)
				}
				o, _ := packet.FindOption(d.Options, congestion.OptPGMCCData)
				then, err := congestion.ParseData(o)
				if err != nil {
					t.Fatal(err)
				}
				now, _ := c.Stamp(p.Time)
				c.Sent(p.Time, packet.TypeODATA, d.SQN, 1, len(data))
				skew = now.Timestamp - then.Timestamp
			}
		})
		if acks < 50 || c.Acker() != self || most < 6 || !c.NextTimeout().IsZero() {
			t.Errorf("%v: %d ACKs, %v is the acker, the window was %.1f packets, an ACK is due at %v", typ, acks, c.Acker(), most, c.NextTimeout())
		}
	}
}
