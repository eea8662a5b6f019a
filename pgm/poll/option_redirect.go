package poll

import (
	"net/netip"

	"github.com/gopgm/gopgm/pgm/packet"
)

// AppendRedirect appends OPT_REDIRECT: the address of a designated local repairer, to which NAKs may go, on its POLR [9.5.5-01]. It is
// network-significant: it goes before options that are not. RFC 3208 §9.5.5 gives its length as 4 + NLA length and draws an AFI, which
// makes it 8.
//
//	|E| Option Type | Option Length |Reserved |F|OPX|U|             |
//	|            NLA AFI            |          Reserved             |
//	|                        DLR's NLA                        ...   |
func AppendRedirect(b []byte, dlr netip.Addr) []byte {
	b = append(b, byte(packet.OptRedirect), byte(4+packet.NLALen(dlr)), 0, 0)
	return packet.AppendNLA(b, dlr)
}

// ParseRedirect reads OPT_REDIRECT. An address that no host has is an error.
func ParseRedirect(o packet.Option) (dlr netip.Addr, err error) {
	dlr, rest, err := packet.ParseNLA(o.Body, packet.NoType, "OPT_REDIRECT NLA", 4)
	switch {
	case err != nil:
		return netip.Addr{}, err
	case len(rest) > 0:
		return netip.Addr{}, &packet.Error{Type: packet.NoType, Field: "OPT_REDIRECT length", Offset: 1, Err: packet.ErrOption}
	case !isHost(dlr):
		return netip.Addr{}, &packet.Error{Type: packet.NoType, Field: "OPT_REDIRECT NLA", Offset: 8, Err: packet.ErrReserved}
	}
	return dlr, nil
}

// AppendRedirection appends a whole POLR by which the repairer dlr of session tsi, whose packets go to port dest, offers its service
// [9.5.2.1-02], [9.5.2.2-01]. parity says that it repairs by parity too.
func AppendRedirection(b []byte, tsi packet.TSI, dest uint16, r Reply, dlr netip.Addr, parity bool) []byte {
	h := packet.Upstream(packet.TypePOLR, tsi, dest)
	if parity {
		h.Options |= packet.FlagParity
	}
	start := len(b)
	b = packet.BeginOptions(r.Append(h.Append(b)))
	b = AppendRedirect(b, dlr)
	packet.EndOptions(b[start:], ReplyLen)
	packet.Seal(b[start:])
	return b
}
