package mroute

import (
	"bufio"
	"encoding/binary"
	"io"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// Joined returns the names of the interfaces on which this host has joined a group. There the kernel delivers what comes for the group, whatever bears
// Router Alert, and forwards it as well.
func Joined(group netip.Addr) ([]string, error) {
	f, err := os.Open("/proc/thread-self/net/igmp")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return joined(f, group)
}

// joined reads what the kernel says: a line for each interface, and an indented one for each group on it.
func joined(r io.Reader, group netip.Addr) (names []string, err error) {
	name := ""
	s := bufio.NewScanner(r)
	for s.Scan() {
		line := s.Text()
		f := strings.Fields(line)
		switch {
		case len(f) >= 2 && !strings.HasPrefix(line, "\t"):
			name = strings.TrimSuffix(f[1], ":") // a long one has no space behind it
		case len(f) >= 1:
			var b [4]byte
			n, err := strconv.ParseUint(f[0], 16, 32)
			binary.NativeEndian.PutUint32(b[:], uint32(n))
			if err == nil && netip.AddrFrom4(b) == group {
				names = append(names, name)
			}
		}
	}
	return names, s.Err()
}
