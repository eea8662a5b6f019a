package netio

import (
	"fmt"
	"net"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// joinGroup joins the group on the interface, for one source if the configuration names one.
func joinGroup(pc net.PacketConn, c Config, ifi *net.Interface) error {
	var join interface {
		JoinGroup(*net.Interface, net.Addr) error
		JoinSourceSpecificGroup(*net.Interface, net.Addr, net.Addr) error
	}
	if c.Group.Addr().Is4() {
		join = ipv4.NewPacketConn(pc)
	} else {
		join = ipv6.NewPacketConn(pc)
	}
	group := &net.UDPAddr{IP: c.Group.Addr().AsSlice()}
	if !c.Source.IsValid() {
		if err := join.JoinGroup(ifi, group); err != nil {
			return fmt.Errorf("cannot join: %w", err)
		}
		return nil
	}
	if err := join.JoinSourceSpecificGroup(ifi, group, &net.UDPAddr{IP: c.Source.AsSlice()}); err != nil {
		return fmt.Errorf("cannot join source %v: %w", c.Source, err)
	}
	return nil
}

// sendOn makes multicast leave by the interface, with the configuration's time to live and loopback.
func sendOn(pc net.PacketConn, c Config, ifi *net.Interface) error {
	var err error
	if c.Group.Addr().Is4() {
		p := ipv4.NewPacketConn(pc)
		if err = p.SetMulticastInterface(ifi); err == nil {
			if err = p.SetMulticastTTL(c.TTL); err == nil {
				err = p.SetMulticastLoopback(!c.NoLoopback)
			}
		}
	} else {
		p := ipv6.NewPacketConn(pc)
		if err = p.SetMulticastInterface(ifi); err == nil {
			if err = p.SetMulticastHopLimit(c.TTL); err == nil {
				err = p.SetMulticastLoopback(!c.NoLoopback)
			}
		}
	}
	if err != nil {
		return fmt.Errorf("cannot send multicast: %w", err)
	}
	return nil
}
