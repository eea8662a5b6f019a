package mld

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
)

// Port sends and receives the messages of one family on one interface. It hears all of the link, whatever group they are sent to, but not what
// this host sends. It is for Linux and needs CAP_NET_RAW. Read may be called by one goroutine, Send by another.
type Port struct {
	family Family
	ifi    *net.Interface
	addr   netip.Addr
	prefix netip.Prefix
	sockets
	failed atomic.Uint64
}

// OpenPort opens a port. Its error is one line that says what is missing: the privilege, or an address of the family on the interface.
func OpenPort(ifi *net.Interface, f Family) (*Port, error) {
	p := &Port{family: f, ifi: ifi}
	addrs, err := ifi.Addrs()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ifi.Name, err)
	}
	for _, a := range addrs {
		n, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		ip, _ := netip.AddrFromSlice(n.IP)
		ip = ip.Unmap()
		if f == IGMP && ip.Is4() || f == MLD && ip.Is6() && ip.IsLinkLocalUnicast() {
			ones, _ := n.Mask.Size()
			p.addr, p.prefix = ip, netip.PrefixFrom(ip, ones).Masked()
			break
		}
	}
	if !p.addr.IsValid() {
		return nil, fmt.Errorf("%s has no %s: %w", ifi.Name, f.ownAddress(), errNoAddress)
	}
	if err := p.open(p); err != nil {
		if errors.Is(err, os.ErrPermission) {
			return nil, fmt.Errorf("%v needs the capability CAP_NET_RAW (%w): run the program as root or, once, setcap cap_net_raw+ep %s", f, err, executable())
		}
		return nil, fmt.Errorf("%v on %s: %w", f, ifi.Name, err)
	}
	return p, nil
}

// errNoAddress is why a port is not opened on an interface that does not speak the family.
var errNoAddress = errors.New("nothing can be sent from it")

func (f Family) ownAddress() string {
	if f == IGMP {
		return "IPv4 address"
	}
	return "link-local IPv6 address"
}

// executable returns the program's file, for a line that the user can copy.
func executable() string {
	if p, err := os.Executable(); err == nil {
		return p
	}
	return os.Args[0]
}

// Family returns the port's family.
func (p *Port) Family() Family { return p.family }

// Interface returns the port's interface.
func (p *Port) Interface() *net.Interface { return p.ifi }

// Address returns the address that the port sends from: link-local for MLD.
func (p *Port) Address() netip.Addr { return p.addr }

// Prefix returns the prefix of the address's link.
func (p *Port) Prefix() netip.Prefix { return p.prefix }

// MTU returns the largest packet of the interface, in octets, as the configurations take it.
func (p *Port) MTU() int { return min(max(p.ifi.MTU, p.family.minMTU()), 65535) }

// Failed returns how many packets the kernel did not take.
func (p *Port) Failed() uint64 { return p.failed.Load() }
