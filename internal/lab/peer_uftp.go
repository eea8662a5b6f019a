//go:build linux

package main

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

const (
	uftpName    = "uftp"
	uftpPublic  = "239.77.1.1" // announcements; its receivers join it first
	uftpPrivate = "239.77.1.2" // the data
	uftpPort    = "1044"
	uftpBuffer  = "8388608"
)

// uftp is UFTP (Debian package uftp), the fastest of the peers in this rig, with
// its largest buffers and full frames.
type uftp struct{}

func (uftp) name() string        { return uftpName }
func (uftp) plays(c Cell) bool   { return !c.behaviour() }
func (uftp) group() netip.Addr   { return netip.MustParseAddr(uftpPublic) }
func (uftp) receiversExit() bool { return false }

// settle is longer than it need be, in favour of the peer.
func (uftp) settle() time.Duration { return time.Second }

// uftpID names receiver i to the sender, which waits for all whom it names.
func uftpID(i int) string { return fmt.Sprintf("0x%08x", i) }

func (uftp) receiver(_ Cell, i int, dir string) []string {
	return []string{"uftpd", "-d", "-D", dir, "-B", uftpBuffer, "-I", hostDevice, "-M", uftpPublic,
		"-p", uftpPort, "-U", uftpID(i), "-x", "1"}
}

func (uftp) sender(c Cell, file string) []string {
	rate := "-1"
	if c.UFTPRate > 0 {
		rate = strconv.Itoa(c.UFTPRate)
	}
	var ids []string
	for i := 1; i <= c.Receivers; i++ {
		ids = append(ids, uftpID(i))
	}
	return []string{"uftp", "-b", "1400", "-B", uftpBuffer, "-I", hostDevice, "-M", uftpPublic, "-P", uftpPrivate,
		"-p", uftpPort, "-x", "1", "-R", rate, "-H", strings.Join(ids, ","), file}
}

// figures: UFTP prints none that compare with ours.
func (uftp) figures([]byte, [][]byte) figures { return figures{} }
