package conformance

import (
	"bytes"
	"encoding/binary"

	"github.com/gopgm/gopgm/fec"
	"github.com/gopgm/gopgm/pgm/packet"
)

// parityOfferRules are those of what a source says of its groups: OPT_PARITY_PRM, OPT_PARITY_GRP, OPT_CURR_TGSIZE [11.8].
var parityOfferRules = []*Rule{
	{
		Name: "parity-prm", Clauses: []string{"11.2-10", "11.8.1-01"}, types: onSPM,
		Fires: "an OPT_PARITY_PRM that offers nothing, or whose size is no power of two, or not that of the SPMs before",
		see: func(p *sight) {
			x, ok := p.option(packet.OptParityPrm)
			if !ok || len(x.octet) != 8 {
				return
			}
			if x.octet[3]&0x03 == 0 {
				p.find("11.8.1-01", "OPT_PARITY_PRM of SPM %v offers neither kind of parity", p.spm.SQN)
			}
			switch n, k := binary.BigEndian.Uint32(x.octet[4:]), p.s.groups.k; {
			case n == 0 || n&(n-1) != 0:
				p.find("11.2-10", "groups of %d packets in SPM %v", n, p.spm.SQN)
			case k != 0 && n != uint32(k):
				p.find("11.2-10", "groups of %d packets in SPM %v, and of %d before", n, p.spm.SQN, k)
			}
		},
	},
	{
		Name: "parity-grp", Clauses: []string{"11.8.2-01", "11.8.2-02"}, types: onData, raw: true,
		Fires: "an OPT_PARITY_GRP of 0, or in a packet that is not parity",
		see: func(p *sight) {
			x, ok := p.option(packet.OptParityGrp)
			switch {
			case !ok:
			case !p.parity:
				p.find("11.8.2-02", "OPT_PARITY_GRP in %v without OPT_PARITY", p.h.Type)
			case len(x.octet) == 8 && binary.BigEndian.Uint32(x.octet[4:]) == 0:
				p.find("11.8.2-01", "OPT_PARITY_GRP of 0 in %v", p.h.Type)
			}
		},
	},
	{
		Name: "parity-offered", Clauses: []string{"11.4-01", "11.4-02", "11.4-03", "11.2-01", "11.2-02", "11.4-05", "11.4-09"}, types: onData, parity: true,
		Fires: "parity as ODATA or as RDATA, where no SPM offered it pro-actively, or on demand",
		see: func(p *sight) {
			s := p.s
			switch {
			case !p.parity || !s.spms.any && !s.beginning:
			case !s.end.parity:
				p.miss("11.4-01", "%v with OPT_PARITY, and no SPM with OPT_PARITY_PRM", p.h.Type)
			case p.h.Type == packet.TypeODATA && !s.groups.pro:
				p.miss("11.4-02", "ODATA with OPT_PARITY, and no SPM with PARITY_PRM_PRO")
			case p.h.Type == packet.TypeRDATA && !s.groups.ond:
				p.miss("11.4-03", "RDATA with OPT_PARITY, and no SPM with PARITY_PRM_OND")
			}
		},
	},
	{
		Name: "group-size", Clauses: []string{"11.8.3-01", "11.2-15", "11.4-18", "11.4-19", "11.2-13"},
		types: []packet.Type{packet.TypeSPM, packet.TypeODATA, packet.TypeRDATA}, parity: true,
		Fires: "an OPT_CURR_TGSIZE that cannot be, disagrees with its packet's place or with another, or is missing; data behind the end of a group",
		see: func(p *sight) {
			o := &p.s.groups
			if o.k == 0 {
				return
			}
			size, ok := p.groupSize()
			if ok && (size < 1 || size > int(o.k)) {
				p.find("11.8.3-01", "OPT_CURR_TGSIZE of %d in %v, and groups have up to %d", size, p.h.Type, o.k)
				return
			}
			n := p.data.SQN
			if p.h.Type == packet.TypeSPM {
				if n = p.spm.Lead; p.spm.NoWindow() || !p.inSequence() || p.has(packet.OptNbrUnreach) {
					return
				}
			}
			known := 0
			if g := o.at(n); g != nil {
				known = g.size
			}
			switch place := o.k.Index(n) + 1; {
			case ok && !p.parity && size != place:
				p.find("11.2-15", "OPT_CURR_TGSIZE of %d in %v, where packet %v is the %d. of its group", size, p.h.Type, n, place)
			case ok && known != 0 && size != known:
				p.find("11.2-15", "OPT_CURR_TGSIZE of %d in %v, of a group that had %d packets before", size, p.h.Type, known)
			case p.parity && known != 0 && !ok:
				p.find("11.4-18", "parity without OPT_CURR_TGSIZE, of a group that was ended with %d packets", known)
			case p.h.Type == packet.TypeSPM && known == place && !ok:
				p.miss("11.4-19", "SPM %v without OPT_CURR_TGSIZE, and SPM_LEAD %v ended its group early", p.spm.SQN, n)
			case p.h.Type == packet.TypeODATA && !p.parity && known != 0 && place > known:
				p.find("11.2-13", "ODATA %v in a group that was ended with %d packets", n, known)
			}
		},
	},
}

// parityRules are those of parity packets [11.2], [11.4].
var parityRules = []*Rule{
	{
		Name: "parity-number", Clauses: []string{"11.1-01", "11.2-07"}, types: onData, parity: true,
		Fires: "a parity packet with a number that the code has no row for",
		see: func(p *sight) {
			if !p.parity || p.s.groups.k == 0 {
				return
			}
			k, row := p.s.groups.k, uint64(0)
			if x, ok := p.option(packet.OptParityGrp); ok && len(x.octet) == 8 {
				row = uint64(binary.BigEndian.Uint32(x.octet[4:]))
			}
			size := int(k)
			if n, ok := p.groupSize(); ok && n >= 1 && n < size {
				size = n
			}
			if j := row*uint64(k) + uint64(k.Index(p.data.SQN)); j >= uint64(fec.MaxPackets-size) {
				p.find("11.1-01", "parity packet %d of a group of %d", j, size)
			}
		},
	},
	{
		Name: "parity-after", Clauses: []string{"11.4-04", "11.4-07"}, types: onODATA, Fires: "parity of a group whose last data is sent later",
		see: func(p *sight) {
			o := &p.s.groups
			g := o.at(p.data.SQN)
			if g == nil || g.early == 0 || g.full != 0 || !p.data.SQN.After(p.s.lead) {
				return
			}
			if d := p.at - g.early; p.c.Complete || d > p.s.late() {
				p.find("11.4-04", "ODATA %v, %v after parity of its group", p.data.SQN, duration(d))
			}
		},
	},
	{
		Name: "parity-shape", Clauses: []string{"11.2-17", "11.2-22", "11.2-23"}, types: onData, parity: true,
		Fires: "parity of one group with several lengths, flags or encoded options, or an option that is to be encoded and is not",
		see: func(p *sight) {
			if !p.parity {
				return
			}
			if x, ok := p.option(packet.OptFragment); ok && x.octet[2]&0x04 == 0 {
				p.find("11.2-23", "parity with OPT_FRAGMENT without OP_ENCODED")
				return
			}
			g := p.s.groups.at(p.data.SQN)
			if g == nil || p.parityErr != nil || g.last == 0 {
				return
			}
			switch q := &p.parityData; {
			case q.Variable != g.shape.Variable:
				p.find("11.2-22", "OPT_VAR_PKTLEN is %v, and was %v in parity of the same group", q.Variable, g.shape.Variable)
			case len(q.TSDU) != g.shape.Index:
				p.find("11.2-17", "parity of %d octets, and of %d in the same group", len(q.TSDU), g.shape.Index)
			case q.HasFragment != g.shape.HasFragment:
				p.find("11.2-23", "an encoded OPT_FRAGMENT is %v, and was %v in parity of the same group", q.HasFragment, g.shape.HasFragment)
			}
		},
	},
	{
		Name: "parity-content", Clauses: []string{"11.2-04", "11.2-17", "11.2-19", "11.2-22", "11.2-23", "11.2-24", "11.2-25", "11.4-16"}, types: onData, parity: true,
		Fires: "parity that is not what the code makes of the group's data",
		see: func(p *sight) {
			g := p.s.groups.at(p.data.SQN)
			if !p.parity || p.parityErr != nil {
				return
			}
			got := &p.parityData
			if g == nil {
				p.c.unjudged[unjudgedParity]++
				return
			}
			want, ok := p.s.encoded(g, got.Size, got.Index)
			if !ok {
				p.c.unjudged[unjudgedParity]++
				return
			}
			tsdu, tail := got.TSDU, 0
			if got.Variable {
				tail = 2
			}
			if got.Variable && !want.Variable && holdsLength(tsdu) {
				tsdu, tail = tsdu[:len(tsdu)-2], 0
			}
			switch n := len(tsdu) - tail; {
			case want.Variable && !got.Variable:
				p.find("11.2-22", "parity %d of group %v without OPT_VAR_PKTLEN, and lengths differ", got.Index, g.tg)
			case len(tsdu) != len(want.TSDU):
				p.find("11.2-17", "parity %d of group %v has %d octets, want %d", got.Index, g.tg, len(tsdu), len(want.TSDU))
			case !bytes.Equal(tsdu[:n], want.TSDU[:n]):
				p.find("11.2-04", "parity %d of group %v is not that of its data", got.Index, g.tg)
			case !bytes.Equal(tsdu[n:], want.TSDU[n:]):
				p.find("11.2-19", "the encoded length is % x in parity %d of group %v, want % x", tsdu[n:], got.Index, g.tg, want.TSDU[n:])
			case got.HasFragment != want.HasFragment:
				p.find("11.2-23", "an encoded OPT_FRAGMENT is %v in parity %d of group %v, want %v", got.HasFragment, got.Index, g.tg, want.HasFragment)
			case got.Fragment[0]&0x80 != want.Fragment[0]&0x80:
				p.find("11.2-25", "OP_ENCODED_NULL disagrees with the data in parity %d of group %v", got.Index, g.tg)
			case got.Fragment != want.Fragment:
				p.find("11.2-24", "OPT_FRAGMENT is encoded as % x in parity %d of group %v, want % x", got.Fragment, got.Index, g.tg, want.Fragment)
			}
		},
	},
	{
		Name: "parity-repeated", Clauses: []string{"11.4-10"}, types: onData, parity: true,
		Fires: "in a complete capture, a parity packet for another time, while the group has others that were not sent",
		see: func(p *sight) {
			s := p.s
			g := s.groups.at(p.data.SQN)
			if !p.parity || p.parityErr != nil || !p.c.Complete || g == nil {
				return
			}
			q := &p.parityData
			if s.groups.highest = max(s.groups.highest, q.Index); !g.has(q.Index) {
				return
			}
			for j := range min(s.groups.highest+1, fec.MaxPackets-q.Size) {
				if !g.has(j) {
					p.find("11.4-10", "parity %d of group %v again, and %d was not sent", q.Index, g.tg, j)
					return
				}
			}
		},
	},
}
