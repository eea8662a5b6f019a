//go:build linux

package main

import (
	"net/netip"
	"path/filepath"
	"strconv"
	"time"
)

const (
	udpcastName       = "udpcast"
	udpcastRendezvous = "239.77.2.1" // where sender and receivers find each other
	udpcastData       = "239.77.2.2"
	udpcastPort       = "9000"
)

// udpcast is udpcast (Debian package udpcast), without a limit of its rate: its
// sender waits for the answers of all receivers after each slice.
type udpcast struct{}

func (udpcast) name() string          { return udpcastName }
func (udpcast) plays(c Cell) bool     { return !c.behaviour() }
func (udpcast) group() netip.Addr     { return netip.MustParseAddr(udpcastRendezvous) }
func (udpcast) receiversExit() bool   { return true }
func (udpcast) settle() time.Duration { return 500 * time.Millisecond }

func (udpcast) receiver(_ Cell, _ int, dir string) []string {
	return []string{"udp-receiver", "--interface", hostDevice, "--portbase", udpcastPort, "--nokbd",
		"--mcast-rdv-address", udpcastRendezvous, "--ttl", "1", "--rcvbuf", "8m",
		"--start-timeout", "20", "--receive-timeout", "20", "-f", filepath.Join(dir, payloadName)}
}

func (udpcast) sender(c Cell, file string) []string {
	return []string{"udp-sender", "--interface", hostDevice, "--portbase", udpcastPort, "--nokbd", "--no-progress",
		"--mcast-rdv-address", udpcastRendezvous, "--mcast-data-address", udpcastData, "--nopointopoint", "--ttl", "1",
		"--min-receivers", strconv.Itoa(c.Receivers), "--max-wait", "10", "-f", file}
}

// figures: udpcast prints none that compare with ours.
func (udpcast) figures([]byte, [][]byte) figures { return figures{} }
