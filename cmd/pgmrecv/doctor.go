package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/gopgm/gopgm/internal/console"
	"github.com/gopgm/gopgm/internal/netio"
)

// doctorTime is how long the doctor listens if nobody says.
const doctorTime = 10 * time.Second

// findingReport is what the doctor says for machines.
type findingReport struct {
	Event string    `json:"event"` // finding
	Time  time.Time `json:"time"`
	Level string    `json:"level"` // ok, note, problem
	What  string    `json:"what"`
	Do    string    `json:"do,omitempty"`
}

// doctor listens to the endpoint for a while, sends nothing to it, and says what is wrong with the path. Its status is 1 if something is.
func doctor(ctx context.Context, o *options, stdout, stderr io.Writer) int {
	fail := func(err error) int {
		fmt.Fprintf(stderr, "pgmrecv: %s\n", console.Explain(err))
		return console.ExitStatus(err)
	}
	c := netio.Config{Interface: o.endpoint.Interface, Group: o.endpoint.Group, Source: o.endpoint.Source, Receive: true}
	if o.endpoint.Network == "pgm" {
		c.Protocol = 113
	}
	conn, err := netio.Open(ctx, c)
	if err != nil {
		return fail(err)
	}
	defer conn.Close()
	d := o.timeout
	if d == 0 {
		d = doctorTime
	}
	fmt.Fprintf(stderr, "pgmrecv: listening on %s for %v, for %s\n", conn.Interface().Name, o.endpoint, console.FormatDuration(d))
	seen := examine(ctx, conn, c, d)
	if ctx.Err() != nil {
		return fail(ctx.Err())
	}
	problems := 0
	for _, f := range diagnose(seen) {
		if f.level == problem {
			problems++
		}
		if err := f.write(stdout, o.json); err != nil {
			return fail(outputError(err))
		}
	}
	if problems > 0 {
		return console.ExitFailure
	}
	return console.ExitOK
}

// write writes a finding: what it is, and below it, what to do.
func (f finding) write(w io.Writer, asJSON bool) error {
	if asJSON {
		b, err := json.Marshal(findingReport{"finding", time.Now(), f.level.String(), f.what, f.do})
		if err != nil {
			return err
		}
		_, err = w.Write(append(b, '\n'))
		return err
	}
	s := fmt.Sprintf("%-8s %s\n", f.level, f.what)
	if f.do != "" {
		s += fmt.Sprintf("%-8s %s\n", "", f.do)
	}
	_, err := io.WriteString(w, s)
	return err
}

// ownPrefixes returns the networks that an interface is in.
func ownPrefixes(ifi *net.Interface) (list []netip.Prefix) {
	addrs, err := ifi.Addrs()
	if err != nil {
		return nil
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok {
			ip, _ := netip.AddrFromSlice(n.IP)
			ones, _ := n.Mask.Size()
			if ip.Is4In6() && ones > 32 {
				ones -= 96
			}
			list = append(list, netip.PrefixFrom(ip.Unmap(), ones).Masked())
		}
	}
	return list
}

// reversePathDrops returns how many packets the kernel has dropped because it has no route back to their source, of IPv4; 0 if it does not
// tell.
func reversePathDrops() uint64 {
	b, err := os.ReadFile("/proc/thread-self/net/netstat")
	if err != nil {
		return 0
	}
	var names []string
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) == 0 || f[0] != "TcpExt:" {
			continue
		}
		if names == nil {
			names = f
			continue
		}
		for i := range min(len(f), len(names)) {
			if names[i] == "IPReversePathFilter" {
				n, _ := strconv.ParseUint(f[i], 10, 64)
				return n
			}
		}
	}
	return 0
}

// isEnd reports whether reading ended because somebody closed what was read.
func isEnd(err error) bool { return errors.Is(err, net.ErrClosed) }
