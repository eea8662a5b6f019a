package netns

import (
	"fmt"
	"strconv"
	"strings"
)

// Direction is the way that packets take through an interface.
type Direction string

// The directions, in the words of nft.
const (
	In  Direction = "ingress"
	Out Direction = "egress"
)

// Filter puts rules in an interface's way in or out, in the words of nft, in the place of those that were there. With
//
//	h.Filter(netns.In, "v0", "ip protocol udp counter numgen random mod 100 < 5 counter drop")
//
// the host loses a packet in 20, and Counts returns how many came and how many were lost. Programs that record what passes the interface
// see what comes before it is lost, and what leaves only if it is not.
func (h *Host) Filter(way Direction, name string, rules ...string) {
	if h.net.failed(nil) {
		return
	}
	// A table that is added before it is deleted may have been there or not.
	script := fmt.Sprintf("add table netdev %[1]s_%[2]s\ndelete table netdev %[1]s_%[2]s\n", name, way)
	if len(rules) > 0 {
		script += fmt.Sprintf("table netdev %s_%s {\nchain rules {\ntype filter hook %[2]s device %[1]q priority 0\n%[3]s\n}\n}\n", name, way, strings.Join(rules, "\n"))
	}
	_, err := h.feed("nft -f -", script)
	h.net.failed(err)
}

// Counts returns how many packets each counter among the rules has seen, in their order.
func (h *Host) Counts(way Direction, name string) ([]int, error) {
	out, err := h.Try(fmt.Sprintf("nft list table netdev %s_%s", name, way))
	if err != nil {
		return nil, err
	}
	var counts []int
	for i, part := range strings.Split(out, "counter packets ") {
		if i > 0 {
			number, _, _ := strings.Cut(part, " ")
			n, err := strconv.Atoi(number)
			if err != nil {
				return nil, fmt.Errorf("nft: %w", err)
			}
			counts = append(counts, n)
		}
	}
	return counts, nil
}
