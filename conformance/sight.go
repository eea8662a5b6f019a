package conformance

import (
	"encoding/binary"
	"errors"
	"hash/maphash"

	"github.com/gopgm/gopgm/fec"
	"github.com/gopgm/gopgm/nak"
	"github.com/gopgm/gopgm/pcap"
	"github.com/gopgm/gopgm/pgm/packet"
	"github.com/gopgm/gopgm/pgm/poll"
	"github.com/gopgm/gopgm/spm"
)

// sight is one packet of the capture as the rules see it: decoded as far as it can be, whatever is wrong with it.
type sight struct {
	*pcap.Packet
	c  *Checker
	at int64 // nanoseconds since a second before the first packet of the capture, so that 0 is never

	h      packet.Header
	octet  byte // the Type octet
	sum    bool // the checksum agrees, or there is none
	parity bool

	optionsAt int // where the option list begins; 0: nowhere
	options   []option
	fault     optionFault // what is wrong with the list
	faultAt   int
	err       *packet.Error // what the decoder of the type says

	spm   spm.Packet
	data  packet.Data
	nak   nak.Packet
	poll  poll.Packet
	reply poll.Reply

	parityData fec.Parity // of ODATA and RDATA with OPT_PARITY, once the size of groups is known,
	parityErr  error      // unless it is none

	s *session
	r *asker // who sent it, if it is upstream

	slots [packet.MaxOptions + 2]option
	list  [nak.MaxList]packet.SQN
}

// option is an option as it is framed.
type option struct {
	t     packet.OptionType
	octet []byte // all of it
}

type optionFault uint8

const (
	fine       optionFault = iota
	notFirst               // OPT_LENGTH is not the first, or not 4 octets long
	beyond                 // the total is beyond the packet
	misframed              // an option is shorter than its header or longer than the list
	endMissing             // the last option has no OPT_END
	endEarly               // one before the last has it
	tooMany                // more than packet.MaxOptions
)

// dropped reports whether a receiver drops the packet, so that it has no effect and is not followed.
func (p *sight) dropped() bool {
	return p.octet&0xc0 != 0 || !p.sum || p.fault != fine || p.err != nil ||
		p.h.Options&(packet.FlagParity|packet.FlagVarPktLen) == packet.FlagVarPktLen
}

// decode reads the packet, which has a fixed header at least.
func (p *sight) decode() {
	b := p.Data
	p.octet = b[4]
	p.h = packet.Header{
		SourcePort: binary.BigEndian.Uint16(b), DestPort: binary.BigEndian.Uint16(b[2:]),
		Type: packet.Type(b[4] & 0x0f), Options: packet.Flags(b[5]), Checksum: binary.BigEndian.Uint16(b[6:]),
		GSI: packet.GSI(b[8:14]), TSDULength: binary.BigEndian.Uint16(b[14:]),
	}
	p.sum = p.h.Checksum == 0 && !p.h.Type.IsData() || p.h.Checksum != 0 && packet.Sum(b) == 0xffff
	p.parity = p.h.Options&packet.FlagParity != 0
	p.options, p.fault, p.faultAt, p.err = p.slots[:0], fine, 0, nil
	p.s, p.r = nil, nil
	p.optionsAt = 0
	if p.h.Options&packet.FlagOptions != 0 {
		if p.optionsAt = optionsAt(p.h.Type, b); p.optionsAt > 0 {
			p.frame(b[p.optionsAt:])
		}
	}
	if p.fault == fine {
		p.parse(b[packet.HeaderLen:])
	}
}

// optionsAt returns where the options of packet b begin, 0 if it is too short to have any or of a type that is not known.
func optionsAt(t packet.Type, b []byte) int {
	at := 0
	switch t {
	case packet.TypeSPM:
		at = packet.HeaderLen + 12
		if len(b) >= at+2 {
			at += nlaLen(b[at:])
		}
	case packet.TypeODATA, packet.TypeRDATA:
		at = packet.DataHeaderLen
	case packet.TypeNAK, packet.TypeNNAK, packet.TypeNCF:
		at = packet.HeaderLen + 4
		for range 2 {
			if len(b) >= at+2 {
				at += nlaLen(b[at:])
			}
		}
	case packet.TypeSPMR:
		at = packet.HeaderLen
	case packet.TypePOLL:
		at = packet.HeaderLen + 20
		if len(b) >= packet.HeaderLen+10 {
			at += nlaLen(b[packet.HeaderLen+8:])
		}
	case packet.TypePOLR:
		at = poll.ReplyLen
	}
	if at > len(b) {
		return 0
	}
	return at
}

func nlaLen(b []byte) int {
	if binary.BigEndian.Uint16(b) == packet.AFIv6 {
		return 20
	}
	return 8
}

// frame splits the option list at the front of b.
func (p *sight) frame(b []byte) {
	bad := func(f optionFault, at int) { p.fault, p.faultAt = f, p.optionsAt+at }
	if len(b) < 4 || b[0]&0x7f != byte(packet.OptLength) || b[1] != 4 {
		bad(notFirst, 0)
		return
	}
	total := int(binary.BigEndian.Uint16(b[2:]))
	if total > len(b) {
		bad(beyond, 2)
		return
	}
	ended := b[0]&0x80 != 0
	for at := 4; at < total; {
		if total-at < 4 || b[at+1] < 4 || int(b[at+1]) > total-at {
			bad(misframed, at)
			return
		}
		if ended {
			bad(endEarly, at)
			return
		}
		if len(p.options) > packet.MaxOptions {
			bad(tooMany, at)
			return
		}
		ended = b[at]&0x80 != 0
		p.options = append(p.options, option{packet.OptionType(b[at] & 0x7f), b[at : at+int(b[at+1])]})
		at += int(b[at+1])
	}
	switch {
	case len(p.options) > packet.MaxOptions:
		bad(tooMany, 0)
	case !ended:
		bad(endMissing, total)
	}
}

// parse reads what follows the fixed header by the decoder of the type.
func (p *sight) parse(body []byte) {
	var err error
	switch p.h.Type {
	case packet.TypeSPM:
		_, err = p.spm.Parse(&p.h, body)
	case packet.TypeODATA, packet.TypeRDATA:
		err = p.data.Parse(&p.h, body)
	case packet.TypeNAK, packet.TypeNNAK, packet.TypeNCF:
		p.nak.List = p.list[:0]
		_, err = p.nak.Parse(&p.h, body)
	case packet.TypeSPMR:
		_, err = spm.ParseRequest(&p.h, body)
	case packet.TypePOLL:
		_, err = p.poll.Parse(&p.h, body)
	case packet.TypePOLR:
		_, err = p.reply.Parse(&p.h, body)
	}
	if err != nil {
		errors.As(err, &p.err)
	}
}

// option returns the first option of type t.
func (p *sight) option(t packet.OptionType) (option, bool) {
	for _, o := range p.options {
		if o.t == t {
			return o, true
		}
	}
	return option{}, false
}

func (p *sight) has(t packet.OptionType) bool {
	_, ok := p.option(t)
	return ok
}

// fragment returns OPT_FRAGMENT; ok is false when there is none that can be.
func (p *sight) fragment() (f packet.Fragment, ok bool) {
	o, ok := p.option(packet.OptFragment)
	if !ok {
		return f, false
	}
	f, err := packet.ParseFragment(packet.Option{Type: o.t, Body: o.octet[4:]}, p.data.SQN, len(p.data.TSDU))
	return f, err == nil
}

var seed = maphash.MakeSeed()

// content returns a fingerprint of what a repair repeats: TSDU and OPT_FRAGMENT. It is never 0.
func (p *sight) content() uint64 {
	sum := maphash.Bytes(seed, p.data.TSDU)
	if o, ok := p.option(packet.OptFragment); ok {
		sum ^= maphash.Bytes(seed, o.octet[4:])
	}
	return sum | 1
}

// multicast reports whether the packet is addressed to a group.
func (p *sight) multicast() bool { return p.Dst.Addr().IsMulticast() }

// find reports that clause is broken by this packet.
func (p *sight) find(clause, format string, args ...any) {
	p.c.find(p, clause, format, args...)
}

// miss reports that clause is broken by what is missing: it counts only if the capture lacks nothing that the source sent.
func (p *sight) miss(clause, format string, args ...any) {
	p.missOf(ofSource, clause, format, args...)
}

// missAsked does the same for what counts only if the capture lacks no NAK.
func (p *sight) missAsked(clause, format string, args ...any) {
	p.missOf(ofReceivers, clause, format, args...)
}

func (p *sight) missOf(whose sender, clause, format string, args ...any) {
	if p.c.Complete || p.s == nil {
		p.find(clause, format, args...)
		return
	}
	p.c.doubt(p.s, whose, p.Number, p.Time, clause, format, args...)
}

// here reports whether the packet is from the receiver at which the capture was taken.
func (p *sight) here() bool { return p.c.At.IsValid() && p.Src.Addr().Unmap() == p.c.At }
