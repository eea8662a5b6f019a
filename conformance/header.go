package conformance

import (
	"errors"

	"github.com/gopgm/gopgm/pgm/packet"
)

// headerRules are those of the fixed header, and of the lengths and addresses of all packets [8].
var headerRules = []*Rule{
	{
		Name: "version", Clauses: []string{"8-04"}, raw: true, Fires: "a version other than 0 in the Type octet",
		see: func(p *sight) {
			if p.octet&0xc0 != 0 {
				p.find("8-04", "Type octet %#02x: version %d", p.octet, p.octet>>6)
			}
		},
	},
	{
		Name: "type-reserved", Clauses: []string{"8-05"}, raw: true, Fires: "the bits between version and type are not zero",
		see: func(p *sight) {
			if p.octet&0x30 != 0 {
				p.find("8-05", "Type octet %#02x", p.octet)
			}
		},
	},
	{
		Name: "options-bits", Clauses: []string{"8-07"}, raw: true, Fires: "bits of the Options octet that mean nothing are not zero",
		see: func(p *sight) {
			if p.h.Options&0x3c != 0 {
				p.find("8-07", "Options octet %#02x", uint8(p.h.Options))
			}
		},
	},
	{
		Name: "var-pktlen", Clauses: []string{"8-09"}, raw: true, Fires: "OPT_VAR_PKTLEN without OPT_PARITY",
		see: func(p *sight) {
			if p.h.Options&(packet.FlagVarPktLen|packet.FlagParity) == packet.FlagVarPktLen {
				p.find("8-09", "Options octet %#02x of %v", uint8(p.h.Options), p.h.Type)
			}
		},
	},
	{
		Name: "checksum", Clauses: []string{"8-10", "8-11", "9.1-02"}, raw: true, Fires: "a checksum that is not that of the packet",
		see: func(p *sight) {
			if p.h.Checksum != 0 && !p.sum {
				p.find("8-10", "checksum %#04x of %v, and the packet sums to %#04x", p.h.Checksum, p.h.Type, packet.Sum(p.Data))
			}
		},
	},
	{
		Name: "data-checksum", Clauses: []string{"8-12"}, types: onData, raw: true, Fires: "ODATA or RDATA without a checksum",
		see: func(p *sight) {
			if p.h.Checksum == 0 {
				p.find("8-12", "%v with a checksum of 0", p.h.Type)
			}
		},
	},
	{
		Name: "tsdu-length", Clauses: []string{"8-17"}, raw: true, Fires: "a TSDU Length that disagrees with the length of the packet",
		see: func(p *sight) {
			switch {
			case p.h.Type.IsData():
				if p.err != nil && (p.err.Field == "TSDU" || p.err.Field == "TSDU Length") {
					p.find("8-17", "%v of %d octets with TSDU Length %d: %v", p.h.Type, len(p.Data), p.h.TSDULength, p.err.Err)
				}
			case p.h.TSDULength != 0:
				p.find("8-17", "TSDU Length %d in %v", p.h.TSDULength, p.h.Type)
			}
		},
	},
	{
		Name: "no-data", Clauses: []string{"8-01"}, raw: true, Fires: "octets behind the options of a packet that is not ODATA or RDATA",
		see: func(p *sight) {
			if p.err != nil && p.err.Field == "end of packet" {
				p.find("8-01", "%d octets behind the end of %v", len(p.Data)-p.err.Offset, p.h.Type)
			}
		},
	},
	{
		Name: "layout", Clauses: []string{"8.1-01", "8.2-01", "8.3-01", "13.6-01", "14.7.1-01", "14.7.2-01"}, raw: true,
		Fires: "a packet that is shorter than the fields of its type",
		see: func(p *sight) {
			if p.err == nil || !errors.Is(p.err, packet.ErrTruncated) || p.err.Field == "TSDU" {
				return
			}
			clause := "8.3-01"
			switch p.h.Type {
			case packet.TypeSPM:
				clause = "8.1-01"
			case packet.TypeODATA, packet.TypeRDATA:
				clause = "8.2-01"
			case packet.TypeSPMR:
				clause = "13.6-01"
			case packet.TypePOLL:
				clause = "14.7.1-01"
			case packet.TypePOLR:
				clause = "14.7.2-01"
			}
			p.find(clause, "%v of %d octets ends in %s at offset %d", p.h.Type, len(p.Data), p.err.Field, p.err.Offset)
		},
	},
	{
		Name: "nla", Clauses: []string{"8-18"}, raw: true, Fires: "an AFI that is neither IPv4 nor IPv6, or reserved octets of an NLA that are not zero",
		see: func(p *sight) {
			if p.err != nil {
				if errors.Is(p.err, packet.ErrReserved) {
					p.find("8-18", "%s at offset %d of %v", p.err.Field, p.err.Offset, p.h.Type)
				}
				return
			}
			if p.fault != fine {
				return
			}
			at, n := 0, 1
			switch p.h.Type {
			case packet.TypeSPM:
				at = packet.HeaderLen + 12
			case packet.TypeNAK, packet.TypeNNAK, packet.TypeNCF:
				at, n = packet.HeaderLen+4, 2
			case packet.TypePOLL:
				at = packet.HeaderLen + 8
			default:
				return
			}
			for range n {
				if p.Data[at+2]|p.Data[at+3] != 0 {
					p.find("8-18", "reserved octets %x at offset %d of %v", p.Data[at+2:at+4], at+2, p.h.Type)
				}
				at += nlaLen(p.Data[at:])
			}
		},
	},
	{
		Name: "router-alert", Clauses: []string{"4-01"}, types: []packet.Type{packet.TypeSPM, packet.TypeNCF, packet.TypeRDATA},
		Fires: "an SPM, NCF or RDATA over IPv4 itself without the Router Alert option",
		see: func(p *sight) {
			if !p.UDP && !p.RouterAlert && p.multicast() && p.Dst.Addr().Unmap().Is4() {
				p.find("4-01", "%v to %v without Router Alert", p.h.Type, p.Dst.Addr())
			}
		},
	},
}
