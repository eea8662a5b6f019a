package pcap

import (
	"net/netip"

	"github.com/gopgm/gopgm/pgm/packet"
)

// Redirect is OPT_REDIRECT [9.5.5-01]: who repairs.
//
//	|E| Option Type | Option Length |Reserved |F|OPX|U|             |
//	|            NLA AFI            |          Reserved             |
//	|                            DLR NLA                        ... |
//
// RFC 3208 says "Option Length = 4 + NLA length" and draws eight octets in front of the address. The drawing holds.
type Redirect struct {
	DLR netip.Addr
}

// AppendTo appends the option to the list at the end of the packet b.
func (v Redirect) AppendTo(b []byte) []byte {
	at := len(b)
	b = packet.AppendNLA(packet.AppendOption(b, packet.OptRedirect, 0), v.DLR)
	b[at+1] = byte(len(b) - at)
	return b
}

func parseRedirect(o Option) (Value, error) {
	a, err := o.lastNLA(0, "OPT_REDIRECT DLR NLA")
	if err != nil {
		return nil, err
	}
	return Redirect{a}, nil
}

// PathNLA is OPT_PATH_NLA [15.4.4-01]: the hop that sends an NCF by unicast. The length tells the family, as there is no AFI.
//
//	|E| Option Type | Option Length |Reserved |F|OPX|U|             |
//	|                            Path NLA                       ... |
type PathNLA struct {
	Path netip.Addr
}

// AppendTo appends the option to the list at the end of the packet b. An address that is neither IPv4 nor IPv6 is written as
// 0.0.0.0.
func (v PathNLA) AppendTo(b []byte) []byte {
	if v.Path.Is6() && !v.Path.Is4In6() {
		ip := v.Path.As16()
		return packet.AppendOption(b, packet.OptPathNLA, 0, ip[:]...)
	}
	var ip [4]byte
	if v.Path.IsValid() {
		ip = v.Path.Unmap().As4()
	}
	return packet.AppendOption(b, packet.OptPathNLA, 0, ip[:]...)
}

func parsePathNLA(o Option) (Value, error) {
	a, ok := netip.AddrFromSlice(o.Body)
	if !ok {
		return nil, o.wrongLength()
	}
	return PathNLA{a.Unmap()}, nil
}
