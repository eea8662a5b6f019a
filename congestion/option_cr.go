package congestion

import (
	"encoding/binary"
	"math"
	"net/netip"

	"github.com/gopgm/gopgm/pgm/packet"
)

// Kinds says which congestion reports are asked for, or given [12.1-03]. The values are the option-specific bits of OPT_CRQST and
// OPT_CR alike.
type Kinds byte

// The kinds of congestion reports.
const (
	ReceiverWorstPath Kinds = 0x01 // R: OPT_CR_RX_WP
	ElementWorstPath  Kinds = 0x02 // P: OPT_CR_NE_WP
	ElementWorstLink  Kinds = 0x04 // L: OPT_CR_NE_WL

	allKinds = ReceiverWorstPath | ElementWorstPath | ElementWorstLink
)

// RequestLen is how many octets AppendRequest appends.
const RequestLen = 4

// AppendRequest appends OPT_CRQST to the list at the end of the SPM b [12.7.2-02]. It is network-significant: it goes before those
// that are not.
//
//	|E| Option Type | Option Length |Reserved |F|OPX|U|       |L|P|R|
func AppendRequest(b []byte, k Kinds) []byte {
	return append(b, byte(packet.OptCRQST), RequestLen, 0, byte(k&allKinds))
}

// ParseRequest reads OPT_CRQST.
func ParseRequest(o packet.Option) (Kinds, error) {
	if len(o.Body) != 0 {
		return 0, &packet.Error{Type: packet.NoType, Field: "OPT_CRQST length", Offset: 1, Err: packet.ErrOption}
	}
	return Kinds(o.Flags) & allKinds, nil
}

// Report is OPT_CR, on NAKs alone [12.7.1-02].
//
//	|E| Option Type | Option Length |Reserved |F|OPX|U|       |L|P|R|
//	|                 Congestion Report Reference SQN               |
//	|        NE Worst Link          |        NE Worst Path          |
//	|       Rcvr Worst Path         |          Reserved             |
//	|            NLA AFI            |          Reserved             |
//	|                Worst receiver's NLA                       ... |
//
// Loads and loss rates are linear, 0xffff for all of them [12.1-02].
type Report struct {
	Kinds        Kinds      // which of the three are reported
	Lead         packet.SQN // OPT_CR_LEAD: as of which packet
	WorstLink    uint16     // OPT_CR_NE_WL
	WorstPath    uint16     // OPT_CR_NE_WP
	ReceiverPath uint16     // OPT_CR_RX_WP
	Receiver     netip.Addr // OPT_CR_RCVR: who measured ReceiverPath
}

// ReportLen returns how many octets Report.AppendTo appends for the receiver a.
func ReportLen(a netip.Addr) int { return 16 + packet.NLALen(a) }

// AppendTo appends the option to the list at the end of the NAK b. It is network-significant: it goes before those that are not.
func (r Report) AppendTo(b []byte) []byte {
	b = append(b, byte(packet.OptCR), byte(ReportLen(r.Receiver)), 0, byte(r.Kinds&allKinds))
	b = binary.BigEndian.AppendUint32(b, uint32(r.Lead))
	for _, v := range [...]uint16{r.WorstLink, r.WorstPath, r.ReceiverPath, 0} {
		b = binary.BigEndian.AppendUint16(b, v)
	}
	return packet.AppendNLA(b, r.Receiver)
}

// ParseReport reads OPT_CR.
func ParseReport(o packet.Option) (r Report, err error) {
	if len(o.Body) != 12+8 && len(o.Body) != 12+20 {
		return r, &packet.Error{Type: packet.NoType, Field: "OPT_CR length", Offset: 1, Err: packet.ErrOption}
	}
	r.Kinds = Kinds(o.Flags) & allKinds
	r.Lead = packet.SQN(binary.BigEndian.Uint32(o.Body))
	r.WorstLink = binary.BigEndian.Uint16(o.Body[4:])
	r.WorstPath = binary.BigEndian.Uint16(o.Body[6:])
	r.ReceiverPath = binary.BigEndian.Uint16(o.Body[8:])
	a, rest, err := packet.ParseNLA(o.Body[12:], packet.NoType, "OPT_CR Worst Receiver's NLA", 16)
	if err == nil && len(rest) > 0 {
		err = &packet.Error{Type: packet.NoType, Field: "OPT_CR length", Offset: 1, Err: packet.ErrOption}
	}
	r.Receiver = a
	return r, err
}

// load is a value of a report as of an SQN.
type load struct {
	value float64 // 0..0xffff
	ref   packet.SQN
}

// aged returns the load as of ref: "aged_loss_rate = loss_rate * exp( - SQN_difference * loss_rate / 2)" [12.6-01], by which a value
// is scaled down by exp(-1/2) for each expected distance of two NAKs. An earlier ref ages nothing.
func (l load) aged(ref packet.SQN) float64 {
	if !l.ref.Before(ref) {
		return l.value
	}
	return l.value * math.Exp(-float64(ref.Sub(l.ref))*(l.value/math.MaxUint16)/2)
}

// Worst keeps the worst of the congestion reports of a session, with ageing: at a network element, what it sent upstream last
// [12.6-01, 12.6-02]; at a source, what it was told. The zero value has heard nothing.
type Worst struct {
	link, path, receiver load
	who                  netip.Addr
}

// Merge takes a report that came, on an interface where so much of what was to be forwarded was lost (local; 0xffff: all; 0 at a source),
// and returns the one to forward in its place, which is also what is known now. changed reports whether one of its values differs from
// the one sent last by more than 5 %, in which case the NAK is not to be suppressed [12.6.1-01]. The kinds are handled independently.
func (w *Worst) Merge(r Report, local uint16) (out Report, changed bool) {
	ref := r.Lead
	for _, l := range [...]load{w.link, w.path, w.receiver} { // the highest SQN known
		if l.value > 0 && ref.Before(l.ref) {
			ref = l.ref
		}
	}
	out = Report{Kinds: r.Kinds, Lead: ref, Receiver: r.Receiver}
	merge := func(k Kinds, l *load, incoming float64) uint16 {
		if r.Kinds&k == 0 {
			return 0
		}
		before := l.value
		l.value, l.ref = max(l.aged(ref), incoming), ref
		changed = changed || math.Abs(l.value-before) > before/20
		return uint16(math.Round(l.value))
	}
	// "OPT_CR_NE_WP = if_load + OPT_CR_NE_WP * (100% - if_loss_rate)" [12.3-01]; both are the same quantity.
	along := float64(local) + float64(r.WorstPath)*(1-float64(local)/math.MaxUint16)
	out.WorstLink = merge(ElementWorstLink, &w.link, float64(max(local, r.WorstLink)))
	out.WorstPath = merge(ElementWorstPath, &w.path, along)
	if r.Kinds&ReceiverWorstPath != 0 && float64(r.ReceiverPath) >= w.receiver.aged(ref) {
		w.who = r.Receiver
	}
	out.ReceiverPath = merge(ReceiverWorstPath, &w.receiver, float64(r.ReceiverPath))
	if w.who.IsValid() {
		out.Receiver = w.who
	}
	return out, changed
}

// At returns what is known as of lead: each value aged to it.
func (w *Worst) At(lead packet.SQN) Report {
	value := func(l load) uint16 { return uint16(math.Round(l.aged(lead))) }
	return Report{
		Kinds: allKinds, Lead: lead, Receiver: w.who,
		WorstLink: value(w.link), WorstPath: value(w.path), ReceiverPath: value(w.receiver),
	}
}
