package pgm

import (
	"net"
	"net/netip"
)

// redirect returns which repairers a receiver on an interface lets its NAKs go to: "receivers MUST ignore a redirecting POLR from a DLR on the
// same IP subnet that the receiver resides on" (RFC 3208 §9.5.4), since it has likely lost what they have. The RFC lets receivers ignore all
// others, too, for a case in which none come: elements between keep them to themselves. Where no element is between, a repairer is all that
// spares a distant source the NAKs of a site, so they are followed. Where it is not known what is our subnet, none is.
func (t ReceiverConfig) redirect(ifi *net.Interface) func(repairer netip.Addr) bool {
	if t.IgnoreRepairers || ifi == nil {
		return nil
	}
	addrs, err := ifi.Addrs()
	if err != nil {
		return nil
	}
	var own []netip.Prefix
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok {
			ip, _ := netip.AddrFromSlice(n.IP)
			ones, _ := n.Mask.Size()
			if p, err := ip.Unmap().Prefix(ones); err == nil {
				own = append(own, p)
			}
		}
	}
	if len(own) == 0 {
		return nil
	}
	return func(repairer netip.Addr) bool {
		if repairer.IsLinkLocalUnicast() || repairer.IsLoopback() {
			return false
		}
		for _, p := range own {
			if p.Contains(repairer) {
				return false
			}
		}
		return true
	}
}
