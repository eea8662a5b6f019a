package conformance

import (
	"slices"

	"github.com/gopgm/gopgm/pgm/packet"
)

// optionShape is what the RFC says of an option on its own.
type optionShape struct {
	name    string
	on      []packet.Type // that may bear it
	place   string        // the clause that says so
	lengths []int         // octets; nil: any
	clause  string        // that says how long it is
	flags   byte          // of the option-specific bits, those that are defined
}

var (
	onFeedback = []packet.Type{packet.TypeNAK, packet.TypeNNAK, packet.TypeNCF}
	onSession  = []packet.Type{packet.TypeSPM, packet.TypeODATA, packet.TypeRDATA}
)

// optionShapes has the options whose place and length are judged. OPT_REDIRECT is known, so that it is not taken for an unknown one, and
// judged for its framing alone.
var optionShapes = map[packet.OptionType]optionShape{
	packet.OptFragment:   {"OPT_FRAGMENT", onData, "9.2-01", []int{packet.FragmentLen}, "9.2.4-01", 0},
	packet.OptNAKList:    {"OPT_NAK_LIST", onFeedback, "9.3-01", nil, "9.3-02", 0},
	packet.OptJoin:       {"OPT_JOIN", onSession, "9.4.3-01", []int{8}, "9.4.3-01", 0},
	packet.OptSyn:        {"OPT_SYN", onData, "9.6-01", []int{4}, "9.6.4-01", 0},
	packet.OptFin:        {"OPT_FIN", onSession, "9.7.2-01", []int{4}, "9.7.4-01", 0},
	packet.OptRst:        {"OPT_RST", onSPM, "9.8-02", []int{4}, "9.8.4-01", 0x7f},
	packet.OptNAKBOIvl:   {"OPT_NAK_BO_IVL", []packet.Type{packet.TypeSPM, packet.TypeNCF, packet.TypePOLL}, "15.4.1-01", []int{12}, "15.4.1-01", 0},
	packet.OptNAKBORng:   {"OPT_NAK_BO_RNG", onSPM, "15.4.2-01", []int{12}, "15.4.2-01", 0},
	packet.OptRedirect:   {name: "OPT_REDIRECT"},
	packet.OptParityPrm:  {"OPT_PARITY_PRM", onSPM, "11.8.1-02", []int{8}, "11.8.1-03", 0x03},
	packet.OptParityGrp:  {"OPT_PARITY_GRP", onData, "11.8.2-02", []int{8}, "11.8.2-03", 0},
	packet.OptCurrTGSize: {"OPT_CURR_TGSIZE", onSession, "11.8.3-02", []int{8}, "11.8.3-03", 0},
	packet.OptNbrUnreach: {"OPT_NBR_UNREACH", []packet.Type{packet.TypeSPM, packet.TypeNCF}, "15.4.3-01", []int{4}, "15.4.3-01", 0},
	packet.OptPathNLA:    {"OPT_PATH_NLA", onNCF, "15.4.4-01", []int{8, 20}, "15.4.4-01", 0},
	packet.OptCR:         {"OPT_CR", []packet.Type{packet.TypeNAK}, "12.7.1-01", []int{24, 36}, "12.7.1-01", 0x07},
	packet.OptCRQST:      {"OPT_CRQST", onSPM, "12.7.2-01", []int{4}, "12.7.2-01", 0x07},
}

// optionRules are those of the list of options and of what each option says of itself [9], [9.1].
var optionRules = []*Rule{
	{
		Name: "option-length-first", Clauses: []string{"9.1-01"}, raw: true,
		Fires: "options that do not begin with an OPT_LENGTH of 4 octets, or whose total is beyond the packet",
		see: func(p *sight) {
			switch p.fault {
			case notFirst:
				p.find("9.1-01", "the options of %v begin with % x", p.h.Type, p.Data[p.optionsAt:min(p.optionsAt+4, len(p.Data))])
			case beyond:
				p.find("9.1-01", "OPT_LENGTH of %v is beyond its %d octets", p.h.Type, len(p.Data))
			}
		},
	},
	{
		Name: "option-end", Clauses: []string{"9-04"}, raw: true, Fires: "OPT_END missing on the last option, or set on another",
		see: func(p *sight) {
			switch p.fault {
			case endMissing:
				p.find("9-04", "the last option of %v has no OPT_END", p.h.Type)
			case endEarly:
				p.find("9-04", "an option follows, at offset %d of %v, one with OPT_END", p.faultAt, p.h.Type)
			}
		},
	},
	{
		Name: "option-framing", Clauses: []string{"9-10", "9-03"}, raw: true, Fires: "an option shorter than 4 octets, or longer than the list",
		see: func(p *sight) {
			if p.fault == misframed {
				p.find("9-10", "option % x at offset %d of %v", p.Data[p.faultAt:min(p.faultAt+4, len(p.Data))], p.faultAt, p.h.Type)
			}
		},
	},
	{
		Name: "option-count", Clauses: []string{"9-08"}, raw: true, Fires: "more than 16 options, OPT_LENGTH not counted",
		see: func(p *sight) {
			if p.fault == tooMany {
				p.find("9-08", "%v with more than %d options", p.h.Type, packet.MaxOptions)
			}
		},
	},
	{
		Name: "option-reserved", Clauses: []string{"9-05"}, raw: true, Fires: "reserved bits of an option, or bits that it does not define, are not zero",
		see: func(p *sight) {
			for _, o := range p.options {
				shape, known := optionShapes[o.t]
				if o.octet[2]&0xf8 != 0 {
					p.find("9-05", "%s of %v with reserved bits %#02x", o.name(), p.h.Type, o.octet[2])
				} else if encoded := p.parity && o.octet[2]&0x04 != 0; known && !encoded && o.octet[3]&0x7f&^shape.flags != 0 {
					p.find("9-05", "%s of %v with bits %#02x that it does not define", o.name(), p.h.Type, o.octet[3])
				}
			}
		},
	},
	{
		Name: "option-encoded", Clauses: []string{"9-07"}, raw: true, Fires: "OP_ENCODED or OP_ENCODED_NULL in a packet that is not parity, or on an option of parity itself",
		see: func(p *sight) {
			for _, o := range p.options {
				if p.parity && o.t != packet.OptParityPrm && o.t != packet.OptParityGrp && o.t != packet.OptCurrTGSize {
					continue // it may be one that is encoded
				}
				if o.octet[2]&0x04 != 0 || o.octet[3]&0x80 != 0 {
					p.find("9-07", "%s of %v with bits % x", o.name(), p.h.Type, o.octet[2:4])
				}
			}
		},
	},
	{
		Name: "option-order", Clauses: []string{"9.1-03"}, raw: true, Fires: "a network-significant option behind one that is not",
		see: func(p *sight) {
			var before option
			for _, o := range p.options {
				_, known := optionShapes[o.t]
				switch {
				case !known:
				case !packet.NetworkSignificant(p.h.Type, o.t):
					before = o
				case before.octet != nil:
					p.find("9.1-03", "%s behind %s in %v", o.name(), before.name(), p.h.Type)
				}
			}
		},
	},
	{
		Name: "network-significant", Clauses: []string{"8-07", "8-08", "9.1-04", "9.2.4-03", "9.3.5-01"}, raw: true,
		Fires: "the network-significant bit of the Options octet disagrees with the options",
		see: func(p *sight) {
			if p.fault != fine || p.optionsAt == 0 {
				return
			}
			significant, unknown := false, false
			for _, o := range p.options {
				_, known := optionShapes[o.t]
				unknown = unknown || !known
				significant = significant || packet.NetworkSignificant(p.h.Type, o.t)
			}
			switch set := p.h.Options&packet.FlagNetwork != 0; {
			case significant && !set:
				p.find("8-07", "Options octet %#02x of %v with a network-significant option", uint8(p.h.Options), p.h.Type)
			case set && !significant && !unknown:
				p.find("8-08", "Options octet %#02x of %v without a network-significant option", uint8(p.h.Options), p.h.Type)
			}
		},
	},
	{
		Name: "option-place", Clauses: []string{"9.2-01", "9.3-01", "9.4.3-01", "9.6-01", "9.7.2-01", "9.8-02", "11.8.1-02", "11.8.2-02", "11.8.3-02", "12.7.1-01", "12.7.2-01", "15.4.1-01", "15.4.2-01", "15.4.3-01", "15.4.4-01"}, raw: true,
		Fires: "an option in a packet of a type that does not bear it",
		see: func(p *sight) {
			for _, o := range p.options {
				if shape := optionShapes[o.t]; shape.on != nil && !slices.Contains(shape.on, p.h.Type) {
					p.find(shape.place, "%s in %v", shape.name, p.h.Type)
				}
			}
		},
	},
	{
		Name: "option-size", Clauses: []string{"9.2.4-01", "9.3-02", "9.4.3-01", "9.6.4-01", "9.7.4-01", "9.8.4-01", "11.8.1-03", "11.8.2-03", "11.8.3-03", "12.7.1-01", "12.7.2-01", "15.4.1-01", "15.4.2-01", "15.4.3-01", "15.4.4-01"}, raw: true,
		Fires: "an option of another length than the RFC draws",
		see: func(p *sight) {
			for _, o := range p.options {
				shape, known := optionShapes[o.t]
				n := len(o.octet)
				switch {
				case !known || shape.clause == "":
				case shape.lengths != nil && !slices.Contains(shape.lengths, n), o.t == packet.OptNAKList && (n < 8 || n > 4+4*62 || n%4 != 0):
					p.find(shape.clause, "%s of %d octets in %v", shape.name, n, p.h.Type)
				}
			}
		},
	},
}

// name returns the RFC's name of the option.
func (o option) name() string {
	if s, ok := optionShapes[o.t]; ok {
		return s.name
	}
	const digits = "0123456789abcdef"
	return "option 0x" + string([]byte{digits[o.t>>4], digits[o.t&0xf]})
}
