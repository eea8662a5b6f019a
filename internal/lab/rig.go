//go:build linux

package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/gopgm/gopgm/internal/netns"
)

// hostDevice is the name of the one device that each host has.
const hostDevice = "e0"

// A rig is a net of one machine: host 0 (the sender) and hosts 1 to n (the
// receivers), each a network namespace with a device e0, whose other end is the
// port p0 to pn of a bridge in a namespace of its own. Hosts have the addresses
// 10.77.0.10 and up; multicast is routed to e0. There is no way out of the
// namespaces.
type rig struct {
	net   *netns.Net
	sw    *netns.Host
	hosts []*netns.Host
}

// newRig builds the net. It always returns a rig, which must be closed, and an
// error if it is not usable. Its commands end with the context.
func newRig(ctx context.Context, receivers int, superPackets bool) (*rig, error) {
	r := &rig{net: netns.New(ctx)}
	// The bridge floods multicast to every port, as a switch does that knows no
	// better: no receiver depends on a querier.
	r.sw, r.hosts = r.net.Star(1+receivers, "10.77.0.%d/24")
	state := onOff(superPackets)
	for i, h := range r.hosts {
		h.Run("ethtool -K " + hostDevice + " tso " + state + " gso " + state + " gro " + state + " tx-udp-segmentation " + state)
		r.passOn(bridgePort(i), superPackets)
	}
	return r, r.net.Err()
}

// passOn says in what pieces a port of the switch passes packets on. It never merges any, so that what it passes on is what the sender's
// device gave it.
func (r *rig) passOn(port string, superPackets bool) {
	state := onOff(superPackets)
	r.sw.Run("ethtool -K " + port + " tso " + state + " gso " + state + " gro off tx-udp-segmentation " + state)
}

// onOff is how ethtool writes a switch.
func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

func bridgePort(i int) string { return "p" + strconv.Itoa(i) }
func hostAddr(i int) string   { return fmt.Sprintf("10.77.0.%d", 10+i) }

// limitUplink puts a token bucket on the sender's device: the bottleneck that
// all receivers share. Its queue holds 50 ms.
func (r *rig) limitUplink(rate string) error {
	r.hosts[0].Run("tc qdisc add dev " + hostDevice + " " + bottleneck(rate))
	return r.net.Err()
}

// bottleneck is a qdisc that lets a rate through, with a queue of 50 ms.
func bottleneck(rate string) string { return "root tbf rate " + rate + " burst 256kb latency 50ms" }

// limitTrunk puts the same bottleneck into the network, where TCP flows that compete can fill its queue. In a queue of its own host the
// kernel lets a TCP flow have two packets, whatever its window ("TCP small queues"), and who fills that queue has the rest.
//
// The sender's port moves to a bridge of its own, from which a trunk leads to that of the receivers.
func (r *rig) limitTrunk(rate string, superPackets bool) error {
	r.sw.Cable("t0", r.sw, "t1")
	r.sw.Run(`
		ip link add br1 type bridge mcast_snooping 0 stp_state 0 forward_delay 0
		ip link set br1 up
		ip link set ` + bridgePort(0) + ` master br1
		ip link set t0 master br1 up
		ip link set t1 master br0 up`)
	r.passOn("t0", superPackets)
	r.passOn("t1", superPackets)
	r.sw.Run("tc qdisc add dev t0 " + bottleneck(rate))
	r.sw.AwaitPorts("br0")
	r.sw.AwaitPorts("br1")
	return r.net.Err()
}

// limitReceiver puts a token bucket on the way to receiver i, with a queue of 50 ms.
func (r *rig) limitReceiver(i int, rate string) error {
	r.sw.Run("tc qdisc add dev " + bridgePort(i) + " root tbf rate " + rate + " burst 64kb latency 50ms")
	return r.net.Err()
}

// close takes the net down, and with it every device, route and hook. It works also after an interrupt.
func (r *rig) close() { r.net.Close() }
